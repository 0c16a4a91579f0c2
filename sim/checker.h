// The invariants of docs/protocol.md, checked at every step of a simulated
// cluster by an oracle that knows all of it.
//
// The oracle decides nothing: it watches the inputs and outputs of the
// production classes. It computes by itself what marks imply for values, which
// clocks workers really have, and what was really stored.
#ifndef EBB_SIM_CHECKER_H_
#define EBB_SIM_CHECKER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "client/actions.h"
#include "protocol/ledger.h"
#include "protocol/marks.h"
#include "protocol/messages.h"
#include "scheduler/scheduler_core.h"
#include "server/actions.h"
#include "server/partition.h"
#include "sim/arithmetic.h"
#include "sim/read_rows.h"
#include "sim/row_histories.h"

namespace ebb::sim {

class World;
class SchedulerNode;
class ServerNode;
class WorkerNode;

// It watches one job, World::job; of others nothing is checked until the end.
//
// Thread-compatible. Its World owns it.
class Checker {
 public:
  explicit Checker(World* world);
  ~Checker();

  // --- Servers ---------------------------------------------------------------
  // An update as it was before it was handed back; `instance` may be gone.
  struct Commit {
    PartitionId partition;
    const server::Partition* instance = nullptr;
    ItemId item;
    int64_t begin = 0;
    int64_t end = 0;
    bool skip = false;
    bool waits = false;  // It is not applied yet: it is for an operation.
    JobId job;
    Term begun_in;
  };
  void UpdateDone(const ServerNode& server, const Commit& commit);
  // Which values it serves, and under which terms.
  void LookAt(const ServerNode& server);
  void ServerDied(const ServerNode& server);
  void BeforeSchedulerMessage(const ServerNode& server,
                              const SchedulerToServer& message);
  void AfterSchedulerMessage(const ServerNode& server,
                             const SchedulerToServer& message,
                             const server::ServerActions& out);
  void ServerSays(const ServerNode& server, const ServerToScheduler& message);
  void PushAnswered(const ServerNode& server, const PushReply& reply);
  void PullAnswered(const ServerNode& server, const PullRequest& request,
                    const PullReply& reply);

  // --- Storage ---------------------------------------------------------------
  void CutTaken(const ServerNode& server, const VersionKey& key,
                const server::Cut& cut);
  void VersionWritten(const ServerNode& server, const VersionKey& key,
                      const server::Cut& cut, const absl::Status& status);
  void VersionLoaded(const ServerNode& server, const VersionKey& key,
                     const absl::StatusOr<server::Cut>& cut);
  // Another has the partition now.
  void Forgot(const ServerNode& server, PartitionId p, Term newest);
  // Durable data on this server is lost.
  void StorageDamaged(const ServerNode& server);
  // Two processes had one id in turn, each with a disk of its own: the other
  // lacks what one calls durable, so from here on the check holds nothing
  // against it. `other`: the one before, if it is there still. A scheduler that
  // met it must leave its place to it. A scheduler that did not yet may take
  // the twin for it, if the twin has something of the job, too.
  void TwinTookOver(const ServerNode& twin, const ServerNode* other, bool met);
  // A generation that an operator wants.
  void OperatorRollsBack(const scheduler::TrainingJob& job,
                         const scheduler::RollbackOrder& order);
  bool any_damage() const { return any_damage_; }

  // --- Workers ---------------------------------------------------------------
  void Stamped(const WorkerStamp& stamp);
  void WorkerHears(const WorkerNode& worker, const SchedulerToWorker& message);
  // Each address is that of its server: no worker finds another server there.
  void ServerAnswered(const WorkerNode& worker);
  void Computes(const WorkerNode& worker, const client::ComputeTask& task);
  // The answer to a push that the worker awaits.
  void PushHeard(const WorkerNode& worker, const PushReply& reply);
  // The examples from which it computes the batch, by position.
  void Gathered(const WorkerNode& worker, const client::ComputeTask& task,
                std::span<const int64_t> examples);
  void Evaluates(const WorkerNode& worker, const client::EvaluateTask& task);

  // --- The scheduler ---------------------------------------------------------
  void BeforeServerMessage(const ServerToScheduler& message);
  void AfterWorkerMessage(const WorkerToScheduler& message,
                          const scheduler::SchedulerActions& out);
  void AfterSchedulerEvent(const scheduler::SchedulerActions& out);

  // --- The end ---------------------------------------------------------------
  // Every partition is served, full and exact (I6).
  void CheckAllExact();
  // Grows whenever anything advances.
  int64_t progress() const { return progress_; }

