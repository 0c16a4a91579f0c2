// The mathematics of simulated jobs: whole numbers small enough that float
// sums are exact in any order, so the values that marks imply can be computed
// and compared to the bit.
#ifndef EBB_SIM_ARITHMETIC_H_
#define EBB_SIM_ARITHMETIC_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/algorithm.h"
#include "algorithms/coordinator.h"
#include "common/ids.h"
#include "optimizer/optimizer.h"
#include "protocol/marks.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"
#include "server/additive_rows.h"

namespace ebb::sim {

// Returns whether the dense value is trained: with null all are.
bool Trains(const TrainedRanges* trained, int64_t index);

// Returns the trained ones of a partition's values.
template <typename T>
std::vector<T> TrainedPart(const JobPlan& plan, const TrainedRanges* trained,
                           PartitionId partition,
                           const std::vector<T>& values) {
  if (trained == nullptr) return values;
  const int64_t first = plan.ParameterRange(partition).first;
  std::vector<T> part;
  for (size_t i = 0; i < values.size(); ++i) {
    if (Trains(trained, first + static_cast<int64_t>(i))) {
      part.push_back(values[i]);
    }
  }
  return part;
}

// The dense values that are averages, where there are any: each fourth. A batch
// of n examples pushes n times the statistic, which is always the same, so the
// average follows from the number of batches.
class Averages {
 public:
  Averages(bool any, TrainedRangesPtr trained);
  bool Has(int64_t index) const {
    return rule_ != nullptr && index % 4 == 3 && Trains(trained_.get(), index);
  }
  static int64_t Statistic(int64_t index);
  // The average after so many batches, but for rounding.
  static double After(int64_t index, int64_t batches);
  // Moves one average.
  float Step(const server::StepPlace& place, float average, float sum) const;

 private:
  std::shared_ptr<const Optimizer> rule_;  // Null: there are none.
  TrainedRangesPtr trained_;
};

// w' = w + f G, and one slot that always equals the weight. `G` is the pushed
// sum: in rounds that of the whole round. `f` is what the job's algorithm makes
// of the staleness: for most 1. For rounds that operations close see below.
class WholeNumberRule final : public server::AdditiveRows {
 public:
  static constexpr float kInitialRow = 7;
  // `rows`, by sparse table: which rows come and go; empty: all stay. With
  // `tasks` rows that are written once are results of tasks. With
  // `contributions` rows are contributions to the dense values. With
  // `from_file` the rule's own initial weights are wrong, and with
  // `state_from_file` also its slot.
  WholeNumberRule(const JobPlan& plan,
                  std::shared_ptr<const Algorithm> algorithm,
                  std::vector<server::RowTableOptions> rows, bool tasks,
                  bool contributions, bool from_file, bool state_from_file,
                  bool averages, const TrainedRangesPtr& trained,
                  std::vector<bool> frozen_rows)
      : AdditiveRows(plan.sparse_tables, InitRule::Constant(kInitialRow)),
        algorithm_(std::move(algorithm)),
        rows_(std::move(rows)),
        tasks_(tasks),
        contributions_(contributions),
        from_file_(from_file),
        state_from_file_(state_from_file),
        averages_(averages, trained),
        trained_(trained),
        frozen_rows_(std::move(frozen_rows)) {}

  const TrainedRanges* trained() const override { return trained_.get(); }

  static float InitialWeight(int64_t index) {
    return static_cast<float>(index % 13);
  }

  // Rows add up whatever their factors are; a table keeps what it needs for
  // them.
  server::RowTableOptions RowOptions(int32_t table) const override;
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t table) const override;
  StepContext RowStep(int32_t, const server::StepPlace& place) const override {
    return {.staleness = place.staleness};
  }
  int SlotCount() const override { return 1; }
  void InitialWeights(int64_t first, std::span<float> out) const override;
  void InitialSlot(int slot, int64_t first, std::span<const float> weights,
                   std::span<float> out) const override;
  void Step(const server::StepPlace& place,
            const server::StepRun& run) const override;
  double RateFactor(const server::StepPlace& place) const override {
    return algorithm_->RateFactor(place.staleness);
  }

  // Rounds that are closed by operations: w' = w + G + c. Partitions measure
  // the sum over their part of G.
  static constexpr size_t kSum = 1;  // Its place.
  size_t FigureCount() const override { return kSum + 1; }
  void Measure(const server::StepPlace& place, const MeasureRun& run,
               std::span<double> figures) const override;
  absl::StatusOr<std::unique_ptr<const RoundStep>> ReadOperation(
      absl::string_view operation) const override;

 private:
  const std::shared_ptr<const Algorithm> algorithm_;
  const std::vector<server::RowTableOptions> rows_;
  const bool tasks_;
  const bool contributions_;
  const bool from_file_;
  const bool state_from_file_;
  const Averages averages_;
  const TrainedRangesPtr trained_;
  const std::vector<bool> frozen_rows_;
};

// c follows from all losses and sums of the round, and from the c before it.
class WholeNumberCoordinator final : public Coordinator {
 public:
  // The job ends after so many rounds; 0: with its plan.
  explicit WholeNumberCoordinator(int64_t ends_after)
      : ends_after_(ends_after) {}

  // The operation of c, and back. False: it cannot be read.
  static std::string Text(int64_t constant, bool ends);
  static bool Parse(absl::string_view operation, int64_t* constant);

  static int64_t Next(int64_t round, int64_t before, int64_t loss, int64_t sum);

