// How a job does Lloyd's K-Means.
#ifndef EBB_WORKLOADS_KMEANS_SERVER_LLOYD_OPTIONS_H_
#define EBB_WORKLOADS_KMEANS_SERVER_LLOYD_OPTIONS_H_

#include "ebb/v1/job.pb.h"
#include "workloads/kmeans/server/lloyd.h"

namespace ebb::workloads {

// The job has its defaults.
LloydOptions LloydOptionsOf(const v1::Job& job);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_SERVER_LLOYD_OPTIONS_H_
