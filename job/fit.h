// The defaults that follow from the data: how long a job trains, in what
// portions, by what rate, and what keeps it from learning by heart.
//
//   FillDefaults(&job);  // validate.h
//   for (const Choice& choice : FitToData(facts, parameters, &job)) {
//     std::cout << choice.key << " " << choice.value << ": " << choice.reason;
//   }
#ifndef EBB_JOB_FIT_H_
#define EBB_JOB_FIT_H_

#include <cstdint>
#include <vector>

#include "ebb/v1/job.pb.h"
#include "job/base/choice.h"
#include "job/base/data_facts.h"

namespace ebb::job {

// By default a job takes a worker for so many of its steps, a batch each: with
// more workers gradients are too late for what is learned. See
// docs/decisions/0025-as-many-workers.md.
inline constexpr int64_t kStepsOfAWorker = 2000;
// It takes so many in any case: models of small tables do not mind. Algorithms
// other than the default take no more.
inline constexpr int64_t kFewWorkers = 8;

// Sets what the job, which has all its other defaults, leaves open of
// train.epochs, train.batch, workers.max, algorithm.period,
// consistency.examples, evaluate.every, model.l2 and the rates of its
// optimizers.
// Returns what it chose, and from what. `parameters` are those of the model's
// dense tables; 0: unknown. For unknown data (no examples, no features) it
// takes the values for much data with many features.
//
// The choices follow from the arguments alone. Idempotent.
std::vector<Choice> FitToData(const SourceFacts& data, int64_t parameters,
                              v1::Job* job);

// Returns the length of items that have no part in two windows of `window`
// examples: the greatest of at most `most` that divides it, or if a batch is
// larger, the least that has room for one. `batch` is at least 1, and within a
// window.
int64_t ItemWithinWindow(int64_t window, int64_t most, int64_t batch);

}  // namespace ebb::job

#endif  // EBB_JOB_FIT_H_
