// The rows of sparse tables that workers read and may keep, and the values from
// which they compute (docs/decisions/0021-cached-rows.md). It uses only the
// servers' answers and true clocks.
#ifndef EBB_SIM_READ_ROWS_H_
#define EBB_SIM_READ_ROWS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "client/actions.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::sim {

// Thread-compatible.
class ReadRows {
 public:
  // A server answers; every worker of the view that it knows has come as far as
  // the clock.
  void Answered(const JobPlan& plan, const PullRequest& request,
                const PullReply& reply, int64_t clock);
  // A worker begins a batch. Why it must not from these rows; empty: it may.
  std::string Computes(SessionId worker, const client::ComputeTask& task);

  // Rows that were computed from again.
  int64_t used_again() const { return used_again_; }

 private:
  struct Read {
    Generation generation;
    Term term;
    int64_t updates = 0;
    int64_t clock = 0;
    int64_t batch = 0;  // Batches of the worker, so far.
    std::vector<float> row;
  };
  using Place = std::tuple<SessionId, int32_t, uint64_t>;  // Table and key.

  std::map<Place, std::deque<Read>> reads_;  // Newest first.
  std::map<SessionId, int64_t> batches_;
  int64_t used_again_ = 0;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_READ_ROWS_H_
