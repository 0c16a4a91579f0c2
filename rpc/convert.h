// Plain structs of the protocol <-> messages of proto/ebb/v1/.
//
// FromProto never trusts its input. InvalidArgument, naming field and value: an
// unknown enum value, a negative size, a missing message, a name that is 0, an
// absurd count or a plan that no job can have. Only a core can judge marks,
// terms, generations and the grid.
//
// ToProto replaces bytes that are not UTF-8 in texts for people by '?', and
// cuts such a text to the most bytes that a receiver takes.
//
// The messages of the scheduler's streams are converted by their lists of
// fields (protocol/message_fields.h) and the annotations of their fields;
// convert_rules.cc has what is special about one.
//
// Pushes, pulls and fetches are converted here without their values: see
// wire.h.
#ifndef EBB_RPC_CONVERT_H_
#define EBB_RPC_CONVERT_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "ebb/v1/common.pb.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/session.pb.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::rpc {

// Counts beyond these are refused in pushes, pulls and fetches. They are far
// above what any job has, and bound what a message can make its receiver
// allocate. The other messages have their bounds in bounds.proto's annotations.
inline constexpr int32_t kMaxPartitions = 65536;
inline constexpr int32_t kMaxFetchedBlocks = 1 << 20;

// --- Shared ------------------------------------------------------------------

v1::ItemId ToProto(const ItemId& item);
v1::LedgerRow ToProto(const LedgerRow& row);
v1::SkippedRange ToProto(const SkippedRange& range);
v1::ItemMark ToProto(const ItemMark& mark);
v1::VersionKey ToProto(const VersionKey& key);
v1::RoundVersion ToProto(const RoundVersion& version);
v1::RollbackRecord ToProto(const RollbackRecord& record);
v1::Plan ToProto(const JobPlan& plan);
v1::JobRecord ToProto(const JobRecord& record);
v1::Placement ToProto(const Placement& placement);
v1::Traffic ToProto(const Traffic& traffic);
v1::ScaledUpdates ToProto(const ScaledUpdates& scaled);
v1::StoreDamage ToProto(const StoreDamage& damage);
v1::Figures ToProto(const Figures& figures);
v1::PeerTrouble ToProto(const PeerTrouble& trouble);

absl::StatusOr<ItemId> FromProto(const v1::ItemId& message);
absl::StatusOr<LedgerRow> FromProto(const v1::LedgerRow& message);
absl::StatusOr<SkippedRange> FromProto(const v1::SkippedRange& message);
absl::StatusOr<ItemMark> FromProto(const v1::ItemMark& message);
absl::StatusOr<VersionKey> FromProto(const v1::VersionKey& message);
absl::StatusOr<RoundVersion> FromProto(const v1::RoundVersion& message);
absl::StatusOr<RollbackRecord> FromProto(const v1::RollbackRecord& message);
absl::StatusOr<JobPlan> FromProto(const v1::Plan& message);
absl::StatusOr<JobRecord> FromProto(const v1::JobRecord& message);
absl::StatusOr<Placement> FromProto(const v1::Placement& message);
absl::StatusOr<Traffic> FromProto(const v1::Traffic& message);
absl::StatusOr<ScaledUpdates> FromProto(const v1::ScaledUpdates& message);
absl::StatusOr<StoreDamage> FromProto(const v1::StoreDamage& message);
absl::StatusOr<Figures> FromProto(const v1::Figures& message);
absl::StatusOr<PeerTrouble> FromProto(const v1::PeerTrouble& message);

// --- Data plane, without values ----------------------------------------------

// These fill in an empty message, wherever it lies.
void HeaderToProto(const PushRequest& request, v1::PushRequest* to);
void ToProto(const PushReply& reply, v1::PushResponse* to);
void HeaderToProto(const PullRequest& request, v1::PullRequest* to);
void HeaderToProto(const PullReply& reply, v1::PullResponse* to);
v1::ClockRequest ToProto(const ClockUpdate& update);
v1::FetchRequest ToProto(const FetchRequest& request);
v1::FetchResponse HeaderToProto(const FetchReply& reply);

// The segments' payloads are empty; the messages say how long they are.
absl::StatusOr<PushRequest> HeaderFromProto(const v1::PushRequest& message);
absl::StatusOr<PushReply> FromProto(const v1::PushResponse& message);
absl::StatusOr<PullRequest> HeaderFromProto(const v1::PullRequest& message);
absl::StatusOr<PullReply> HeaderFromProto(const v1::PullResponse& message);
absl::StatusOr<ClockUpdate> FromProto(const v1::ClockRequest& message);
absl::StatusOr<FetchRequest> FromProto(const v1::FetchRequest& message);
// Takes the manifest out of the message.
absl::StatusOr<FetchReply> HeaderFromProto(v1::FetchResponse&& message);

// --- Sessions ----------------------------------------------------------------

// One direction of one stream abbreviates the job records it repeats (see
// JobRecord in common.proto): the sender's memory of what it sent ...
class RecordSender {
 public:
  // A null record stays absent, which the receiver refuses.
  void Put(const JobRecordPtr& record, v1::JobRecord* message);

 private:
  absl::flat_hash_map<JobId, JobRecordPtr> sent_;
};

// ... and the receiver's of what it got: it shares one record among all
// messages that name it.
class RecordReceiver {
 public:
  // Takes the strings out of the message.
  absl::StatusOr<JobRecordPtr> Take(v1::JobRecord* message);

 private:
  absl::flat_hash_map<JobId, JobRecordPtr> received_;
};

v1::ServerToScheduler ToProto(const ServerToScheduler& message,
                              RecordSender* records);
v1::SchedulerToServer ToProto(const SchedulerToServer& message,
                              RecordSender* records);
v1::WorkerToScheduler ToProto(const WorkerToScheduler& message,
                              RecordSender* records);
v1::SchedulerToWorker ToProto(const SchedulerToWorker& message,
                              RecordSender* records);

absl::StatusOr<ServerToScheduler> FromProto(v1::ServerToScheduler&& message,
                                            RecordReceiver* records);
absl::StatusOr<SchedulerToServer> FromProto(v1::SchedulerToServer&& message,
                                            RecordReceiver* records);
absl::StatusOr<WorkerToScheduler> FromProto(v1::WorkerToScheduler&& message,
                                            RecordReceiver* records);
absl::StatusOr<SchedulerToWorker> FromProto(v1::SchedulerToWorker&& message,
                                            RecordReceiver* records);

}  // namespace ebb::rpc

#endif  // EBB_RPC_CONVERT_H_
