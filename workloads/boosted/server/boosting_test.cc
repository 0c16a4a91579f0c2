#include "workloads/boosted/server/boosting.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

BoostingOptions Options(BoostedShape shape) {
  BoostingOptions options;
  options.shape = shape;
  options.shrinkage = 0.5;
  return options;
}

// Sums with which no split equals another.
std::vector<float> SomeSums(const BoostedShape& shape, uint32_t seed) {
  std::mt19937 draw(seed);
  std::uniform_real_distribution<float> gradient(-2, 2);
  std::uniform_int_distribution<int> examples(0, 9);
  std::vector<float> sum(shape.Parameters());
  for (int64_t at = shape.HistogramsAt(); at < std::ssize(sum);
       at += BoostedSums::kCount) {
    const auto count = static_cast<float>(examples(draw));
    sum[at] = count == 0 ? 0 : gradient(draw);
    sum[at + 1] = count / 4;
    sum[at + 2] = count;
  }
  return sum;
}

// The best gain over all subsets of intervals that a split can send left.
double BestGainByHand(const BoostingOptions& options,
                      std::span<const float> histogram) {
  const int64_t bins = options.shape.bins;
  const auto sums = [&](auto&& chosen) {
    BoostingSums all;
    for (int64_t bin = 0; bin <= bins; ++bin) {
      if (!chosen(bin)) continue;
      all.gradient += histogram[bin * 3];
      all.curvature += histogram[bin * 3 + 1];
      all.examples += histogram[bin * 3 + 2];
    }
    return all;
  };
  const auto objective = [&](const BoostingSums& of) {
    return of.examples == 0
               ? 0
               : of.gradient * of.gradient / (of.curvature + options.l2) / 2;
  };
  double best = 0;
  for (int64_t bin = 0; bin < bins; ++bin) {
    for (const bool missing_left : {false, true}) {
      const auto left = [&](int64_t one) {
        return one == bins ? missing_left : one <= bin;
      };
      const BoostingSums a = sums(left);
      const BoostingSums b = sums([&](int64_t one) { return !left(one); });
      if (std::min(a.examples, b.examples) <
          static_cast<double>(options.leaf_examples)) {
        continue;
      }
      const BoostingSums all = sums([](int64_t) { return true; });
      best = std::max(best, objective(a) + objective(b) - objective(all));
    }
  }
  return best;
}

TEST(BoostingTest, FindsTheSplitThatBruteForceFinds) {
  BoostingOptions options = Options({.features = 40, .depth = 2, .bins = 6});
  options.leaf_examples = 5;
  const std::vector<float> sum = SomeSums(options.shape, 1);
  const int64_t floats = options.shape.HistogramFloats();
  int splits = 0;
  for (int64_t f = 0; f < options.shape.features; ++f) {
    const auto histogram = std::span(sum).subspan(
        options.shape.HistogramsAt() + f * floats, floats);
    const BoostingSplit split = BestSplit(options, f, histogram);
    EXPECT_NEAR(split.gain, BestGainByHand(options, histogram), 1e-9);
    EXPECT_EQ(split.feature, f);
    if (split.gain > 0) {
      ++splits;
      EXPECT_GE(std::min(split.left.examples, split.right.examples), 5);
    }
  }
  EXPECT_GT(splits, 20);
}

TEST(BoostingTest, TiesGoToTheLowerIntervalAndFeature) {
  const BoostingOptions options =
      Options({.features = 2, .depth = 1, .bins = 4});
  // Nothing lies between the intervals 0 and 3.
  const std::vector<float> histogram = {-3, 1, 4, 0, 0, 0, 0, 0,
                                        0,  3, 1, 4, 0, 0, 0};
  const BoostingSplit second = BestSplit(options, 1, histogram);
  const BoostingSplit first = BestSplit(options, 0, histogram);
  EXPECT_EQ(first.bin, 0);
  EXPECT_TRUE(first.Beats(second));
  EXPECT_FALSE(second.Beats(first));
}

