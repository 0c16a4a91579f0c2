// The actions that the client's core asks of its shell.
#ifndef EBB_CLIENT_ACTIONS_H_
#define EBB_CLIENT_ACTIONS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/filters/encoding.h"
#include "common/ids.h"
#include "common/payload.h"
#include "protocol/messages.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

// Returns how long a call may take that moves this many bytes. On a slow
// network a call with a large partition takes longer than `timeout`, and would
// never be answered.
inline absl::Duration TimeFor(int64_t bytes, absl::Duration timeout) {
  constexpr int64_t kSlowestRate = int64_t{4} << 20;  // Bytes a second.
  return std::max(timeout, absl::Seconds(bytes / kSlowestRate));
}

// Which rows of sparse tables the examples [begin, end) of an item touch, or of
// the test data. Immutable; shared.
struct BatchRows {
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  // The examples are of the test data; and they are its last ones.
  bool test = false;
  bool last = false;
  // By partition, in the order of the request: ascending by table, only tables
  // with keys.
  std::vector<std::vector<PullRows>> partitions;
  std::shared_ptr<const void> batch;  // The computer's own: what it read.

  // True if they are those of a batch, which has an item, begin and end.
  template <typename Batch>
  bool Are(const Batch& of) const {
    return item == of.item && begin == of.begin && end == of.end;
  }
};
using BatchRowsPtr = std::shared_ptr<const BatchRows>;

// The values of all partitions as pulled. Immutable; shared.
struct PulledValues {
  JobId job;
  Generation generation;
  int64_t round = -1;
  // The clock of the batch for which they were pulled.
  int64_t target_clock = 0;
  // The pull began while the worker computed a batch, so they lack that one.
  bool during_batch = false;
  // By partition, as they came (pulled_values.h).
  std::vector<Payload> partitions;
  std::vector<Encoding> encodings;  // By partition; empty: all are float32.
  // By partition, at its pull: the term and the number of updates, which name
  // the values within a generation.
  std::vector<Term> terms;
  std::vector<int64_t> updates;
  // With sparse tables: the requested rows, and by partition the answer
  // (PullSegment::rows).
  BatchRowsPtr rows;
  std::vector<std::vector<Payload>> row_values;
};
using PulledValuesPtr = std::shared_ptr<const PulledValues>;

// A run of examples of an item; empty where begin is the item's size.
struct ExampleRun {
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
};

// One batch to compute: examples [begin, end) of the item.
struct ComputeTask {
  JobRecordPtr record;
  Generation generation;
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  PulledValuesPtr values;
  // If the job's filter or algorithm keeps parts of gradients, says by
  // partition whether this is the batch, or run, that is sent to it next.
  std::vector<bool> due;
  // True: a push ends with the batch. It has so many examples before `begin`,
  // too: their sums are with the computing thread (local_training.h).
  bool push = true;
  int64_t gathered = 0;
  // After this push the worker must keep no part of the item.
  bool whole = false;
  double rate_factor = 1;  // The same as in RollbackRecord.
  // The batches that are likely to come next, also of items after this one.
  std::vector<ExampleRun> ahead;
};

// A partition's part of a gradient after the job's filter.
struct FilteredGradient {
  Encoding encoding = Encoding::kFloat32;
  Payload bytes;
};

struct ComputeResult {
  std::string error;  // Empty: the rest holds.
  bool non_finite = false;
  // Given up before anything was known; the rest holds not. No failure.
  bool cancelled = false;
  Payload gradient;  // float32 sums, the whole flat vector; or empty.
  // If the job has frozen tables: the gradient is of what they leave.
  TrainedRangesPtr trained;
  // The push by partition; empty: the gradient as it is. A partition without a
  // value takes no part in the batch.
  std::vector<std::optional<FilteredGradient>> filtered;
  // The filter or the algorithm keeps a part of it for the item's next batch.
  bool leaves = false;
  // By partition, of the rows that were pulled for the batch; empty: the job
  // has no sparse tables.
  std::vector<std::vector<PushRows>> rows;
  Payload oracle;    // uint64 sums, partitions × oracle_width.
  LedgerRow ledger;  // Counts the examples that were really read.
  double loss_sum = 0;
};

struct EvaluateTask {
  JobRecordPtr record;
  int64_t snapshot = 0;
  PulledValuesPtr values;
};

struct PushId {
  JobId job;
  ServerId server;
  int64_t incarnation = 0;
  int64_t sequence = 0;
  friend auto operator<=>(const PushId&, const PushId&) = default;
};
struct PullId {
  JobId job;
  ServerId server;
  int64_t request = 0;
  friend auto operator<=>(const PullId&, const PullId&) = default;
};

// --- Actions, to be carried out in their order -------------------------------

struct SendScheduler {
  WorkerToScheduler message;
};
// Then OnPushReply or OnPushFailed, with the id.
struct SendPush {
  PushId id;
  std::string address;
  PushRequest request;
  absl::Duration timeout;
};
// Then OnPullReply or OnPullFailed.
struct SendPull {
  PullId id;
  std::string address;
  PullRequest request;
  absl::Duration timeout;
};
struct SendClock {
  std::string address;
  ClockUpdate update;
};
// Make ready to compute the job: open its data, build its model. Then
// OnJobReady.
struct PrepareJob {
  JobRecordPtr record;
};
// Find out which rows a batch touches; beside whatever is computed. Then
// OnRowsFound.
struct FindRows {
  JobRecordPtr record;
  Generation generation;
  ItemId item;
  int64_t begin = 0;
  int64_t end = 0;
  // The examples begin at `begin` of the test data instead; the computer
  // decides how many they are.
  bool test = false;
};
// Then OnComputed. At most one Compute or Evaluate is under way.
struct Compute {
  ComputeTask task;
};
struct Evaluate {
  EvaluateTask task;
};
// No further part follows of the evaluation that was begun last, if one was.
// The computer hears of it after what it was to compute before.
struct LoseEvaluation {};
// The next batch will be computed from these, unless something comes between;
// mostly while one is.
struct Expect {
  PulledValuesPtr values;
};
// Look for examples of data that grows beyond the first `known` of the job;
// beside whatever is computed, and in place of a look that is under way. Then
// OnDataReached, when there are some or after a while.
struct LookForData {
  JobRecordPtr record;
  int64_t known = 0;
};
struct LogEvent {
  std::string text;
};

using ClientAction =
    std::variant<SendScheduler, SendPush, SendPull, SendClock, PrepareJob,
                 FindRows, Compute, Expect, Evaluate, LoseEvaluation,
                 LookForData, LogEvent>;
using ClientActions = std::vector<ClientAction>;

}  // namespace ebb::client

#endif  // EBB_CLIENT_ACTIONS_H_
