// The facts about a job's algorithm that the cores of workers and servers need.
#ifndef EBB_PROTOCOL_ALGORITHM_PLAN_H_
#define EBB_PROTOCOL_ALGORITHM_PLAN_H_

#include <cstdint>

namespace ebb {

struct AlgorithmPlan {
  // Batches of an item that one push covers, from one multiple of this number
  // to the next; 0: all of the item.
  int32_t push_batches = 1;
  // Batches of an item that are computed from one pull: as above.
  int32_t pull_batches = 1;
  // Newer values are pulled for an item's first batch, and for each with which
  // a push ends; pull_batches does not count.
  bool pulls_to_push = false;
  // Vectors as long as the model that a worker's local rule keeps
  // (local_rule.h); 0: there is no such rule.
  int32_t worker_vectors = 0;
  // A part of what the batches of a push do stays with the worker until the
  // item's end.
  bool keeps_effect = false;
  // Rounds: what closes one is an operation that the scheduler makes of what
  // the partitions measure of the round's sum (coordinator.h).
  bool operated = false;
  // A push is a run: local steps of an optimizer that begins anew in it, from
  // values that have the worker's last run (docs/decisions/0055-runs.md).
  // push_batches is the period, in asp; in rounds it is 0.
  bool runs = false;

  bool has_local_rule() const { return worker_vectors > 0; }

  friend bool operator==(const AlgorithmPlan&, const AlgorithmPlan&) = default;
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_ALGORITHM_PLAN_H_
