#include "worker/job_scores.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::worker {
namespace {

data::Index TextsOf(const std::vector<std::string>& texts) {
  data::Index index;
  index.encoding.classes = texts;
  for (size_t c = 0; c < texts.size(); ++c) {
    index.classes.push_back(static_cast<float>(c));
  }
  return index;
}

// Bug: precision and recall were of "stayed", and nothing said so.
TEST(JobScoresTest, FiguresAreOfTheClassThatTheJobCallsPositive) {
  const data::Index index = TextsOf({"left", "stayed"});
  models::ModelDescription description;
  description.outputs = 1;
  description.labels = models::LabelKind::kBinary;
  const auto recall_of = [&](const v1::Job& job) {
    auto scores = ScoresOf(job, index, description);
    // One of two that left is found, and all that stayed.
    scores->Add(std::vector<float>{0, 0, 1, 1},
                std::vector<float>{.25f, .75f, .75f, 1});
    return scores->Get().Find(kRecall);
  };
  v1::Job job;
  EXPECT_EQ(PositiveClassOf(job, index), "stayed");
  EXPECT_EQ(recall_of(job), 1);
  job.mutable_data()->set_positive("left");
  EXPECT_EQ(PositiveClassOf(job, index), "left");
  EXPECT_EQ(PlaceOfPositive(job, index), 0);
  EXPECT_EQ(recall_of(job), 0.5);
  EXPECT_EQ(PositiveClassOf(job, TextsOf({"a", "b", "c"})), "");
}

TEST(JobScoresTest, ANumberNamesAClassHoweverItIsWritten) {
  data::Index index;
  index.classes = {-1, 1};
  v1::Job job;
  EXPECT_EQ(PositiveClassOf(job, index), "1");
  job.mutable_data()->set_positive("-1.0");
  EXPECT_EQ(PositiveClassOf(job, index), "-1");
}

}  // namespace
}  // namespace ebb::worker
