// The possible contents of sparse tables whose rows come late, expire or are
// evicted: they depend on the order of pushes, which marks do not tell.
//
// So each state that a partition was ever in is kept by its marks. A partition
// that is loaded or moved must have one of those with its marks; where several
// look alike, each is gone on with until it does not fit.
#ifndef EBB_SIM_ROW_HISTORIES_H_
#define EBB_SIM_ROW_HISTORIES_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "protocol/marks.h"
#include "protocol/plan.h"
#include "server/partition.h"
#include "server/rows/row_options.h"
#include "server/rows/testing/row_model.h"
#include "sim/arithmetic.h"

namespace ebb::sim {

class RowHistories {
 public:
  using State = std::vector<server::RowModel>;  // By table.

  // Both are not owned. `options`, by table: empty where rows stay for good,
  // and there is nothing to do. `from_file`: the tables begin with the rows of
  // a file.
  RowHistories(const JobPlan* plan, const Arithmetic* arithmetic,
               const std::vector<server::RowTableOptions>& options,
               bool from_file);

  bool none() const { return first_.empty(); }

  // Returns the states that the partition may have with these marks.
  std::vector<State> Of(PartitionId p, const MarkSet& marks) const;
  // The range is pushed, or skipped, to each of the states, which have `marks`.
  void Push(PartitionId p, const MarkSet& marks, ItemId item, int64_t begin,
            int64_t end, bool skip, std::vector<State>* states) const;
  // Drops those in which the partition is not.
  void Match(const server::Partition& partition,
             std::vector<State>* states) const;
  void Keep(PartitionId p, const MarkSet& marks,
            const std::vector<State>& states);
  // The differences of rows from their initial values.
  std::vector<Arithmetic::Rows> Rows(const State& state) const;

 private:
  bool Fits(const server::Partition& partition, const State& state) const;
  // The rows with which the partition begins.
  State FirstOf(PartitionId p) const;

  const JobPlan& plan_;
  const Arithmetic& arithmetic_;
  State first_;                    // Without rows.
  std::vector<int64_t> max_rows_;  // By table.
  bool from_file_;
  std::map<std::pair<PartitionId, std::string>, std::vector<State>> known_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_ROW_HISTORIES_H_
