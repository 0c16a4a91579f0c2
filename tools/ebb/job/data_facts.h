// Counts in a data set what defaults and checks of a job follow from.
#ifndef EBB_TOOLS_EBB_JOB_DATA_FACTS_H_
#define EBB_TOOLS_EBB_JOB_DATA_FACTS_H_

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "job/fit.h"

namespace ebb::tools {

// Reads the whole data set if its examples are documents.
absl::StatusOr<job::SourceFacts> FactsOf(const v1::Job& job,
                                         const data::Dataset& dataset);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DATA_FACTS_H_
