// Reads partitions from other servers, for moves to this one: asks, and checks
// and copies what comes, on a thread of its own.
#ifndef EBB_SERVER_PEER_READER_H_
#define EBB_SERVER_PEER_READER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "protocol/messages.h"
#include "rpc/transport.h"
#include "server/store/fetched.h"
#include "server/task_threads.h"

namespace ebb::server {

// Thread-safe. The core bounds the tasks under way: a few for each move.
class PeerReader {
 public:
  // Called on the reader's thread, once for each task unless it is stopped.
  using Done = std::function<void(const FetchRequest& request,
                                  absl::StatusOr<Fetched> fetched)>;

  // `transport` is not owned and outlives the reader.
  PeerReader(rpc::Transport* transport, Done done);
  ~PeerReader() { Stop(); }

  void Add(FetchTask task);
  // Waits for what runs; what waits is dropped.
  void Stop();

 private:
  void Ask(const std::shared_ptr<const FetchTask>& task);

  rpc::Transport* const transport_;
  const Done done_;
  // By address: as many as there are servers. Used by the thread alone, and by
  // Stop after it.
  std::map<std::string, std::unique_ptr<rpc::PsChannel>> channels_;
  TaskThreads thread_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PEER_READER_H_
