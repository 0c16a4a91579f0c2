// A module in Python: what its model and its data sets are, for a draft.
#ifndef EBB_TOOLS_EBB_JOB_DRAFT_MODULE_H_
#define EBB_TOOLS_EBB_JOB_DRAFT_MODULE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/index.h"
#include "job/specification.h"
#include "tools/ebb/job/draft.h"
#include "tools/ebb/model/initial_values.h"

namespace ebb::tools {

// Asks the module, once. Its hash and its tables become the job's, and what its
// parameters are the initial values, unless the job names a file with others.
// A run that goes on has all of these. `draft` may have asked it already.
// Modules come from `folders`.
absl::Status AskModule(const std::vector<std::string>& folders,
                       const data::Index& index, Draft* draft,
                       job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial);

// Asks the module how many examples its data sets have. A run that goes on
// knows it.
absl::StatusOr<job::JobFacts> AskData(const std::vector<std::string>& folders,
                                      Draft* draft);

// Returns the key at which an error of a module is told: that of the data set
// that is at fault, if one is.
std::string KeyAtFault(const absl::Status& status);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DRAFT_MODULE_H_