TEST(BoostingTest, MissingValuesGoWhereTheGainIsLarger) {
  const BoostingOptions options =
      Options({.features = 1, .depth = 1, .bins = 2});
  const auto missing_right = [&](float gradient) {
    return BestSplit(options, 0,
                     std::vector<float>{-3, 1, 4, 3, 1, 4, gradient, 1, 4})
        .missing_right;
  };
  EXPECT_FALSE(missing_right(-2));
  EXPECT_TRUE(missing_right(2));
  // If none are missing, the side with most of the examples.
  const auto without = [&](float left, float right) {
    return BestSplit(options, 0,
                     std::vector<float>{-3, 1, left, 3, 1, right, 0, 0, 0})
        .missing_right;
  };
  EXPECT_FALSE(without(5, 4));
  EXPECT_TRUE(without(4, 5));
}

TEST(BoostingTest, AFeatureOfOneValueHasNoSplit) {
  const BoostingOptions options =
      Options({.features = 1, .depth = 1, .bins = 2});
  const BoostingSplit split =
      BestSplit(options, 0, std::vector<float>{-3, 1, 4, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(split.gain, 0);
  EXPECT_TRUE(split.known());
  EXPECT_EQ(split.left, (BoostingSums{-3, 1, 4}));
}

// Wherever the partitions are cut, also within a histogram and by several of
// them, the splits are the same to the bit.
TEST(BoostingTest, PartitionsCutWhereTheyLike) {
  const BoostingOptions options =
      Options({.features = 3, .outputs = 2, .trees = 2, .depth = 2, .bins = 3});
  const std::vector<float> sum = SomeSums(options.shape, 2);
  const auto splits_of = [&](const std::vector<int64_t>& cuts) {
    std::vector<std::pair<int64_t, int64_t>> ranges;
    std::vector<std::vector<double>> figures;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      ranges.emplace_back(cuts[i], cuts[i + 1]);
      figures.emplace_back(BoostingFigures::Count(options));
      AddBoostingFigures(options, cuts[i],
                         std::span(sum).subspan(cuts[i], cuts[i + 1] - cuts[i]),
                         figures.back());
    }
    return SplitsOf(options, ranges, figures);
  };
  const int64_t end = std::ssize(sum);
  const std::vector<BoostingSplit> whole = splits_of({0, end});
  ASSERT_EQ(whole.size(), 4);
  for (int64_t slot = 0; slot < 4; ++slot) {
    BoostingSplit best;
    for (int64_t f = 0; f < 3; ++f) {
      const BoostingSplit one = BestSplit(
          options, f,
          std::span(sum).subspan(
              options.shape.HistogramsAt() + (slot * 3 + f) * 12, 12));
      if (one.Beats(best)) best = one;
    }
    EXPECT_EQ(whole[slot], best) << slot;
  }
  for (int64_t cut = 0; cut <= end; ++cut) {
    EXPECT_EQ(splits_of({0, cut, end}), whole) << cut;
    EXPECT_EQ(splits_of({0, cut / 2, cut, std::min(cut + 5, end), end}), whole)
        << cut;
  }
}

BoostingSplit SplitOf(double gain, int64_t feature, BoostingSums left,
                      BoostingSums right) {
  BoostingSplit split;
  split.gain = gain;
  split.feature = feature;
  split.left = left;
  split.right = right;
  return split;
}

TEST(BoostingTest, GrowsLevelByLevel) {
  const BoostingOptions options =
      Options({.features = 3, .trees = 2, .depth = 2, .bins = 3});
  std::vector<BoostingSplit> splits(options.shape.Slots());
  splits[0] = SplitOf(4, 2, {-6, 2, 8}, {3, 1, 4});
  const BoostingOperation first =
      NextBoostingOperation(options, {0, false, 12}, nullptr, splits);
  EXPECT_FALSE(first.complete);
  EXPECT_THAT(first.open, ElementsAre(1, 2));

  splits[0] = SplitOf(1, 0, {-4, 1, 4}, {-2, 1, 4});
  splits[1] = SplitOf(0, 0, {3, 1, 4}, {});
  const BoostingOperation second =
      NextBoostingOperation(options, {1, false, 12}, &first, splits);
  EXPECT_TRUE(second.complete);
  EXPECT_FALSE(second.ends);
  EXPECT_EQ(second.Complete(), 1);
  EXPECT_THAT(second.open, ElementsAre(0));
  ASSERT_EQ(second.nodes[0].size(), 5);

  // Values: minus the shrinkage, 0.5, times gradient / (curvature + 1).
  std::vector<float> values(options.shape.Parameters(), 7);
  std::vector<float> out(values.size());
  for (size_t cut = 0; cut <= values.size(); cut += 3) {
    ApplyBoosting(options, second, 0, std::span(values).first(cut),
                  std::span(out).first(cut));
    ApplyBoosting(options, second, static_cast<int64_t>(cut),
                  std::span(values).subspan(cut), std::span(out).subspan(cut));
    const auto nodes = std::span(out).subspan(options.shape.NodesAt(), 25);
    EXPECT_THAT(nodes, ElementsAre(2, 0, 0, 1, 4,       //
                                   0, 0, 0, 3, 1,       //
                                   -1, 0, 0, 0, -0.75,  //
                                   -1, 0, 0, 0, 1,      //
                                   -1, 0, 0, 0, 0.5));
    EXPECT_THAT(std::span(out).subspan(options.shape.OpenAt(), 4),
                ElementsAre(1, 1, 0, 0));
    EXPECT_EQ(out.front(), 7);
    EXPECT_EQ(out.back(), 7);
  }
}

TEST(BoostingTest, GrowsTheLeafWithTheLargestGain) {
  const BoostingOptions options =
      Options({.features = 3, .trees = 1, .depth = 0, .leaves = 4, .bins = 3});
  std::vector<BoostingSplit> splits(options.shape.Slots());
  splits[0] = SplitOf(9, 0, {-6, 2, 8}, {3, 1, 8});
  const BoostingOperation first =
      NextBoostingOperation(options, {0, false, 16}, nullptr, splits);
  EXPECT_THAT(first.open, ElementsAre(1, 2));
  splits[0] = SplitOf(2, 1, {-3, 1, 4}, {-3, 1, 4});
  splits[1] = SplitOf(3, 2, {1, 1, 4}, {2, 1, 4});
  const BoostingOperation second =
      NextBoostingOperation(options, {1, false, 16}, &first, splits);
  EXPECT_EQ(second.nodes[0][1].state, BoostingNode::State::kCandidate);
  EXPECT_EQ(second.nodes[0][2].state, BoostingNode::State::kSplit);
  EXPECT_THAT(second.open, ElementsAre(3, 4));
  // The candidate of before is better than these.
  splits[0] = SplitOf(1, 1, {0.5, 1, 2}, {0.5, 1, 2});
  splits[1] = SplitOf(1.5, 2, {1, 1, 2}, {1, 1, 2});
  const BoostingOperation third =
      NextBoostingOperation(options, {2, false, 16}, &second, splits);
  EXPECT_EQ(third.nodes[0][1].state, BoostingNode::State::kSplit);
  EXPECT_TRUE(third.complete);
  EXPECT_TRUE(third.ends);
  EXPECT_EQ(third.nodes[0].size(), 7);
  for (const size_t leaf : {3, 4, 5, 6}) {
    EXPECT_EQ(third.nodes[0][leaf].state, BoostingNode::State::kLeaf) << leaf;
  }
}

TEST(BoostingTest, TheLastRoundCompletesATree) {
  const BoostingOptions options =
      Options({.features = 3, .trees = 9, .depth = 5, .bins = 3});
  std::vector<BoostingSplit> splits(options.shape.Slots());
  splits[0] = SplitOf(4, 2, {-6, 2, 8}, {3, 1, 4});
  const BoostingOperation last =
      NextBoostingOperation(options, {0, true, 12}, nullptr, splits);
  EXPECT_TRUE(last.complete);
  EXPECT_TRUE(last.open.empty());
}

TEST(BoostingTest, EndsWhenNoTreeCanGrow) {
  BoostingOptions options =
      Options({.features = 3, .trees = 9, .depth = 5, .bins = 3});
  std::vector<BoostingSplit> splits(options.shape.Slots());
  splits[0] = SplitOf(0, 0, {0, 2, 8}, {});
  EXPECT_TRUE(
      NextBoostingOperation(options, {0, false, 8}, nullptr, splits).ends);
  options.samples = true;
  EXPECT_FALSE(
      NextBoostingOperation(options, {0, false, 8}, nullptr, splits).ends);
}

// Trees of one split, a round each.
class BoostingValidationTest : public ::testing::Test {
 protected:
  BoostingValidationTest() {
    options_ = Options(
        {.features = 2, .trees = 6, .depth = 1, .bins = 3, .validates = true});
    options_.patience = 2;
    splits_.resize(options_.shape.Slots());
    splits_[0] = SplitOf(4, 1, {-6, 2, 8}, {3, 1, 4});
  }
  // The next round, with the loss of the trees before it.
  void Round(double loss, bool last = false) {
    std::optional<BoostingOperation> before = std::move(now_);
    now_ = NextBoostingOperation(options_, {round_++, last, 12},
                                 before ? &*before : nullptr, splits_, loss);
    const auto read = BoostingOperation::Decode(now_->Encode(), options_);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, *now_);
    ApplyBoosting(options_, *now_, 0, std::vector<float>(values_), values_);
  }
  float Trees() const { return values_[options_.shape.OpenAt()]; }
  // By tree, whether its root is split.
  std::vector<bool> Split() const {
    std::vector<bool> split;
    for (int64_t t = 0; t < options_.shape.trees; ++t) {
      split.push_back(
          values_[options_.shape.NodesAt() + t * options_.shape.TreeFloats()] >=
          0);
    }
    return split;
  }
  static std::vector<float> Initial(const BoostedShape& shape) {
    std::vector<float> values(shape.Parameters());
    for (int64_t at = shape.NodesAt(); at < shape.OpenAt(); at += 5) {
      values[at] = -1;
    }
    return values;
  }

  BoostingOptions options_;
  std::vector<BoostingSplit> splits_;
  std::optional<BoostingOperation> now_;
  std::vector<float> values_ = Initial(
      {.features = 2, .trees = 6, .depth = 1, .bins = 3, .validates = true});
  int64_t round_ = 0;
};

