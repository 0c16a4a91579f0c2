// One job, as the scheduler runs it: places its partitions, leases its items,
// keeps its view, notices that epochs, rounds and the job itself are done.
//
// Decision logic only. Thread-compatible. A job and the Cluster it is given
// belong to one SchedulerCore.
#ifndef EBB_SCHEDULER_TRAINING_JOB_H_
#define EBB_SCHEDULER_TRAINING_JOB_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "scheduler/actions.h"
#include "scheduler/backups.h"
#include "scheduler/balance.h"
#include "scheduler/cluster.h"
#include "scheduler/divergence.h"
#include "scheduler/epoch_tails.h"
#include "scheduler/evaluator.h"
#include "scheduler/fallbacks.h"
#include "scheduler/job_state.h"
#include "scheduler/lease_table.h"
#include "scheduler/mark_table.h"
#include "scheduler/moves.h"
#include "scheduler/placement.h"
#include "scheduler/poison.h"
#include "scheduler/round_operations.h"
#include "scheduler/rounds.h"
#include "scheduler/share_out.h"
#include "scheduler/stalls.h"
#include "scheduler/view.h"

namespace ebb::scheduler {

// Figures that servers report; lost with the scheduler.
struct JobStatistics {
  int64_t updates = 0;
  std::vector<int64_t> staleness;                     // Histogram by staleness.
  int64_t clock_lead = 0;                             // SSP: the largest.
  Traffic traffic;                                    // Traffic of values.
  std::optional<double> recent_loss;                  // Mean.
  std::map<int32_t, EpochLossSum> losses;             // By epoch.
  std::map<std::string, int64_t> examples_by_worker;  // Computed, by name.
};

class TrainingJob {
 public:
  TrainingJob(const SchedulerOptions& options, JobRecordPtr record,
              JobState state);
  TrainingJob(const TrainingJob&) = delete;  // Its parts know each other.
  TrainingJob& operator=(const TrainingJob&) = delete;

  // --- Servers ---------------------------------------------------------------

  // The scheduler may grant from now on: every partition gets a new term.
  void Start(Context* context);
  bool started() const { return started_; }
  // A server told of the job: its earlier evaluations are lost.
  void EvaluationsLost() { evaluations_lost_ = true; }
  // A server registered; `registration` is null when it does not know this job.
  void ServerRegistered(const ServerInfo& server,
                        const JobRegistration* registration, Context* context);
  void PartitionsRegistered(const ServerInfo& server,
                            const JobRegistration& registration,
                            Context* context);
  void ServerLost(const ServerInfo& server, Context* context);
  void Marks(const ServerInfo& server, const MarkReport& report,
             Context* context);
  void SendView(const ServerInfo& server, Context* context);
  void Progressed(const ServerInfo& server, const MoveProgress& progress,
                  Context* context);
  void PartitionMovedIn(const ServerInfo& server,
                        const JobRegistration& registration, Context* context);
  // The set of servers changed. Owners must know it for a time when this
  // scheduler and its store are gone.
  void TellServers(Context* context);
  // Begins the next move that is due, if any.
  void MoveOn(Context* context);
  void SnapshotTaken(const ServerInfo& server, const SnapshotReply& reply);
  void Statistics(const ServerStatistics& statistics, Context* context);

  // --- Workers ---------------------------------------------------------------

