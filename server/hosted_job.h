// One job on one server: the partitions it owns here, the order of pushes, the
// pulls that wait, the versions that are written.
//
//   grant ──> loading ──(a version, or initial values)──> serving
//     ^          |                                            |
//     |          +──(damaged: the version before)             |
//     +── a newer term: goes on from memory if it serves exactly the parent,
//         else drops what it has and loads
//
// Decision logic only: messages and time in, actions out. Thread-compatible;
// the actions RunUpdate and LoadVersion come back as UpdateDone and Loaded.
#ifndef EBB_SERVER_HOSTED_JOB_H_
#define EBB_SERVER_HOSTED_JOB_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "server/actions.h"
#include "server/hosted_partition.h"
#include "server/parked_pulls.h"
#include "server/partition.h"
#include "server/pending_push.h"
#include "server/push_intake.h"
#include "server/recent_loss.h"
#include "server/ssp_gate.h"
#include "server/store/checkpoint_store.h"
#include "server/version_list.h"

namespace ebb::server {

class HostedJob {
 public:
  // `options` outlives the job. `inventory` is what the store holds.
  HostedJob(const ServerOptions& options, StoredJob job,
            const Inventory& inventory);
  ~HostedJob();

  // --- From the scheduler ----------------------------------------------------
  void TakeGrant(const Grant& grant, absl::Time now, ServerActions* out);
  void SetView(const ViewUpdate& view, ServerActions* out);
  void SetRounds(const RoundStatus& rounds, ServerActions* out);
  void WantCheckpoint();
  // Retention deletes none of the job's versions until then: those that are
  // returned can be rolled back to.
  std::vector<RoundVersion> KeepVersions(absl::Time until);
  void Snapshot(const TakeSnapshot& request, ServerActions* out);
  void DropSnapshot(int64_t snapshot);
  void TakeMove(const MoveIn& order, absl::Time now, ServerActions* out);
  void Moved(const PartitionMoved& message, absl::Time now, ServerActions* out);
  // Of the session before nothing is relied upon: moves to here are given up.
  void DropIncoming();

  // --- From another server, the target of a move -----------------------------
  void Fetch(uint64_t token, FetchRequest request, ServerActions* out);

  // --- From workers ----------------------------------------------------------
  void Push(uint64_t token, PushRequest push, absl::Time now,
            ServerActions* out);
  void Pull(uint64_t token, PullRequest pull, absl::Time now,
            ServerActions* out);
  void Clock(const ClockUpdate& clock, ServerActions* out);

  // --- From the shell --------------------------------------------------------
  void UpdateDone(UpdateTask task, ServerActions* out);
  void Loaded(const VersionKey& key, absl::StatusOr<Cut> cut, absl::Time now,
              ServerActions* out);
  void VersionWritten(const VersionKey& key, const absl::Status& status,
                      absl::Time now, ServerActions* out);
  void Listed(PartitionId id, absl::StatusOr<PartitionInventory> inventory,
              absl::Time now, ServerActions* out);
  void Fetched(const FetchRequest& request,
               absl::StatusOr<server::Fetched> fetched, absl::Time now,
               ServerActions* out);
  // Answers overdue pulls, notices that a checkpoint is due.
  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;

  // Begins to write the next version that is wanted, if any. The cut follows
  // at once or when the partition's running update is done.
  bool StartWrite(absl::Time now, ServerActions* out);
  // A cut is being written, or waits for its partition's running update: it
  // gives its turn up when the partition is dropped.
  bool writing() const { return writing_.has_value(); }

  // --- What it is ------------------------------------------------------------
  JobRegistration Registration() const;
  // Marks that changed since the last report; nullopt: none.
  std::optional<MarkReport> TakeReport();
  bool report_at_once() const { return report_at_once_; }
  ServerStatistics TakeStatistics();
  // All is applied here, and statistics of the last updates are not taken yet.
  bool CompleteButForStatistics() const;
  // A push was refused, here or before it came here: `why` is for people.
  void PushRefused(std::string why);
  // Forgets what was to be reported: a registration says all of it.
  void ResetReport();
  // Answers everything that waits, before the job is forgotten.
  void Close(ServerActions* out);

  const StoredJob& stored() const { return job_; }
  const Partition* partition(PartitionId id) const;
  // The same, for who must tell it from a later one at the same address.
  std::weak_ptr<const Partition> WeakPartition(PartitionId id) const;
  Term term(PartitionId id) const;
  // Every change so far is durable, in the present terms.
  bool AllDurable() const;
  // Owns no partition, and none is on its way to here.
  bool OwnsNothing() const;

 private:
  struct Writing {
    PartitionId partition;
    VersionKey key;
    bool cut_taken = false;
    std::optional<MarkSet> marks;
    std::optional<RoundSpan> rounds;
    absl::btree_set<ItemId>
        items;  // Changed between the last cut and this one.
  };

