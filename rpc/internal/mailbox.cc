#include "rpc/internal/mailbox.h"

#include <algorithm>

namespace ebb::rpc::internal {

Mailbox::Mailbox() : thread_([this] { Run(); }) {}

Mailbox::~Mailbox() { Finish(); }

bool Mailbox::Post(Task task) {
  MutexLock lock(&mu_);
  if (finishing_) return false;
  tasks_.push_back(std::move(task));
  changed_.Signal();
  return true;
}

Mailbox::Timer Mailbox::PostAfter(absl::Duration delay, Task task) {
  // Far enough for "never", and no overflow.
  const auto wait =
      absl::ToChronoNanoseconds(std::min(delay, absl::Hours(24 * 365)));
  MutexLock lock(&mu_);
  const Timer timer{std::chrono::steady_clock::now() + wait, next_timer_++};
  if (!finishing_) {
    timers_.emplace(timer, std::move(task));
    changed_.Signal();
  }
  return timer;
}

void Mailbox::Cancel(const Timer& timer) {
  Task task;  // Destroyed after the lock.
  MutexLock lock(&mu_);
  const auto it = timers_.find(timer);
  if (it == timers_.end()) return;
  task = std::move(it->second);
  timers_.erase(it);
}

void Mailbox::Finish() {
  std::map<Timer, Task> timers;
  {
    MutexLock lock(&mu_);
    finishing_ = true;
    timers.swap(timers_);
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

bool Mailbox::Next(Task* task) {
  MutexLock lock(&mu_);
  while (true) {
    if (!timers_.empty()) {
      const auto first = timers_.begin();
      const auto now = std::chrono::steady_clock::now();
      if (first->first.first <= now) {
        *task = std::move(first->second);
        timers_.erase(first);
        return true;
      }
      if (tasks_.empty()) {
        changed_.WaitFor(&mu_, absl::FromChrono(first->first.first - now));
        continue;
      }
    }
    if (!tasks_.empty()) {
      *task = std::move(tasks_.front());
      tasks_.pop_front();
      return true;
    }
    if (finishing_) return false;
    changed_.Wait(&mu_);
  }
}

void Mailbox::Run() {
  Task task;
  while (Next(&task)) {
    task();
    task = nullptr;  // Its destructor may post; never under the lock.
  }
}

}  // namespace ebb::rpc::internal
