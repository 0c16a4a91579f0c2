#include "protocol/sealed_form.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "protocol/field_codec.h"
#include "protocol/sealed_fields.h"

namespace ebb {

// The second version added `late` and the pairs' second numbers; only that one
// had a number more.
struct GrownPair {
  int64_t first = 0;
  int64_t second = 7;
};
struct Grown {
  std::vector<GrownPair> pairs;
  int64_t late = 8;
  int64_t only = 9;
};

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, GrownPair>
void VisitFields(Struct& pair, Visitor&& visit) {
  auto& [first, second] = pair;
  visit(first);
  static_cast<void>(second);
}

template <typename Struct, typename Form>
requires std::is_same_v<std::remove_const_t<Struct>, Grown>
void VisitForm(Struct& grown, Form&& form) {
  form(1, grown.pairs);
  form(2, grown.late, Column(grown.pairs, &GrownPair::second));
  form.Only(2, [&](auto& read) { read(grown.only); });
}

namespace {

const Grown kGrown = {.pairs = {{1, 2}, {3, 4}}, .late = 5};

absl::StatusOr<uint32_t> Read(const std::string& stored, Grown* grown) {
  return UnsealForm("EBBX", 3, "test", stored, grown);
}

TEST(SealedFormTest, ComesBackInTheVersionInWhichItWasWritten) {
  Grown grown;
  EXPECT_EQ(*Read(SealForm("EBBX", 3, kGrown), &grown), 3);
  ASSERT_EQ(grown.pairs.size(), 2);
  EXPECT_EQ(grown.pairs[1].first, 3);
  EXPECT_EQ(grown.pairs[1].second, 4);
  EXPECT_EQ(grown.late, 5);
  EXPECT_EQ(grown.only, 9);
}

TEST(SealedFormTest, WhatAnOlderVersionDoesNotHaveStaysAsItIs) {
  Grown grown;
  EXPECT_EQ(*Read(SealForm("EBBX", 1, kGrown), &grown), 1);
  ASSERT_EQ(grown.pairs.size(), 2);
  EXPECT_EQ(grown.pairs[1].first, 3);
  EXPECT_EQ(grown.pairs[1].second, 7);
  EXPECT_EQ(grown.late, 8);
}

TEST(SealedFormTest, ReadsWhatOnlyAnOlderVersionHas) {
  const std::vector<GrownPair> pairs = {{1}};
  const std::vector<int64_t> seconds = {2};
  Grown grown;
  EXPECT_EQ(*Read(SealFields("EBBX", 2, pairs, int64_t{5}, seconds, int64_t{6}),
                  &grown),
            2);
  EXPECT_EQ(grown.only, 6);
}

TEST(SealedFormTest, RefusesAColumnOfAnotherLength) {
  const std::vector<GrownPair> pairs = {{1}, {3}};
  const std::vector<int64_t> seconds = {2};
  Grown grown;
  EXPECT_EQ(Read(SealFields("EBBX", 3, pairs, int64_t{5}, seconds), &grown)
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ebb
