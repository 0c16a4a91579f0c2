#include "job/base/mistake.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::job {
namespace {

TEST(SourceMapTest, FindsTheNearestKeyAround) {
  SourceMap sources;
  sources.Set("", {"f.yaml", 1});
  sources.Set("model", {"f.yaml", 2});
  sources.Set("model.layers", {"f.yaml", 4});
  EXPECT_EQ(sources.Find("model.layers[3]").line, 4);
  EXPECT_EQ(sources.Find("model.kind").line, 2);
  EXPECT_EQ(sources.Find("train.epochs").line, 1);
}

TEST(SourceMapTest, ForgetsAKeyWithAllBelowIt) {
  SourceMap sources;
  sources.Set("model", {"f.yaml", 2});
  sources.Set("model.kind", {"f.yaml", 3});
  sources.Set("model.layers[0]", {"f.yaml", 4});
  sources.Set("model_of_another", {"f.yaml", 5});
  sources.Forget("model");
  EXPECT_EQ(sources.Find("model.kind").line, 0);
  EXPECT_EQ(sources.Find("model.layers[0]").line, 0);
  EXPECT_EQ(sources.Find("model_of_another").line, 5);
}

TEST(MistakeTest, NamesFileLineFieldAndWhatWouldBeRight) {
  const Mistake mistake{{"f.yaml", 4}, "train.epochs", "is wrong", "epochs: 8"};
  EXPECT_EQ(mistake.ToString(),
            "f.yaml:4: train.epochs: is wrong\n  hint: epochs: 8");
  EXPECT_EQ((Mistake{{"--set", 0}, "seed", "is wrong"}).ToString(),
            "--set: seed: is wrong");
  EXPECT_EQ((Mistake{{}, "", "is wrong"}).ToString(), "is wrong");
}

TEST(MistakeTest, StatusHasAllByLine) {
  EXPECT_TRUE(ToStatus({}).ok());
  const absl::Status status = ToStatus(
      {{{"--set", 0}, "c", "3"}, {{"f", 9}, "b", "2"}, {{"f", 1}, "a", "1"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "f:1: a: 1\nf:9: b: 2\n--set: c: 3");
}

TEST(MistakeTest, MergingLeavesOutWhatFollowsFromAnother) {
  std::vector<Mistake> mistakes = {
      {{}, "model.layers[1]", "no number"},
      {{}, "trian", "no such key", "", "train"},
  };
  MergeMistakes({{{}, "model.layers", "missing"},
                 {{}, "train.epochs", "missing"},
                 {{}, "model.layers_of_another", "missing"}},
                &mistakes);
  ASSERT_EQ(mistakes.size(), 3u);
  EXPECT_EQ(mistakes[2].path, "model.layers_of_another");
}

TEST(MistakeTest, PlacesAStatusThatNamesAKey) {
  SourceMap sources;
  sources.Set("", {"f.yaml", 1});
  sources.Set("model", {"f.yaml", 3});
  EXPECT_EQ(MistakeFromStatus(absl::InvalidArgumentError(
                                  "model.layers: too wide\nhint: layers: [1]"),
                              sources)
                .ToString(),
            "f.yaml:3: model.layers: too wide\n  hint: layers: [1]");
  EXPECT_EQ(MistakeFromStatus(absl::NotFoundError("/data/a.csv: no such file"),
                              sources)
                .ToString(),
            "f.yaml:1: /data/a.csv: no such file");
}

// Bug: a file with a name like train.csv was taken for a key, and another line
// was named.
TEST(MistakeTest, AFileIsNotAKey) {
  SourceMap sources;
  sources.Set("", {"f.yaml", 1});
  for (const std::string key : {"train", "data", "model", "seed"}) {
    sources.Set(key, {"f.yaml", 3});
    const std::string text = key + ".csv: no such file";
    const Mistake mistake =
        MistakeFromStatus(absl::NotFoundError(text), sources);
    EXPECT_EQ(mistake.path, "");
    EXPECT_EQ(mistake.ToString(), "f.yaml:1: " + text);
  }
  for (const std::string path :
       {"data.train.csv.path", "model.class", "model.layers[2]", "freeze[0]",
        "tables.layer1.weights.rate_factor", "model", "data.fold"}) {
    EXPECT_EQ(
        MistakeFromStatus(absl::NotFoundError(path + ": no"), sources).path,
        path);
  }
}

TEST(MistakeTest, QuotesValuesSafely) {
  EXPECT_EQ(QuoteValue("a"), "\"a\"");
  EXPECT_EQ(QuoteValue("a\n\"\x7f"), "\"a\\n\\\"\\177\"");
  EXPECT_EQ(QuoteValue(std::string(59, 'a') + "\xc3\xa4" + "b"),
            "\"" + std::string(59, 'a') + "…\"");
}

}  // namespace
}  // namespace ebb::job
