// The changes of a push in a partition: made by Partition::Prepare with all of
// its memory, filled by Compute, swapped in by Commit.
#ifndef EBB_SERVER_PARTITION_UPDATE_H_
#define EBB_SERVER_PARTITION_UPDATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/dense_shape.h"
#include "server/partition_rows.h"
#include "server/push_tally.h"
#include "server/pushed_gradient.h"
#include "server/round_sums.h"
#include "server/update_rule.h"

namespace ebb::server {

struct PartitionUpdate {
  // --- The push --------------------------------------------------------------
  PushedExamples push;
  // Updates in the values from which it was computed.
  int64_t pulled_updates = 0;
  PushedGradient gradient;
  std::optional<PartitionRows::Update> rows;  // If there are sparse tables.

  // --- What it does to the dense values --------------------------------------
  // A step of its own.
  struct Step {
    Blocks new_weights;
  };
  // In rounds: its item's sum gets the gradient, and the round's sum the items
  // that are next.
  struct AddToRound {
    RoundSums::Folds folds;
  };
  // The same, and the round has all its examples: a step on their sum.
  struct CloseRound {
    RoundSums::Folds folds;
    Blocks new_weights;
  };
  // The round has all its examples, and an operation is to close it: the update
  // waits for that, with the round's whole sum and the figures measured of it.
  struct MeasureRound {
    RoundSums::Folds folds;
    Blocks sum;
    std::vector<double> figures;
  };
  // The operation came: Partition::PrepareOperation.
  struct OperateRound {
    RoundSums::Folds folds;
    Blocks sum;
    std::string operation;
    std::unique_ptr<const RoundStep> step;
    Blocks new_weights;
  };
  // The first: nothing. Neither are rounds, nor has the push a gradient.
  std::variant<std::monostate, Step, AddToRound, CloseRound, MeasureRound,
               OperateRound>
      change;

  bool waits() const { return std::holds_alternative<MeasureRound>(change); }
  bool operates() const { return std::holds_alternative<OperateRound>(change); }
  // With it the round has all its examples.
  bool completes_round() const {
    return waits() || operates() || std::holds_alternative<CloseRound>(change);
  }
  // The update must wait.
  const std::vector<double>& figures() const {
    return std::get<MeasureRound>(change).figures;
  }
};

}  // namespace ebb::server

#endif  // EBB_SERVER_PARTITION_UPDATE_H_