TEST_F(BoostingValidationTest, EndsAfterTreesWithoutASmallerLoss) {
  for (const double loss : {0.7, 0.5, 0.6}) Round(loss);
  EXPECT_FALSE(now_->ends);
  EXPECT_EQ(Trees(), 3);
  Round(0.5);  // An equal loss is not smaller.
  EXPECT_TRUE(now_->ends);
  EXPECT_EQ(now_->validation, (BoostingValidation{0.5, 1, 0.5}));
  EXPECT_EQ(Trees(), 1);
  EXPECT_THAT(Split(), ElementsAre(true, false, false, false, false, false));
  const std::vector<float> initial = Initial(options_.shape);
  const int64_t second = options_.shape.NodesAt() + options_.shape.TreeFloats();
  EXPECT_TRUE(std::equal(values_.begin() + second,
                         values_.begin() + options_.shape.OpenAt(),
                         initial.begin() + second));
}

TEST_F(BoostingValidationTest, TheLastTreeIsMeasured) {
  ASSERT_EQ(options_.shape.Rounds(), 7);
  for (const double loss : {0.7, 0.6, 0.5, 0.4, 0.3, 0.2}) Round(loss);
  EXPECT_EQ(Trees(), 6);
  EXPECT_TRUE(now_->complete);
  EXPECT_FALSE(now_->ends);
  EXPECT_TRUE(now_->open.empty());
  const std::vector<float> before = values_;
  Round(0.1, /*last=*/true);
  EXPECT_TRUE(now_->ends);
  EXPECT_EQ(values_, before);
}

