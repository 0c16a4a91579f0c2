// A job in a worker's memory: its data, its model, and what computes with them.
#ifndef EBB_WORKER_LOADED_JOB_H_
#define EBB_WORKER_LOADED_JOB_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/source.h"
#include "models/backend.h"
#include "models/model.h"
#include "models/registry.h"
#include "protocol/plan.h"
#include "worker/base/batch_reader.h"
#include "worker/job_data.h"
#include "worker/predict/prediction_parts.h"
#include "worker/training_options.h"
#include "workloads/seam/worker/worker.h"

namespace ebb::worker {

// Thread-compatible, but for what `reader` says.
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
  // Computes what the job's workload has beside the model.
  workloads::Work work;
  // Null: the job does not predict. Its input is in the place of `train`.
  std::unique_ptr<PredictionParts> parts;
  double l2 = 0;  // The model's.
  // The units in which losses are reported.
  LabelScale labels;
  // The positive class of the job's figures (Scores).
  int64_t positive = 1;
  // Partitions whose values are the same in every pull; empty: none.
  std::vector<bool> frozen;
  // The most that its data, and what the model keeps of it, may take so that
  // its values have room; 0: there is no bound.
  int64_t room_bytes = 0;
  // True if the model may keep anything: values are the same in every pull.
  bool keeps = true;
  // Batches without a finite gradient, so far.
  int blames = 0;

  // Data and batches, and what the model keeps of them.
  int64_t Bytes(const TrainingComputerOptions& options) const;
  // True if the bound of what the model keeps may change while it trains. Then
  // SpareBytes() are the part of Bytes() that it gives up if it must.
  bool MayKeepLess() const;
  int64_t SpareBytes() const;
  // The place of a training example in the data, as errors tell it. Gives up
  // when `stop` says so.
  std::string PlaceOf(int64_t number, const data::OpenBytes& open,
                      absl::FunctionRef<bool()> stop) const;
};
using LoadedJobPtr = std::shared_ptr<LoadedJob>;

// Opens the data and makes the model. FailedPrecondition: the files are not
// those that were indexed when the job was submitted (it names the file), the
// order or the model is another one, or the worker has no room for it.
// Otherwise the errors of reading the data and of making the model.
absl::StatusOr<LoadedJobPtr> LoadJob(const JobRecordPtr& record,
                                     const TrainingComputerOptions& options);

}  // namespace ebb::worker

#endif  // EBB_WORKER_LOADED_JOB_H_
