// testdata/NAME.yaml is a job file with mistakes, NAME.err what is said of it.
#include "tests/testing/golden.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "job/base/mistake.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

constexpr char kFolder[] = "job/testdata";

// "# data: train 100x4x3, test 50x4x3" and "# set: KEY=VALUE" lines.
struct Setting {
  DataFacts facts;
  std::vector<std::string> overrides;
};

SourceFacts ReadFacts(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, 'x');
  SourceFacts facts;
  EXPECT_EQ(parts.size(), 3u);
  EXPECT_TRUE(absl::SimpleAtoi(parts[0], &facts.examples));
  EXPECT_TRUE(absl::SimpleAtoi(parts[1], &facts.features));
  EXPECT_TRUE(absl::SimpleAtoi(parts[2], &facts.classes));
  return facts;
}

Setting ReadSetting(absl::string_view text) {
  Setting setting;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "# set: ")) {
      setting.overrides.emplace_back(line);
    } else if (absl::ConsumePrefix(&line, "# data: ")) {
      setting.facts.model_kinds = {"linear", "logistic", "softmax", "mlp"};
      for (absl::string_view part : absl::StrSplit(line, ", ")) {
        if (absl::ConsumePrefix(&part, "train ")) {
          setting.facts.train = ReadFacts(part);
        } else if (absl::ConsumePrefix(&part, "test ")) {
          setting.facts.test = ReadFacts(part);
        } else {
          ADD_FAILURE() << "neither train nor test: " << part;
        }
      }
    }
  }
  return setting;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, SaysAllThatIsWrongWithAJobFile) {
  const std::string text = testing_golden::CaseText(kFolder, GetParam());
  const Setting setting = ReadSetting(text);

  JobFile file = ReadJob(text, GetParam() + ".yaml", setting.overrides);
  if (setting.facts.train.has_value()) {
    ASSERT_TRUE(file.ok()) << "the data of a wrong job is not looked at:\n"
                           << ToString(file.mistakes);
    file.mistakes = ValidateJob(file.job, setting.facts, file.sources);
  }

  EXPECT_FALSE(file.mistakes.empty());
  testing_golden::ExpectGolden(kFolder, GetParam(),
                               ToString(file.mistakes) + "\n");
}

// The value that a hint gives to the key of its mistake: "epochs: 3" of
// "train.epochs". Absent: the hint is a sentence, has several ways, or is about
// another key.
std::optional<std::string> ValueHinted(const Mistake& mistake,
                                       absl::string_view path) {
  const std::string key(path.substr(path.rfind('.') + 1));
  absl::string_view value = mistake.hint;
  if (!absl::ConsumePrefix(&value, key + ": ") ||
      absl::StrContains(value, ", ") || absl::StrContains(value, "…")) {
    return std::nullopt;
  }
  if (absl::ConsumePrefix(&value, "\"")) absl::ConsumeSuffix(&value, "\"");
  return std::string(value);
}

TEST_P(GoldenTest, AHintIsNotRefusedItself) {
  const std::string text = testing_golden::CaseText(kFolder, GetParam());
  const Setting setting = ReadSetting(text);
  const auto mistakes_with = [&](const std::vector<std::string>& overrides) {
    JobFile file = ReadJob(text, GetParam() + ".yaml", overrides);
    if (file.ok() && setting.facts.train.has_value()) {
      return ValidateJob(file.job, setting.facts, file.sources);
    }
    return file.mistakes;
  };
  const std::vector<Mistake> mistakes = mistakes_with(setting.overrides);
  for (const Mistake& mistake : mistakes) {
    const std::string path = mistake.path.substr(0, mistake.path.find('['));
    const auto value = ValueHinted(mistake, path);
    // Where two rules disagree about a key, each is told with its own hint.
    const bool alone =
        std::ranges::count(mistakes, mistake.path, &Mistake::path) == 1;
    if (!value || !alone) continue;
    std::vector<std::string> overrides = setting.overrides;
    std::erase_if(overrides, [&](const std::string& one) {
      const std::string key = one.substr(0, one.find('='));
      return absl::StartsWith(key, path) || absl::StartsWith(path, key);
    });
    overrides.push_back(absl::StrCat(path, "=", *value));
    // Rules look at a number once it is in its range. The facts of the data are
    // those of another split.
    const auto is_expected = [&](const Mistake& other) {
      return other.path == "data.split" ||
             (absl::StartsWith(mistake.what, "must be") &&
              !absl::StartsWith(other.what, "must be"));
    };
    for (const Mistake& other : mistakes_with(overrides)) {
      // What the file has for the key may still be no value at all.
      EXPECT_FALSE(other.place.file == "--set" && !is_expected(other) &&
                   other.path.substr(0, other.path.find('[')) == path)
          << mistake.ToString() << "\nand then\n"
          << other.ToString();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Job, GoldenTest,
                         testing::ValuesIn(testing_golden::CaseNames(kFolder)),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ebb::job
