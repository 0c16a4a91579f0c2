#include "server/optimizer/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace ebb::server {
namespace {

using ::testing::HasSubstr;

std::string Message(const OptimizerConfig& config) {
  const absl::Status status = config.Validate();
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
  return std::string(status.message());
}

TEST(OptimizerConfigTest, DefaultsAreValidForEveryKind) {
  for (OptimizerKind kind : AllOptimizerKinds()) {
    EXPECT_EQ(Message({.kind = kind}), "") << OptimizerKindName(kind);
  }
}

TEST(OptimizerConfigTest, NamesFieldValueAndWhatWouldBeRight) {
  EXPECT_EQ(Message({.rate = -0.5}),
            "optimizer.rate is -0.5; it must be a number above 0");
  EXPECT_EQ(Message({.kind = OptimizerKind::kMomentum, .momentum = 1}),
            "optimizer.momentum is 1; it must be at least 0 and below 1");
}

TEST(OptimizerConfigTest, RefusesEachFieldOutOfRange) {
  EXPECT_THAT(Message({.rate = 0}), HasSubstr("rate is 0"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kFtrl, .l2 = -1}),
              HasSubstr("l2 is -1"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kFtrl, .l1 = -1}),
              HasSubstr("l1 is -1"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kNesterov, .momentum = -0.1}),
              HasSubstr("momentum is -0.1"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kRmsProp, .decay = 1.5}),
              HasSubstr("decay is 1.5"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kAdam, .beta1 = 1}),
              HasSubstr("beta1 is 1"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kAdam, .beta2 = 2}),
              HasSubstr("beta2 is 2"));
  for (OptimizerKind kind : {OptimizerKind::kAdagrad, OptimizerKind::kRmsProp,
                             OptimizerKind::kAdam}) {
    EXPECT_THAT(Message({.kind = kind, .epsilon = 0}),
                HasSubstr("epsilon is 0"));
  }
  EXPECT_THAT(
      Message({.kind = OptimizerKind::kAdagrad, .initial_accumulator = -1}),
      HasSubstr("initial_accumulator is -1"));
  EXPECT_THAT(Message({.kind = OptimizerKind::kFtrl, .beta = -1}),
              HasSubstr("beta is -1"));
}

TEST(OptimizerConfigTest, RefusesWhatIsNoNumberInFloat) {
  EXPECT_NE(Message({.rate = std::nan("")}), "");
  EXPECT_NE(Message({.rate = std::numeric_limits<double>::infinity()}), "");
  EXPECT_NE(Message({.rate = 1e-60}), "");
  EXPECT_NE(Message({.kind = OptimizerKind::kFtrl, .l2 = std::nan("")}), "");
  EXPECT_NE(
      Message({.kind = OptimizerKind::kMomentum, .momentum = std::nan("")}),
      "");
  // Below 1, but not as a float.
  EXPECT_NE(Message({.kind = OptimizerKind::kAdam, .beta2 = 1 - 1e-12}), "");
}

TEST(OptimizerConfigTest, IgnoresFieldsOfOtherKinds) {
  EXPECT_EQ(Message({.momentum = 7, .beta1 = 7, .epsilon = 0}), "");
  EXPECT_EQ(Message({.kind = OptimizerKind::kAdditive, .rate = 0}), "");
}

TEST(OptimizerKindTest, NamesAndKindsBelongTogether) {
  EXPECT_EQ(AllOptimizerKinds().size(), 8u);
  for (OptimizerKind kind : AllOptimizerKinds()) {
    EXPECT_EQ(*ParseOptimizerKind(OptimizerKindName(kind)), kind);
  }
  EXPECT_EQ(*ParseOptimizerKind("adam"), OptimizerKind::kAdam);
}

TEST(OptimizerKindTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const absl::Status status = ParseOptimizerKind("adm").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()),
            "optimizer.kind is 'adm'; it must be one of sgd, momentum, "
            "nesterov, adagrad, rmsprop, adam, ftrl, additive");
}

TEST(OptimizerKindTest, FtrlAndAdditiveTakeNoSchedule) {
  EXPECT_TRUE(TakesSchedule(OptimizerKind::kSgd));
  EXPECT_TRUE(TakesSchedule(OptimizerKind::kAdam));
  EXPECT_FALSE(TakesSchedule(OptimizerKind::kFtrl));
  EXPECT_FALSE(TakesSchedule(OptimizerKind::kAdditive));
}

}  // namespace
}  // namespace ebb::server
