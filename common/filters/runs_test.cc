#include "common/filters/internal/runs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/payload.h"

namespace ebb::internal {
namespace {

Payload Slices(const std::vector<std::string>& parts) {
  Payload payload;
  for (const std::string& part : parts) {
    const Payload one =
        Payload::Of(std::vector<char>(part.begin(), part.end()));
    for (const Payload::Slice& slice : one.slices()) {
      payload.Append(slice.owner, slice.bytes);
    }
  }
  return payload;
}

std::vector<std::string> RunsOf(const Payload& payload, size_t unit) {
  std::vector<std::string> found;
  Runs runs(payload, unit);
  for (auto run = runs.Next(); !run.empty(); run = runs.Next()) {
    found.emplace_back(reinterpret_cast<const char*>(run.data()), run.size());
  }
  return found;
}

using Strings = std::vector<std::string>;

TEST(RunsTest, TakesAllWholeUnitsOfASliceAtOnce) {
  EXPECT_EQ(RunsOf(Slices({"abcdef", "ghi"}), 3), (Strings{"abcdef", "ghi"}));
}

TEST(RunsTest, GathersAUnitThatLiesInSeveralSlices) {
  EXPECT_EQ(RunsOf(Slices({"abcd", "e", "fgh"}), 3),
            (Strings{"abc", "def", "gh"}));
}

TEST(RunsTest, TheLastUnitMayBeShort) {
  EXPECT_EQ(RunsOf(Slices({"ab"}), 3), (Strings{"ab"}));
  EXPECT_EQ(RunsOf(Slices({"a", "b", "c", "d"}), 3), (Strings{"abc", "d"}));
}

TEST(RunsTest, NothingHasNoRuns) { EXPECT_TRUE(RunsOf(Payload(), 3).empty()); }

}  // namespace
}  // namespace ebb::internal
