// The keys of a batch by sparse table, as a program names them, and the rows
// under them. Each table has keys of its own.
//
//   const BatchKeys keys(plan, of_each_table);
//   ... ask for keys.Pulls() ...
//   EBB_RETURN_IF_ERROR(keys.Assemble(*values, rows));
//   result.rows = keys.Pushes(sums);
//
// Rows and sums are a matrix (distinct keys, width) for each table in turn.
#ifndef EBB_WORKER_ENGINE_BATCH_KEYS_H_
#define EBB_WORKER_ENGINE_BATCH_KEYS_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/actions.h"
#include "client/key_order.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::worker {

// Immutable, so thread-safe.
class BatchKeys {
 public:
  // `keys` may repeat, and has those of each of the plan's tables.
  BatchKeys(const JobPlan& plan, std::span<const std::vector<uint64_t>> keys);

  // Counts over all tables: keys with repetitions, and values of distinct rows.
  int64_t entries() const { return entries_; }
  int64_t floats() const { return floats_; }
  // The number of distinct keys of each table, as uint64.
  std::string Counts() const;
  // For each key of each table in turn, the place of its row in the table's
  // matrix. `out` has entries() places.
  void CopyPlaces(std::span<int32_t> out) const;
  // The table and the key to which a value of the rows belongs.
  std::pair<int32_t, uint64_t> NameOf(int64_t value) const;

  // BatchRows::partitions.
  std::vector<std::vector<PullRows>> Pulls() const;
  // `rows` has floats() floats. Internal: the values are not of these keys.
  absl::Status Assemble(const client::PulledValues& values,
                        std::span<float> rows) const;
  // ComputeResult::rows of sums laid out as rows.
  std::vector<std::vector<PushRows>> Pushes(const Payload& sums) const;

 private:
  struct Table {
    Table(const JobPlan& plan, const std::vector<uint64_t>& keys)
        : order(plan, keys, &places) {}

    std::vector<int32_t> places;
    client::KeyOrder order;
    int64_t width = 0;
    int64_t first = 0;  // Its matrix begins here, in floats.
  };

  int32_t partitions_ = 0;
  std::vector<Table> tables_;
  int64_t entries_ = 0;
  int64_t floats_ = 0;
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_BATCH_KEYS_H_