 private:
  // The content of a partition that marks imply.
  struct Content {
    explicit Content(const JobPlan& plan) : marks(plan) {}
    MarkSet marks;
    std::vector<SkippedRange> skipped;
    // Sum of gradients, or of contributions; unused in rounds.
    std::vector<int64_t> sum;
    int64_t batches = 0;                 // How many there were.
    std::vector<uint64_t> oracle;        // Values of the oracle table.
    std::vector<Arithmetic::Rows> rows;  // Rows of each sparse table.
    // If rows come and go: what the tables may be, and `rows` follow.
    std::vector<RowHistories::State> states;
    LedgerRow total;
  };
  // A partition as a server has it.
  struct Shadow {
    // Another may come to lie where one was that is gone: an address is none.
    std::weak_ptr<const server::Partition> instance;
    bool Is(const server::Partition* partition) const {
      return instance.lock().get() == partition;
    }
    Generation generation;
    Term term;
    std::optional<Content> content;
  };
  struct Stored {
    VersionKey key;
    std::optional<MarkSet> marks;
    bool damaged = false;
  };
  struct Life {
    size_t server = 0;
    uint64_t life = 0;
    friend bool operator==(const Life&, const Life&) = default;
  };

  Content ContentOf(PartitionId p, const MarkSet& marks,
                    std::vector<SkippedRange> skipped) const;
  void AddRange(PartitionId p, ItemId item, int64_t begin, int64_t end,
                bool skip, Content* content) const;
  // Puts the contribution in place of a row, with what it counts.
  void Replace(const std::vector<int64_t>& contribution,
               std::vector<int64_t>* row, Content* content) const;
  // I1: where rows come and go, the partition is in one of the states that the
  // content may be in.
  void Identify(const std::string& where, const server::Partition& partition,
                Content* content);
  // I1, I10: the partition has what its marks say.
  bool SameMarks(const MarkSet& a, const MarkSet& b) const;
  // Data that grows: the marks, which may be of a job that was ended since, as
  // those of the checker's plan, which has all that there will ever be.
  MarkSet OfWhole(const MarkSet& marks) const;
  // Reads what a partition of that generation encoded, as OfWhole.
  absl::StatusOr<MarkSet> ReadMarks(Generation generation,
                                    absl::string_view bytes) const;
  static bool IsSkipped(const std::vector<SkippedRange>& skipped, ItemId item,
                        int64_t begin);
  void Compare(const std::string& where, const server::Partition& partition,
               const Content& content);
  void CompareWeights(const std::string& where, PartitionId p,
                      std::span<const float> weights, const Content& content);
  void CompareRows(const std::string& where, const server::Partition& partition,
                   const Content& content);
  // I10: counts are the sum of the rows that contribute to them, whatever marks
  // say.
  void CompareCounts(const std::string& where,
                     const server::Partition& partition);
  void CompareRow(const std::string& where, int32_t table, uint64_t key,
                  std::span<const float> row,
                  const std::vector<Arithmetic::Rows>& rows);
  void NoteRows(const server::Partition& partition);
  // Rows as pulled of a partition.
  void CheckRows(const std::string& where, const PullSegmentRequest& wanted,
                 const PullSegment& segment,
                 const std::vector<Arithmetic::Rows>& rows);
  void CompareLedger(const std::string& where, const Ledger& ledger,
                     const Content& content);
  void CompareCut(const std::string& where, PartitionId p,
                  const server::Cut& cut, const Content& content);
  void CompareRoundArrays(const std::string& where, PartitionId p,
                          const server::Cut& cut, const Content& content);
  void CompareOperations(const std::string& where, const server::Cut& cut,
                         const Content& content);
  // A server took up a newer generation, with a plan of so many epochs. Only
  // damage, an operator or a gradient that is not finite makes one, or the end
  // of a job that had more epochs.
  void MeetGeneration(Generation generation, int32_t epochs);
  // I4: a daemon with a generation has its rate factor and its count.
  void HasRollback(const std::string& who, Generation generation,
                   const RollbackRecord& rollback);
  void NewInstance(const ServerNode& server, PartitionId p,
                   const server::Partition& partition, Term term,
                   Shadow* shadow);
  // I11: in rounds a run is a whole item but for what is skipped.
  void CheckRun(const std::string& where, const Commit& commit);
  // I11: in asp a run begins with values that have the worker's last one.
  void CheckBegin(const WorkerNode& worker, const client::ComputeTask& task);
  // I4: a generation that an operator wants begins with the named versions. A
  // server that serves it in its newest term has all that was durable.
  void CheckFloor(const ServerNode& server, PartitionId p,
                  const server::Partition& partition, Term term);
  void CheckBeginning(const ServerNode& server, PartitionId p,
                      const server::Partition& partition);
  void Serves(const ServerNode& server, PartitionId p, Term term);
  void SaysDurable(const ServerNode& server, PartitionId p, Term term,
                   const MarkSet& durable, const std::string& what);
  void SaysDurable(const ServerNode& server, const JobRegistration& job);
  void SaysDurable(const ServerNode& server, const MarkReport& report);
  void CheckDurable(const ServerNode& server, PartitionId p, Term term,
                    ItemId item, int64_t mark);
  void CheckGate(const ServerNode& server, const PullRequest& request);
  int64_t TrueClock(const ViewMember& member) const;
  void CheckValues(const ServerNode& server, const PullRequest& request,
                   const PullSegment& segment);
  void CheckGrant(const Grant& grant);
  void BeginsToDecide(const SchedulerNode& scheduler);
  void CheckJob(const SchedulerNode& scheduler);
  void ForgetLife(const scheduler::TrainingJob* job);
  void NoteRollback(const scheduler::TrainingJob& job, bool nonfinite);
  void CheckBlame(const scheduler::TrainingJob& job);
  void NoteLeases(const scheduler::TrainingJob& job);
  void NoteDecisions(const scheduler::JobState& state);
  void CheckPhase(const scheduler::TrainingJob& job);
  void CheckCompletion(const scheduler::TrainingJob& job);
  void NoteLog(const std::string& text);

