// Applies a job's filter of pushes to a batch's gradient, before the client
// sends it.
//
// Filters that leave values out (threshold, top-k) keep the rest for the item's
// next batch, per partition, and send all with the item's last. The rest after
// a batch is known by its place in the item: a partition that steps back goes
// on with the rest from there. If that is not known (any more), it starts
// without a rest. Then a part of the effect of counted examples is lost, but
// none is there twice.
//
//   left over at `begin` + gradient of [begin, end) = sent + left over at `end`
#ifndef EBB_CLIENT_GRADIENT_FILTER_H_
#define EBB_CLIENT_GRADIENT_FILTER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <vector>

#include "client/actions.h"

namespace ebb::client {

// Thread-compatible, but for Flush.
class GradientFilter {
 public:
  // Steps back of up to `batches_in_flight` batches are gone with.
  explicit GradientFilter(int32_t batches_in_flight)
      : positions_(static_cast<size_t>(batches_in_flight) + 1) {}

  // Fills in result->filtered, if the job has a filter and there is a
  // gradient. Goes through all of it: not under a lock.
  void Apply(const ComputeTask& task, ComputeResult* result);

  // From now on all is sent whole: the worker leaves. Thread-safe.
  void Flush() { flush_ = true; }

 private:
  struct LeftOver {
    int64_t position = 0;
    std::vector<float> values;  // Empty: nothing is left.
  };
  struct Item {
    JobId job;
    Generation generation;
    ItemId item;
    std::vector<std::deque<LeftOver>> by_partition;
  };

  Item* Find(const ComputeTask& task);
  // `whole`: nothing is left over.
  FilteredGradient Divide(const ComputeTask& task, const Payload& gradient,
                          bool whole, std::deque<LeftOver>* left);

  const size_t positions_;  // Kept per item and partition.
  std::list<Item> items_;   // Used last first.
  // The draining thread writes it and the computing thread reads it. It orders
  // no other data.
  std::atomic<bool> flush_ = false;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_GRADIENT_FILTER_H_
