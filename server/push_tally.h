// The pushes that are in a partition's values, counted beside these values.
#ifndef EBB_SERVER_PUSH_TALLY_H_
#define EBB_SERVER_PUSH_TALLY_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/known_loss.h"
#include "protocol/ledger.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"

namespace ebb::server {

// The examples of one push, and what it says of them.
struct PushedExamples {
  // [begin, end) of the item.
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  bool skip = false;  // They are decided not to be applied.
  LedgerRow ledger;
  double loss_sum = 0;
  std::vector<uint64_t> oracle;  // Empty: nothing is added.
};

// Thread-compatible. Belongs to a Partition.
class PushTally {
 public:
  // `plan` outlives it. `least_loss`: as UpdateRule::KeepsLeastLoss.
  // `zero_is_none`: as UpdateRule::ZeroLossIsNone.
  PushTally(const JobPlan& plan, bool least_loss, bool zero_is_none = false)
      : least_loss_(least_loss),
        zero_is_none_(zero_is_none),
        ledger_(plan),
        oracle_(plan.oracle_width) {}

  // InvalidArgument: what it says of its examples cannot be counted.
  absl::StatusOr<PushedExamples> Read(const PushRequest& push,
                                      const PushSegment& segment) const;
  // One more push is in the values. `times`: how often its examples count,
  // which is once but for planted bugs.
  void Count(const PushedExamples& push, int times);

  // Pushes applied in the life of these values.
  int64_t updates() const { return updates_; }
  const Ledger& ledger() const { return ledger_; }
  std::span<const uint64_t> oracle() const { return oracle_; }
  bool least_loss() const { return least_loss_; }
  // Returns whether a push with this loss counts in the mean.
  bool HasLoss(double loss_sum) const {
    return IsKnownLoss(loss_sum) && (!zero_is_none_ || loss_sum != 0);
  }
  // By epoch. Sums, or the least of all pushes. Pushes without a loss are left
  // out where others have one. In an epoch in which none has one, the sum is 0,
  // or unknown if it was of none.
  const std::map<int32_t, EpochLoss>& loss() const { return loss_; }

  void AddTo(Cut* cut) const;
  // Takes the rest out of the cut. DataLoss: it is of another job.
  absl::Status Restore(Ledger ledger, const Cut& cut);

 private:
  void CountExamples(const PushedExamples& push);
  void CountLoss(const PushedExamples& push);

  const bool least_loss_;
  const bool zero_is_none_;
  int64_t updates_ = 0;
  Ledger ledger_;
  std::vector<uint64_t> oracle_;
  std::map<int32_t, EpochLoss> loss_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PUSH_TALLY_H_