TEST_F(BoostingValidationTest, AWorseLastTreeIsTakenBack) {
  for (const double loss : {0.7, 0.6, 0.5, 0.4, 0.3, 0.2}) Round(loss);
  Round(0.25, /*last=*/true);
  EXPECT_EQ(Trees(), 5);
  EXPECT_THAT(Split(), ElementsAre(true, true, true, true, true, false));
}

TEST_F(BoostingValidationTest, AJobOfFewerRoundsHasTheTreesThatWereMeasured) {
  Round(0.7);
  Round(0.6, /*last=*/true);
  EXPECT_TRUE(now_->ends);
  EXPECT_EQ(Trees(), 1);
  EXPECT_EQ(std::ranges::count(Split(), true), 1);
}

TEST_F(BoostingValidationTest, NoTreeMayBeBest) {
  for (const double loss : {0.7, 0.8, 0.9}) Round(loss);
  EXPECT_TRUE(now_->ends);
  EXPECT_EQ(Trees(), 0);
  EXPECT_EQ(std::ranges::count(Split(), true), 0);
}

TEST_F(BoostingValidationTest, ATreeWithoutASplitIsMeasuredToo) {
  splits_[0] = SplitOf(0, 0, {3, 1, 4}, {});
  Round(0.7);
  EXPECT_FALSE(now_->ends);
  EXPECT_TRUE(now_->open.empty());
  Round(0.6);
  EXPECT_TRUE(now_->ends);
  EXPECT_EQ(Trees(), 1);
}

