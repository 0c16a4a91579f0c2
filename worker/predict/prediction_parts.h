// The results of a job that predicts: a file of predictions for each of its
// items (docs/decisions/0037-batch-prediction.md).
#ifndef EBB_WORKER_PREDICT_PREDICTION_PARTS_H_
#define EBB_WORKER_PREDICT_PREDICTION_PARTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/objects/object_store.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "worker/job_data.h"
#include "worker/outage.h"
#include "worker/predict/exported_model.h"
#include "worker/predict/predictions.h"

namespace ebb::worker {

// The beginning of the names of parts.
inline constexpr absl::string_view kPart = "part-";
// The file with the predictions of the examples [first, last) of `examples`:
// "part-000000-001023.csv". Names sort as the examples do.
std::string PartFileName(int64_t first, int64_t last, int64_t examples);
// The file or object beside the parts that says which predictions they are.
inline constexpr char kPredictionClaim[] = "_JOB";
// The text of a claim begins with this word and the identity.
inline constexpr absl::string_view kClaimFirstWord = "identity ";
// The beginning of the names of unfinished files in the same folder.
inline constexpr absl::string_view kUnfinishedPart = ".part-";

// Names the predictions of a job: other models, other input or other parts
// have another one.
std::string PredictionIdentity(const v1::Job& job, uint64_t layout_hash);

// The callbacks of a worker that writes a part.
struct WhileWriting {
  // Called now and then, by any thread: the worker gets on.
  absl::FunctionRef<void()> step;
  // Blocks for so long. False, also before that: the worker leaves.
  absl::FunctionRef<bool(absl::Duration)> wait;
};

// How long a bucket that does not answer is tried, with longer and longer
// pauses. The waits are those of WhileWriting.
struct BucketPatience {
  // In all. Then the part has failed.
  absl::Duration patience = absl::Minutes(10);
  // In one Write(). Meanwhile the worker does nothing else, and does not see
  // that the job was cancelled.
  absl::Duration at_once = absl::Seconds(10);
  absl::Duration first_wait = absl::Seconds(1);
  absl::Duration longest_wait = absl::Seconds(4);
};

// Thread-compatible.
class PredictionParts {
 public:
  // Reads the model that `job.predict` names. `layout_hash` is that of the
  // job's plan. FailedPrecondition: it is not the file that the job was
  // submitted with. Else the errors of LoadExport and CreateExported, and of a
  // bucket that `job.predict` names.
  static absl::StatusOr<std::unique_ptr<PredictionParts>> Load(
      const v1::Job& job, uint64_t layout_hash, const UserCode& code,
      const data::OpenBytes& open, const BucketPatience& patience = {});

  // Reads the input. FailedPrecondition: it is not what `index` was made of.
  absl::StatusOr<data::Dataset> LoadInput(const data::Index& index);

  // Writes the file of the examples [first, last) of the input, in one step.
  // When it returns, the file and its name are on the disk, or the object is in
  // the bucket. One that is there already is kept: the bytes follow from the
  // model and the examples, on processors with the same instructions. Waits for
  // a bucket that does not answer. Cancelled: it still does not, or the worker
  // leaves; nothing has failed.
  // FailedPrecondition: the folder or bucket has other predictions now.
  absl::Status Write(const data::Dataset& input, int64_t first, int64_t last,
                     const WhileWriting& meanwhile);

  // Bytes that the model keeps beside the input.
  int64_t memory_bytes() const;

 private:
  PredictionParts(v1::Job job, uint64_t layout_hash, data::OpenBytes open,
                  BucketPatience patience, ExportedModel model,
                  std::unique_ptr<LoadedModel> loaded,
                  std::unique_ptr<ObjectStore> bucket)
      : job_(std::move(job)),
        claim_(absl::StrCat(kClaimFirstWord,
                            PredictionIdentity(job_, layout_hash), " ")),
        open_(std::move(open)),
        patience_(patience),
        model_(std::move(model)),
        loaded_(std::move(loaded)),
        bucket_(std::move(bucket)) {}

  absl::Status WriteToBucket(const std::string& name,
                             const WhileWriting& meanwhile,
                             absl::FunctionRef<absl::Status(
                                 const std::function<void(absl::string_view)>&)>
                                 write);
  // Repeats what fails in passing.
  absl::Status Patiently(const WhileWriting& meanwhile,
                         absl::FunctionRef<absl::Status()> ask);
  absl::Status CheckClaim(const absl::StatusOr<std::string>& text) const;

  const v1::Job job_;
  const std::string claim_;  // The text of the claim begins so.
  const data::OpenBytes open_;
  const BucketPatience patience_;
  const ExportedModel model_;
  const std::unique_ptr<LoadedModel> loaded_;
  const std::unique_ptr<ObjectStore> bucket_;  // Null: parts go to a folder.
  PredictionExtras extras_;
  Outage outage_{patience_.patience};  // The bucket is away.
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_PREDICTION_PARTS_H_