  absl::StatusOr<std::string> Next(
      const RoundPlace& place, absl::string_view before,
      const std::vector<std::vector<double>>& figures) const override;
  absl::StatusOr<bool> Ends(absl::string_view operation) const override;
  std::string Describe(absl::string_view operation) const override {
    return std::string(operation);
  }

 private:
  const int64_t ends_after_;
};

// The contributions of examples, and the values that follow from them.
//
// In rounds a gradient depends on the values it was computed from, through a
// hash of them, so a gradient of the wrong values gives wrong values for ever.
class Arithmetic {
 public:
  // With `ends` the operation of the plan's last round ends the job. With
  // `tasks` items are tasks: what each writes is under keys of its own. With
  // `contributions` each example has rows that add to the dense values.
  Arithmetic(const JobPlan& plan, uint64_t seed, bool averages, bool ends,
             bool tasks, bool contributions, TrainedRangesPtr trained,
             std::vector<bool> frozen_rows);

  // Null: all dense values are trained.
  const TrainedRangesPtr& trained() const { return trained_; }
  const Averages& averages() const { return averages_; }
  bool contributions() const { return contributions_; }
  // Returns whether the rows of the sparse table never change. AddRows gives
  // what a model makes of them all the same.
  bool FreezesRows(int32_t table) const {
    return !frozen_rows_.empty() && frozen_rows_[static_cast<size_t>(table)];
  }
  // How many batches [begin, end) is, a run of whole ones.
  int64_t Batches(ItemId item, int64_t begin, int64_t end) const;

  // Ranges that are never applied, whatever happens (poisonous batches).
  void SetNeverApplied(std::vector<SkippedRange> ranges) {
    never_applied_ = std::move(ranges);
  }

  // Adds the gradient of [begin, end) at the parameters [first, last) to `sum`
  // (whose element 0 is parameter `first`). `values` is HashValues(), or 0.
  void AddGradient(ItemId item, int64_t begin, int64_t end, uint64_t values,
                   int64_t first, int64_t last, std::span<int64_t> sum) const;
  // Adds what the range contributes to rows of a sparse table, and with them
  // the keys that it touches: some of [0, kSparseKeys). Widths are the plan's.
  static constexpr uint64_t kSparseKeys = 64;
  // In a job of tasks an item has one position, and each task two keys.
  static constexpr int kKeysPerExample = 2;
  using Rows = std::map<uint64_t, std::vector<int64_t>>;
  // A contribution is the words of a row, and behind them the epoch. It stands
  // in place of one of an earlier epoch.
  static int64_t EpochOf(const std::vector<int64_t>& contribution) {
    return contribution.back();
  }
  // Every key that a row of the partition may have.
  std::span<const uint64_t> Keys(PartitionId partition) const {
    return keys_[partition.value()];
  }
  // The rows with which the partition of a trained table begins if a file has
  // some, at most so many (0: no bound): what each is more than kInitialRow, in
  // all of its words.
  std::map<uint64_t, int64_t> FileRows(PartitionId partition, int32_t table,
                                       int64_t most) const;
  void AddRows(ItemId item, int64_t begin, int64_t end, int32_t table,
               Rows* rows) const;
  // The words that are pushed for the additions under a key. With `initial`:
  // the words of the row if a trained row begins at that value. Empty: nothing
  // was added.
  std::vector<float> WordsOf(int32_t table, const std::vector<int64_t>& row,
                             float initial = 0) const;
  // Adds the oracle's vector of the partition.
  void AddOracle(ItemId item, int64_t begin, int64_t end, PartitionId partition,
                 std::span<uint64_t> sum) const;

  // The hash of the whole flat vector, on which gradients depend. 0 outside
  // rounds.
  uint64_t HashValues(std::span<const float> values) const;

  // Runs in rounds: adds what the item's runs up to the mark push, which are
  // cut by what is never applied (RunSteps). `sum` is of all parameters.
  void AddRuns(ItemId item, int64_t mark, std::span<int64_t> sum);

  // Rounds: the flat vector that pulls of `round` return, and its hash.
  std::span<const float> RoundValues(int64_t round);
  uint64_t RoundHash(int64_t round);
  // The operation that closes it, where operations do.
  std::string RoundOperation(int64_t round);

 private:
  struct Round {
    std::vector<float> values;
    uint64_t hash = 0;
    // The constant of the operation that closed the round before it.
    int64_t constant = 0;
  };
  void ExtendRounds(int64_t round);
  // Returns what the round's items push, and how much that is of.
  std::vector<int64_t> SumOfRound(int64_t round, server::StepPlace* place,
                                  int64_t* loss);
  bool NeverApplied(ItemId item, int64_t begin) const;
  // Returns what the run pushes, from the values of its round.
  std::vector<int64_t> Run(ItemId item, int64_t begin, int64_t end) const;
  // The rows of one example, as of an epoch.
  void AddContributions(int64_t example, int32_t epoch, int32_t table,
                        Rows* rows) const;

  const JobPlan& plan_;
  const uint64_t seed_;
  const TrainedRangesPtr trained_;
  const std::vector<bool> frozen_rows_;
  const Averages averages_;
  const bool ends_;
  const bool tasks_;
  const bool contributions_;
  std::vector<std::vector<uint64_t>> keys_;  // By partition.
  std::vector<SkippedRange> never_applied_;
  std::vector<Round> rounds_;
  // The pushes of runs, by item and where they end.
  std::map<std::pair<ItemId, int64_t>, std::vector<int64_t>> runs_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_ARITHMETIC_H_
