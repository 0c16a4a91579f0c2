// A job's expectations of its last evaluation.
#ifndef EBB_JOB_EXPECTATIONS_H_
#define EBB_JOB_EXPECTATIONS_H_

#include <string>
#include <vector>

#include "ebb/v1/job.pb.h"
#include "job/complaints.h"
#include "job/validate.h"

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

#endif  // EBB_JOB_EXPECTATIONS_H_
