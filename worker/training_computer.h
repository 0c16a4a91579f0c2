// ebb's own mathematics behind the client's seam: the data and the model that
// a job's specification names.
#ifndef EBB_WORKER_TRAINING_COMPUTER_H_
#define EBB_WORKER_TRAINING_COMPUTER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/actions.h"
#include "client/float_pool.h"
#include "client/job_computer.h"
#include "common/mutex.h"
#include "common/scores/scores.h"
#include "common/shm/shared_heap.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/source.h"
#include "ebb/v1/specification.pb.h"
#include "models/backend.h"
#include "models/lookahead.h"
#include "models/model.h"
#include "models/registry.h"
#include "worker/batch_reader.h"
#include "worker/device_choice.h"
#include "worker/job_data.h"
#include "worker/keyed_batch.h"
#include "worker/predict/prediction_parts.h"
#include "worker/task_maker.h"
#include "worker/topic_draws.h"
#include "worker/word_pairs.h"

namespace ebb::worker {

struct TrainingComputerOptions {
  // The code of users that may run. Default: none.
  UserCode code;
  DeviceOptions devices;
  // Batches gathered while another is computed. Default 2; more take memory
  // and help where gathering is slower than computing now and then.
  size_t read_ahead_batches = 2;
  // Test examples evaluated at once. Default 1024.
  int64_t evaluation_batch = 1024;
  // Jobs whose data is held in memory; the one unused longest goes. Default 2.
  size_t jobs_in_memory = 2;
  // Most bytes of data, except for a single job's: data of other jobs is
  // dropped before jobs_in_memory is reached. With a bound, evaluations take
  // batches of the size that training does, so that they need no more memory
  // between the model's layers. Default 0: no bound.
  int64_t data_bytes = 0;
  // Within data_bytes, the memory for data and for what a model keeps of it, so
  // that values and gradients have room. Default: data_bytes.
  std::function<int64_t(const JobPlan& plan)> room_beside_values;
  // Least time of a batch, as on a slower machine. Default: as long as it
  // takes.
  absl::Duration batch_time = absl::ZeroDuration();

  // How what a job names as its data is opened. Default: as files.
  data::OpenBytes open = data::OpenFile;

  // Where gradients lie, as soon as a server reads there. Default: none.
  std::shared_ptr<shm::SharedHeap> heap;

  // For tests: a batch with the training example of this number kills the
  // process; -1: none does. compute_delay is added to each batch.
  int64_t crash_at_example = -1;
  absl::Duration compute_delay = absl::ZeroDuration();
};

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
  EvaluationResult Evaluate(const client::EvaluateTask& task) override;

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
  // A job in memory.
  struct LoadedJob {
    JobRecordPtr record;
    data::SourceSpec train_source;
    data::Dataset train;
    std::optional<data::Dataset> test;
    models::Registry registry;
    std::unique_ptr<models::ComputeBackend> backend;
    // Null if the job predicts: `parts` has its model.
    std::unique_ptr<models::Model> model;
    // Read by the thread that reads the job's batches: for keyed examples the
    // thread that finds rows, else the computing thread.
    std::unique_ptr<BatchReader> reader;
    // For word vectors.
    std::optional<WordPairs> pairs;
    // Null: no topics are drawn.
    std::unique_ptr<TopicDraws> topics;
    // Null: its items are ranges of data.
    std::unique_ptr<TaskMaker> tasks;
    // Null: the job does not predict. Its input is in the place of `train`.
    std::unique_ptr<PredictionParts> parts;
    double l2 = 0;  // The model's.
    // The units in which losses are reported.
    LabelScale labels;
    // Partitions whose values are the same in every pull; empty: none.
    std::vector<bool> frozen;
    // Batches without a finite gradient, so far.
    int blames = 0;
  };
  using LoadedJobPtr = std::shared_ptr<LoadedJob>;

  // A vector, and what it was assembled from: not held, for the servers' blocks
  // or the received buffers lie behind it.
  struct Assembled {
    bool Are(const client::PulledValuesPtr& values) const {
      return values != nullptr && of.lock() == values;
    }

