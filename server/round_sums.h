// The content of a partition's open round so far: the sums of gradients and of
// losses.
//
// Sums are kept by item and folded in item order, so that a round's step is the
// same to the bit whatever the order of arrival
// (docs/decisions/0003-rounds-fold-in-item-order.md).
#ifndef EBB_SERVER_ROUND_SUMS_H_
#define EBB_SERVER_ROUND_SUMS_H_

#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/dense_shape.h"

namespace ebb::server {

// Thread-compatible. Belongs to a Partition, which has the rules about threads:
// Prepare and Commit of a push are short, and what stands between is long.
class RoundSums {
 public:
  // Items whose sums are complete and are next in their order: to be folded.
  using Folds = std::vector<ItemId>;

  // `plan` and `shape` outlive it.
  RoundSums(const JobPlan& plan, const DenseShape& shape)
      : plan_(plan), shape_(shape) {}
  RoundSums(const RoundSums&) = delete;
  RoundSums& operator=(const RoundSums&) = delete;

  // Obtains the memory for a push of the item. ResourceExhausted: the pool has
  // no room; the sums are as before.
  absl::Status Prepare(ItemId item);
  // True: something of the item was pushed, and it is not folded yet.
  bool Holds(ItemId item) const { return items_.contains(item); }

  // Adds a push to the sum of its item. The gradient may be empty.
  void Add(ItemId item, const Payload& gradient);
  // Adds the sums of the items to the sum of the round. Drop forgets them,
  // when the push is committed.
  void Fold(const Folds& folds);
  void Drop(const Folds& folds);
  // The sum of the folded items.
  const Blocks& folded() const { return folded_; }

  // For jobs whose rounds are closed by operations. Until there is an operation
  // nothing may change: `sum` gets the sum as if the push had been added and
  // all had been folded, to the bit.
  void SumWith(ItemId item, const Payload& gradient, const Folds& folds,
               Blocks* sum) const;
  // The losses of the items [first, last), and that of one more push.
  void AddLoss(ItemId item, double loss) { losses_[item] += loss; }
  double LossWith(ItemId item, double loss, int64_t first, int64_t last) const;

  // The round is closed, with these: the next one begins with nothing.
  void Close(const Folds& folds);

  // --- Cuts ------------------------------------------------------------------

  void AddTo(Cut* cut) const;
  // Takes the losses of a cut. DataLoss: they are not those of this job.
  absl::Status RestoreLosses(const Cut& cut);
  // See DenseValues::Restore.
  bool Restore(absl::string_view name, const CutArray& array);

 private:
  void AddTo(Blocks* sum, const Payload& values);

  const JobPlan& plan_;
  const DenseShape& shape_;
  Blocks folded_;                   // Empty: nothing was pushed of the round.
  std::map<ItemId, Blocks> items_;  // Not yet folded.
  std::map<ItemId, double> losses_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROUND_SUMS_H_
