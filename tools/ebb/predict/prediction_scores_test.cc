#include "tools/ebb/predict/prediction_scores.h"

#include <filesystem>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"
#include "worker/predict/predictions.h"

namespace ebb::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<float> Read(absl::string_view text, int64_t each) {
  std::vector<float> outputs;
  const absl::Status status = worker::ReadPredictions(text, each, &outputs);
  EXPECT_TRUE(status.ok()) << status;
  return outputs;
}

TEST(ReadPredictionsTest, TakesTheNumbersAtTheEndOfEachLine) {
  EXPECT_THAT(Read("prediction\n1.5\n-2e-3\n", 1), ElementsAre(1.5f, -2e-3f));
  // One output of two classes is the probability of the second.
  EXPECT_THAT(Read("prediction,p(a),p(b)\na,0.75,0.25\n", 1),
              ElementsAre(0.25f));
  EXPECT_THAT(Read("prediction,p(a),p(b)\na,0.75,0.25\n", 2),
              ElementsAre(0.75f, 0.25f));
  // Names of classes and what --id copies may have quotes, commas and breaks.
  EXPECT_THAT(Read("\"i,d\",prediction,\"p(a\nb)\"\n"
                   "\"1,\"\"2\n3\",\"a\nb\",0.5\n4,c,nan\n",
                   1),
              ElementsAre(0.5f, testing::IsNan()));
  EXPECT_THAT(Read("prediction\n", 1), IsEmpty());
}

TEST(ReadPredictionsTest, RefusesDamagedText) {
  for (const char* text : {"prediction\n1.5", "prediction\n1.5x\n",
                           "prediction\n\n", "prediction,p(a)\na,0.5\nb\n"}) {
    std::vector<float> outputs;
    EXPECT_EQ(worker::ReadPredictions(text, 1, &outputs).code(),
              absl::StatusCode::kDataLoss)
        << text;
  }
  std::vector<float> outputs;
  const absl::Status status =
      worker::ReadPredictions("prediction\n1\n", 2, &outputs);
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("prediction 1 of the file does not end with 2 numbers"));
}

class PartScoresTest : public testing::Test {
 protected:
  // Five examples of the classes 0 and 1.
  PartScoresTest() {
    const std::string path = temp_.path() + "/data.csv";
    EXPECT_TRUE(WriteFile(path, "x,y\n1,0\n2,1\n3,1\n4,0\n5,1\n").ok());
    data::SourceSpec spec;
    spec.kind = data::SourceKind::kCsv;
    spec.path = path;
    input_ = data::Dataset::Load(spec);
    description_.outputs = 1;
    description_.labels = models::LabelKind::kBinary;
  }

  absl::StatusOr<PartScores> Create() {
    EXPECT_TRUE(input_.ok()) << input_.status();
    return PartScores::Create("m.safetensors", model_, description_, *input_);
  }

  TestFolder temp_;
  absl::StatusOr<data::Dataset> input_ = absl::UnknownError("");
  worker::ExportedModel model_;
  models::ModelDescription description_;
};

TEST_F(PartScoresTest, FiguresOfPartsAreThoseOfAllExamples) {
  auto parts = Create();
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->Get().status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(parts->Add("prediction,p(0),p(1)\n0,0.9,0.1\n1,0.3,0.7\n").ok());
  ASSERT_TRUE(parts
                  ->Add("prediction,p(0),p(1)\n0,0.6,0.4\n0,0.8,0.2\n"
                        "1,0.25,0.75\n")
                  .ok());
  Scores all(Task::kTwoClasses, 1);
  all.Add(std::vector<float>{0, 1, 1, 0, 1},
          std::vector<float>{.1f, .7f, .4f, .2f, .75f});
  const auto figures = parts->Get();
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(*figures, all.Get());
  EXPECT_EQ(parts->Add("prediction,p(0),p(1)\n0,0.9,0.1\n").code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(PartScoresTest, ModelsWithoutLabelsHaveNone) {
  description_.labels = models::LabelKind::kNone;
  EXPECT_THAT(std::string(Create().status().message()),
              HasSubstr("m.safetensors: the model looks at no labels"));
}

TEST(ScoresTextTest, TellsFiguresAndBins) {
  Scores scores(Task::kTwoClasses, 1);
  scores.Add(std::vector<float>{0, 1}, std::vector<float>{.25f, .75f});
  EXPECT_EQ(ScoresText(scores.Get(), 2, "left"),
            "2 examples: accuracy 1.0000, log loss 0.2877, AUC 1.0000, F1 "
            "1.0000 of 'left', precision 1.0000 of 'left', recall 1.0000 of "
            "'left', ECE 0.2500 of 'left'\n"
            "calibration: predicted 0.2500, observed 0.0000  (1 example)\n"
            "             predicted 0.7500, observed 1.0000  (1 example)\n");
}

}  // namespace
}  // namespace ebb::tools
