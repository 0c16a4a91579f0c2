// The folder into which `ebb predict --to` writes: a file for each part, and
// what says whose parts they are and that all are there.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
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

// Predictions follow from these terms: other terms give other predictions.
struct PredictionTerms {
  std::string identity;  // worker::PredictionIdentity().
  int64_t part_examples = 0;
  // The flags and arguments behind the identity, for messages, with their
  // values. The value of a flag that is not given is empty.
  std::vector<std::pair<std::string, std::string>> flags;
};

// A folder, or what a bucket has below a prefix. A folder is locked as long as
// this object exists: one `ebb predict` at a time. A bucket has no locks. Its
// commands of the same identity are of the same job or write the same bytes,
// and no command deletes anything there. Not thread-safe.
class PredictionFolder {
 public:
  // True if `path` is s3://BUCKET/PREFIX.
  static bool IsBucket(absl::string_view path);
  // Examples of the parts of predictions that were begun in the folder; 0:
  // there are none.
  static int64_t PartExamplesIn(const std::string& path);

  // Makes the folder, or goes on in one that has unfinished predictions of this
  // identity. InvalidArgument: it has something else, its predictions are
  // complete, or another process has it. If they are of other terms, the error
  // names the flags that differ. Else the errors of the bucket.
  static absl::StatusOr<PredictionFolder> Claim(const std::string& path,
                                                const PredictionTerms& terms);

  const std::string& path() const { return path_; }
  // The name under which its job is submitted, also after a crash.
  const std::string& request_id() const { return claim_.request_id; }
  // True if a command had begun these predictions before this one.
  bool goes_on() const { return goes_on_; }

  // Gives the predictions another name, for the job of the old one has ended
  // without all parts. If another command has done so in a bucket, its name is
  // taken. InvalidArgument: the bucket has other predictions now.
  absl::Status Renew();

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
  // FailedPrecondition: another command has claimed the bucket meanwhile.
  absl::Status Finish(const Json& about) const;
  // Writes all parts one after the other, with the first one's header alone.
  absl::Status Join(const JobPlan& plan, std::ostream* out) const;
  // Removes what this command has made in a folder, if no part is there, and
  // the folder if it made that. Predictions that another command had begun
  // stay, and so does all that is in a bucket.
  absl::Status LeaveNothing() const;
  // Removes the whole folder. Not for a bucket.
  absl::Status Remove() const;

 private:
  // The text of the claim: "identity HEX request ID part N", and a line for
  // each flag of the terms, "FLAG<tab>VALUE". Older releases wrote no flags.
  struct ClaimText {
    PredictionTerms terms;
    std::string request_id;

    std::string ToString() const;
    static std::optional<ClaimText> Read(const std::string& folder);
    static std::optional<ClaimText> Parse(absl::string_view text);
  };

  PredictionFolder(std::string path, ClaimText claim, bool goes_on, bool made,
                   Fd lock, std::unique_ptr<ObjectStore> bucket)
      : path_(std::move(path)),
        claim_(std::move(claim)),
        goes_on_(goes_on),
        made_(made),
        lock_(std::move(lock)),
        bucket_(std::move(bucket)) {}

  // Makes the file of the claim, empty, if it is not there, and locks it.
  static absl::StatusOr<Fd> Lock(const std::string& folder,
                                 const PredictionTerms& terms);
  // Replaces what the locked file says. It is on the disk afterwards.
  static absl::Status WriteClaim(const std::string& folder, const Fd& lock,
                                 const ClaimText& claim);

  static absl::StatusOr<PredictionFolder> ClaimFolder(
      const std::string& path, const PredictionTerms& terms);
  static absl::StatusOr<PredictionFolder> ClaimBucket(
      const std::string& path, const PredictionTerms& terms);
  // The names of the files or objects.
  absl::StatusOr<std::set<std::string>> Names() const;
  absl::StatusOr<std::string> Read(const std::string& name) const;

  std::string path_;
  ClaimText claim_;
  bool goes_on_;
  bool made_;  // The folder was not there.
  Fd lock_;
  std::unique_ptr<ObjectStore> bucket_;  // Null: it is a folder.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICTION_FOLDER_H_
