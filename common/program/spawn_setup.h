// The state in which a child process begins.
//
//   SpawnSetup setup;
//   setup.Append(STDOUT_FILENO, "child.log");
//   setup.Duplicate(STDOUT_FILENO, STDERR_FILENO);
//   setup.CloseFrom(STDERR_FILENO + 1);
//   const int error = setup.Spawn("/usr/bin/sleep", arguments, environ, &pid);
#ifndef EBB_COMMON_PROGRAM_SPAWN_SETUP_H_
#define EBB_COMMON_PROGRAM_SPAWN_SETUP_H_

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace ebb {

// It has no input, default signals, and a process group of its own, so that
// Ctrl-C reaches only this process. What a person or the terminal may send and
// this process ignores, it ignores, too; not SIGTERM, by which it is asked to
// end. Steps are done in the order of the calls. Thread-compatible.
class SpawnSetup {
 public:
  SpawnSetup();
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup();

  // The child's descriptor appends to the file, which is made if missing.
  void Append(int fd, const std::string& path);
  // The child's descriptor `to` is what `from` is.
  void Duplicate(int from, int to);
  // The child has no descriptors from here on.
  void CloseFrom(int fd);
  void ChangeFolder(const std::string& folder);

  // Starts `program`, which is looked for in PATH if it has no slash. Returns
  // an errno; 0: it runs as `*pid`. Also an errno of the calls before.
  int Spawn(const std::string& program, std::vector<std::string> arguments,
            char* const* environment, pid_t* pid);

 private:
  // Keeps the first error.
  void Note(int error) {
    if (error_ == 0) error_ = error;
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  int error_ = 0;
};

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_SPAWN_SETUP_H_
