// Optimizers for tests, by the words of the job file.
#ifndef EBB_OPTIMIZER_TESTING_OPTIMIZERS_H_
#define EBB_OPTIMIZER_TESTING_OPTIMIZERS_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "ebb/v1/job.pb.h"
#include "optimizer/optimizer.h"

namespace ebb {

// Keys of numbers, such as {"beta2", 0.99}.
using OptimizerKeys = std::initializer_list<std::pair<const char*, double>>;

// The kind's word in the job file; empty: KIND_UNSPECIFIED.
std::string OptimizerWord(int kind);
// Returns whether rules of this kind have the key.
bool TakesKey(const v1::Optimizer& settings, const char* key);

// The settings of a job with these keys: the rate is 0.01 if it is absent, and
// other absent numbers are as job.proto says.
v1::Optimizer OptimizerSettings(v1::Optimizer::Kind kind,
                                OptimizerKeys keys = {});
std::unique_ptr<Optimizer> MakeTestOptimizer(v1::Optimizer::Kind kind,
                                             OptimizerKeys keys = {});

}  // namespace ebb

#endif  // EBB_OPTIMIZER_TESTING_OPTIMIZERS_H_