  bool Watches(JobId job) const;
  const JobPlan& plan() const;
  void Violate(std::string text);

  World* const world_;  // Not owned.
  int64_t progress_ = 0;
  bool any_damage_ = false;
  bool twin_took_over_ = false;

  RowHistories histories_;
  ReadRows read_rows_;
  // By place of the server and partition.
  std::vector<std::vector<Shadow>> shadows_;
  std::vector<std::vector<Stored>> stored_;
  std::map<std::pair<size_t, PartitionId>, std::string> loaded_marks_;
  std::map<std::pair<size_t, PartitionId>, VersionKey> load_failed_;
  // Pinned values of snapshots.
  struct Pinned {
    uint64_t values = 0;  // A digest.
    std::vector<Arithmetic::Rows> rows;
  };
  std::map<std::tuple<size_t, uint64_t, int64_t, PartitionId>, Pinned> pinned_;

  // By partition.
  std::vector<std::map<Term, Life>> served_;
  std::vector<std::set<Term>> granted_;
  std::vector<std::vector<int64_t>> durable_floor_;  // By item.
  Generation generation_;  // The generation of the floors.
  bool ended_ = false;     // An operation ended the job before its plan did.
  std::map<VersionKey, uint64_t> versions_;  // Digests of all cuts.
  std::map<VersionKey, std::string> stored_marks_;
  std::map<Generation, JobPlan> plans_;  // Data that grows: as servers had it.
  // The versions with which operators, or the job's policy, wanted generations
  // to begin.
  std::map<Generation, RollbackRecord> wanted_;
  // The versions with which the scheduler began them.
  std::map<Generation, RollbackRecord> decided_;
  bool heard_nonfinite_ = false;                    // In the message in hand.
  std::map<VersionKey, int64_t> version_examples_;  // Below its marks.
  std::set<PartitionId> begun_;

  // True clocks, by worker and the view it joined in.
  absl::flat_hash_map<std::pair<SessionId, ViewNumber>, int64_t> clocks_;

  // Runs in asp: after which update each was in its partition, by partition,
  // term, item and where the run ends; and by worker and partition, the last
  // that the worker heard to be applied.
  std::map<std::tuple<PartitionId, Term, ItemId, int64_t>, int64_t> applied_;
  struct OwnRun {
    Term term;
    int64_t updates = 0;
  };
  std::map<std::pair<SessionId, PartitionId>, OwnRun> own_runs_;

  // The scheduler as it was after the event before.
  uint64_t scheduler_life_ = 0;
  int64_t store_losses_ = 0;  // Before it began to decide, the last time.
  bool was_whole_ = false;
  bool was_complete_ = false;
  Generation completed_in_;
  bool was_gathering_ = false;
  std::set<int64_t> hinted_;   // Items, by ordinal.
  std::set<int64_t> doubled_;  // Held by two.
  int64_t failures_ = 0;
  size_t quarantined_ = 0;
  size_t evaluations_ = 0;
  std::set<std::tuple<ItemId, int64_t, int64_t>> skips_decided_;
  // Before the message in hand.
  Term term_before_;
};

}  // namespace ebb::sim

#endif  // EBB_SIM_CHECKER_H_
