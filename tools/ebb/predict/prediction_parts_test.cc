#include "worker/predict/prediction_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/objects/testing/s3_server.h"
#include "common/status_macros.h"
#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/remote_files.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/predict/prediction_folder.h"
#include "tools/ebb/predict/prediction_job.h"
#include "tools/ebb/trained/stored_model.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"
#include "worker/job_data.h"
#include "worker/training_computer.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;
using worker::PredictionParts;

// The predictions of the model 2 x + 3 y + 1.
constexpr char kPart[] = "part-000000-000001.csv";
constexpr char kText[] = "prediction\n9\n19\n";

class PredictionPartsTest : public ::testing::Test {
 protected:
  PredictionPartsTest() {
    StoredModel model;
    const std::string train = temp_.path() + "/a.csv";
    EXPECT_TRUE(WriteFile(train, "1,2,9\n3,4,19\n").ok());
    const auto job = job::ParseJobYaml(
        absl::StrCat("model: linear\ndata: {train: {csv: {path: ", train,
                     ", header: false}}, standardise: false, "
                     "standardise_labels: false}"),
        "job", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    model.job = *job;
    job::FillDefaults(&model.job);
    const auto data = data::Dataset::Load(
        worker::TrainingSource(model.job, data::LabelKind::kReal));
    EXPECT_TRUE(data.ok()) << data.status();
    model.index = data->index();
    model.parameters = {2, 3, 1};
    const auto loaded = CreateStoredModel(model, {});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    const ModelExport all = ExportModel(model, (*loaded)->model->description());
    EXPECT_TRUE(WriteSafetensors(wish_.model, all.tensors, all.metadata).ok());
    EXPECT_TRUE(WriteFile(wish_.data, "1,2\n3,4\n").ok());
    for (const std::string& variable : server_.environment()) {
      const size_t equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(),
             variable.substr(equals + 1).c_str(), /*overwrite=*/1);
    }
  }

  // Prepares the predictions to `to`, and claims it.
  void Claim(const std::string& to) {
    wish_.to = to;
    auto prepared = PreparePrediction(wish_);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    prepared_.emplace(*std::move(prepared));
    const auto folder =
        PredictionFolder::Claim(to, {prepared_->identity, kPartExamples, {}});
    ASSERT_TRUE(folder.ok()) << folder.status();
  }
  // Loads as a worker with these --sources.
  absl::StatusOr<std::unique_ptr<PredictionParts>> Load(
      const std::string& sources) {
    return PredictionParts::Load(
        prepared_->job.job, prepared_->job.record.plan.layout_hash, {},
        data::WithRemoteFiles(data::OpenFile, {.sources = {{sources}}}),
        patience_);
  }
  // Writes as a worker whose `wait` answers `stays`.
  absl::Status Write(bool stays = true) {
    EBB_ASSIGN_OR_RETURN(const auto parts, Load("s3://bucket/to/"));
    auto input = data::Dataset::LoadLike(
        worker::SpecToPredict(*worker::LoadExport(wish_.model), {wish_.data}),
        worker::LoadExport(wish_.model)->index, data::OpenFile);
    EBB_RETURN_IF_ERROR(input.status());
    return parts->Write(*input, 0, 2,
                        {.step = [this] { ++steps_; },
                         .wait =
                             [&](absl::Duration) {
                               ++waits_;
                               if (on_wait_) on_wait_();
                               // So the lease goes on.
                               const int steps = steps_;
                               while (stays && steps_ == steps) {
                                 std::this_thread::yield();
                               }
                               return stays;
                             }});
  }
  std::string Content(const std::string& key) {
    const auto content = store_->Get(key, {});
    return content.ok() ? content->bytes
                        : std::string(content.status().message());
  }

  static constexpr int64_t kPartExamples = 1024;
  TestFolder temp_;
  PredictionWish wish_ = {.model = temp_.path() + "/m.safetensors",
                          .data = temp_.path() + "/new.csv"};
  std::optional<PreparedPrediction> prepared_;
  worker::BucketPatience patience_;
  std::atomic<int> steps_ = 0;
  int waits_ = 0;
  std::function<void()> on_wait_;
  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> store_ = server_.Open("to/");
};

TEST_F(PredictionPartsTest, APartThatIsThereIsKept) {
  const std::string to = temp_.path() + "/to";
  Claim(to);
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(*ReadFile(absl::StrCat(to, "/", kPart)), kText);
  ASSERT_TRUE(WriteFile(absl::StrCat(to, "/", kPart), "kept").ok());
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(*ReadFile(absl::StrCat(to, "/", kPart)), "kept");

  Claim("s3://bucket/to");
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(Content(kPart), kText);
  ASSERT_TRUE(PutObject(store_.get(), kPart, "kept").ok());
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(Content(kPart), "kept");
}

// Bug: a worker wrote wherever its keys let it, whatever --sources said.
TEST_F(PredictionPartsTest, SourcesHoldForWhatIsWritten) {
  Claim("s3://bucket/to");
  EXPECT_TRUE(Load("s3://bucket/to/").ok());
  const auto refused = Load("s3://bucket/other/");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("s3://bucket/to/_JOB"));
}

