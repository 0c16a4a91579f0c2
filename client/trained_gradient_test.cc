#include "client/trained_gradient.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Four values in two partitions, and three sparse tables.
JobRecordPtr Record() {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(7);
  record->plan.parameters = 4;
  record->plan.block_floats = 2;
  record->plan.partitions = 2;
  record->plan.sparse_tables = {{.width = 1}, {.width = 1}, {.width = 1}};
  return record;
}

PushRows RowsOf(int32_t table) {
  return {table, Payload::Of(std::vector<uint64_t>{1}),
          Payload::Of(std::vector<float>{1})};
}

ComputeResult Result() {
  ComputeResult result;
  result.gradient = Payload::Of(std::vector<float>{1, 2, 3, 4});
  result.rows = {{RowsOf(0), RowsOf(1), RowsOf(2)}, {RowsOf(1)}};
  return result;
}

std::vector<float> Floats(const Payload& payload) {
  std::vector<float> floats(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span(floats)));
  return floats;
}

TEST(TrainedGradientTest, LeavesOutFrozenRows) {
  TrainedGradient trained([](const JobRecord&) {
    return TrainedParts{nullptr, {false, true, false}};
  });
  ComputeResult result = Result();

  trained.Apply({.record = Record()}, &result);

  EXPECT_THAT(Floats(result.gradient), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(result.trained, nullptr);
  // A partition without rows is in the push all the same: its mark moves.
  ASSERT_THAT(result.rows, SizeIs(2));
  ASSERT_THAT(result.rows[0], SizeIs(2));
  EXPECT_EQ(result.rows[0][0].table, 0);
  EXPECT_EQ(result.rows[0][1].table, 2);
  EXPECT_THAT(result.rows[1], IsEmpty());
}

TEST(TrainedGradientTest, LeavesOutFrozenValuesBesideThem) {
  const JobRecordPtr record = Record();
  TrainedGradient trained([](const JobRecord& of) {
    return TrainedParts{std::make_shared<const TrainedRanges>(
                            of.plan, std::vector<FloatRange>{{1, 3}}),
                        {true, true, true}};
  });
  ComputeResult result = Result();

  trained.Apply({.record = record}, &result);

  EXPECT_THAT(Floats(result.gradient), ElementsAre(2, 3));
  EXPECT_NE(result.trained, nullptr);
  EXPECT_THAT(result.rows, ElementsAre(IsEmpty(), IsEmpty()));
}

TEST(TrainedGradientTest, LeavesOutFrozenRowsOfAModelWithoutDenseTables) {
  TrainedGradient trained([](const JobRecord&) {
    return TrainedParts{nullptr, {true, false, false}};
  });
  ComputeResult result = Result();
  result.gradient = {};

  trained.Apply({.record = Record()}, &result);

  EXPECT_THAT(result.rows[0], SizeIs(2));
}

TEST(TrainedGradientTest, AJobWithoutFrozenTablesIsPushedAsItIs) {
  TrainedGradient trained([](const JobRecord&) { return TrainedParts{}; });
  ComputeResult result = Result();

  trained.Apply({.record = Record()}, &result);

  EXPECT_THAT(Floats(result.gradient), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(result.rows[0], SizeIs(3));
}

TEST(TrainedGradientTest, WhatCannotBeReadIsTheResultsError) {
  TrainedGradient trained([](const JobRecord&) -> absl::StatusOr<TrainedParts> {
    return absl::DataLossError("damaged");
  });
  ComputeResult result = Result();

  trained.Apply({.record = Record()}, &result);

  EXPECT_EQ(result.error, "damaged");
  EXPECT_THAT(result.rows, IsEmpty());
}

}  // namespace
}  // namespace ebb::client
