#include "workloads/kmeans/server/lloyd_options.h"

namespace ebb::workloads {

LloydOptions LloydOptionsOf(const v1::Job& job) {
  return {.clusters = job.model().clusters(),
          .tolerance = job.algorithm().tolerance()};
}

}  // namespace ebb::workloads