// The sums of those that are kept back may lie in two partitions.
TEST_F(BoostingValidationTest, PartitionsCutTheSums) {
  const int64_t end = options_.shape.Parameters();
  std::vector<float> sum = SomeSums(options_.shape, 5);
  sum[options_.shape.ValidationAt() + BoostedValidation::kLoss] = 3;
  sum[options_.shape.ValidationAt() + BoostedValidation::kExamples] = 4;
  for (const int64_t cut :
       {int64_t{0}, options_.shape.ValidationAt() + 1, end}) {
    const std::vector<std::pair<int64_t, int64_t>> ranges = {{0, cut},
                                                             {cut, end}};
    std::vector<std::vector<double>> figures;
    for (const auto& [first, last] : ranges) {
      figures.emplace_back(BoostingFigures::Count(options_));
      AddBoostingFigures(options_, first,
                         std::span(sum).subspan(first, last - first),
                         figures.back());
    }
    const auto coordinator = MakeBoostingCoordinator(options_, ranges);
    const auto first = coordinator->Next({0, false, 40}, "", figures);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(coordinator->ValidationOf(*first),
              (Validation{.trees = 0,
                          .loss = 0.75,
                          .best_trees = 0,
                          .best_loss = 0.75,
                          .left = 2,
                          .text = "of 0 trees the first 0 have the smallest "
                                  "validation loss"}));
    EXPECT_THAT(coordinator->Describe(*first),
                HasSubstr("validation_loss=0.75 best_trees=0 "
                          "best_validation_loss=0.75 splits=1"));
    figures.assign(2, std::vector<double>(figures[0].size()));
    EXPECT_THAT(
        coordinator->Next({0, false, 40}, "", figures).status().message(),
        HasSubstr("no example is kept back"));
  }
}

TEST(BoostingTest, TheCoordinatorReadsWhatItWrote) {
  const BoostingOptions options =
      Options({.features = 3, .trees = 2, .depth = 2, .bins = 3});
  const auto coordinator =
      MakeBoostingCoordinator(options, {{0, options.shape.Parameters()}});
  const std::vector<float> sum = SomeSums(options.shape, 3);
  std::vector<double> figures(BoostingFigures::Count(options));
  AddBoostingFigures(options, 0, sum, figures);
  figures[0] = 6;
  const auto first = coordinator->Next({0, false, 12}, "", {figures});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto decoded = BoostingOperation::Decode(*first, options);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->Encode(), *first);
  EXPECT_EQ(decoded->loss, 0.5);
  EXPECT_THAT(coordinator->Describe(*first),
              HasSubstr("tree=0 loss=0.5 splits=1 open=2"));
  EXPECT_FALSE(*coordinator->Ends(*first));
  EXPECT_TRUE(coordinator->Next({1, false, 12}, *first, {figures}).ok());
}

TEST(BoostingTest, RefusesWhatIsNotOfTheJob) {
  const BoostingOptions options =
      Options({.features = 3, .trees = 2, .depth = 2, .bins = 3});
  const auto coordinator =
      MakeBoostingCoordinator(options, {{0, options.shape.Parameters()}});
  EXPECT_TRUE(absl::IsInvalidArgument(
      coordinator->Next({0, false, 7}, "", {{1, 2}}).status()));
  EXPECT_TRUE(absl::IsDataLoss(coordinator->Ends("nonsense").status()));
  BoostingOperation other;
  other.nodes = {{BoostingNode{}}, {BoostingNode{}}};
  EXPECT_TRUE(
      absl::IsInvalidArgument(coordinator->Ends(other.Encode()).status()));
  other.nodes = {{BoostingNode{}}};
  other.open = {1};
  EXPECT_TRUE(
      absl::IsInvalidArgument(coordinator->Ends(other.Encode()).status()));
  EXPECT_FALSE(BoostingOptions{.shrinkage = 0}.Validate().ok());
  EXPECT_FALSE(BoostingOptions{.l2 = std::nan("")}.Validate().ok());
  EXPECT_FALSE(BoostingOptions{.leaf_examples = 0}.Validate().ok());
  EXPECT_FALSE(BoostingOptions{.patience = 1}.Validate().ok());
}

}  // namespace
}  // namespace ebb
