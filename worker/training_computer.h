// ebb's own mathematics behind the client's seam: the data and the model that
// a job's specification names.
#ifndef EBB_WORKER_TRAINING_COMPUTER_H_
#define EBB_WORKER_TRAINING_COMPUTER_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "client/job_computer.h"
#include "common/mutex.h"
#include "common/scores/scores.h"
#include "data/dataset.h"
#include "models/lookahead.h"
#include "models/model.h"
#include "worker/assembled_values.h"
#include "worker/base/batch_reader.h"
#include "worker/base/keyed_batch.h"
#include "worker/loaded_job.h"
#include "worker/outage.h"
#include "worker/training_options.h"

namespace ebb::worker {

// Used by one thread, and FindRows by another, as the seam says; Expect,
// ReadAhead and Hurry by any.
// Has threads that read ahead.
class TrainingComputer : public client::JobComputer {
 public:
  explicit TrainingComputer(TrainingComputerOptions options);
  ~TrainingComputer() override;

  // kFailedPrecondition when the files are not those that were indexed when
  // the job was submitted (naming the file), or the model is another one;
  // otherwise the errors of reading the data and of making the model.
  absl::Status Prepare(const JobRecordPtr& record) override;
  int64_t held_bytes() const override;
  std::string RoomAdvice(const JobRecord& record) const override;
  absl::StatusOr<client::BatchRowsPtr> FindRows(
      const client::FindRows& batch) override;
  int64_t steps() const override { return steps_.load(); }
  client::ComputeResult Compute(const client::ComputeTask& task) override;
  void Expect(const client::PulledValuesPtr& values) override;
  void ReadAhead(JobId job, std::span<const client::ExampleRun> next) override;
  std::optional<EvaluationResult> Evaluate(
      const client::EvaluateTask& task) override;

  // How long devices had something to do, of jobs that have any.
  struct DeviceTime {
    double busy_seconds = 0;
    // Share of the time from after the first batch until the end of the last
    // one; 0: there were none.
    double busy_share = 0;
  };
  // Thread-safe.
  DeviceTime device_time() const;

  // From now on no batch is made to last, nor the one that is computed: the
  // worker leaves. Thread-safe.
  void Hurry();

