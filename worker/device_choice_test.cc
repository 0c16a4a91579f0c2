#include "worker/device_choice.h"

#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/emulated_gpu.h"

namespace ebb::worker {
namespace {

using models::gpu::GpuOptions;
using models::gpu::Precision;
using testing::HasSubstr;

v1::Job JobOn(v1::Device::Kind kind,
              v1::Device::Precision precision = v1::Device::PRECISION_FP32) {
  v1::Job job;
  job.set_name("faces");
  job.mutable_device()->set_kind(kind);
  job.mutable_device()->set_precision(precision);
  return job;
}

// A device that says how it was made.
DeviceOptions WithGpu(GpuOptions* made) {
  DeviceOptions options;
  options.cpu.kind = "reference";
  options.make_gpu = [made](const GpuOptions& of) {
    *made = of;
    return absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(
        models::testing::MakeEmulatedGpu());
  };
  return options;
}

DeviceOptions Without(absl::Status why) {
  DeviceOptions options;
  options.cpu.kind = "reference";
  options.make_gpu = [why = std::move(why)](const GpuOptions&) {
    return absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(why);
  };
  return options;
}

std::string NameOf(const v1::Job& job, const DeviceOptions& options) {
  const auto backend = BackendOf(job, options);
  EXPECT_TRUE(backend.ok()) << backend.status();
  return backend.ok() ? std::string((*backend)->name()) : "";
}

TEST(DeviceChoiceTest, AJobGetsWhatItAsksFor) {
  GpuOptions made;
  const DeviceOptions options = WithGpu(&made);
  EXPECT_EQ(NameOf(JobOn(v1::Device::KIND_CPU), options), "reference");
  EXPECT_EQ(NameOf(v1::Job(), options), "reference") << "one of before";
  EXPECT_EQ(NameOf(JobOn(v1::Device::KIND_GPU), options), "gpu-emulated");
  EXPECT_EQ(NameOf(JobOn(v1::Device::KIND_AUTO), options), "gpu-emulated");
}

TEST(DeviceChoiceTest, DeviceGraphsAndPrecisionAreHandedOn) {
  GpuOptions made;
  DeviceOptions options = WithGpu(&made);
  options.gpu = 3;
  NameOf(JobOn(v1::Device::KIND_GPU), options);
  EXPECT_EQ(made.device, 3);
  EXPECT_TRUE(made.graphs);
  options.gpu_graphs = false;
  NameOf(JobOn(v1::Device::KIND_GPU), options);
  EXPECT_FALSE(made.graphs);
  EXPECT_EQ(made.precision, Precision::kFp32);
  NameOf(JobOn(v1::Device::KIND_AUTO, v1::Device::PRECISION_TF32), options);
  EXPECT_EQ(made.precision, Precision::kTf32);
  NameOf(JobOn(v1::Device::KIND_AUTO, v1::Device::PRECISION_BF16), options);
  EXPECT_EQ(made.precision, Precision::kBf16);
}

TEST(DeviceChoiceTest, WithoutOneAutoTakesTheProcessorAndGpuIsRefused) {
  const DeviceOptions options =
      Without(absl::FailedPreconditionError("CUDA shows 0 devices"));
  EXPECT_EQ(NameOf(JobOn(v1::Device::KIND_AUTO), options), "reference");
  const auto refused = BackendOf(JobOn(v1::Device::KIND_GPU), options);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_EQ(refused.status().message(),
            "job faces wants a GPU (device: gpu), and this worker has none: "
            "CUDA shows 0 devices. Start workers where one is, or submit it "
            "with device: auto");
}

TEST(DeviceChoiceTest, AWorkerMayBeToldNotToUseItsGpu) {
  GpuOptions made;
  DeviceOptions options = WithGpu(&made);
  options.use_gpu = false;
  EXPECT_EQ(NameOf(JobOn(v1::Device::KIND_AUTO), options), "reference");
  EXPECT_THAT(
      BackendOf(JobOn(v1::Device::KIND_GPU), options).status().message(),
      HasSubstr("it was started with --device cpu"));
}

// A device that is full or broken is no reason to compute slowly in silence.
TEST(DeviceChoiceTest, OtherErrorsAreNotPassedOver) {
  const DeviceOptions options =
      Without(absl::ResourceExhaustedError("full of others"));
  EXPECT_TRUE(absl::IsResourceExhausted(
      BackendOf(JobOn(v1::Device::KIND_AUTO), options).status()));
}

}  // namespace
}  // namespace ebb::worker
