// The side of a workload on servers and the scheduler: it ends the rounds of
// its jobs.
//
//   absl::StatusOr<std::unique_ptr<const RoundRule>> MakeMyRounds(
//       const v1::Specification& specification, const JobPlan& plan);
//
//   void RegisterMineServer(ServerSides* sides) {
//     sides->Add("mine", MakeMyRounds);
//   }
//
// The build calls the function if workloads/mine/CMakeLists.txt has a SERVER
// side. A workload without one has that of the gradients.
#ifndef EBB_WORKLOADS_SEAM_SERVER_SERVER_H_
#define EBB_WORKLOADS_SEAM_SERVER_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "algorithms/coordinator.h"
#include "algorithms/round_rule.h"
#include "ebb/v1/specification.pb.h"
#include "protocol/plan.h"
#include "workloads/seam/rules/registry.h"

namespace ebb::workloads {

// Makes what closes the rounds of a job. Null: no operation does.
// InvalidArgument: the tables are not the workload's, or an option is not
// possible.
using MakeRoundRule = absl::StatusOr<std::unique_ptr<const RoundRule>> (*)(
    const v1::Specification& specification, const JobPlan& plan);

using ServerSides = Registry<MakeRoundRule>;

// Returns what closes the rounds of this job, by its workload.
absl::StatusOr<std::unique_ptr<const RoundRule>> RoundRuleOf(
    const v1::Specification& specification, const JobPlan& plan);

// The coordinator that decides how the job's rounds end. InvalidArgument: its
// rounds are not closed by operations. Else the errors of RoundRuleOf and
// job::ReadSpecification.
absl::StatusOr<std::shared_ptr<const Coordinator>> CoordinatorOf(
    const JobRecord& record);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_SERVER_SERVER_H_
