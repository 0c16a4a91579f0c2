// The algorithms that this folder adds to the registry.
#ifndef EBB_ALGORITHMS_BUILTIN_H_
#define EBB_ALGORITHMS_BUILTIN_H_

#include "absl/status/status.h"
#include "algorithms/algorithm.h"

namespace ebb {

// "sgd"
absl::Status RegisterGradientDescent(AlgorithmRegistry* registry);
// "dynsgd"
absl::Status RegisterDynSgd(AlgorithmRegistry* registry);
// "staleness_aware"
absl::Status RegisterStalenessAware(AlgorithmRegistry* registry);
// "downpour", "adag"
absl::Status RegisterDownpour(AlgorithmRegistry* registry);
absl::Status RegisterAdag(AlgorithmRegistry* registry);
// "geo"
absl::Status RegisterGeo(AlgorithmRegistry* registry);
// "local_sgd"
absl::Status RegisterLocalSgd(AlgorithmRegistry* registry);
// "diloco"
absl::Status RegisterDiLoCo(AlgorithmRegistry* registry);
// "lbfgs"
absl::Status RegisterLbfgs(AlgorithmRegistry* registry);
// "tasks"
absl::Status RegisterTasks(AlgorithmRegistry* registry);
// "aeasgd", "eamsgd"
absl::Status RegisterElasticAveraging(AlgorithmRegistry* registry);

}  // namespace ebb

#endif  // EBB_ALGORITHMS_BUILTIN_H_
