// One job on one server: the partitions that it owns here, and the classes that
// handle its events.
//
//   grant ──> loading ──(a version, or initial values)──> serving
//     ^                                                      |
//     +── a newer term: goes on from memory if it serves exactly the parent,
//         else drops what it has and loads
//
//   job_partitions.h    what is here          pull_handler.h   pulls
//   partition_loader.h  getting the values    checkpointer.h   versions
//   push_handler.h      pushes                incoming_moves.h, outgoing_move.h
//
// They know the partitions and not each other; this class passes the effects of
// one on to the others. Decision logic only: messages and time in, actions out.
// Thread-compatible; the actions RunUpdate, LoadVersion and FetchInitialValues
// come back as UpdateDone, Loaded and InitialValues.
#ifndef EBB_SERVER_HOSTED_JOB_H_
#define EBB_SERVER_HOSTED_JOB_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/messages.h"
#include "server/actions.h"
#include "server/checkpointer.h"
#include "server/incoming_moves.h"
#include "server/job_partitions.h"
#include "server/options.h"
#include "server/partition.h"
#include "server/partition_loader.h"
#include "server/pull_handler.h"
#include "server/push_handler.h"
#include "server/store/checkpoint_store.h"
#include "server/write_pace.h"

namespace ebb::server {

class HostedJob {
 public:
  // `options` outlives the job. `inventory` is what the store holds.
  HostedJob(const ServerOptions& options, StoredJob job,
            const Inventory& inventory);
  HostedJob(const HostedJob&) = delete;
  HostedJob& operator=(const HostedJob&) = delete;

  // --- From the scheduler ----------------------------------------------------
  void TakeGrant(const Grant& grant, absl::Time now, ServerActions* out);
  void SetView(const ViewUpdate& view, absl::Time now, ServerActions* out);
  void SetRounds(const RoundStatus& rounds, absl::Time now, ServerActions* out);
  void Operate(const ApplyOperation& message, ServerActions* out);
  void WantCheckpoint(absl::Time now) { checkpoints_.Want(now, true); }
  // Retention deletes none of the job's versions until then: those that are
  // returned can be rolled back to.
  std::vector<RoundVersion> KeepVersions(absl::Time until) {
    return checkpoints_.KeepVersions(until);
  }
  void Snapshot(const TakeSnapshot& request, ServerActions* out);
  void DropSnapshot(int64_t snapshot);
  void TakeMove(const MoveIn& order, absl::Time now, ServerActions* out);
  void Moved(const PartitionMoved& message, absl::Time now, ServerActions* out);

  // --- From another server, the target of a move -----------------------------
  void Fetch(uint64_t token, FetchRequest request, ServerActions* out);

  // --- From workers ----------------------------------------------------------
  // See PushHandler.
  void Push(uint64_t token, PushRequest push, const absl::Status& room,
            absl::Time now, ServerActions* out);
  void Pull(uint64_t token, PullRequest pull, absl::Time now,
            ServerActions* out) {
    pulls_.Pull(token, std::move(pull), now, out);
  }
  void Clock(const ClockUpdate& clock, absl::Time now, ServerActions* out);

  // --- From the shell --------------------------------------------------------
  void UpdateDone(UpdateTask task, absl::Time now, ServerActions* out);
  void Loaded(const VersionKey& key, absl::StatusOr<Cut> cut, absl::Time now,
              ServerActions* out);
  void VersionWritten(const VersionKey& key, const absl::Status& status,
                      absl::Time now, ServerActions* out);
  void Listed(PartitionId id, absl::StatusOr<PartitionInventory> inventory,
              absl::Time now, ServerActions* out);
  void InitialValues(PartitionId id, Term term,
                     absl::StatusOr<InitialPartition> values, absl::Time now,
                     ServerActions* out);
  void Fetched(const FetchRequest& request,
               absl::StatusOr<server::Fetched> fetched, absl::Time now,
               ServerActions* out) {
    incoming_.Fetched(request, std::move(fetched), now, out);
  }
  // Answers overdue pulls, notices that a checkpoint is due.
  void Tick(absl::Time now, ServerActions* out);
  absl::Time NextTick() const;

  // See Checkpointer.
  std::optional<Checkpointer::Turn> NextWrite(absl::Time now, bool hold_back) {
    return checkpoints_.NextTurn(now, hold_back);
  }
  void StartWrite(const Checkpointer::Turn& turn, ServerActions* out) {
    checkpoints_.Start(turn, out);
  }
  void AddWaiting(WritePace::Waiting* waiting) const {
    checkpoints_.AddWaiting(waiting);
  }
  bool holds_back() const { return checkpoints_.holds_back(); }
  // A cut is being written, or waits for its partition's running update: it
  // gives its turn up when the partition is dropped.
  bool writing() const { return checkpoints_.writing(); }

  // --- Reports to the scheduler ----------------------------------------------
  JobRegistration Registration() const { return job_.RegistrationOfAll(); }
  // A session begins, and all of Registration() is sent. Forgets open reports.
  // Nothing from the last session holds any more, so moves to this server are
  // given up.
  void OnNewSession();
  // Marks that changed since the last report; nullopt: none.
  std::optional<MarkReport> TakeReport();
  bool report_at_once() const { return job_.report_at_once; }
  ServerStatistics TakeStatistics();
  const JobPartitions::LostVersions& lost_versions() const {
    return job_.lost_versions;
  }
  // All is applied here, and statistics of the last updates are not taken yet.
  bool CompleteButForStatistics() const;

  // Answers everything that waits, before the job is forgotten.
  void Close(absl::Time now, ServerActions* out);

  // --- What it is ------------------------------------------------------------
  const StoredJob& stored() const { return job_.stored; }
  const Partition* partition(PartitionId id) const { return job_.Values(id); }
  // The same; it can be told from a later partition at the same address.
  std::weak_ptr<const Partition> WeakPartition(PartitionId id) const;
  Term term(PartitionId id) const { return job_.TermOf(id); }
  // Every change so far is durable, in the present terms.
  bool AllDurable() const;
  // Owns no partition, and none is on its way to here.
  bool OwnsNothing() const;

 private:
  // False: the caller's message is of an older generation. The scheduler has
  // been told so: it adopts the generation that is known here.
  bool TakeGeneration(const JobRecordPtr& record, Generation generation,
                      const RollbackRecord& rollback, absl::Time now,
                      ServerActions* out);
  // The servers that a scheduler which lost its store must wait for.
  void KnowServers(const std::vector<ServerId>& servers, ServerActions* out);
  // The term, or a later one, was granted or stored here.
  bool Seen(PartitionId id, Term term) const;
  void GrantOne(const PartitionGrant& grant, absl::Time now,
                ServerActions* out);
  // Goes on under the term with the values that are here.
  void GoOnUnder(const PartitionGrant& grant, ServerActions* out);
  // The partition's values are not for this server any more: answers all that
  // waits for them.
  void DropPartition(PartitionId id, ServerActions* out);
  // Another server owns it now, or none does.
  void Disown(PartitionId id, ServerActions* out);

  JobPartitions job_;
  PartitionLoader loader_;
  PushHandler pushes_;
  PullHandler pulls_;
  Checkpointer checkpoints_;
  IncomingMoves incoming_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_HOSTED_JOB_H_
