// Asks a scheduler again and again, on a thread of its own, how a job is.
#ifndef EBB_TOOLS_EBB_RUN_STATUS_POLLER_H_
#define EBB_TOOLS_EBB_RUN_STATUS_POLLER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "ebb/v1/scheduler.pb.h"
#include "rpc/security.h"

namespace ebb::tools {

struct PolledStatus {
  absl::Status error;              // Error of the last time; OK: it answered.
  v1::GetStatusResponse response;  // The last one there was.
  absl::Time when = absl::InfinitePast();  // When the response came.
  int64_t number = 0;  // Number of the response; 0: there was none.
};

// Thread-safe. The destructor joins the thread.
class StatusPoller {
 public:
  StatusPoller(std::string scheduler, rpc::SecurityPtr security, uint64_t job,
               absl::Duration interval);
  ~StatusPoller();

  PolledStatus Latest() const;

 private:
  void Run();

  const std::string scheduler_;
  const rpc::SecurityPtr security_;
  const uint64_t job_;
  const absl::Duration interval_;
  mutable Mutex mu_;
  CondVar stopping_;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  PolledStatus latest_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_STATUS_POLLER_H_