// Bug: a job that ran on wrote into a folder that was made anew for others.
TEST_F(PredictionPartsTest, OtherPredictionsGetNoPart) {
  const std::string to = temp_.path() + "/to";
  for (const std::string& place : {to, std::string("s3://bucket/to")}) {
    Claim(place);
    const std::string other = "identity b request c part 1024\n";
    ASSERT_TRUE(place == to ? WriteFile(to + "/_JOB", other).ok()
                            : PutObject(store_.get(), "_JOB", other).ok());
    const absl::Status written = Write();
    EXPECT_EQ(written.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(written.message()),
                HasSubstr("has other predictions now"));
  }
  EXPECT_FALSE(ReadFile(absl::StrCat(to, "/", kPart)).ok());
  EXPECT_THAT(Content(kPart), HasSubstr("not"));
  ASSERT_TRUE(store_->Delete("_JOB").ok());
  EXPECT_THAT(std::string(Write().message()), HasSubstr("_JOB is not there"));
}

// Bug: a worker that waited for the bucket put its part over those of others,
// which had claimed the bucket meanwhile.
TEST_F(PredictionPartsTest, OthersThatClaimTheBucketMeanwhileGetNoPart) {
  Claim("s3://bucket/to");
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "match": "part-", "count": 30}])");
  on_wait_ = [&] {
    const std::string other = "identity b request c part 1024\n";
    EXPECT_TRUE(PutObject(store_.get(), "_JOB", other).ok());
  };
  EXPECT_THAT(std::string(Write().message()),
              HasSubstr("has other predictions now"));
  server_.SetFaults("[]");
  EXPECT_THAT(Content(kPart), HasSubstr("not"));
}

// Bug: after three tries of some seconds the part was left out.
TEST_F(PredictionPartsTest, AnOutageOfTheBucketIsWaitedFor) {
  Claim("s3://bucket/to");
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "match": "part-", "count": 30}])");
  const absl::Status written = Write();
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(Content(kPart), kText);
  EXPECT_GE(waits_, 2);
}

TEST_F(PredictionPartsTest, AWorkerThatLeavesWaitsForNoBucket) {
  Claim("s3://bucket/to");
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "method": "PUT", "count": 999}])");
  EXPECT_EQ(Write(/*stays=*/false).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(waits_, 1);
  // Nor does it wait for what another try does not mend.
  server_.SetFaults(R"([{"kind": "403 AccessDenied", "method": "PUT"}])");
  EXPECT_EQ(Write().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(waits_, 1);
}

// Bug: a worker was lost to all other jobs for ten minutes, also after the job
// was cancelled.
TEST_F(PredictionPartsTest, AWorkerIsSoonFreeForOtherWork) {
  Claim("s3://bucket/to");
  patience_.at_once = absl::Milliseconds(1);
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "method": "PUT", "count": 999}])");
  const absl::Status written = Write();
  EXPECT_EQ(written.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(std::string(written.message()), HasSubstr("does not answer"));
}

// Bug: data that was away for a second failed the part at once.
TEST_F(PredictionPartsTest, AWorkerWaitsForInputThatIsAway) {
  namespace fs = std::filesystem;
  Claim(temp_.path() + "/to");
  auto record = std::make_shared<JobRecord>(prepared_->job.record);
  record->id = JobId(1);
  record->plan.partitions = 1;
  const client::ComputeTask task{record, Generation(1), ItemId{0, 0}, 0, 2, {}};
  worker::TrainingComputerOptions options;
  worker::TrainingComputer computer(options);
  computer.Hurry();  // It makes no pause.
  options.data_patience = absl::ZeroDuration();
  worker::TrainingComputer impatient(options);

  const std::string away = wish_.data + ".away";
  fs::rename(wish_.data, away);
  for (int i = 0; i < 3; ++i) {
    const client::ComputeResult waits = computer.Compute(task);
    EXPECT_EQ(waits.error, "");
    EXPECT_TRUE(waits.cancelled);
  }
  EXPECT_THAT(impatient.Compute(task).error, HasSubstr("it was tried for 0"));
  fs::rename(away, wish_.data);
  const client::ComputeResult result = computer.Compute(task);
  EXPECT_EQ(result.error, "");
  EXPECT_FALSE(result.cancelled);
  EXPECT_TRUE(fs::exists(absl::StrCat(wish_.to, "/", kPart)));
}

TEST_F(PredictionPartsTest, AnOutageIsWaitedForToABound) {
  Claim("s3://bucket/to");
  patience_.patience = absl::Milliseconds(1);
  server_.SetFaults(
      R"([{"kind": "503 SlowDown", "method": "PUT", "count": 999}])");
  const absl::Status written = Write();
  EXPECT_EQ(written.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(written.message()), HasSubstr("it was tried for"));
}

}  // namespace
}  // namespace ebb::tools
