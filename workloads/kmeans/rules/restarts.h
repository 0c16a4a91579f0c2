// Jobs of K-Means that run more than once, and keep the best run.
#ifndef EBB_WORKLOADS_KMEANS_RULES_RESTARTS_H_
#define EBB_WORKLOADS_KMEANS_RULES_RESTARTS_H_

#include "ebb/v1/job.pb.h"

namespace ebb::workloads {

// Returns whether the job has restarts. Each is a task: a run of Lloyd's
// K-Means. The job has its defaults.
inline bool HasRestarts(const v1::Job& job) {
  return job.model().has_restarts() &&
         job.algorithm().kind() == v1::Algorithm::KIND_LLOYD;
}

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_RULES_RESTARTS_H_