  const JobPlan& plan() const { return job_.record->plan; }
  void Complain(std::string what, ServerProblem kind);
  bool EnsureResources(ServerActions* out);
  void AdoptGeneration(const JobRecordPtr& record, Generation generation,
                       const RollbackRecord& rollback, ServerActions* out);
  void BeginCheckpoints(absl::Time now);
  void KnowServers(const std::vector<ServerId>& servers, ServerActions* out);
  void DropPartition(HostedPartition* hosted, ServerActions* out);
  void GrantOne(const PartitionGrant& grant, absl::Time now,
                ServerActions* out);
  void ListShared(PartitionId id, HostedPartition* hosted, ServerActions* out);
  // Takes the partition on only where there is room for what it will hold.
  // ResourceExhausted, for people.
  absl::Status MakeRoom(PartitionId id, HostedPartition* hosted);
  void Load(PartitionId id, HostedPartition* hosted, absl::Time now,
            ServerActions* out);
  void LoadNext(PartitionId id, HostedPartition* hosted, absl::Time now,
                ServerActions* out);
  // No version is worse for it: the same is tried again after a while.
  void LoadLater(HostedPartition* hosted, const absl::Status& why,
                 absl::Time now, ServerActions* out);
  void BeginServing(PartitionId id, HostedPartition* hosted,
                    std::unique_ptr<Partition> values, ServerActions* out);
  void Register(std::vector<PartitionId> partitions, ServerActions* out);

  void Admit(const PendingPushPtr& push, ServerActions* out);
  void AnswerAll(const PendingPushPtr& push, Verdict verdict,
                 ServerActions* out);
  void RunQueue(PartitionId id, HostedPartition* hosted, ServerActions* out);
  bool StartUpdate(HostedPartition* hosted,
                   const HostedPartition::QueuedSegment& next,
                   ServerActions* out);
  void TakeWantedCut(PartitionId id, HostedPartition* hosted,
                     ServerActions* out);

  // nullopt: it must wait.
  std::optional<PullReply> TryPull(const PullRequest& pull);
  bool FillPull(const PullRequest& pull, PullSegment* segment) const;
  void AskForView(ViewNumber joined, absl::Time now, ServerActions* out);
  void ReplyWait(const ParkedPull& parked, ServerActions* out);
  void ReleasePulls(ServerActions* out);
  void PruneVersions(HostedPartition* hosted, absl::Time now,
                     ServerActions* out);

  // Moves, of the source …
  void FetchCut(uint64_t token, HostedPartition* hosted,
                const FetchRequest& request, ServerActions* out);
  void FetchBlocks(uint64_t token, const HostedPartition& hosted,
                   const FetchRequest& request, ServerActions* out);
  void AnswerFetches(HostedPartition* hosted, ServerActions* out);
  void EndOutgoing(HostedPartition* hosted, ServerActions* out);
  // … and of the target.
  void Fetch(PartitionId id, HostedPartition* hosted, absl::Time now,
             ServerActions* out);
  void StoreMoved(PartitionId id, HostedPartition* hosted, absl::Time now,
                  ServerActions* out);
  // True: it was the version that a move ends with.
  bool MovedVersionWritten(const VersionKey& key, const absl::Status& status,
                           absl::Time now, ServerActions* out);
  void MoveFailed(PartitionId id, Term term, std::string why,
                  ServerActions* out);
  MoveProgress ProgressOf(PartitionId id, Term term) const;
  static void DropIncoming(HostedPartition* hosted);
  void TickMoves(absl::Time now, ServerActions* out);
  absl::Time NextMoveTick() const;

  const ServerOptions& options_;
  StoredJob job_;
  JobResources resources_;  // Empty until the first grant.
  std::map<PartitionId, HostedPartition> partitions_;

  PushIntake intake_;
  int64_t pushes_admitted_ = 0;

  SspGate gate_;
  int64_t clock_lead_ = 0;  // The largest that it has let through.
  // The newest view asked for, and when it may be asked for again.
  ViewNumber asked_view_;
  absl::Time ask_view_again_ = absl::InfinitePast();
  RoundStatus rounds_;
  ParkedPulls parked_;

  std::optional<Writing> writing_;
  absl::Time next_checkpoint_ = absl::InfiniteFuture();
  absl::Time retry_writes_at_ = absl::InfinitePast();
  absl::Time keep_versions_until_ = absl::InfinitePast();
  absl::Time retry_loads_at_ = absl::InfiniteFuture();
  absl::Time next_move_sign_ = absl::InfiniteFuture();

  bool report_at_once_ = false;
  ServerStatistics statistics_;
  RecentLoss recent_loss_;
  // By epoch: the examples whose loss was reported.
  std::map<int32_t, int64_t> reported_losses_;
  std::string problem_;  // The latest, for people; empty: none.
  ServerProblem problem_kind_ = ServerProblem::kOther;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_HOSTED_JOB_H_
