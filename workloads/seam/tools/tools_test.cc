#include "workloads/seam/tools/tools.h"

#include <string>

#include "gtest/gtest.h"

namespace ebb::workloads {
namespace {

const ToolsSide& SideOf(const std::string& kind) {
  v1::Model model;
  model.set_kind(kind);
  return ToolsOf(model);
}

TEST(ToolsSideTest, ModelsOfPluginsAreTheGradients) {
  EXPECT_EQ(&SideOf("mine"), &SideOf("softmax"));
  EXPECT_NE(&SideOf("mine"), &SideOf("kmeans"));
}

TEST(ToolsSideTest, SidesSayWhatTheirModelsAre) {
  EXPECT_TRUE(SideOf("forest").Facts().trees);
  EXPECT_TRUE(SideOf("boosted_trees").Facts().trees);
  EXPECT_FALSE(SideOf("mlp").Facts().trees);
  EXPECT_EQ(SideOf("word_vectors").Facts().answers, "word vectors");
  EXPECT_EQ(SideOf("lda").Facts().answers, "");
}

TEST(ToolsSideTest, FlagsAreRefusedByName) {
  v1::Job job;
  job.mutable_model()->set_kind("forest");
  const ToolsSide& forest = ToolsOf(job.model());
  EXPECT_TRUE(forest.CheckParts(job, {}).ok());
  EXPECT_EQ(forest.CheckParts(job, {.rows = false}).message(),
            "--without-rows: a model of kind forest has nothing else; leave it "
            "out");
  const ToolsSide& words = SideOf("word_vectors");
  EXPECT_TRUE(words.CheckParts(job, {}).ok());
  EXPECT_FALSE(words.CheckParts(job, {.slots = true}).ok());
  EXPECT_TRUE(
      SideOf("fm").CheckParts(job, {.slots = true, .rows = false}).ok());
}

}  // namespace
}  // namespace ebb::workloads
