// Tells people about a job that is about to be trained.
#ifndef EBB_TOOLS_EBB_JOB_JOB_TEXT_H_
#define EBB_TOOLS_EBB_JOB_JOB_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/fit.h"
#include "protocol/plan.h"
#include "tools/ebb/job/submission.h"

namespace ebb::tools {

// "Chosen from the data: train.batch 8 (the examples are 117); …": empty
// without choices.
std::string ChoicesText(const std::vector<job::Choice>& choices);

// "300 examples × 10 epochs", with the sign that is given, or "100 trees": what
// the job works through.
std::string WorkText(const PreparedJob& prepared, absl::string_view times);

// "7850 parameters in 8 partitions", "1 parameter and the rows of 2 sparse
// tables in 8 partitions": how large what the job learns is.
std::string SizeText(const JobPlan& plan);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_JOB_TEXT_H_
