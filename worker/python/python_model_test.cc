#include "worker/python/python_model.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/engine/messages.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Least squares with two features, computed by testing/ebb/worker.py. `fault`
// says what goes wrong there.
class PythonModelTest : public testing::Test {
 protected:
  PythonModelTest() {
    setenv("EBB_TEST_VERSION", EBB_VERSION, 1);
    setenv("EBB_TEST_FORMAT", absl::StrCat(kEngineFormat).c_str(), 1);
  }

  static PythonModelOptions OptionsOf(const std::string& fault) {
    PythonModelOptions options;
    options.program = {"python3", EBB_TEST_PACKAGES};
    options.path = "mine.py";
    options.text = fault;
    options.class_name = "Net";
    options.features = 2;
    return options;
  }
  static std::unique_ptr<PythonModel> Make(const std::string& fault) {
    auto model = PythonModel::Create(OptionsOf(fault));
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }

  // So many examples, each x = (1, 2) and y = 1.
  models::BatchView Batch(int64_t rows, int64_t position = 0) {
    dense_.clear();
    for (int64_t row = 0; row < rows; ++row) {
      dense_.insert(dense_.end(), {1, 2});
    }
    labels_.assign(rows, 1);
    models::BatchView batch;
    batch.rows = rows;
    batch.features = 2;
    batch.dense = dense_;
    batch.labels = labels_;
    batch.first_position = position;
    return batch;
  }

  std::vector<float> dense_, labels_;
  const std::vector<float> params_ = {3, 0.5F, 1};  // Predicts 5.5.
  std::vector<float> grad_ = std::vector<float>(3, 9);
  models::BatchStats stats_;
};

TEST_F(PythonModelTest, DescribesWhatTheModuleHas) {
  PythonModelOptions options = OptionsOf("");
  options.options["begin"] = "4";

  const auto model = PythonModel::Create(options);

  ASSERT_TRUE(model.ok()) << model.status();
  const models::ModelDescription& description = (*model)->description();
  ASSERT_EQ(description.tables.size(), 2u);
  EXPECT_EQ(description.tables[0].name, "b");
  EXPECT_THAT(description.tables[1].dims, ElementsAre(1, 2));
  EXPECT_EQ(description.outputs, 1);
  EXPECT_EQ(description.labels, models::LabelKind::kValue);
  EXPECT_THAT((*model)->initial(), ElementsAre(4, 0, 0));
}

// Bug: it named a package of PyPI that is a stranger's.
TEST(PythonProgramTest, AnInterpreterWithoutThePackageIsToldWhatToInstall) {
  const TestFolder folder;
  const std::string python = folder / "python3";
  // Without its site-packages.
  std::ofstream(python) << "#!/bin/sh\nexec python3 -S \"$@\"\n";
  std::filesystem::permissions(python, std::filesystem::perms::owner_all);
  PythonModelOptions options;
  options.program.interpreter = python;

  const auto model = PythonModel::Create(options);

  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("has no package ebb: install python3-ebb or the wheel "
                        "that tools/package makes"));
}

TEST_F(PythonModelTest, SumsOverTheBatchWhateverItsSize) {
  const auto model = Make("");

  ASSERT_TRUE(model->Gradient(params_, Batch(2), grad_, &stats_).ok());
  EXPECT_THAT(grad_, ElementsAre(9, 9, 18));
  EXPECT_EQ(stats_.examples, 2);
  EXPECT_EQ(stats_.loss_sum, 20.25);

  // There is more memory for it, and nothing is left of the batch before.
  ASSERT_TRUE(model->Gradient(params_, Batch(100), grad_, &stats_).ok());
  EXPECT_THAT(grad_, ElementsAre(450, 450, 900));
}

TEST_F(PythonModelTest, ShortensTheMeanGradient) {
  PythonModelOptions options = OptionsOf("");
  options.clip_norm = 4.5;
  const auto model = PythonModel::Create(options);
  ASSERT_TRUE(model.ok()) << model.status();

  ASSERT_TRUE((*model)->Gradient(params_, Batch(2), grad_, &stats_).ok());

  // The mean is 4.5 (1, 1, 2), of length 4.5 sqrt(6).
  EXPECT_NEAR(grad_[0], 9 / std::sqrt(6.0), 1e-5);
  EXPECT_NEAR(grad_[2], 18 / std::sqrt(6.0), 1e-5);
}

