// The example, loaded as a worker loads it.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/plugin.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<std::unique_ptr<const Algorithm>> Load(
    const std::map<std::string, std::string>& options) {
  return LoadAlgorithm("liblookahead.so", {EBB_PLUGIN_FOLDER}, options, 4);
}

TEST(LookaheadTest, SaysWhenItPushes) {
  const auto lookahead = Load({});
  ASSERT_TRUE(lookahead.ok()) << lookahead.status();
  EXPECT_EQ((*lookahead)->Pushes(), PushKind::kChanges);
  EXPECT_EQ((*lookahead)->Plan(),
            (AlgorithmPlan{
                .push_batches = 5, .pull_batches = 5, .worker_vectors = 2}));
  const auto other = Load({{"steps", "12"}});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->Plan().push_batches, 12);
}

// Zhang et al. 2019, algorithm 1, with k = 2 and alpha = 0.25.
TEST(LookaheadTest, GoesAPartOfTheWayThatItsStepsWent) {
  auto lookahead = Load({{"steps", "2"}, {"share", "0.25"}});
  ASSERT_TRUE(lookahead.ok()) << lookahead.status();
  const auto rule = (*lookahead)->MakeLocalRule(2);
  lookahead->reset();  // A rule outlives it.
  ASSERT_NE(rule, nullptr);
  rule->Begin(std::vector<float>{1, 2});
  EXPECT_THAT(rule->Values(), ElementsAre(1, 2));
  rule->Step({.rate = 0.5f, .gradient_scale = 0.5f}, std::vector<float>{4, 8});
  EXPECT_THAT(rule->Values(), ElementsAre(0, 0));
  rule->Step({.rate = 0.5f, .gradient_scale = 0.5f},
             std::vector<float>{12, -8});
  EXPECT_THAT(rule->Values(), ElementsAre(-3, 2));
  std::vector<float> out(2);
  rule->Push({.examples = 4}, out);
  EXPECT_THAT(out, ElementsAre(-1, 0));
  EXPECT_THAT(rule->Values(), ElementsAre(0, 2));
  rule->Pulled(std::vector<float>{7, 8});
  EXPECT_THAT(rule->Values(), ElementsAre(7, 8));
}

TEST(LookaheadTest, RefusesWhatItDoesNotUnderstand) {
  EXPECT_EQ(Load({{"share", "2"}}).status().message(),
            "algorithm.options.share: \"2\" is no number above 0 and at most "
            "1\nhint: steps: 5, share: 0.5");
  EXPECT_EQ(Load({{"setps", "2"}}).status().message(),
            "algorithm.options.setps: lookahead has no such option\n"
            "hint: steps: 5, share: 0.5");
  EXPECT_FALSE(Load({{"steps", "0"}}).ok());
}

}  // namespace
}  // namespace ebb
