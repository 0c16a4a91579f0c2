// What is wrong with a shared object is said before a job trains with it. What
// a right one does is in examples/plugins/lookahead.
#include "algorithms/plugin.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

absl::Status Load(const std::string& file) {
  return LoadAlgorithm(file, {EBB_TEST_PLUGINS}, {}, 0).status();
}

TEST(AlgorithmPluginTest, SaysWhatIsWrongWithOne) {
  const struct {
    const char* how;
    const char* said;
  } kBroken[] = {{"symbol", "exports no function ebb_algorithm_plugin"},
                 {"version", "is made for version 2 of the interface"},
                 {"member", "a member of its EbbAlgorithmPlugin is null"},
                 {"nothing", "made nothing"},
                 {"silent", "failed without a word"},
                 {"plan", "pushes every -1 batches"},
                 {"forget", "forget is null"}};
  for (const auto& [how, said] : kBroken) {
    const absl::Status status =
        Load(std::string("libbroken_algorithm_") + how + ".so");
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << how << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(said)) << how;
  }
}

TEST(AlgorithmPluginTest, OnlyAllowedFoldersAreLookedInto) {
  EXPECT_TRUE(absl::IsNotFound(Load("libnone.so")));
  const std::string file =
      std::string(EBB_TEST_PLUGINS) + "/libbroken_algorithm_plan.so";
  EXPECT_TRUE(
      absl::IsPermissionDenied(LoadAlgorithm(file, {}, {}, 0).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      LoadAlgorithm(file, {"/usr/lib"}, {}, 0).status()));
}

}  // namespace
}  // namespace ebb
