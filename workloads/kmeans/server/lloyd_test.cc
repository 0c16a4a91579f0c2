#include "workloads/kmeans/server/lloyd.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/field_codec.h"
#include "protocol/sealed.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two clusters of three features: six values of centroids, two sizes.
constexpr LloydOptions kTwo = {.clusters = 2, .tolerance = 0.01};

LloydOperation Closed(double inertia, std::vector<int64_t> counts) {
  return {.round = 0, .inertia = inertia, .counts = std::move(counts)};
}

TEST(LloydTest, EachPartitionMeasuresTheCountsThatItHas) {
  const std::vector<float> sum = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<float> values(8);
  std::vector<double> front(3), back(3);

  AddLloydFigures(
      kTwo, {0, 8, std::span(values).first(7), std::span(sum).first(7)}, front);
  AddLloydFigures(
      kTwo, {7, 8, std::span(values).last(1), std::span(sum).last(1)}, back);

  EXPECT_THAT(front, ElementsAre(0, 7, 0));
  EXPECT_THAT(back, ElementsAre(0, 0, 8));
}

TEST(LloydTest, MovesEachCentroidToTheMeanWhereverThePartitionsAreCut) {
  // Centroids (1, 1, 1) and (2, 2, 2); sums of x - c, and counts 2 and 4.
  const std::vector<float> values = {1, 1, 1, 2, 2, 2, 9, 9};
  const std::vector<float> sum = {2, 0, -2, 4, 8, 0, 2, 4};
  const LloydOperation operation = Closed(10, {2, 4});
  for (size_t cut = 0; cut <= values.size(); ++cut) {
    std::vector<float> out(8);
    const auto apply = [&](size_t first, size_t size) {
      ApplyLloyd(operation,
                 {static_cast<int64_t>(first), 8,
                  std::span(values).subspan(first, size),
                  std::span(sum).subspan(first, size)},
                 std::span(out).subspan(first, size));
    };
    apply(0, cut);
    apply(cut, values.size() - cut);
    EXPECT_THAT(out, ElementsAre(2, 1, 0, 3, 4, 2, 2, 4)) << cut;
  }
}

TEST(LloydTest, AnEmptyClusterStaysWhereItIs) {
  const std::vector<float> values = {1, 1, 1, 2, 2, 2, 3, 3};
  const std::vector<float> sum = {3, 3, 3, 0, 0, 0, 3, 0};
  std::vector<float> out(8);

  ApplyLloyd(Closed(10, {3, 0}), {0, 8, values, sum}, out);

  EXPECT_THAT(out, ElementsAre(2, 2, 2, 2, 2, 2, 3, 0));
}

TEST(LloydTest, EndsWhenTheInertiaHardlyFalls) {
  const LloydOperation before = Closed(100, {3, 4});
  const auto ends = [&](double inertia) {
    return NextLloydOperation(kTwo, 1, &before, {inertia, 3, 4}).ends;
  };
  EXPECT_FALSE(ends(98.9));
  EXPECT_TRUE(ends(99));
  EXPECT_TRUE(ends(100));
  EXPECT_FALSE(NextLloydOperation(kTwo, 0, nullptr, {100, 3, 4}).ends);
}

TEST(LloydTest, AnInertiaThatRisesHasNotConverged) {
  const LloydOperation before = Closed(100, {3, 4});
  EXPECT_FALSE(NextLloydOperation(kTwo, 1, &before, {102, 3, 4}).ends);
  // Rounding may raise it.
  const LloydOptions exact = {.clusters = 2, .tolerance = 0};
  EXPECT_TRUE(NextLloydOperation(exact, 1, &before, {100.00001, 3, 4}).ends);
  EXPECT_FALSE(NextLloydOperation(exact, 1, &before, {100.1, 3, 4}).ends);
}

TEST(LloydTest, EndsWithFewerExamplesThanClusters) {
  EXPECT_TRUE(NextLloydOperation(kTwo, 0, nullptr, {0, 7, 0}).ends);
  // A cluster is empty in every other round, as none of the examples helps it.
  LloydOperation last = Closed(100, {7, 0});
  int64_t round = 0;
  while (!last.ends && round < 50) {
    ++round;
    last = NextLloydOperation(kTwo, round, &last,
                              {100, 7, static_cast<double>(round % 2)});
  }
  EXPECT_EQ(round, 10);
}

TEST(LloydTest, ReadsWhatVersion1Wrote) {
  std::string body;
  FieldWriter write(&body);
  write(int64_t{3}, 4.5, std::vector<double>{1, 2}, true);
  const auto decoded = LloydOperation::Decode(Seal("EBBK", 1, body), kTwo);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded,
            (LloydOperation{
                .round = 3, .inertia = 4.5, .counts = {1, 2}, .ends = true}));
  EXPECT_EQ(*LloydOperation::Decode(decoded->Encode(), kTwo), *decoded);
}

