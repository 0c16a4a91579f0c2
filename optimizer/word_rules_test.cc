#include "optimizer/word_rules.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace ebb {
namespace {

// A row of words as an optimizer sees it.
std::vector<float> WordsOf(const std::vector<uint64_t>& integers) {
  std::vector<float> words(2 * integers.size());
  std::memcpy(words.data(), integers.data(), words.size() * sizeof(float));
  return words;
}

std::vector<float> Step(const Optimizer& rule, std::vector<float> row,
                        const std::vector<float>& pushed) {
  // At an odd address, as pushes may lie.
  std::vector<std::byte> bytes(1 + pushed.size() * sizeof(float));
  std::memcpy(bytes.data() + 1, pushed.data(), pushed.size() * sizeof(float));
  const RowStep step = {.weights_in = row.data(),
                        .gradient_sum = bytes.data() + 1,
                        .weights_out = row.data()};
  rule.StepRows({}, row.size(), {&step, 1});
  return row;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(WordRulesTest, CountsAddIntegersModulo2To64) {
  const auto rule = MakeCountsRule();
  EXPECT_EQ(rule->SlotCount(), 0);
  const uint64_t beyond_float = (uint64_t{1} << 53) + 1;
  const std::vector<float> row =
      Step(*rule, WordsOf({beyond_float, 5, 0}),
           WordsOf({1, static_cast<uint64_t>(-7), ~uint64_t{0}}));
  EXPECT_TRUE(SameBits(
      row,
      WordsOf({beyond_float + 1, static_cast<uint64_t>(-2), ~uint64_t{0}})));
}

TEST(WordRulesTest, TheFirstWriteStays) {
  const auto rule = MakeWriteOnceRule();
  EXPECT_EQ(rule->SlotCount(), 0);
  const std::vector<float> none(3, 0.0f);
  const std::vector<float> first = {std::bit_cast<float>(5u), 1.5f,
                                    std::bit_cast<float>(0x7fc00001u)};
  const std::vector<float> second = {std::bit_cast<float>(2u), 9.0f, 0.0f};
  const std::vector<float> row = Step(*rule, none, first);
  EXPECT_TRUE(SameBits(row, first));
  EXPECT_TRUE(SameBits(Step(*rule, row, second), first));
}

TEST(WordRulesTest, TheLastRowReplacesTheOneBefore) {
  const auto rule = MakeReplaceRule();
  EXPECT_EQ(rule->SlotCount(), 0);
  const std::vector<float> first = {3, 1, 0};
  const std::vector<float> second = {2, 0, 0};
  EXPECT_TRUE(SameBits(Step(*rule, {0, 0, 0}, first), first));
  EXPECT_TRUE(SameBits(Step(*rule, first, second), second));
}

}  // namespace
}  // namespace ebb
