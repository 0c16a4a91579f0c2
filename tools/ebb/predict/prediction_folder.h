// The folder into which `ebb predict --to` writes: a file for each part, and
// what says whose parts they are and that all are there.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/fd.h"
#include "common/objects/object_store.h"
#include "ebb/v1/scheduler.pb.h"
#include "protocol/plan.h"
#include "tools/text/json.h"

namespace ebb::tools {

// A folder, or what a bucket has below a prefix. A folder is locked as long as
// this object exists: one `ebb predict` at a time. A bucket has no locks. Its
// commands of the same identity are of the same job or write the same bytes,
// and no command deletes anything there. Not thread-safe.
class PredictionFolder {
 public:
  // Whether `path` is s3://BUCKET/PREFIX.
  static bool IsBucket(absl::string_view path);
  // Examples of the parts of predictions that were begun in the folder; 0:
  // there are none.
  static int64_t PartExamplesIn(const std::string& path);

  // Makes the folder, or goes on in one that has unfinished predictions of this
  // identity. InvalidArgument: it has something else, its predictions are
  // complete, or another process has it. Else the errors of the bucket.
  static absl::StatusOr<PredictionFolder> Claim(const std::string& path,
                                                const std::string& identity,
                                                int64_t part_examples);

  const std::string& path() const { return path_; }
  // The name under which its job is submitted, also after a crash.
  const std::string& request_id() const { return request_id_; }

  // Removes from a folder the files that killed workers have left, and the
  // parts that were left out, which no worker finished. Then returns the ranges
  // of the parts that are not there or were left out, a sentence each: the
  // first ones of many.
  absl::StatusOr<std::vector<std::string>> Settle(
      const JobPlan& plan, const v1::JobStatus& status) const;
  // Hands the texts of all parts to `take`, in their order, until it fails.
  absl::Status ReadParts(
      const JobPlan& plan,
      absl::FunctionRef<absl::Status(absl::string_view part)> take) const;
  // Says in _SUCCESS that all is there. `about` is its content.
  absl::Status Finish(const Json& about) const;
  // Writes all parts to one file, with the first one's header alone.
  absl::Status Join(const JobPlan& plan, const std::string& file) const;
  // Removes the whole folder. Not for a bucket.
  absl::Status Remove() const;

 private:
  PredictionFolder(std::string path, std::string request_id, Fd lock,
                   std::unique_ptr<ObjectStore> bucket)
      : path_(std::move(path)),
        request_id_(std::move(request_id)),
        lock_(std::move(lock)),
        bucket_(std::move(bucket)) {}

  static absl::StatusOr<PredictionFolder> ClaimFolder(
      const std::string& path, const std::string& identity,
      int64_t part_examples);
  static absl::StatusOr<PredictionFolder> ClaimBucket(
      const std::string& path, const std::string& identity,
      int64_t part_examples);
  // The names of the files or objects.
  absl::StatusOr<std::set<std::string>> Names() const;
  absl::StatusOr<std::string> Read(const std::string& name) const;

  std::string path_;
  std::string request_id_;
  Fd lock_;
  std::unique_ptr<ObjectStore> bucket_;  // Null: it is a folder.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_