 private:
  // The job, loaded if it is not.
  absl::StatusOr<LoadedJobPtr> Get(const JobRecordPtr& record)
      ABSL_LOCKS_EXCLUDED(jobs_mu_);
  // Null: it is not in memory, or is another than it was.
  LoadedJobPtr FindLocked(const JobRecordPtr& record)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(jobs_mu_);
  // The part of a job's data that is read: the batches, or the test data.
  enum class Part { kTraining, kTest };
  // The job of a batch or an evaluation, loaded if it was dropped. Null: its
  // data are out of reach for now.
  absl::StatusOr<LoadedJobPtr> GetFor(Part part, const JobRecordPtr& record);
  // Keeps within the bound on memory. What models keep of examples gives way to
  // data, for it is computed again sooner than data is read again. Beyond that
  // the job goes whose data was used longest ago.
  void ShareRoomLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(jobs_mu_);
  int64_t HeldBytesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(jobs_mu_);
  // The values that were expected last, if they are still held: once.
  client::PulledValuesPtr TakeExpected() ABSL_LOCKS_EXCLUDED(mu_);
  // The model's gradient of the batch, computed with the known parts of the
  // next one. `view` is of the examples of `batch`.
  absl::Status Gradient(const client::ComputeTask& task,
                        const models::KnownFloats& params,
                        const TrainingBatch& batch,
                        const models::BatchView& view,
                        client::FloatBuffer* gradient, LoadedJob* job,
                        models::BatchStats* stats);
  // The examples of the batch after the task's on its item's grid, if they are
  // read.
  static models::KnownFloats NextExamples(const client::ComputeTask& task,
                                          LoadedJob* job);
  // An error of one example, with its place in the data.
  absl::Status NameExample(absl::Status status, const TrainingBatch& batch,
                           const LoadedJob& job) const;
  // The batch of the job's data.
  absl::StatusOr<const TrainingBatch*> ReadBatch(
      LoadedJob* job, ItemId item, int64_t begin, int64_t end,
      std::span<const client::ExampleRun> ahead);
  absl::Status ComputeBatch(const client::ComputeTask& task,
                            client::ComputeResult* result);
  absl::Status MakeTask(const client::ComputeTask& task, LoadedJob* job,
                        client::ComputeResult* result);
  // Writes the predictions of an item, whose only batch this is.
  absl::Status PredictPart(const client::ComputeTask& task, LoadedJob* job,
                           client::ComputeResult* result);
  absl::Status ComputeKeyed(const client::ComputeTask& task, LoadedJob* job,
                            client::ComputeResult* result);
  absl::Status Contribute(const client::ComputeTask& task, LoadedJob* job,
                          client::ComputeResult* result);
  // The batch, with the examples that the job's workload makes of its own.
  static absl::StatusOr<TrainingBatch> MadeBatch(const LoadedJob& job,
                                                 const TrainingBatch& read,
                                                 bool test);
  absl::StatusOr<client::BatchRowsPtr> FindBatchRows(
      const client::FindRows& batch, LoadedJob* job);
  absl::StatusOr<client::BatchRowsPtr> FindTestRows(const JobPlan& plan,
                                                    int64_t begin,
                                                    const LoadedJob& job) const;
  // Test examples that are tried at once.
  int64_t TestBatch(const JobPlan& plan) const;
  absl::Status EvaluateAll(const client::EvaluateTask& task, LoadedJob* job,
                           EvaluationResult* result);
  // Keyed examples come in parts.
  absl::Status EvaluatePart(const client::EvaluateTask& task,
                            std::span<const float> params, LoadedJob* job,
                            EvaluationResult* result);
  // After a try at `tried` to read this part of the job's data, which is away:
  // waits for a while, and returns OK if it is worth another try.
  absl::Status WaitForData(Part part, const JobRecord& record, absl::Time tried,
                           const absl::Status& failed);
  void DataIsThere(Part part, const JobRecord& record);
  // Blocks until then, or until there is a hurry.
  void WaitUntil(absl::Time then);
  // `status`, of the job's model; whether its device is lost, and how long it
  // was busy, is seen to.
  absl::Status Seen(const absl::Status& status, LoadedJob* job);
  // Does what the knobs for tests ask for.
  void MaybeMisbehave(const TrainingBatch& batch) const;

  const TrainingComputerOptions options_;
  mutable Mutex jobs_mu_;  // Held while a job is loaded.
  // Used last first.
  std::list<LoadedJobPtr> jobs_ ABSL_GUARDED_BY(jobs_mu_);
  client::FloatPool pool_;
  AssembledValues assembled_;
  data::ExampleBatch test_batch_;
  // Jobs whose data was dropped or is read in parts, and is out of reach.
  std::map<std::pair<JobId, Part>, Outage> away_ ABSL_GUARDED_BY(jobs_mu_);
  // Scores over the parts of the test data before `end`, of keyed examples.
  struct PartialScores {
    JobId job;
    int64_t snapshot = 0;
    int64_t end = 0;
    Scores scores;
  };
  std::optional<PartialScores> partial_;

  // The steps of tasks. The computing thread adds, and the shell's reads.
  std::atomic<int64_t> steps_ = 0;
  mutable Mutex mu_;
  CondVar hurried_;
  std::weak_ptr<const client::PulledValues> expected_ ABSL_GUARDED_BY(mu_);
  // The job whose batches the computing thread read last.
  std::weak_ptr<LoadedJob> reading_ ABSL_GUARDED_BY(mu_);
  double busy_seconds_ ABSL_GUARDED_BY(mu_) = 0;
  // The first batch's, which has more to do.
  double first_busy_seconds_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time first_done_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Time last_done_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  bool hurry_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_TRAINING_COMPUTER_H_
