// Rounds that end with a step of L-BFGS (algorithms/lbfgs).
#ifndef EBB_WORKLOADS_GRADIENTS_SERVER_LBFGS_ROUNDS_H_
#define EBB_WORKLOADS_GRADIENTS_SERVER_LBFGS_ROUNDS_H_

#include "algorithms/lbfgs/lbfgs.h"
#include "ebb/v1/job.pb.h"

namespace ebb::workloads {

// How the job does lbfgs. It has its defaults.
LbfgsOptions LbfgsOptionsOf(const v1::Algorithm& algorithm);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_GRADIENTS_SERVER_LBFGS_ROUNDS_H_
