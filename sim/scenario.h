// The scenario of one seed: a job, a cluster, a network and the faults.
#ifndef EBB_SIM_SCENARIO_H_
#define EBB_SIM_SCENARIO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "algorithms/algorithm.h"
#include "client/actions.h"
#include "client/options.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"
#include "scheduler/actions.h"
#include "scheduler/options.h"
#include "server/actions.h"
#include "server/options.h"
#include "server/rows/row_options.h"
#include "sim/churn.h"

namespace ebb::sim {

// The effect of a poisonous batch on its computation.
enum class PoisonKind { kError, kNonFinite, kKillsWorker };

struct Poison {
  SkippedRange range;  // One batch of the grid.
  PoisonKind kind = PoisonKind::kError;
  double chance = 1;  // Below 1: it can be computed, too.
  // Above 0: it can be computed where the rate factor is no more than this.
  double finite_at = 0;
};

// A duration drawn for each use.
struct Span {
  absl::Duration least;
  absl::Duration most;
};

// Data that grows: JobPlan has the most that there will be of it.
struct Growth {
  // All of it is there after this, of which it stands still in the middle.
  absl::Duration lasts;
  absl::Duration pause;
  // How long after the beginning an operator finishes the job; nothing: the
  // data itself ends.
  std::optional<absl::Duration> finished_after;
  // Share of the looks that miss what came last.
  double late_looks = 0;
};

struct Scenario {
  static constexpr int64_t kBlockFloats = 16;  // The pool's smallest blocks.

  JobPlan plan;
  int servers = 2;
  int workers = 3;

  // Templates: each life gets its own ids and session.
  scheduler::SchedulerOptions scheduler;
  server::ServerOptions server;
  client::ClientOptions client;

  // --- Network ---------------------------------------------------------------
  Span delay{absl::Microseconds(50), absl::Milliseconds(2)};
  // Share of messages with a delay of up to `slow_delay`.
  double slow_messages = 0;
  absl::Duration slow_delay = absl::Milliseconds(100);
  // Share of pulls, pushes and their replies.
  double lost_messages = 0;
  double duplicated_messages = 0;

  // --- Work ------------------------------------------------------------------
  Span compute{absl::Milliseconds(2), absl::Milliseconds(12)};
  Span evaluate = compute;
  // The first worker takes ten times as long.
  bool slow_worker = false;
  Span update{absl::ZeroDuration(), absl::Milliseconds(2)};
  // Share of a push's updates that are done before its event is over.
  double update_at_once = 0;
  Span storage{absl::Microseconds(200), absl::Milliseconds(10)};
  // Until a worker has loaded what a job needs.
  Span prepare{absl::Milliseconds(1), absl::Milliseconds(20)};

  // The dense values begin with those of a file that the scheduler has: so
  // long until a part of it is there, or the server hears that it cannot be.
  std::optional<Span> initial_file;
  // It has the slots, too.
  bool initial_state = false;
  // It has rows of the trained sparse tables, too (Arithmetic::FileRows).
  bool initial_rows = false;

  // --- Faults ----------------------------------------------------------------
  int faults = 0;
  // Share of the tries to get such a part that fail.
  double initial_lost = 0;
  absl::Duration first_fault = absl::Milliseconds(150);
  absl::Duration fault_span = absl::Seconds(2);
  // What servers stored may be lost or damaged.
  bool storage_damage = false;
  // The scheduler may come back with less than it stored.
  bool scheduler_store_loss = false;
  // Damage once more when the job is complete.
  bool damage_after_completion = false;
  std::optional<Poison> poison;
  // How long after the job rolled back by itself it loses the store.
  std::optional<absl::Duration> store_lost_after_rollback;
  // So many of the servers are started only later, while the faults happen.
  int late_servers = 0;
  // An operator changes over how many servers the job lies.
  bool scales = false;
  // Servers copy their versions to a disk that all of them reach.
  bool shared_folder = false;
  bool bucket = false;  // The disk is a bucket.
  // The first server does not, or only in every second life, from its second.
  bool one_shares_nothing = false;
  bool one_shares_by_turns = false;
  bool Shares(ServerId server, int life) const {
    if (!shared_folder || server != ServerId(0)) return shared_folder;
    return !one_shares_nothing && (!one_shares_by_turns || life % 2 == 1);
  }
  // A second process with the id of a server starts.
  bool twin = false;
  // How often an operator pauses, scales, changes or rolls back the job.
  int operations = 0;
  // The job is submitted with this many of the plan's epochs. An operator adds
  // the others, some at a time, at the latest when it is complete.
  std::optional<int32_t> first_epochs;

  // The job is submitted with so many epochs more than the plan, and the
  // operation of the plan's last round ends it.
  int32_t epochs_beyond = 0;

  // Evaluations decide how the job ends (stop, keep_best): the test losses by
  // epoch that workers find.
  std::vector<double> losses;
  bool Judged() const { return !losses.empty(); }
  bool keep_best = false;
  int64_t stop_after = 0;  // Evaluations without a better one; 0: never.
  double min_delta = 0;
  // How many epochs the job has at its end, where nothing is lost that decides
  // it.
  std::optional<int32_t> judged_epochs;

  // --- Workers that come and go ----------------------------------------------
  // So many of the workers, the last ones, are not there at first.
  int absent_workers = 0;
  std::vector<WorkerEvent> churn;
  // The work of workers in this time is the run's Work. Empty: all is well from
  // the start; else only from its end.
  absl::Duration measured_from, measured_until;

  absl::Duration longest = absl::Minutes(30);
  // Nothing may stand still for so long once all is well.
  absl::Duration patience = absl::Seconds(60);
  // More than these are a storm: a seed takes a few thousand.
  int64_t most_events = 300'000;
  // Values are compared at each step; a run at scale has only the oracle.
  bool dense_values = true;
  // False: values are not what marks imply. Left-over gradients are lost with
  // workers, and the effect of a gradient may depend on when it comes. All else
  // is exact.
  bool exact_values = true;
  AlgorithmConfig algorithm;
  // Null: no dense value is frozen.
  TrainedRangesPtr trained;
  // By sparse table; empty: no table's rows are frozen.
  std::vector<bool> frozen_rows;
  // Some dense values are averages of statistics (StatisticsOf).
  bool averages = false;
  // Items are tasks with one position, whose results are rows of a table that
  // is written once.
  bool tasks = false;
  // Each example has rows that count, and a later epoch replaces them.
  bool contributions = false;
  // Workers read the data in windows of so many examples; 0: all is in memory.
  int64_t window = 0;
  // The job has no end until there is one of its data, or an operator says so.
  std::optional<Growth> growth;
  int windows_in_memory = 2;  // On each worker.
  bool leases_by_place = true;
  // By sparse table, where rows are admitted late, expire or are evicted.
  std::vector<server::RowTableOptions> row_options;

  std::string Describe() const;
};

Scenario DrawScenario(uint64_t seed);
// The same cluster, network and faults, with a job that pushes runs.
Scenario DrawRuns(uint64_t seed);
// The same cluster, network and faults, with a job on data that grows.
Scenario DrawGrowing(uint64_t seed);
// With how many of its epochs a judged job should end.
int32_t JudgedEpochs(const Scenario& scenario);
// No faults: `batches` for each of `workers`.
Scenario ScaleScenario(int workers, int servers, int batches);

}  // namespace ebb::sim

#endif  // EBB_SIM_SCENARIO_H_
