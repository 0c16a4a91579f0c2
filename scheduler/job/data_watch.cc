#include "scheduler/job/data_watch.h"

#include <algorithm>

#include "common/plant.h"

namespace ebb::scheduler {

namespace {

constexpr absl::Duration kAfterEnd = absl::Seconds(1);

}  // namespace

bool DataWatch::WantsWorker() const {
  return job_.started && job_.plan().grows && worker_ == SessionId() &&
         job_.state.phase == JobPhase::kRunning &&
         job_.leases.reached() < job_.plan().AllExamples();
}

void DataWatch::Ask(SessionId worker, Context* context) {
  worker_ = worker;
  deadline_ = context->now + job_.options.look_timeout;
  context->cluster->workers.IsLeased(worker, job_.id());
  context->ToWorker(worker, WatchData{job_.record, job_.leases.reached()});
}

bool DataWatch::Reached(const DataReached& message, absl::Time now) {
  if (message.session != worker_) return false;
  failed_ = SessionId();
  reached_ = std::max(reached_, message.examples);
  job_.leases.DataReaches(reached_);
  if (message.ended) {
    // It would say so at once again. If the job cannot end yet, it is asked
    // later.
    deadline_ = now + kAfterEnd;
    return job_.plan().endless();
  }
  worker_ = SessionId();
  return false;
}

void DataWatch::WorkerLost(SessionId worker) {
  if (failed_ == worker) failed_ = SessionId();
  if (worker_ != worker || EBB_PLANTED(watch_duty_is_lost)) return;
  worker_ = SessionId();
}

void DataWatch::Tick(absl::Time now) {
  if (worker_ == SessionId() || now < deadline_) return;
  if (EBB_PLANTED(watch_duty_is_lost)) {
    deadline_ = absl::InfiniteFuture();
    return;
  }
  failed_ = worker_;
  worker_ = SessionId();
}

absl::Time DataWatch::NextTick() const {
  return worker_ == SessionId() ? absl::InfiniteFuture() : deadline_;
}

}  // namespace ebb::scheduler
