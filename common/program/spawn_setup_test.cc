#include "common/program/spawn_setup.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"

namespace ebb {
namespace {

TEST(SpawnSetupTest, HasItsLogItsFolderNoInputAndAGroupOfItsOwn) {
  const TestFolder folder;
  const std::string log = folder / "log";
  std::ofstream(log) << "before\n";
  SpawnSetup setup;
  setup.Append(STDOUT_FILENO, log);
  setup.Duplicate(STDOUT_FILENO, STDERR_FILENO);
  setup.CloseFrom(STDERR_FILENO + 1);
  setup.ChangeFolder("/");
  pid_t pid = 0;
  ASSERT_EQ(setup.Spawn("sh",
                        {"sh", "-c",
                         "cat; pwd; ls /proc/$$/fd; "
                         "ps -o pgid= -p $$ >&2"},
                        environ, &pid),
            0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  std::ifstream in(log);
  std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
  EXPECT_EQ(words, (std::vector<std::string>{"before", "/", "0", "1", "2",
                                             std::to_string(pid)}));
}

TEST(SpawnSetupTest, SaysWhatIsMissing) {
  SpawnSetup setup;
  pid_t pid = 0;
  EXPECT_EQ(setup.Spawn("/no/program", {"program"}, environ, &pid), ENOENT);
}

}  // namespace
}  // namespace ebb
