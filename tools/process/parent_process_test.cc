#include "tools/process/parent_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(ParentProcessTest, IsTheOneThatStartedIt) {
  EXPECT_EQ(ParentOf(getpid()), getppid());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(0);
  EXPECT_EQ(ParentOf(child), getpid());
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(ParentOf(child), 0);
}

}  // namespace
}  // namespace ebb::tools
