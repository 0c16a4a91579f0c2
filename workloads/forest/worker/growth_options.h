// How the trees of a forest grow, as its job says.
#ifndef EBB_WORKLOADS_FOREST_WORKER_GROWTH_OPTIONS_H_
#define EBB_WORKLOADS_FOREST_WORKER_GROWTH_OPTIONS_H_

#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "workloads/forest/model/tree_grower.h"

namespace ebb::workloads {

// How the job's trees grow, on data with this index.
forest::GrowthOptions GrowthOptionsOf(const v1::Job& job,
                                      const data::Index& train);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_FOREST_WORKER_GROWTH_OPTIONS_H_
