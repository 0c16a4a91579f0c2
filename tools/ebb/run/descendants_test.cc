#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "gtest/gtest.h"
#include "tools/ebb/run/local_cluster.h"

namespace ebb::tools {
namespace {

// Leaves a child of the shell behind, in a process of its own: what else the
// test's process has started is not its business.
int Left(const char* command, const char* expected) {
  const pid_t pid = fork();
  if (pid == 0) {
    AdoptDescendants();
    const int started = std::system(command);
    const auto left = EndDescendants();
    const bool good = expected == nullptr
                          ? left.empty()
                          : left.size() == 1 && left[0].ends_with(expected);
    _exit(started == 0 && good ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

// Bug: a process whose parent had just been killed, and which was ending,
// failed the run.
TEST(DescendantsTest, OneThatEndsByItselfIsNotLeftBehind) {
  EXPECT_EQ(Left("sleep 0.3 &", nullptr), 0);
}

TEST(DescendantsTest, OneThatStaysIsKilledAndNamed) {
  EXPECT_EQ(Left("sleep 600 &", " (sleep)"), 0);
}

}  // namespace
}  // namespace ebb::tools
