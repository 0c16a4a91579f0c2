// What a job that predicts computes: a file of predictions for each of its
// items (docs/decisions/0037-batch-prediction.md).
#ifndef EBB_WORKER_PREDICT_PREDICTION_PARTS_H_
#define EBB_WORKER_PREDICT_PREDICTION_PARTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/objects/object_store.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "worker/job_data.h"
#include "worker/predict/exported_model.h"
#include "worker/predict/predictions.h"

namespace ebb::worker {

// The file with the predictions of the examples [first, last) of `examples`:
// "part-000000-001023.csv". Names sort as the examples do.
std::string PartFileName(int64_t first, int64_t last, int64_t examples);
// The file or object beside the parts that says which predictions they are.
inline constexpr char kPredictionClaim[] = "_JOB";
// The beginning of the names of unfinished files in the same folder.
inline constexpr absl::string_view kUnfinishedPart = ".part-";

// Thread-compatible.
class PredictionParts {
 public:
  // Reads the model that `job.predict` names. FailedPrecondition: it is not the
  // file that the job was submitted with. Else the errors of LoadExport and
  // CreateExported, and of a bucket that `job.predict` names.
  static absl::StatusOr<std::unique_ptr<PredictionParts>> Load(
      const v1::Job& job, const UserCode& code, const data::OpenBytes& open);

  // Reads the input. FailedPrecondition: it is not what `index` was made of.
  absl::StatusOr<data::Dataset> LoadInput(const data::Index& index);

  // Writes the file of the examples [first, last) of the input, in one step.
  // When it returns, the file and its name are on the disk, or the object is in
  // the bucket. Calls `step` now and then. The bytes follow from the model and
  // the examples, on processors with the same instructions.
  absl::Status Write(const data::Dataset& input, int64_t first, int64_t last,
                     absl::FunctionRef<void()> step);

  // What the model keeps beside the input.
  int64_t memory_bytes() const;

 private:
  PredictionParts(v1::Job job, data::OpenBytes open, ExportedModel model,
                  std::unique_ptr<LoadedModel> loaded,
                  std::unique_ptr<ObjectStore> bucket)
      : job_(std::move(job)),
        open_(std::move(open)),
        model_(std::move(model)),
        loaded_(std::move(loaded)),
        bucket_(std::move(bucket)) {}

  const v1::Job job_;
  const data::OpenBytes open_;
  const ExportedModel model_;
  const std::unique_ptr<LoadedModel> loaded_;
  const std::unique_ptr<ObjectStore> bucket_;  // Null: parts go to a folder.
  PredictionExtras extras_;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_PREDICTION_PARTS_H_