    std::unique_ptr<client::FloatBuffer> buffer;
    std::weak_ptr<const client::PulledValues> of;
    models::ContentId content = models::ContentId::kUnknown;
    // The job whose frozen partitions it has.
    std::weak_ptr<const JobRecord> frozen_of;
  };

  // Data and batches of a job.
  int64_t BytesOf(const LoadedJob& job) const;
  // Without what the model keeps of it.
  int64_t DataBytesOf(const LoadedJob& job) const;
  // The job, loaded if it is not.
  absl::StatusOr<LoadedJobPtr> Get(const JobRecordPtr& record)
      ABSL_LOCKS_EXCLUDED(jobs_mu_);
  int64_t HeldBytesLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(jobs_mu_);
  absl::StatusOr<LoadedJobPtr> Load(const JobRecordPtr& record) const;
  // Finds what stays the same from pull to pull.
  static absl::Status UseFrozen(const v1::Specification& specification,
                                LoadedJob* job);
  // The data and the model of a job, by what it says of its data.
  absl::StatusOr<LoadedJobPtr> LoadRead(
      const JobRecordPtr& record, const v1::Specification& specification) const;
  absl::StatusOr<LoadedJobPtr> LoadPredicting(
      const JobRecordPtr& record, const v1::Specification& specification) const;
  absl::StatusOr<LoadedJobPtr> LoadNumbered(
      const JobRecordPtr& record, const v1::Specification& specification) const;
  // The whole flat vector, and behind it the rows that were pulled for the
  // batch (where the job trains some); valid until the next call.
  absl::StatusOr<models::KnownFloats> Assemble(
      const LoadedJob& job, const client::PulledValuesPtr& values);
  // The same in memory of their own, valid beside those until the next call, if
  // they are expected.
  models::KnownFloats AssembleExpected(const LoadedJob& job);
  absl::StatusOr<models::KnownFloats> AssembleIn(
      const LoadedJob& job, const client::PulledValuesPtr& values,
      Assembled* assembled);
  // Lets the job's device copy from and to it by itself.
  static void Pin(const LoadedJob& job, client::FloatBuffer* buffer);
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
  // The place of a training example in the data, as errors tell it. Gives up
  // when `stop` says so.
  std::string PlaceOf(const LoadedJob& job, int64_t number,
                      absl::FunctionRef<bool()> stop) const;
  // An error of one example, with its place in the data.
  absl::Status NameExample(absl::Status status, const TrainingBatch& batch,
                           const LoadedJob& job) const;
  absl::Status ComputeBatch(const client::ComputeTask& task,
                            client::ComputeResult* result);
  absl::Status MakeTask(const client::ComputeTask& task, LoadedJob* job,
                        client::ComputeResult* result);
  // Writes the predictions of an item, whose only batch this is.
  absl::Status PredictPart(const client::ComputeTask& task, LoadedJob* job,
                           client::ComputeResult* result);
  absl::Status ComputeKeyed(const client::ComputeTask& task, LoadedJob* job,
                            client::ComputeResult* result);
  absl::Status DrawTopics(const client::ComputeTask& task, LoadedJob* job,
                          client::ComputeResult* result);
  // The batch, with a key for each of the rows of its documents.
  static absl::StatusOr<TrainingBatch> WithRows(const LoadedJob& job,
                                                const TrainingBatch& read);
  // The batch, of word vectors with pairs in place of documents.
  static TrainingBatch WithPairs(const LoadedJob& job,
                                 const TrainingBatch& read, ItemId item);
  absl::StatusOr<client::BatchRowsPtr> FindTestRows(const JobPlan& plan,
                                                    int64_t begin,
                                                    const LoadedJob& job) const;
  // Test examples that are tried at once.
  int64_t TestBatch(const JobPlan& plan) const;
  absl::Status EvaluateAll(const client::EvaluateTask& task,
                           EvaluationResult* result);
  // Keyed examples come in parts.
  absl::Status EvaluatePart(const client::EvaluateTask& task,
                            std::span<const float> params, LoadedJob* job,
                            EvaluationResult* result);
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
  // The values of the batch, and of the next one.
  Assembled assembled_[2];
  int current_ = 0;
  int64_t contents_ = 0;  // So many, so far.
  data::ExampleBatch test_batch_;
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
