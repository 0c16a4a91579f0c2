// testdata/NAME.yaml is a scenario with mistakes, NAME.err what is said of it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tools/chaos/scenario.h"

namespace ebb::chaos {
namespace {

constexpr char kFolder[] = "tools/chaos/testdata";

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> CaseNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") {
      names.push_back(entry.path().stem());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, SaysAllThatIsWrongWithAScenario) {
  const std::filesystem::path stem =
      std::filesystem::path(kFolder) / GetParam();
  const std::string text = ReadText(stem.string() + ".yaml");

  const auto scenario = ReadScenario(text, GetParam() + ".yaml");

  EXPECT_EQ(scenario.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string actual = absl::StrCat(scenario.status().message(), "\n");
  const std::string golden = stem.string() + ".err";
  if (std::getenv("EBB_REWRITE") != nullptr) {
    std::ofstream(golden, std::ios::binary) << actual;
  }
  EXPECT_EQ(actual, ReadText(golden));
}

INSTANTIATE_TEST_SUITE_P(Scenario, GoldenTest, testing::ValuesIn(CaseNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ebb::chaos