  // Leases the next item to the worker, which works for the job, or one of an
  // earlier epoch that a slower one has; false: there is none now, for
  // whichever worker.
  bool Offer(WorkerInfo* worker, Context* context);
  // No item is open. Those of `waiting`, all workers of the job, that would be
  // idle get items of slower workers. False: none does.
  bool OfferBackups(const std::set<SessionId>& waiting, Context* context);
  // A snapshot waits for a worker to evaluate it.
  bool WantsEvaluator() const;
  void Evaluate(SessionId worker, Context* context);
  // A worker for which there is no item evaluates the same as a slower one.
  // False: that is not needed.
  bool EvaluateToo(WorkerInfo* worker, Context* context);
  // Its claim of the cluster's workers; `able` of them could work on it, and it
  // has `has` (share_out.h). `limit`: the most that it may have.
  WorkerClaim Claim(int64_t able, int64_t has, int64_t* limit) const;
  // They work for other jobs now, or for none.
  void TakeBack(const std::vector<SessionId>& workers, Context* context);
  // The worker does not reach a server of the job: others get what it has.
  void CutOff(SessionId worker, Context* context);
  // The worker may go on with its item if no other worker has it. `clock`:
  // where it joins the view, unless it is in it; -1: it does not join.
  void AdoptLease(const WorkerInfo& worker, const HeldItem& held, int64_t clock,
                  Context* context);
  // Leases of a worker that registers anew and does not name them.
  void ReleaseUnclaimed(const WorkerInfo& worker, Context* context);
  // Maybe it can begin what those before it could not.
  void WorkerArrived(const WorkerInfo& worker, Context* context);
  void WorkerLost(const WorkerInfo& worker, Context* context);
  void Renewed(WorkerInfo* worker, const Progress& progress, Context* context);
  void ItemEnded(WorkerInfo* worker, const ItemEnd& end, Context* context);
  void SendPlacement(SessionId worker, Context* context);
  void Evaluated(const EvaluationResult& result, Context* context);

  // --- Operators -------------------------------------------------------------
  // Decides about a quarantined item; the job goes on when it was the last. A
  // skip is settled when the servers have said that none has the batch; if one
  // has, or no batch failed, it is tried again.
  void Resolve(int64_t ordinal, bool skip, Context* context);
  void Cancel(Context* context);
  // FailedPrecondition: the job is over.
  absl::Status Pause(Context* context);
  absl::Status EndPause(Context* context);
  // How many workers it takes at most from now on; 0: no limit.
  // InvalidArgument: less than its minimum.
  absl::Status ScaleWorkers(int32_t workers, Context* context);
  // Over how many servers its partitions lie at most; 0: over all.
  // InvalidArgument: a negative number.
  absl::Status ScaleServers(int32_t servers, Context* context);
  void RequestCheckpoint(Context* context);
  // As an operator orders, in a new generation, to versions of the line. See
  // RollbackJob in proto/ebb/v1/scheduler.proto.
  struct RollbackOrder {
    Generation generation;  // The generation that is rolled back.
    RollbackRecord record;  // Its versions.
    std::string what;       // For people.
    // Factor of the rates from there on; absent: as before.
    std::optional<double> rate_factor;
    // The job from there on; see MayFollow. Null: as before.
    JobRecordPtr change = nullptr;
  };
  absl::Status RollBackTo(const RollbackOrder& order, Context* context);

  // Returns the workers whose leases ran out: they may be there, but are
  // silent.
  std::vector<SessionId> Tick(Context* context);
  absl::Time NextTick() const;

  // Must be stored before the actions of this event are carried out.
  bool TakeDirty() { return std::exchange(dirty_, false); }
  // Likewise of record().
  bool TakeNewRecord() { return std::exchange(new_record_, false); }