TEST(LloydTest, ReadsWhatVersion2Wrote) {
  std::string body;
  FieldWriter write(&body);
  write(int64_t{3}, 4.5, std::vector<double>{1, 2}, true, int64_t{7});
  const auto decoded = LloydOperation::Decode(Seal("EBBK", 2, body), kTwo);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, (LloydOperation{.round = 3,
                                      .inertia = 4.5,
                                      .counts = {1, 2},
                                      .ends = true,
                                      .steady = 7}));
}

// Bug: each of many partitions sent a figure for each of many clusters.
TEST(LloydTest, APartitionSendsTheCountsThatItHas) {
  const auto packed = [](std::vector<double> figures) {
    PackLloydFigures(&figures);
    return figures;
  };
  EXPECT_THAT(packed({9, 0, 0, 0}), ElementsAre(9));
  EXPECT_THAT(packed({9, 0, 4, 0}), ElementsAre(9, 1, 4));
  EXPECT_THAT(packed({9, 5, 0, 4}), ElementsAre(9, 0, 5, 0, 4));
  const auto unpacked =
      UnpackLloydFigures({.clusters = 4}, {{9}, {9, 1, 4, 2}, {9, 2, 1, 7}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_THAT(*unpacked, ElementsAre(9, 0, 4, 3, 7));
}

TEST(LloydTest, AMillionCountsAreAMessage) {
  LloydOperation operation;
  operation.counts.assign(1 << 20, 3000);
  EXPECT_LT(operation.Encode().size(), 3 << 20);
}

TEST(LloydTest, DoesNotEndBesideAnEmptyCluster) {
  const LloydOperation full = Closed(100, {3, 4});
  const LloydOperation gap = Closed(100, {7, 0});
  EXPECT_FALSE(NextLloydOperation(kTwo, 1, &full, {100, 7, 0}).ends);
  EXPECT_FALSE(NextLloydOperation(kTwo, 1, &gap, {100, 7, 1}).ends);
}

TEST(LloydTest, TheCoordinatorAddsTheFiguresOfThePartitions) {
  const auto coordinator = MakeLloydCoordinator(kTwo);
  const auto first =
      coordinator->Next({0, false, 7}, "", {{100, 0, 3}, {100, 1, 4}});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = coordinator->Next(
      {1, false, 7}, *first, {{99.5, 0, 2, 1}, {99.5, 1, 4}, {99.5}});
  ASSERT_TRUE(second.ok()) << second.status();

  const auto decoded = LloydOperation::Decode(*second, kTwo);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->round, 1);
  EXPECT_EQ(decoded->inertia, 99.5);
  EXPECT_THAT(decoded->counts, ElementsAre(2, 5));
  EXPECT_FALSE(*coordinator->Ends(*first));
  EXPECT_TRUE(*coordinator->Ends(*second));
  EXPECT_EQ(coordinator->Describe(*second), "inertia=99.5 converged");
}

TEST(LloydTest, AnEmptyClusterIsSaid) {
  const auto coordinator = MakeLloydCoordinator(kTwo);
  EXPECT_THAT(coordinator->Describe(Closed(5, {7, 0}).Encode()),
              HasSubstr("inertia=5 empty_clusters=1 "));
}

TEST(LloydTest, RefusesWhatIsNotOfTheJob) {
  const auto coordinator = MakeLloydCoordinator(kTwo);
  const std::string other = Closed(1, {1, 2, 3}).Encode();
  EXPECT_TRUE(absl::IsInvalidArgument(
      coordinator->Next({1, false, 7}, other, {{1, 0, 3}}).status()));
  const std::vector<std::vector<double>> bad = {
      {}, {1, 2, 1}, {1, 0, 1, 2, 3}, {1, -1, 2}, {1, std::nan(""), 2}};
  for (const std::vector<double>& figures : bad) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        coordinator->Next({0, false, 7}, "", {figures}).status()));
  }
  const std::string good = Closed(1, {1, 2}).Encode();
  EXPECT_TRUE(absl::IsInvalidArgument(
      coordinator->Next({2, false, 7}, good, {{1, 0, 3}}).status()));
  EXPECT_TRUE(absl::IsDataLoss(coordinator->Ends("nonsense").status()));
  EXPECT_FALSE((LloydOptions{.clusters = 0}).Validate().ok());
  EXPECT_FALSE(
      (LloydOptions{.clusters = 2, .tolerance = std::nan("")}).Validate().ok());
}

}  // namespace
}  // namespace ebb
