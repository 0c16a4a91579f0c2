// The tables that the model of a job has.
#ifndef EBB_TOOLS_EBB_JOB_MODEL_TABLES_H_
#define EBB_TOOLS_EBB_JOB_MODEL_TABLES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"

namespace ebb::tools {

// The kinds of models that the job can name. Plugins come from the folders.
absl::StatusOr<std::vector<std::string>> ModelKinds(
    const v1::Job& job, const std::vector<std::string>& plugin_folders);

// Adds the tables of the model to `facts`, and what it says of its loss.
// `index` is that of the training data.
absl::Status TablesOfModel(const v1::Job& job,
                           const std::vector<std::string>& plugin_folders,
                           const data::Index& index, job::JobFacts* facts);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_MODEL_TABLES_H_
