#include "tools/process/child_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/program/spawn_setup.h"

extern char** environ;

namespace ebb::tools {

namespace {

ProcessEnd EndOf(int status) {
  ProcessEnd end;
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.exit_code = WEXITSTATUS(status);
  }
  return end;
}

// The environment with `changes` in it.
std::vector<std::string> OwnEnvironment() {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    all.emplace_back(*entry);
  }
  return all;
}

std::vector<std::string> Environment(const std::vector<std::string>& changes,
                                     const std::vector<std::string>& base) {
  std::vector<std::string> all = changes;
  for (const std::string& text : base) {
    const std::string name = text.substr(0, text.find('=') + 1);
    const bool changed =
        std::ranges::any_of(changes, [&](const std::string& change) {
          return absl::StartsWith(change, name);
        });
    if (!changed) all.push_back(text);
  }
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string ProcessEnd::ToString() const {
  if (signal == 0) return absl::StrCat("exited with ", exit_code);
  return absl::StrCat("was killed by signal ", signal, " (", strsignal(signal),
                      ")");
}

bool ProcessEnd::by_others() const {
  return clean() || signal == SIGKILL || signal == SIGTERM ||
         signal == SIGINT || signal == SIGHUP;
}

absl::StatusOr<ChildProcess> ChildProcess::Start(const ProcessSpec& spec) {
  std::vector<std::string> environment =
      Environment(spec.environment, spec.base ? *spec.base : OwnEnvironment());
  SpawnSetup setup;
  setup.Append(STDOUT_FILENO, spec.log);
  setup.Duplicate(STDOUT_FILENO, STDERR_FILENO);
  setup.CloseFrom(STDERR_FILENO + 1);
  if (!spec.folder.empty()) setup.ChangeFolder(spec.folder);
  pid_t pid = 0;
  const int error = setup.Spawn(spec.argv.front(), spec.argv,
                                Pointers(environment).data(), &pid);
  if (error != 0) {
    return absl::ErrnoToStatus(error,
                               absl::StrCat("cannot start ", spec.argv.front(),
                                            " with the log ", spec.log));
  }
  return ChildProcess(pid);
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    KillAndReap();
    pid_ = std::exchange(other.pid_, 0);
    end_ = other.end_;
  }
  return *this;
}

ChildProcess::~ChildProcess() { KillAndReap(); }

void ChildProcess::KillAndReap() {
  if (pid_ == 0 || Poll()) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<ProcessEnd> ChildProcess::Poll() {
  if (end_ || pid_ == 0) return end_;
  int status = 0;
  const pid_t reaped = waitpid(pid_, &status, WNOHANG);
  if (reaped == pid_) end_ = EndOf(status);
  // Other code reaped it: its number may be another's by now.
  if (reaped < 0 && errno == ECHILD) end_ = ProcessEnd{.exit_code = -1};
  return end_;
}

void ChildProcess::Signal(int signal) {
  if (!Poll() && pid_ != 0) kill(pid_, signal);
}

}  // namespace ebb::tools