  // --- What it is ------------------------------------------------------------
  JobId id() const { return record_->id; }
  const JobRecordPtr& record() const { return record_; }
  const JobPlan& plan() const { return known_.plan; }
  const job::TrainingFacts& training_facts() const { return training_facts_; }
  const JobState& state() const { return state_; }
  bool over() const {
    return state_.phase == JobPhase::kCompleted ||
           state_.phase == JobPhase::kCancelled;
  }
  const PlacementTable& placement() const { return placement_; }
  const MarkTable& marks() const { return marks_; }
  // How far a round is that is closed by an operation.
  RoundOperations::Phase OperationPhase(int64_t round) const {
    return operations_.PhaseOf(round, marks_, placement_);
  }
  const LeaseTable& leases() const { return leases_; }
  const View& view() const { return view_; }
  const JobStatistics& statistics() const { return statistics_; }
  const Poison& poison() const { return poison_; }
  // It diverged, and its policy is to pause; also of a scheduler that began
  // since.
  bool PausedForDivergence() const;
  // The trouble with the course of its loss, for people; empty: none.
  std::string DivergenceText() const;
  const Fallbacks& fallbacks() const { return fallbacks_; }
  const Moves& moves() const { return moves_; }
  const BackupCounts& backups() const { return backups_.counts(); }
  const EpochTailCounts& tails() const { return tails_.counts(); }
  // Workers whose lease of an item that they worked on ran out, in the
  // scheduler's life.
  int64_t silent_workers() const { return silent_workers_; }
  // Partitions that were taken over, in the scheduler's life.
  int64_t taken_over() const { return taken_over_; }
  // Describes durable data of its partitions that a registering server lacks:
  // it is in a shared folder that this process has not. Empty: none.
  std::string LacksFolder(const RegisterServer& message) const;
  // Whether another process may have more of the data of this id than this one,
  // which does not mention a partition. `same_store`: no other process can have
  // data that is not in its store. `gathering`: its id may have had more than
  // is known here.
  bool LacksWhatItsIdHad(const RegisterServer& message, bool same_store,
                         bool gathering) const;
  // A server that is leaving owns a partition here, and another may take it.
  bool TakesFrom(const ServerInfo& server, const Context& context) const;
  int64_t Owned(ServerId server) const;
  bool evaluating() const { return evaluator_.underway(); }
  // It was trained on already: it needs its minimum of workers no more.
  bool HasBegun() const;
  // How many workers it takes at most; 0: no limit.
  int32_t max_workers() const;
  // How many workers could be of use now.
  int64_t OpenWork() const;
  // The worker evaluates, alone or with another.
  bool Evaluates(SessionId worker) const {
    return worker != SessionId() &&
           (evaluator_.worker() == worker || evaluator_.second() == worker);
  }

 private:
  bool AcceptGeneration(const JobRegistration& registration, Context* context);
  // The job is this one from now on; the caller begins a generation of it.
  void TakeRecord(JobRecordPtr record);
  // Forgets what belonged to the generation before, and grants all anew.
  void BeginGeneration(Generation generation, RollbackRecord rollback,
                       Context* context);
  absl::Status MayRollBack(const RollbackOrder& order) const;
  // Begins the generation of a rollback, at the rate of `record`; `why` tells
  // it.
  void RollBack(RollbackRecord record, std::string why, Context* context);
  // True: the job rolled back.
  bool RollBackIfNeeded(Context* context);
  void AssignOwners(Context* context);
  void SetOwner(PartitionId p, ServerId owner);
  // As in JobState.
  void SetDurable(PartitionId p, const std::string& folder, Term term);
  void RememberDrawn(PartitionId p);
  // Draws a new term for each and sends the grants.
  void GrantAnew(const std::vector<PartitionId>& partitions, Context* context);
  void GrantAll(Context* context);
  // Grants no partition, if it is empty: the server then knows the job and the
  // other servers.
  void SendGrant(const ServerInfo& server,
                 std::vector<PartitionGrant> partitions, Context* context);
  // For a server that owns a partition now, or may have missed the news.
  void SendNews(const ServerInfo& server, Context* context);
  void HearClaim(const ServerInfo& server, const PartitionRegistration& one);
  // True: the registration shows the drawn term, and is believed.
  bool Believe(const ServerInfo& server, const PartitionRegistration& one,
               Context* context);
  // The examples that the worker computed since its last report count for this
  // job.
  void Computed(WorkerInfo* worker, int64_t examples, absl::Time now);
  // Says which servers came back with less, once all are there.
  void TellFallbacks(Context* context);
  void MarksChanged(Context* context);
  void TellRounds(Context* context);
  void OrderOperations(Context* context);
  void PlacementChanged(Context* context);

  void BeginMove(const WantedMove& wanted, Context* context);
  void GiveUpMove(PartitionId p, const std::string& why, Context* context);
  void EndMove(PartitionId p, Context* context);
  void EndMovesTo(const ServerInfo& target, Context* context);
  void TellOwner(PartitionId p, const ServerInfo& server, Context* context);
  void NotePause(const ServerInfo& server, const MoveProgress& progress,
                 Context* context);
  void TickMoves(Context* context);
  absl::Time NextMoveTick() const;
  void TakeOver(Context* context);
  // Those of one server whose newest durable versions are in one folder.
  void TakeOver(ServerId from, const std::string& folder,
                const std::vector<PartitionId>& partitions, Context* context);
  void TellStale(PartitionId p, Context* context);