TEST_F(PythonModelTest, SaysWhichTablesServersAverage) {
  PythonModelOptions options = OptionsOf("");
  options.options["share"] = "0.25";
  const auto model = PythonModel::Create(options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->averages(), ElementsAre(testing::Pair("b", 0.25)));

  options.options["share"] = "1.5";
  EXPECT_THAT(PythonModel::Create(options).status().message(),
              HasSubstr("b has the share 1.5 of a batch"));
}

TEST_F(PythonModelTest, EvaluatesAndPredicts) {
  const auto model = Make("");
  std::vector<float> outputs;

  ASSERT_TRUE(
      model->EvaluateAndPredict(params_, Batch(3), &stats_, &outputs).ok());
  EXPECT_EQ(stats_.examples, 3);
  EXPECT_EQ(stats_.loss_sum, 3 * 10.125);
  EXPECT_EQ(stats_.correct, -1);  // Bug: 0, as if all were wrong.
  EXPECT_THAT(outputs, ElementsAre(5.5, 5.5, 5.5));

  models::BatchView unlabelled = Batch(1);
  unlabelled.labels = {};
  ASSERT_TRUE(model->Predict(params_, unlabelled, &outputs).ok());
  EXPECT_THAT(outputs, ElementsAre(5.5));
}

TEST_F(PythonModelTest, ADeathFailsItsBatchOnly) {
  const auto model = Make("die once");

  const absl::Status died = model->Gradient(params_, Batch(2), grad_, &stats_);
  EXPECT_EQ(died.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(died.message()),
              HasSubstr("killed by signal 9 (Killed) while it computed 2 "
                        "examples of epoch 1, shard 1, from 0"));
  EXPECT_EQ(model->process(), 0);

  const absl::Status next =
      model->Gradient(params_, Batch(2, 8), grad_, &stats_);
  EXPECT_TRUE(next.ok()) << next;
  EXPECT_THAT(grad_, ElementsAre(9, 9, 18));
}

TEST_F(PythonModelTest, ADeathBetweenBatchesFailsNone) {
  const auto model = Make("");
  ASSERT_TRUE(model->Gradient(params_, Batch(2), grad_, &stats_).ok());
  const pid_t before = model->process();
  ASSERT_EQ(kill(before, SIGKILL), 0);
  siginfo_t ended = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(before), &ended, WEXITED | WNOWAIT),
            0);

  const absl::Status next = model->Gradient(params_, Batch(2), grad_, &stats_);

  EXPECT_TRUE(next.ok()) << next;
  EXPECT_NE(model->process(), before);
}

TEST_F(PythonModelTest, ABatchThatNeverEndsFails) {
  PythonModelOptions options = OptionsOf("hang");
  options.patience = absl::Milliseconds(100);
  const auto model = PythonModel::Create(options);
  ASSERT_TRUE(model.ok()) << model.status();

  const auto status = (*model)->Gradient(params_, Batch(2), grad_, &stats_);

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("Python says nothing for 100ms while it computed 2"));
}

