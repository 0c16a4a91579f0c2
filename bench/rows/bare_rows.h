// The bare work with which the rows of sparse tables are compared: a hash map
// into arrays, batched and with prefetching, on the caller's thread. It also
// draws the rows.
#ifndef EBB_BENCH_ROWS_BARE_ROWS_H_
#define EBB_BENCH_ROWS_BARE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "bench/common/limits.h"
#include "optimizer/optimizer.h"

namespace ebb::bench {

// Ids of rows, 0 to rows - 1. Thread-compatible.
class RowSampler {
 public:
  // Row k of n is drawn with a probability as k^-zipf; 0: all alike.
  RowSampler(int64_t rows, double zipf, uint64_t seed)
      : rows_(rows), zipf_(zipf), random_(seed) {}

  // So many different ones; far fewer than there are.
  absl::flat_hash_set<uint64_t> Draw(int64_t ids);

  // The key of the row with this id: of another id it is another.
  static uint64_t KeyOf(uint64_t id);

 private:
  uint64_t DrawId();

  const int64_t rows_;
  const double zipf_;
  std::mt19937_64 random_;
};

// Tables of rows of `width` weights, with what Adagrad keeps of each.
// Thread-compatible.
class BareRows {
 public:
  // `rows` are those of a table, at most. The optimizer has one slot; it is not
  // owned, and outlives this.
  BareRows(int64_t tables, int64_t rows, int64_t width,
           const Optimizer& optimizer);

  // A row of zeros. The table has no such key.
  void Create(size_t table, uint64_t key);
  // A step of the rows of these keys, each once, all of the table; `gradient`
  // has a row for each.
  void Apply(size_t table, std::span<const uint64_t> keys,
             std::span<const float> gradient, const StepContext& context);
  // Their weights, row after row.
  void Pull(size_t table, std::span<const uint64_t> keys, std::span<float> out);

 private:
  static constexpr size_t kTogether = 32;

  struct Table {
    explicit Table(size_t floats) : weights(floats), squares(floats) {}
    absl::flat_hash_map<uint64_t, uint32_t> row_of;
    AlignedFloats weights;
    AlignedFloats squares;
  };

  template <typename Visit>
  void ForEachRow(Table& table, std::span<const uint64_t> keys, bool squares,
                  Visit visit);

  const size_t width_;
  const Optimizer& optimizer_;
  std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace ebb::bench

#endif  // EBB_BENCH_ROWS_BARE_ROWS_H_
