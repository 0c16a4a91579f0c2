// Tests that name what is refused.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/testing/training_computer_fixture.h"
#include "worker/training_computer.h"

namespace ebb::worker {
namespace {

using ::testing::HasSubstr;
using testing::JobText;
using testing::kExamples;

using TrainingComputerRefusalsTest = testing::TrainingComputerFixture;

TEST_F(TrainingComputerRefusalsTest, ChangedDataIsRefusedByName) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto record = Submit(JobText("train: {csv: " + path + "}"));
  std::ofstream(path, std::ios::app) << "1,1,1,0\n";
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(record);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST_F(TrainingComputerRefusalsTest, MissingDataIsRefusedByName) {
  const std::string path = WriteCsv("a.csv", kExamples);
  const auto record = Submit(JobText("train: {csv: " + path + "}"));
  std::filesystem::remove(path);
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(record);

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST_F(TrainingComputerRefusalsTest, AnotherGridIsRefused) {
  const auto record = SubmitSmall();
  auto other = std::make_shared<JobRecord>(*record);
  other->plan.seed ^= 1;
  TrainingComputer computer({});

  EXPECT_EQ(computer.Prepare(other).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrainingComputerRefusalsTest, AnotherModelIsRefused) {
  const auto record = SubmitSmall();
  auto other = std::make_shared<JobRecord>(*record);
  ++other->plan.parameters;
  TrainingComputer computer({});

  const absl::Status status = computer.Prepare(other);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("parameters"));
}

TEST_F(TrainingComputerRefusalsTest, DamagedSpecificationIsRefused) {
  const auto record = SubmitSmall();
  auto damaged = std::make_shared<JobRecord>(*record);
  damaged->specification = "\xff\xff";
  TrainingComputer computer({});

  EXPECT_EQ(computer.Prepare(damaged).code(), absl::StatusCode::kDataLoss);
}

TEST_F(TrainingComputerRefusalsTest, PulledValuesOfAnotherSizeAreRefused) {
  const auto record = SubmitSmall();
  auto values = std::make_shared<client::PulledValues>();
  values->partitions.assign(3, Payload::Of(std::vector<float>(3)));
  TrainingComputer computer({});

  const client::ComputeResult result =
      computer.Compute(FirstBatch(record, values));

  EXPECT_THAT(result.error, HasSubstr("partition 0"));
  EXPECT_FALSE(result.non_finite);
}

TEST_F(TrainingComputerRefusalsTest,
       AJobThatWantsAGpuIsRefusedWhereThereIsNone) {
  const auto record =
      Submit("device: {kind: gpu, precision: bf16}\n" +
             JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  TrainingComputerOptions options;
  options.devices.use_gpu = false;
  TrainingComputer computer(options);
  const absl::Status refused = computer.Prepare(record);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("wants a GPU (device: gpu)"));
}

}  // namespace
}  // namespace ebb::worker
