#include "common/program/spawn_setup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/program/ignored_signals.h"

namespace ebb {

SpawnSetup::SpawnSetup() {
  posix_spawn_file_actions_init(&actions_);
  posix_spawnattr_init(&attributes_);
  Note(posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null",
                                        O_RDONLY, 0));
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
}

SpawnSetup::~SpawnSetup() {
  posix_spawn_file_actions_destroy(&actions_);
  posix_spawnattr_destroy(&attributes_);
}

void SpawnSetup::Append(int fd, const std::string& path) {
  Note(posix_spawn_file_actions_addopen(&actions_, fd, path.c_str(),
                                        O_WRONLY | O_CREAT | O_APPEND, 0644));
}

void SpawnSetup::Duplicate(int from, int to) {
  Note(posix_spawn_file_actions_adddup2(&actions_, from, to));
}

void SpawnSetup::CloseFrom(int fd) {
  Note(posix_spawn_file_actions_addclosefrom_np(&actions_, fd));
}

void SpawnSetup::ChangeFolder(const std::string& folder) {
  Note(posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()));
}

int SpawnSetup::Spawn(const std::string& program,
                      std::vector<std::string> arguments,
                      char* const* environment, pid_t* pid) {
  if (error_ != 0) return error_;
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return posix_spawnp(pid, program.c_str(), &actions_, &attributes_,
                      pointers.data(), environment);
}

}  // namespace ebb
