#include "tools/command/owned_program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace ebb::tools {
namespace {

// Ends as the program does that a child of this process becomes.
int StatusOf(const std::vector<std::string>& program) {
  std::vector<std::string> words = OwnedBy(getpid(), program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    signal(SIGINT, SIG_IGN);
    _exit(BecomeOwned(static_cast<int>(words.size()), argv.data()));
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

// Bug: `ebb run train.py &` of a script could ask no program to leave. Each was
// killed after 20 s.
TEST(OwnedProgramTest, ListensToSigintThoughItsOwnerDoesNot) {
  const int status = StatusOf({"sh", "-c", "kill -INT $$; exit 0"});
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST(OwnedProgramTest, HasTheArgumentsAndTheExitCodeOfTheProgram) {
  const int status = StatusOf({"sh", "-c", "exit $1", "sh", "7"});
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
}  // namespace ebb::tools
