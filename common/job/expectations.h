// What a job expects of its last evaluation.
#ifndef EBB_COMMON_JOB_EXPECTATIONS_H_
#define EBB_COMMON_JOB_EXPECTATIONS_H_

#include <string>
#include <vector>

#include "common/job/complaints.h"
#include "common/job/validate.h"
#include "ebb/v1/job.pb.h"

namespace ebb::job {

// A key of `expect:` and its value: "auc", ">= 0.8".
struct ExpectedFigure {
  std::string figure;
  std::string wanted;
};

// Those that are given, in the order of the job's message.
std::vector<ExpectedFigure> ExpectationsOf(const v1::Expect& expect);

// Finds expectations that no model of the job can meet: of a figure that the
// job's task does not have, or beyond what the figure can be.
void CheckExpectations(const v1::Job& job, const DataFacts& facts,
                       Complaints* found);

}  // namespace ebb::job

#endif  // EBB_COMMON_JOB_EXPECTATIONS_H_
