// Finds out whether a job can be computed on this worker: opens its data and
// builds its model once (PrepareJob), and again when the job is changed.
//
//   Begin ──> preparing ──> ready
//               ^  └──────> waiting, when the data are out of reach for now
//               └── 5 s later ──┘
//
// Thread-compatible.
#ifndef EBB_CLIENT_JOB_LOADING_H_
#define EBB_CLIENT_JOB_LOADING_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/job_state.h"
#include "protocol/messages.h"

namespace ebb::client {

class JobLoading {
 public:
  // `job` is not owned, and outlives it.
  explicit JobLoading(JobState* job) : job_(*job) {}

  // Has the job prepared, unless it is ready or being prepared.
  void Begin(ClientActions* out);
  // The job was changed: its data stay, but the rest is to be prepared anew.
  void Changed() { ready_ = false; }
  // The answer to PrepareJob. Unavailable: the load is tried again after a
  // pause, some times. Returns why the job cannot be computed here; OK: it can,
  // or it is being loaded again.
  absl::Status OnReady(absl::Status status, absl::Time now, ClientActions* out);
  // Loads again where that is due.
  void OnTick(absl::Time now, ClientActions* out);
  absl::Time NextTick() const;

  bool ready() const { return ready_; }
  bool preparing() const { return preparing_; }
  // It is loaded again in a while.
  bool waits() const { return again_ < absl::InfiniteFuture(); }

 private:
  void Prepare(ClientActions* out);

  JobState& job_;
  JobRecordPtr prepared_;  // The last that was to be prepared.
  bool preparing_ = false;
  bool ready_ = false;
  int failures_ = 0;  // In a row, with the source of the data away.
  absl::Time again_ = absl::InfiniteFuture();
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_JOB_LOADING_H_
