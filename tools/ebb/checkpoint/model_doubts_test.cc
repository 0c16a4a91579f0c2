#include "tools/ebb/checkpoint/model_doubts.h"

#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Bug: the model of a run that had diverged was exported without a word.
TEST(ModelDoubtsTest, TellsOfWhatIsNotTrainedToItsEndAndOfWhatIsAstray) {
  const std::vector<float> good = {1, -2};
  EXPECT_THAT(DoubtsOf(IncompleteText(4000, 4000), good), IsEmpty());
  EXPECT_THAT(DoubtsOf(IncompleteText(2725, 63371), good),
              ElementsAre("the job is not complete: 2,725 of 63,371 examples "
                          "are in this model"));
  const std::vector<float> astray = {1, std::numeric_limits<float>::infinity(),
                                     std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(DoubtsOf(IncompleteText(8, 8), astray),
              ElementsAre("2 of 3 parameters are not finite: the training "
                          "diverged, and what it predicts is of no use"));
}

}  // namespace
}  // namespace ebb::tools
