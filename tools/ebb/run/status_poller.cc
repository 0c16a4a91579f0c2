#include "tools/ebb/run/status_poller.h"

#include <memory>
#include <utility>

#include "common/steady_time.h"
#include "rpc/admin.h"

namespace ebb::tools {

StatusPoller::StatusPoller(std::string scheduler, rpc::SecurityPtr security,
                           uint64_t job, absl::Duration interval)
    : scheduler_(std::move(scheduler)),
      security_(std::move(security)),
      job_(job),
      interval_(interval),
      thread_([this] { Run(); }) {}

StatusPoller::~StatusPoller() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
    stopping_.SignalAll();
  }
  thread_.join();
}

PolledStatus StatusPoller::Latest() const {
  MutexLock lock(&mu_);
  return latest_;
}

void StatusPoller::Run() {
  const auto connect = [this] {
    return std::make_unique<rpc::SchedulerAdminClient>(scheduler_, security_);
  };
  auto client = connect();
  v1::GetStatusRequest request;
  request.set_job(job_);
  for (;;) {
    auto answer = client->GetStatus(request, absl::Seconds(1));
    if (!answer.ok()) {
      // A new connection finds a scheduler that came back at once; the old one
      // would first wait for longer and longer.
      client = connect();
    }
    const absl::Time now = SteadyNow();
    MutexLock lock(&mu_);
    latest_.error = answer.status();
    if (answer.ok()) {
      latest_.response = *std::move(answer);
      latest_.when = now;
      ++latest_.number;
    }
    const absl::Time next = now + interval_;
    while (!stop_ && SteadyNow() < next) {
      stopping_.WaitFor(&mu_, next - SteadyNow());
    }
    if (stop_) return;
  }
}

}  // namespace ebb::tools
