#include "workloads/topics/model/topic_sampler.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "common/example_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::workloads {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;

constexpr int32_t kNone = TopicSampler::kNoTopic;
constexpr double kAlpha = 0.5, kBeta = 0.25;

// Two topics of three words.
TopicSampler Sampler() {
  return TopicSampler({.topics = 2, .document = kAlpha, .topic = kBeta}, 3);
}

TEST(TopicSamplerTest, DrawsByTheCountsOfAllOtherWords) {
  // Word 0 occurs in the document, in topic 1, and four times elsewhere.
  const std::vector<float> counts = {3, 2, 0, 4, 5, 0};
  const std::vector<int32_t> words = {0, 1};
  // Without its own: 3 and 1 of word 0, 8 and 5 in all.
  const double weights[] = {(0 + kAlpha) * (3 + kBeta) / (8 + 3 * kBeta),
                            (1 + kAlpha) * (1 + kBeta) / (5 + 3 * kBeta)};
  const double expected = weights[0] / (weights[0] + weights[1]);
  constexpr int kDraws = 20'000;
  int first = 0;
  TopicSampler sampler = Sampler();
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    ASSERT_TRUE(sampler.Begin(counts, words).ok());
    std::vector<int32_t> topics = {1, 1};
    sampler.Draw(words, Mix64(seed), topics);
    first += topics[0] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(first) / kDraws, expected, 0.015);
}

TEST(TopicSamplerTest, TellsTheProbabilityOfAWordGivenTheOthers) {
  const std::vector<float> counts = {3, 2, 0, 4, 5, 0};
  TopicSampler sampler = Sampler();
  const std::vector<int32_t> words = {0};
  ASSERT_TRUE(sampler.Begin(counts, words).ok());
  std::vector<int32_t> topics = {1};
  const double expected =
      0.5 * (3 + kBeta) / (8 + 3 * kBeta) + 0.5 * (1 + kBeta) / (5 + 3 * kBeta);
  EXPECT_NEAR(sampler.Draw(words, 7, topics), std::log(expected), 1e-6);
}

TEST(TopicSamplerTest, DocumentsAreDrawnGivenThoseBeforeThem) {
  const std::vector<float> counts(6);
  TopicSampler sampler = Sampler();
  const std::vector<int32_t> words(40, 2);
  ASSERT_TRUE(sampler.Begin(counts, words).ok());
  std::vector<int32_t> topics(words.size(), kNone);
  sampler.Draw(words, 3, topics);
  EXPECT_THAT(topics, Each(Ge(0)));
  // Another document has as many words, and they are now known.
  std::vector<int32_t> more(words.size(), kNone);
  const double known = sampler.Draw(words, 4, more);
  ASSERT_TRUE(sampler.Begin(counts, words).ok());
  std::vector<int32_t> first(words.size(), kNone);
  EXPECT_LT(sampler.Draw(words, 4, first), known);
}

TEST(TopicSamplerTest, DrawsFollowFromTheSeed) {
  const std::vector<float> counts = {3, 2, 0, 4, 5, 0};
  const std::vector<int32_t> words = {0, 0, 1, 2};
  const auto draw = [&](uint64_t seed) {
    TopicSampler sampler = Sampler();
    EXPECT_TRUE(sampler.Begin(counts, words).ok());
    std::vector<int32_t> topics(words.size(), kNone);
    sampler.Draw(words, seed, topics);
    return topics;
  };
  std::map<std::vector<int32_t>, int> different;
  for (uint64_t seed = 0; seed < 64; ++seed) {
    EXPECT_EQ(draw(seed), draw(seed));
    ++different[draw(seed)];
  }
  EXPECT_GT(different.size(), 4u);
}

TEST(TopicSamplerTest, CountsMayLackWhatTheWordsHave) {
  TopicSampler sampler = Sampler();
  const std::vector<int32_t> words = {0, 1, 2};
  ASSERT_TRUE(sampler.Begin(std::vector<float>(6), words).ok());
  std::vector<int32_t> topics = {0, 0, 1};
  EXPECT_TRUE(std::isfinite(sampler.Draw(words, 1, topics)));
}

TEST(TopicSamplerTest, CountsThatAreNotFiniteAreRefused) {
  TopicSampler sampler = Sampler();
  const std::vector<float> counts = {3, std::nanf(""), 0, 4, 5, 0};
  EXPECT_EQ(sampler.Begin(counts, std::vector<int32_t>{0}).code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace ebb::workloads
