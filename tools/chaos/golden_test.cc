// testdata/NAME.yaml is a scenario with mistakes, NAME.err what is said of it.
#include "tests/testing/golden.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tools/chaos/scenario.h"

namespace ebb::chaos {
namespace {

constexpr char kFolder[] = "tools/chaos/testdata";

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, SaysAllThatIsWrongWithAScenario) {
  const auto scenario = ReadScenario(
      testing_golden::CaseText(kFolder, GetParam()), GetParam() + ".yaml");

  EXPECT_EQ(scenario.status().code(), absl::StatusCode::kInvalidArgument);
  testing_golden::ExpectGolden(kFolder, GetParam(),
                               absl::StrCat(scenario.status().message(), "\n"));
}

INSTANTIATE_TEST_SUITE_P(Scenario, GoldenTest,
                         testing::ValuesIn(testing_golden::CaseNames(kFolder)),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ebb::chaos
