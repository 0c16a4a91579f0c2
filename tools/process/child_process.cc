#include "tools/process/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/program/ignored_signals.h"

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
std::vector<std::string> Environment(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text = *entry;
    const absl::string_view name = text.substr(0, text.find('=') + 1);
    bool changed = false;
    for (const std::string& change : changes) {
      changed = changed || absl::StartsWith(change, name);
    }
    if (!changed) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What a new process begins with: no input, the log, no other descriptor of
// ours, default signals, a process group of its own. What a person or the
// terminal may send and this process ignores, it ignores, too; not SIGTERM, by
// which this process asks it to end.
class SpawnSetup {
 public:
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  // An errno; 0: good.
  int Prepare(const ProcessSpec& spec) {
    int error = posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO,
                                                 "/dev/null", O_RDONLY, 0);
    if (error == 0) {
      error = posix_spawn_file_actions_addopen(
          &actions_, STDOUT_FILENO, spec.log.c_str(),
          O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
    if (error == 0) {
      error = posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO,
                                               STDERR_FILENO);
    }
    if (error == 0) {
      error = posix_spawn_file_actions_addclosefrom_np(&actions_,
                                                       STDERR_FILENO + 1);
    }
    if (error == 0 && !spec.folder.empty()) {
      error =
          posix_spawn_file_actions_addchdir_np(&actions_, spec.folder.c_str());
    }
    sigset_t none;
    sigemptyset(&none);
    sigset_t all;
    sigfillset(&all);
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT}) {
      if (IsIgnored(signal)) sigdelset(&all, signal);
    }
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK |
                                               POSIX_SPAWN_SETSIGDEF |
                                               POSIX_SPAWN_SETPGROUP);
    return error;
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

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
  std::vector<std::string> arguments = spec.argv;
  std::vector<std::string> environment = Environment(spec.environment);
  SpawnSetup setup;
  int error = setup.Prepare(spec);
  pid_t pid = 0;
  if (error == 0) {
    error = posix_spawn(&pid, spec.argv.front().c_str(), setup.actions(),
                        setup.attributes(), Pointers(arguments).data(),
                        Pointers(environment).data());
  }
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
