#include "tools/process/slow_motion.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"

namespace ebb::tools {

namespace {

// glibc of Debian 12 knows them, its older relatives do not.
int OpenProcess(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

bool SendTo(int fd, int signal) {
  return syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) == 0;
}

}  // namespace

SlowMotion::~SlowMotion() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(&mu_);
  for (auto& [pid, process] : processes_) {
    SendTo(process.fd, SIGCONT);
    close(process.fd);
  }
}

absl::Status SlowMotion::Set(pid_t pid, double share, absl::Duration cycle) {
  MutexLock lock(&mu_);
  Process& process = processes_[pid];
  if (process.fd < 0) {
    process.fd = OpenProcess(pid);
    if (process.fd < 0) {
      const int error = errno;
      processes_.erase(pid);
      return absl::ErrnoToStatus(error, absl::StrCat("process ", pid));
    }
    process.next = SteadyNow();
  }
  process.share = share;
  process.cycle = cycle;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.SignalAll();
  return absl::OkStatus();
}

void SlowMotion::Clear(pid_t pid) {
  MutexLock lock(&mu_);
  const auto it = processes_.find(pid);
  if (it == processes_.end()) return;
  SendTo(it->second.fd, SIGCONT);
  close(it->second.fd);
  processes_.erase(it);
}

bool SlowMotion::Turn(Process* process, absl::Time now) {
  process->stopped = !process->stopped;
  const double share = process->stopped ? 1 - process->share : process->share;
  process->next = now + share * process->cycle;
  return SendTo(process->fd, process->stopped ? SIGSTOP : SIGCONT);
}

// Signals are sent under the lock, so that a cleared process stays so.
void SlowMotion::Run() {
  MutexLock lock(&mu_);
  while (!stop_) {
    const absl::Time now = SteadyNow();
    absl::Time next = now + absl::Hours(1);
    for (auto it = processes_.begin(); it != processes_.end();) {
      Process& process = it->second;
      if (process.next <= now && !Turn(&process, now)) {
        close(process.fd);
        it = processes_.erase(it);
        continue;
      }
      next = std::min(next, process.next);
      ++it;
    }
    changed_.WaitFor(&mu_, next - now);
  }
}

}  // namespace ebb::tools
