// A plain model of a sparse table on a partition, as row_options.h and
// row_table.h say it, one key at a time: the oracle of tests and of the
// simulator.
#ifndef EBB_SERVER_ROWS_TESTING_ROW_MODEL_H_
#define EBB_SERVER_ROWS_TESTING_ROW_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "optimizer/optimizer.h"
#include "server/rows/row_frequency.h"
#include "server/rows/row_options.h"

namespace ebb::server {

// Rows have numbers, the lowest free first, because evictions draw numbers.
// Thread-compatible; copies go on by themselves.
class RowModel {
 public:
  using Keys = std::vector<uint64_t>;

  RowModel(RowTableOptions options, std::shared_ptr<const Optimizer> optimizer);

  // RowTable::Begin, with the slots that the optimizer makes.
  void Begin(const Keys& keys, const std::vector<float>& weights);

  // False: refused for the limit of rows.
  bool Push(const Keys& keys, const std::vector<float>& gradient, int64_t now,
            const StepContext& context);

  // The table was loaded, which loses how often its rows were changed.
  void Loaded();

  std::vector<float> Gather(const Keys& keys) const;
  // Each row that has not expired, in no order that means anything.
  void ForEachRow(
      absl::FunctionRef<void(uint64_t key, const std::vector<float>& weights)>
          visit) const;

  size_t LiveRows() const;
  int64_t now() const { return state_.now; }
  int64_t evicted() const { return state_.evicted; }
  int64_t not_admitted() const { return state_.not_admitted; }
  int64_t created() const { return state_.created; }
  int64_t expired() const { return state_.expired; }

  // For models with the same options: whether they will go on alike.
  bool SameState(const RowModel& other) const { return state_ == other.state_; }

 private:
  struct Row {
    uint64_t key = 0;
    int64_t touched = 0;
    std::vector<float> weights;
    std::vector<std::vector<float>> slots;
    friend bool operator==(const Row&, const Row&) = default;
  };
  struct State {
    std::vector<uint8_t> counters;
    std::vector<std::optional<Row>> rows;
    size_t hand = 0;
    int64_t now = 0;
    int64_t pushes = 0;
    int64_t created = 0;
    int64_t expired = 0;
    int64_t evicted = 0;
    int64_t not_admitted = 0;
    friend bool operator==(const State&, const State&) = default;
  };

  void Step(Row* row, const float* gradient, const StepContext& context);
  bool Expired(const Row& row) const;
  Row* Find(uint64_t key);
  std::vector<float> Initial(uint64_t key) const;
  bool Admits(uint64_t key, std::vector<size_t>* counted) const;
  uint32_t Victim(const std::set<uint64_t>& pushed,
                  const std::vector<uint32_t>& victims) const;
  void Create(uint64_t key);
  void Sweep(int64_t rows);

  RowTableOptions options_;
  std::shared_ptr<const Optimizer> optimizer_;
  int64_t unit_ = 0;
  int64_t life_units_ = 0;
  uint64_t draws_ = 0;
  State state_;
  // By key, of all rows that there were.
  std::map<uint64_t, RowFrequency> frequencies_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_TESTING_ROW_MODEL_H_
