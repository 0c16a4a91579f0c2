// The parts of a job's specification that may change while the job goes on: by
// `ebb run --resume` with another job file, --epochs or --set.
#ifndef EBB_JOB_JOB_CHANGE_H_
#define EBB_JOB_JOB_CHANGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/specification.pb.h"

namespace ebb::job {

// The keys of the job file that may change, as docs/job-changes.md lists them.
// Keys below such a key may change, too.
const std::vector<std::string>& KeysThatMayChange();

// The flag with which `ebb run --resume` goes on with another value of a key,
// for hints: "--set optimizer.rate=0.01". The key must be one that may change.
std::string ChangeFlag(absl::string_view key, absl::string_view value);

// The keys in which two jobs differ, like "train.epochs": of a message that one
// of them lacks, its own key.
std::vector<std::string> ChangedKeys(const v1::Job& before,
                                     const v1::Job& after);

// InvalidArgument, naming each key that may not change and what it was; or
// saying that the data is another. Whether epochs become fewer is for the plan
// to say (MayFollow).
absl::Status CheckChange(const v1::Specification& before,
                         const v1::Specification& after);

}  // namespace ebb::job

#endif  // EBB_JOB_JOB_CHANGE_H_
