#include "bench/gpu/gpu_rows.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

TEST(GpuRowsTest, AWorkersLastWordsSayHowBusyItsDeviceWas) {
  EXPECT_EQ(*BusyShareIn("I worker=w left batches=2 device_busy_share=0.25 "
                         "device_busy_seconds=3\n"),
            0.25);
  EXPECT_EQ(*BusyShareIn("x device_busy_share=0.5\nx device_busy_share=0.75"),
            0.75);
  EXPECT_TRUE(absl::IsNotFound(BusyShareIn("worker=w left").status()));
  EXPECT_TRUE(absl::IsNotFound(BusyShareIn("").status()));
}

class GpuRunTest : public ::testing::Test {
 protected:
  GpuRunTest() {
    options_.programs = EBB_BIN_DIR;
    options_.folder = folder_.path();
    options_.layers = {12, 8, 5};
    options_.rows = 16;
    options_.steps = 6;
  }
  // Makes a program that runs in place of PyTorch.
  void Peer(const std::string& text) {
    options_.peers = folder_.path();
    std::ofstream(folder_ / "torch_gpu.py") << text;
  }

  const TestFolder folder_;
  GpuRowsOptions options_;
};

// All of it but the device.
TEST_F(GpuRunTest, ARunOnTheProcessorIsNoFigure) {
  options_.device = "cpu";
  options_.precision = "";
  const auto row = MeasureBusyShare(options_);
  EXPECT_TRUE(absl::IsFailedPrecondition(row.status())) << row.status();
  EXPECT_THAT(row.status().message(), HasSubstr("no device_busy_share"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "busy-run/report.json"));
}

TEST_F(GpuRunTest, WhatPyTorchPrintsIsCompared) {
  Peer(
      "import sys\nassert '12,8,5' in sys.argv and '16' in sys.argv\n"
      "print('a warning')\nprint('{\"examples_per_s\": 400}')\n");
  const auto row = CompareWithTorch(options_, 200);
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->limit, 400);
  EXPECT_EQ(row->ratio.median, 0.5);
  EXPECT_TRUE(row->holds()) << "it is told, not required";
}

TEST_F(GpuRunTest, WherePyTorchIsNotTheReasonIsSaid) {
  options_.peers = folder_ / "none";
  EXPECT_THAT(CompareWithTorch(options_, 1).status().message(),
              HasSubstr("there is no "));
  Peer("import sys\nsys.exit('this PyTorch sees no CUDA device')\n");
  const auto row = CompareWithTorch(options_, 1);
  EXPECT_TRUE(absl::IsNotFound(row.status()));
  EXPECT_THAT(row.status().message(), HasSubstr("sees no CUDA device"));
}

}  // namespace
}  // namespace ebb::tools