TEST_F(PythonModelTest, WhatTheModuleStartedEndsWithIt) {
  const TestFolder folder;
  PythonModelOptions options = OptionsOf("start");
  options.options["pipe"] = folder / "pipe";
  ASSERT_EQ(mkfifo(options.options["pipe"].c_str(), 0600), 0);
  const Fd pipe(
      open(options.options["pipe"].c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto model = PythonModel::Create(options);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto status = (*model)->Gradient(params_, Batch(2), grad_, &stats_);
  ASSERT_TRUE(status.ok()) << status;

  model->reset();

  // It hangs up when the last one that has it open for writing ends.
  pollfd waits = {pipe.get(), POLLIN, 0};
  EXPECT_EQ(poll(&waits, 1, /*timeout=*/10'000), 1);
}

TEST_F(PythonModelTest, NamesTheRowThatFails) {
  const auto model = Make("fail");

  const absl::Status failed =
      model->Gradient(params_, Batch(2), grad_, &stats_);

  EXPECT_EQ(failed.message(), "mine.py:7: bad");
  ASSERT_TRUE(failed.GetPayload(kFailedRow).has_value());
  EXPECT_EQ(std::string(*failed.GetPayload(kFailedRow)), "1");
  EXPECT_NE(model->process(), 0);
}

TEST_F(PythonModelTest, NamesAValueThatIsNotFinite) {
  const auto model = Make("nan");

  const absl::Status odd = model->Gradient(params_, Batch(2), grad_, &stats_);

  EXPECT_EQ(odd.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(odd.message()),
              HasSubstr("the gradient of w[0, 1] is nan"));
}

// --- Data sets of the module's own -------------------------------------------

TEST_F(PythonModelTest, GivesNumbersToAModuleWithDataSets) {
  PythonModelOptions options = OptionsOf("");
  options.data = {{.name = "mine.py:train", .options = {{"n", "900"}}},
                  {.name = "mine.py:test", .options = {{"n", "70"}}}};
  const auto model = PythonModel::Create(options);
  ASSERT_TRUE(model.ok()) << model.status();

  ASSERT_EQ((*model)->data_sets().size(), 2u);
  EXPECT_EQ((*model)->data_sets()[0].bytes, 900);
  EXPECT_EQ((*model)->data_sets()[1].bytes, 70);
  EXPECT_EQ((*model)->description().labels, models::LabelKind::kNone);
  const std::vector<int64_t> numbers = {int64_t{1} << 35, 7, 20};
  models::BatchView batch;
  batch.rows = 3;
  batch.numbers = numbers;
  ASSERT_TRUE((*model)->Gradient(params_, batch, grad_, &stats_).ok());
  EXPECT_EQ(stats_.loss_sum, static_cast<double>((int64_t{1} << 35) + 27));
  ASSERT_TRUE((*model)->Evaluate(params_, batch, &stats_).ok());
  EXPECT_EQ(stats_.examples, 3);
  EXPECT_EQ(stats_.loss_sum, static_cast<double>((int64_t{1} << 35) + 27));
  std::vector<float> outputs;
  EXPECT_THAT(
      std::string((*model)->Predict(params_, Batch(1), &outputs).message()),
      HasSubstr("reads its own data set"));
}

TEST_F(PythonModelTest, AnErrorOfADataSetSaysWhichItIs) {
  PythonModelOptions options = OptionsOf("no data");
  options.data = {{.name = "mine.py:train", .options = {{"n", "900"}}},
                  {.name = "mine.py:test", .options = {{"n", "70"}}}};
  const absl::Status refused = PythonModel::Create(options).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("test_set: lost"));
  EXPECT_EQ(refused.GetPayload(kFailedData), absl::Cord("1"));
}

TEST_F(PythonModelTest, RefusesWhatIsNoModelOfTheJob) {
  const auto refused = PythonModel::Create(OptionsOf("refuse"));
  EXPECT_EQ(refused.status().message(),
            "mine.py, class Net: mine.py:3: refused");

  const auto named = PythonModel::Create(OptionsOf("name"));
  EXPECT_THAT(std::string(named.status().message()),
              HasSubstr("a parameter is called '../b'"));

  PythonModelOptions other = OptionsOf("");
  other.tables = {{"b", {1}, InitRule()}, {"w", {1, 3}, InitRule()}};
  EXPECT_THAT(
      std::string(PythonModel::Create(other).status().message()),
      HasSubstr("is another model than was submitted: it has w (1, 2) where "
                "the job has w (1, 3)"));

  PythonModelOptions none = OptionsOf("");
  none.program = {};
  EXPECT_THAT(std::string(PythonModel::Create(none).status().message()),
              HasSubstr("--python"));
  none.program.interpreter = "/no/python";
  EXPECT_THAT(std::string(PythonModel::Create(none).status().message()),
              HasSubstr("/no/python"));
}

}  // namespace
}  // namespace ebb::worker