  // Takes back the leases of these items.
  void RevokeLeases(absl::FunctionRef<bool(ItemId item)> which,
                    Context* context);
  void Revoke(int64_t ordinal, SessionId worker, Context* context);
  absl::Status NotOver() const;
  bool MayOffer() const;
  bool MayLease(int64_t ordinal, Context* context);
  std::vector<Backups::Help> LookForHelp(const std::vector<SessionId>& helpers,
                                         int64_t end) const;
  // Before it begins an epoch. False: no help is needed.
  bool HelpsEarlierEpoch(SessionId worker, int32_t epoch, Context* context);
  void Help(const Backups::Help& help, Context* context);
  // One of the two that had it has done it all, as it says.
  void EndBackup(int64_t ordinal, const WorkerInfo& first, Context* context);
  // The worker holds an item, and held none before.
  void FirstLease(const WorkerInfo& worker, absl::Time now);
  void SendLease(SessionId worker, int64_t ordinal, Context* context);
  void JoinView(SessionId worker, int64_t clock, Context* context);
  void IfIdle(SessionId worker, Context* context);
  void CouldNotBegin(WorkerInfo* worker, const ItemEnd& end, Context* context);
  void PauseIfNobodyCan(Context* context);
  void LeaseFailed(Poison::Failure failure, Context* context);
  // As `policy`, a key of the job, says: a gradient is not finite, or the loss
  // diverges. `round`: the one that it was seen in; `why` is for people.
  void RollBackByItself(absl::string_view policy, int64_t round,
                        absl::string_view why, Context* context);
  // The loss of the latest updates was heard.
  bool WatchesDivergence() const;
  void LookForDivergence(Context* context);
  // All is applied and durable. True: it diverged, and so it does not end.
  bool StopsAtItsEnd(Context* context);
  // Does as its policy says. True: it paused, or rolled back.
  bool Diverges(Context* context);
  std::string RolledBackAlready() const;
  void PauseByItself(const std::string& why, Context* context);
  // Returns the workers that said nothing while theirs ran out.
  std::vector<SessionId> LeasesRanOut(Context* context);
  void LeaseRanOut(int64_t ordinal, const WorkerInfo& worker, Context* context);
  void FenceSkip(int64_t ordinal, Context* context);
  void SettleSkips(Context* context);
  // The job goes on if its pause has no reason any more.
  void MaybeGoOn(Context* context);
  void WarnOfTooManyWorkers(Context* context) const;
  void BroadcastView(Context* context);
  // Takes an evaluation that ended, if there is one.
  void EvaluationEnded(std::optional<Evaluation> evaluation, Context* context);

  const SchedulerOptions& options_;
  JobRecordPtr record_;
  // The same without its specification, at a place that stays: the parts refer
  // to it and to its plan.
  JobRecord known_;
  bool new_record_ = false;
  job::TrainingFacts training_facts_;  // The facts of record_.
  JobState state_;
  bool dirty_ = true;
  bool started_ = false;
  std::string could_not_begin_;  // The last worker that could not, and why.
  bool begun_ = false;           // An item was leased.
  // Evaluations from before a rollback are forgotten as soon as the full epochs
  // are known again; also by a scheduler that began since.
  bool forget_evaluations_ = false;
  // Likewise of a lost store's: see Evaluator::Lost.
  bool evaluations_lost_ = false;

  PlacementTable placement_;
  MarkTable marks_;
  LeaseTable leases_;
  Backups backups_;
  EpochTails tails_;
  // Where workers stopped that gave an item back, until it is leased again.
  std::map<int64_t, int64_t> returned_at_;
  View view_;
  Poison poison_;
  Divergence divergence_;
  Stalls stalls_;
  Rounds rounds_;
  RoundOperations operations_;
  Evaluator evaluator_;
  Fallbacks fallbacks_;
  Moves moves_;
  absl::Time last_tick_ = absl::InfinitePast();
  absl::Time take_over_at_ = absl::InfiniteFuture();
  int64_t silent_workers_ = 0;
  int64_t taken_over_ = 0;
  // Servers that still have something of a partition that another owns.
  std::map<PartitionId, std::set<ServerId>> stale_;
  bool final_checkpoint_asked_ = false;
  JobStatistics statistics_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_TRAINING_JOB_H_
