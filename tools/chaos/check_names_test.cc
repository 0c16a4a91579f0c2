#include "tools/chaos/check_names.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

using testing::HasSubstr;

constexpr ClusterSize kMost = {4, 8};

ChaosEvent Event(Op op, std::string target) {
  ChaosEvent event;
  event.op = op;
  event.target = std::move(target);
  return event;
}

ChaosEvent Split(std::string a, std::string b) {
  ChaosEvent event;
  event.op = Op::kSplit;
  event.link = {std::move(a), std::move(b)};
  return event;
}

absl::Status Check(const std::vector<ChaosEvent>& events) {
  return CheckNames(events, {2, 3}, kMost);
}

TEST(CheckNamesTest, WhoIsThereAtTheStartMayBeNamed) {
  EXPECT_TRUE(Check({Event(Op::kKill, "ps-1"), Event(Op::kStop, "worker-2"),
                     Event(Op::kKill, "scheduler"), Event(Op::kKill, "all"),
                     Event(Op::kKill, "ps"), Event(Op::kRemove, "worker"),
                     Split("worker-0", "ps-0"), Split("worker", "all")})
                  .ok());
}

TEST(CheckNamesTest, WhoIsNeverThereMayNot) {
  for (const ChaosEvent& event :
       {Event(Op::kKill, "worker-3"), Split("worker-3", "ps-0"),
        Split("ps-0", "worker-3")}) {
    EXPECT_THAT(std::string(Check({event}).message()),
                HasSubstr("names worker-3, which is not there: it has 2 "
                          "servers and 3 workers"));
  }
  EXPECT_THAT(std::string(Check({Event(Op::kKill, "ps-2")}).message()),
              HasSubstr("ps-2"));
}

TEST(CheckNamesTest, WhoIsAddedMayBeNamedByEitherName) {
  EXPECT_TRUE(
      Check({Event(Op::kKill, "worker-3"), Event(Op::kAdd, "worker")}).ok());
  EXPECT_TRUE(
      Check({Event(Op::kAdd, "worker-7"), Event(Op::kKill, "worker-7")}).ok());
}

TEST(CheckNamesTest, AClusterMayBeTooLargeAtTheStartOrLater) {
  EXPECT_THAT(std::string(CheckNames({}, {5, 3}, kMost).message()),
              HasSubstr("5 servers and 3 workers: at most 4 and 8"));
  EXPECT_THAT(std::string(CheckNames({}, {1, 9}, kMost).message()),
              HasSubstr("1 server and 9 workers: at most 4 and 8"));
  EXPECT_TRUE(CheckNames({}, kMost, kMost).ok());
  EXPECT_THAT(
      std::string(
          CheckNames({Event(Op::kAdd, "worker")}, {1, 8}, kMost).message()),
      HasSubstr("there may be 9 workers; at most 8"));
}

}  // namespace
}  // namespace ebb::chaos
