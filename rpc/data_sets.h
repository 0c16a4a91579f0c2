// The data sets of a daemon, over gRPC: see proto/ebb/v1/data.proto.
//
//   DataSetsClient sets("scheduler:7000", security);
//   auto pushed = datasets::PushFolder("mnist", "mnist", &sets, {});
//
// A daemon serves them by GrpcTransport::ServeData.
#ifndef EBB_RPC_DATA_SETS_H_
#define EBB_RPC_DATA_SETS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "datasets/set_store.h"
#include "datasets/target.h"
#include "rpc/security.h"

namespace ebb::rpc {

struct DataSetsOptions {
  // For how long a call is tried again where the daemon is away or has too much
  // to do. Default a minute: a daemon restarts in less.
  absl::Duration patience = absl::Minutes(1);
  // The same if it was never reached, as it may not exist at all. Default 5 s;
  // give patience if the daemon may start later than its callers.
  absl::Duration first_patience = absl::Seconds(5);
  // Limit of a try that moves a chunk, or less. Default 30 s; give more for
  // links slower than 1 Mbit/s, as a chunk has 1 MiB.
  absl::Duration call_limit = absl::Seconds(30);
  // Asked between tries; true gives up with kCancelled. Default null: never.
  std::function<bool()> stop = nullptr;
};

// The data sets of the scheduler at an address. Thread-safe; has one
// connection. Errors beside those of the seams: Unavailable: the scheduler
// cannot be reached. Unimplemented: it keeps no data. PermissionDenied: the
// role in this process's certificate does not allow the call.
class DataSetsClient : public datasets::Target, public datasets::Source {
 public:
  explicit DataSetsClient(const std::string& address,
                          SecurityPtr security = nullptr,
                          DataSetsOptions options = {});
  ~DataSetsClient() override;

  absl::StatusOr<Begun> BeginPush(absl::string_view name,
                                  absl::string_view manifest,
                                  bool verify) override;
  absl::StatusOr<std::vector<int64_t>> FindMissing(absl::string_view name,
                                                   absl::string_view id,
                                                   int64_t first,
                                                   int64_t count) override;
  absl::Status PutChunk(absl::string_view name, absl::string_view id,
                        int64_t chunk, absl::string_view bytes) override;
  absl::Status Publish(absl::string_view name, absl::string_view id) override;

  absl::StatusOr<std::string> GetManifest(absl::string_view name) override;
  absl::StatusOr<std::string> GetChunk(absl::string_view name,
                                       absl::string_view id,
                                       int64_t chunk) override;

  absl::StatusOr<std::vector<datasets::SetSummary>> List();
  absl::Status Remove(absl::string_view name);

 private:
  struct Impl;
  const std::unique_ptr<const Impl> impl_;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_DATA_SETS_H_
