// A job's expectations of its last evaluation.
#ifndef EBB_JOB_EXPECTATIONS_H_
#define EBB_JOB_EXPECTATIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/validate.h"

namespace ebb::job {

// A key of `expect:` and its value: "auc", ">= 0.8".
struct ExpectedFigure {
  std::string figure;
  std::string wanted;
};

// Returns the figures that are given, in the order of the job's message.
std::vector<ExpectedFigure> ExpectationsOf(const v1::Expect& expect);

// Why no evaluation of the job has a figure.
struct UnfitFigure {
  std::string what;
  std::string instead;  // A figure that it has, and what may be expected of it.
  std::string bound;
};
// nullopt: it has the figure, or that is not known yet.
std::optional<UnfitFigure> FindUnfit(const v1::Job& job, const DataFacts& facts,
                                     absl::string_view name);

// Finds expectations that no model of the job can meet: of a figure that the
// job's task does not have, or beyond what the figure can be.
void CheckExpectations(const v1::Job& job, const DataFacts& facts,
                       Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_EXPECTATIONS_H_
