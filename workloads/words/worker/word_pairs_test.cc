#include "workloads/words/worker/word_pairs.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "common/example_hash.h"
#include "data/dataset.h"
#include "data/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "workloads/words/model/word_entries.h"

namespace ebb::workloads {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kContexts = uint64_t{1} << 32;

data::Vocabulary FourWords() { return {{"a", "b", "c", "d"}, {16, 16, 1, 1}}; }

// One document of these words for each list.
data::ExampleBatch Documents(const std::vector<std::vector<uint64_t>>& lists) {
  data::ExampleBatch batch;
  batch.rows = static_cast<int64_t>(lists.size());
  batch.features = 1;
  batch.keyed = true;
  batch.offsets = {0};
  for (const auto& list : lists) {
    for (const uint64_t word : list) batch.keys.push_back(word);
    batch.offsets.push_back(static_cast<int64_t>(batch.keys.size()));
  }
  batch.values.assign(batch.keys.size(), 1);
  batch.fields.assign(batch.keys.size(), 0);
  return batch;
}

data::ExampleBatch Draw(const WordPairs::Options& options,
                        const data::ExampleBatch& documents, ItemId item = {},
                        int64_t position = 0) {
  data::ExampleBatch pairs;
  WordPairs(FourWords(), options).Draw(documents, item, position, &pairs);
  return pairs;
}

TEST(WordPairsTest, PairsWordsWithTheirNeighbours) {
  const auto pairs = Draw({.window = 1, .negatives = 0, .subsample = 0},
                          Documents({{2, 0, 3}, {1}, {}}));
  EXPECT_THAT(pairs.offsets, ElementsAre(0, 7, 7, 7));
  EXPECT_THAT(pairs.fields, ElementsAre(0, 1, 0, 1, 1, 0, 1));
  EXPECT_THAT(pairs.keys, ElementsAre(2, kContexts + 0, 0, kContexts + 2,
                                      kContexts + 3, 3, kContexts + 0));
  EXPECT_EQ(pairs.features, kWordFields);
  EXPECT_EQ(pairs.values.size(), pairs.keys.size());
}

TEST(WordPairsTest, FollowFromSeedEpochAndPositionAlone) {
  const WordPairs::Options options = {.subsample = 0.1, .seed = 7};
  const std::vector<uint64_t> words(30, 0);
  std::vector<uint64_t> text;
  for (uint64_t i = 0; i < 30; ++i) text.push_back(i % 4);
  const auto both = Draw(options, Documents({words, text}), {2, 3}, 10);
  const auto second = Draw(options, Documents({text}), {2, 3}, 11);
  EXPECT_EQ(std::vector<uint64_t>(both.keys.begin() + both.offsets[1],
                                  both.keys.end()),
            second.keys);
  const auto differs = [&](WordPairs::Options other, ItemId item,
                           int64_t position) {
    return Draw(other, Documents({text}), item, position).keys != second.keys;
  };
  EXPECT_FALSE(differs(options, {2, 3}, 11));
  EXPECT_TRUE(differs(options, {2, 3}, 12));
  EXPECT_TRUE(differs(options, {1, 3}, 11));
  EXPECT_TRUE(differs(options, {2, 2}, 11));
  EXPECT_TRUE(differs({.subsample = 0.1, .seed = 8}, {2, 3}, 11));
}

// Word vectors train without rounds, so no exported model shows whether the
// pairs are as before.
TEST(WordPairsTest, DrawsThePairsOfBefore) {
  std::vector<uint64_t> text;
  for (uint64_t i = 0; i < 200; ++i) text.push_back(i * i % 7 % 4);
  const auto pairs = Draw({.subsample = 0.1, .seed = 7},
                          Documents({text, {0, 1}, text}), {2, 3}, 10);
  uint64_t hash = 0;
  for (size_t e = 0; e < pairs.keys.size(); ++e) {
    hash = HashAppend(hash, pairs.keys[e]);
    hash = HashAppend(hash, pairs.fields[e]);
  }
  for (const int64_t offset : pairs.offsets) {
    hash = HashAppend(hash, static_cast<uint64_t>(offset));
  }
  EXPECT_EQ(hash, 5155345875005032303u);
}

TEST(WordPairsTest, WindowsAreDrawnEvenly) {
  std::vector<uint64_t> text(9, 0);
  text[4] = 2;
  std::map<int64_t, int> contexts;
  constexpr int kTimes = 4000;
  for (int i = 0; i < kTimes; ++i) {
    const auto pairs = Draw({.window = 4, .negatives = 0, .subsample = 0},
                            Documents({text}), {}, i);
    int64_t of_centre = 0;
    bool centre = false;
    for (size_t e = 0; e < pairs.keys.size(); ++e) {
      if (pairs.fields[e] == kCentreField) {
        centre = pairs.keys[e] == 2;
      } else if (centre) {
        ++of_centre;
      }
    }
    ++contexts[of_centre];
  }
  ASSERT_EQ(contexts.size(), 4u);
  for (const int64_t width : {1, 2, 3, 4}) {
    EXPECT_NEAR(contexts[2 * width], kTimes / 4.0, 120) << width;
  }
}

TEST(WordPairsTest, NegativesFollowTheCountsToThreeQuarters) {
  std::map<uint64_t, double> drawn;
  double all = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto pairs = Draw({.window = 1, .negatives = 20, .subsample = 0},
                            Documents({{3, 3}}), {}, i);
    for (size_t e = 0; e < pairs.keys.size(); ++e) {
      if (pairs.fields[e] != kNegativeField) continue;
      ++drawn[pairs.keys[e] - kContexts];
      ++all;
    }
  }
  // The weights are 8, 8, 1 and 1, and the word of the context is left out.
  EXPECT_EQ(drawn.count(3), 0u);
  EXPECT_NEAR(drawn[0] / all, 8.0 / 17, 0.01);
  EXPECT_NEAR(drawn[1] / all, 8.0 / 17, 0.01);
  EXPECT_NEAR(drawn[2] / all, 1.0 / 17, 0.005);
}

TEST(WordPairsTest, FrequentWordsAreLeftOutNowAndThen) {
  const WordPairs::Options options = {
      .window = 1, .negatives = 0, .subsample = 0.01};
  const auto kept = [&](uint64_t word) {
    double centres = 0;
    for (int i = 0; i < 200; ++i) {
      const auto pairs =
          Draw(options, Documents({std::vector<uint64_t>(50, word)}), {}, i);
      for (const auto field : pairs.fields) {
        if (field == kCentreField) ++centres;
      }
    }
    return centres / (200 * 50);
  };
  // 16 of 34 words: (sqrt(47.06) + 1) / 47.06.
  EXPECT_NEAR(kept(0), (std::sqrt(16 / 0.34) + 1) / (16 / 0.34), 0.01);
  EXPECT_NEAR(kept(2), (std::sqrt(1 / 0.34) + 1) / (1 / 0.34), 0.02);
}

}  // namespace
}  // namespace ebb::workloads
