#include "sim/read_rows.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "absl/strings/str_cat.h"
#include "sim/unpacked.h"

namespace ebb::sim {

namespace {

// Reads of one row by one worker: far more than are needed.
constexpr size_t kMostReads = 64;

}  // namespace

void ReadRows::Answered(const JobPlan& plan, const PullRequest& request,
                        const PullReply& reply, int64_t clock) {
  if (request.snapshot != 0) return;
  const SessionId worker = request.stamp.worker;
  for (size_t i = 0; i < reply.segments.size(); ++i) {
    const PullSegment& segment = reply.segments[i];
    if (segment.result != PullResult::kValues) continue;
    const std::vector<PullRows>& wanted = request.segments[i].rows;
    for (size_t k = 0; k < wanted.size(); ++k) {
      const SparseTablePlan& table = plan.sparse_tables[wanted[k].table];
      if (table.cache_rows == 0) continue;
      const auto keys = Unpacked<uint64_t>(wanted[k].keys);
      const auto values = Unpacked<float>(segment.rows[k]);
      for (size_t r = 0; r < keys.size(); ++r) {
        const auto first =
            values.begin() + static_cast<int64_t>(r) * table.width;
        auto& reads = reads_[{worker, wanted[k].table, keys[r]}];
        reads.push_front({reply.generation,
                          segment.term,
                          segment.updates,
                          clock,
                          batches_[worker],
                          {first, first + table.width}});
        if (reads.size() > kMostReads) reads.pop_back();
      }
    }
  }
}

std::string ReadRows::Computes(SessionId worker,
                               const client::ComputeTask& task) {
  const JobPlan& plan = task.record->plan;
  const client::PulledValues& values = *task.values;
  const int64_t batch = batches_[worker]++;
  if (values.rows == nullptr) return "";
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const std::vector<PullRows>& wanted = values.rows->partitions[p];
    for (size_t k = 0; k < wanted.size(); ++k) {
      const int32_t t = wanted[k].table;
      const SparseTablePlan& table = plan.sparse_tables[t];
      if (table.cache_rows == 0) continue;
      const int64_t bound = plan.ClockBoundOf(t);
      const auto keys = Unpacked<uint64_t>(wanted[k].keys);
      const auto rows = Unpacked<float>(values.row_values[p][k]);
      for (size_t r = 0; r < keys.size(); ++r) {
        const std::span<const float> row(rows.data() + r * table.width,
                                         static_cast<size_t>(table.width));
        const auto may = [&](const Read& read) {
          // The batch before may have begun meanwhile.
          const bool young = table.cache_batches == 0 ||
                             batch - read.batch <= table.cache_batches + 1;
          const bool within = bound == SparseTablePlan::kNoBound ||
                              read.clock >= values.target_clock - bound;
          return read.generation == task.generation &&
                 read.term == values.terms[p] &&
                 read.updates >= values.updates[p] && young && within &&
                 std::ranges::equal(read.row, row);
        };
        const auto& reads = reads_[{worker, t, keys[r]}];
        const auto read = std::ranges::find_if(reads, may);
        if (read == reads.end()) {
          return absl::StrCat("for clock ", values.target_clock, " from row ",
                              keys[r], " of table ", t, " as of update ",
                              values.updates[p], " of partition ", p,
                              " in term ", values.terms[p].value(),
                              ", which it did not read there, or too long ago");
        }
        used_again_ += batch - read->batch > 1 ? 1 : 0;
      }
    }
  }
  return "";
}

}  // namespace ebb::sim
