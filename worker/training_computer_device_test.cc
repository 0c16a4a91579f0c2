// Of devices that are emulated.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/emulated_gpu.h"
#include "worker/testing/training_computer_fixture.h"
#include "worker/training_computer.h"

namespace ebb::worker {
namespace {

using models::testing::EmulatedGpu;
using models::testing::Schedule;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::JobText;
using testing::kExamples;
using ::testing::Pointwise;

// Whose device is emulated: `gpu`, once a job wants one.
TrainingComputerOptions OnEmulatedGpu(const Schedule& schedule,
                                      EmulatedGpu** gpu) {
  TrainingComputerOptions options;
  options.devices.make_gpu = [schedule, gpu](const models::gpu::GpuOptions&) {
    auto made = models::testing::MakeEmulatedGpu(schedule);
    *gpu = made.get();
    return absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(
        std::move(made));
  };
  return options;
}

// On a device that is emulated, and looked at.
class DeviceComputerTest : public testing::TrainingComputerFixture {
 protected:
  DeviceComputerTest()
      : record_(Submit(
            "device: gpu\n" +
            JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"))) {
    // Which computes late, so that there is time to ask for the next batch.
    computer_ = std::make_unique<TrainingComputer>(
        OnEmulatedGpu({.order = Schedule::Order::kCopiesEarly}, &gpu_));
    const absl::Status prepared = computer_->Prepare(record_);
    EXPECT_TRUE(prepared.ok()) << prepared;
  }

  client::PulledValuesPtr PulledFor(JobId job, float add) const {
    std::vector<float> params = Params(record_->plan);
    for (float& value : params) value += add;
    auto values =
        std::make_shared<client::PulledValues>(*Pulled(record_->plan, params));
    values->job = job;
    return values;
  }
  // Of the batch that begins there, by a worker without a device.
  std::vector<float> Gradient(int64_t begin, float add) {
    auto record = std::make_shared<JobRecord>(*Submit(
        JobText("train: {csv: " + std::string(folder_ / "a.csv") + "}")));
    TrainingComputer plain({});
    return Read<float>(plain
                           .Compute({record, Generation(1), kItem, begin,
                                     record->plan.BatchEnd(kItem, begin),
                                     PulledFor(record->id, add)})
                           .gradient);
  }
  // Copies that it took without staging.
  int64_t Compute(int64_t begin, const client::PulledValuesPtr& values,
                  const std::vector<float>& expected) {
    const int64_t before = gpu_->engine().direct_copies();
    const client::ComputeResult result =
        computer_->Compute({record_, Generation(1), kItem, begin,
                            record_->plan.BatchEnd(kItem, begin), values});
    EXPECT_EQ(result.error, "");
    EXPECT_THAT(Read<float>(result.gradient),
                Pointwise(FloatNear(1e-5), expected));
    return gpu_->engine().direct_copies() - before;
  }

  static constexpr ItemId kItem{0, 1};
  const JobRecordPtr record_;
  EmulatedGpu* gpu_ = nullptr;
  std::unique_ptr<TrainingComputer> computer_;
};

// Of four tables, and of two layers of the gradient; the examples come with
// them, or before if they are read by then.
TEST_F(DeviceComputerTest, ExpectedValuesAreThereWhenTheirBatchComes) {
  constexpr int64_t kTables = 4, kLayers = 2, kOfExamples = 2;
  const JobId job = record_->id;
  auto values = PulledFor(job, 0);
  for (int64_t begin = 0; begin < 8; begin += 4) {
    const auto next = PulledFor(job, static_cast<float>(begin + 4));
    computer_->Expect(next);
    const int64_t copies =
        Compute(begin, values, Gradient(begin, static_cast<float>(begin)));
    const int64_t own = begin == 0 ? kTables : 0;
    EXPECT_GE(copies, own + kLayers + 1);
    EXPECT_LE(copies, own + kLayers + 1 + kOfExamples);
    values = next;
  }
  // The item's last batch, of which nothing comes after it.
  EXPECT_LE(Compute(8, values, Gradient(8, 8)), kLayers + 1);
}

TEST_F(DeviceComputerTest, OtherValuesThanWereExpectedAreComputedFrom) {
  const JobId job = record_->id;
  const auto values = PulledFor(job, 0), others = PulledFor(job, 2);
  const auto expected = Gradient(0, 0), expected_others = Gradient(4, 2);
  // Another batch's, that come to nothing.
  computer_->Expect(PulledFor(job, 1));
  Compute(0, values, expected);
  const auto dropped = PulledFor(job, 1);
  computer_->Expect(dropped);
  Compute(0, values, expected);
  Compute(4, others, expected_others);
  // Another job's, of which nothing is copied: the batch is the item's last.
  const auto expected_last = Gradient(8, 2);
  Compute(8, others, expected_last);
  const auto foreign = PulledFor(JobId(77), 1);
  computer_->Expect(foreign);
  EXPECT_EQ(Compute(8, others, expected_last), 2 + 1)
      << "two layers, and the examples anew";
  // The batch's own values are told too late; then, values of no model.
  computer_->Expect(others);
  Compute(4, others, expected_others);
  auto broken = std::make_shared<client::PulledValues>();
  broken->job = job;
  computer_->Expect(broken);
  Compute(4, others, expected_others);
  // These were brought for a batch that came to nothing, and are wanted now.
  Compute(4, dropped, Gradient(4, 1));
}

// The values of a round stay.
TEST_F(DeviceComputerTest, ValuesThatStayAreCopiedOnce) {
  const auto values = PulledFor(record_->id, 0);
  const int64_t first = Compute(0, values, Gradient(0, 0));
  EXPECT_LE(Compute(4, values, Gradient(4, 0)), first - 3);
}

// On a device that can be lost.
using LostDeviceTest = testing::TrainingComputerFixture;

TEST_F(LostDeviceTest, ALostDeviceIsToldAndTheBatchFails) {
  const auto record =
      Submit("device: gpu\n" +
             JobText("train: {csv: " + WriteCsv("a.csv", kExamples) + "}"));
  const auto values = Pulled(record->plan, Params(record->plan));
  EmulatedGpu* gpu = nullptr;
  std::vector<std::string> lost;
  TrainingComputerOptions options =
      OnEmulatedGpu({.order = Schedule::Order::kRandom}, &gpu);
  options.devices.on_device_lost = [&](const absl::Status& status) {
    lost.emplace_back(status.message());
  };
  TrainingComputer computer(options);
  const auto compute = [&] {
    return computer.Compute(FirstBatch(record, values));
  };
  EXPECT_EQ(compute().error, "");
  EXPECT_THAT(lost, ::testing::IsEmpty());
  const double busy = computer.device_time().busy_seconds;
  EXPECT_GT(busy, 0);
  EXPECT_EQ(computer.device_time().busy_share, 0) << "the first does not count";
  EXPECT_EQ(compute().error, "");
  EXPECT_GT(computer.device_time().busy_seconds, busy);
  EXPECT_GT(computer.device_time().busy_share, 0);
  // Of examples and values in and of the gradient out.
  EXPECT_GE(gpu->engine().direct_copies(), 3);

  gpu->engine().Lose();

  EXPECT_THAT(compute().error, HasSubstr("lost"));
  EXPECT_THAT(lost, ::testing::ElementsAre("emulated: lost"));
}

}  // namespace
}  // namespace ebb::worker
