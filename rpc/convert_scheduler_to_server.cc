#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/envelope_reader.h"
#include "rpc/internal/fields.h"
#include "rpc/internal/server_messages.h"

// Each message has one function Put (struct to message) and one Get (message
// to struct), found by overloading; the oneof at the end uses them.
namespace ebb::rpc {

using internal::AtMost;
using internal::Get;
using internal::GetServers;
using internal::InRange;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::OfJob;
using internal::Present;
using internal::Put;
using internal::ValidUtf8;

// A new field stops here: convert it below, then count it.
static_assert(kFields<Grant> == 7 && kFields<PartitionGrant> == 3);
static_assert(kFields<ViewUpdate> == 4 && kFields<ViewMember> == 3 &&
              kFields<RoundStatus> == 4 && kFields<CheckpointNow> == 1 &&
              kFields<TakeSnapshot> == 3 && kFields<DropSnapshot> == 2 &&
              kFields<JobCompleted> == 2 && kFields<ForgetJob> == 2 &&
              kFields<RefuseServer> == 2 && kFields<ApplyOperation> == 3);

namespace {

// Sources that are compiled with this one have overloads here, which would hide
// those of the header.
using rpc::FromProto;
using rpc::ToProto;

void Put(const Grant& from, RecordSender* records,
         v1::SchedulerToServer* envelope) {
  v1::Grant* to = envelope->mutable_grant();
  to->set_server(from.server.value());
  to->set_session(from.session.value());
  if (from.record != nullptr) records->Put(from.record, to->mutable_record());
  to->set_generation(from.generation.value());
  *to->mutable_rollback() = ToProto(from.rollback);
  for (const PartitionGrant& partition : from.partitions) {
    v1::PartitionGrant* message = to->add_partitions();
    message->set_partition(partition.partition.value());
    message->set_term(partition.term.value());
    message->set_parent(partition.parent.value());
  }
  for (ServerId server : from.known_servers) {
    to->add_known_servers(server.value());
  }
}

absl::Status Get(v1::Grant* from, RecordReceiver* records, Grant* to) {
  EBB_RETURN_IF_ERROR(NotNegative("Grant.server", from->server()));
  EBB_RETURN_IF_ERROR(Named("Grant.session", from->session()));
  EBB_RETURN_IF_ERROR(Present("Grant.record", from->has_record()));
  EBB_RETURN_IF_ERROR(Present("Grant.rollback", from->has_rollback()));
  EBB_RETURN_IF_ERROR(
      AtMost("Grant.partitions", from->partitions_size(), kMaxPartitions));
  to->server = ServerId(from->server());
  to->session = SessionId(from->session());
  EBB_ASSIGN_OR_RETURN(to->record, records->Take(from->mutable_record()));
  to->generation = Generation(from->generation());
  EBB_ASSIGN_OR_RETURN(to->rollback, FromProto(from->rollback()));
  to->partitions.reserve(from->partitions_size());
  for (const v1::PartitionGrant& message : from->partitions()) {
    EBB_RETURN_IF_ERROR(
        OfJob("PartitionGrant.partition", message.partition(), *to->record));
    EBB_RETURN_IF_ERROR(Named("PartitionGrant.term", message.term()));
    to->partitions.push_back({PartitionId(message.partition()),
                              Term(message.term()), Term(message.parent())});
  }
  return GetServers("Grant.known_servers", from->known_servers(),
                    &to->known_servers);
}

void Put(const ViewUpdate& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::ViewUpdate* to = envelope->mutable_view();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_number(from.number.value());
  for (const ViewMember& member : from.members) {
    v1::ViewMember* message = to->add_members();
    message->set_worker(member.worker.value());
    message->set_joined(member.joined.value());
    message->set_start_clock(member.start_clock);
  }
}

absl::Status Get(v1::ViewUpdate* from, RecordReceiver*, ViewUpdate* to) {
  EBB_RETURN_IF_ERROR(Named("ViewUpdate.job", from->job()));
  EBB_RETURN_IF_ERROR(
      AtMost("ViewUpdate.members", from->members_size(), kMaxWorkers));
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->number = ViewNumber(from->number());
  to->members.reserve(from->members_size());
  for (const v1::ViewMember& message : from->members()) {
    EBB_RETURN_IF_ERROR(Named("ViewMember.worker", message.worker()));
    EBB_RETURN_IF_ERROR(
        NotNegative("ViewMember.start_clock", message.start_clock()));
    to->members.push_back({SessionId(message.worker()),
                           ViewNumber(message.joined()),
                           message.start_clock()});
  }
  return absl::OkStatus();
}

void Put(const RoundStatus& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::RoundStatus* to = envelope->mutable_round();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_closed_everywhere(from.closed_everywhere);
  to->set_durable_everywhere(from.durable_everywhere);
}

absl::Status Get(v1::RoundStatus* from, RecordReceiver*, RoundStatus* to) {
  EBB_RETURN_IF_ERROR(Named("RoundStatus.job", from->job()));
  EBB_RETURN_IF_ERROR(NotNegative("RoundStatus.durable_everywhere",
                                  from->durable_everywhere()));
  EBB_RETURN_IF_ERROR(InRange("RoundStatus.closed_everywhere",
                              from->closed_everywhere(),
                              from->durable_everywhere(), INT64_MAX));
  *to = {JobId(from->job()), Generation(from->generation()),
         from->closed_everywhere(), from->durable_everywhere()};
  return absl::OkStatus();
}

void Put(const ApplyOperation& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::ApplyOperation* to = envelope->mutable_apply_operation();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->mutable_operation()->set_round(from.operation.round);
  to->mutable_operation()->set_operation(from.operation.operation);
}

absl::Status Get(v1::ApplyOperation* from, RecordReceiver*,
                 ApplyOperation* to) {
  EBB_RETURN_IF_ERROR(Named("ApplyOperation.job", from->job()));
  v1::RoundOperation* operation = from->mutable_operation();
  EBB_RETURN_IF_ERROR(
      NotNegative("ApplyOperation.operation.round", operation->round()));
  *to = {JobId(from->job()),
         Generation(from->generation()),
         {operation->round(), std::move(*operation->mutable_operation())}};
  return absl::OkStatus();
}

void Put(const CheckpointNow& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  envelope->mutable_checkpoint()->set_job(from.job.value());
}

absl::Status Get(v1::CheckpointCommand* from, RecordReceiver*,
                 CheckpointNow* to) {
  EBB_RETURN_IF_ERROR(Named("CheckpointCommand.job", from->job()));
  to->job = JobId(from->job());
  return absl::OkStatus();
}

void Put(const TakeSnapshot& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::TakeSnapshot* to = envelope->mutable_take_snapshot();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_snapshot(from.snapshot);
}

absl::Status Get(v1::TakeSnapshot* from, RecordReceiver*, TakeSnapshot* to) {
  EBB_RETURN_IF_ERROR(Named("TakeSnapshot.job", from->job()));
  EBB_RETURN_IF_ERROR(NotNegative("TakeSnapshot.snapshot", from->snapshot()));
  *to = {JobId(from->job()), Generation(from->generation()), from->snapshot()};
  return absl::OkStatus();
}

void Put(const DropSnapshot& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::DropSnapshot* to = envelope->mutable_drop_snapshot();
  to->set_job(from.job.value());
  to->set_snapshot(from.snapshot);
}

absl::Status Get(v1::DropSnapshot* from, RecordReceiver*, DropSnapshot* to) {
  EBB_RETURN_IF_ERROR(Named("DropSnapshot.job", from->job()));
  EBB_RETURN_IF_ERROR(NotNegative("DropSnapshot.snapshot", from->snapshot()));
  *to = {JobId(from->job()), from->snapshot()};
  return absl::OkStatus();
}

void Put(const JobCompleted& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::JobCompleted* to = envelope->mutable_completed();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
}

absl::Status Get(v1::JobCompleted* from, RecordReceiver*, JobCompleted* to) {
  EBB_RETURN_IF_ERROR(Named("JobCompleted.job", from->job()));
  *to = {JobId(from->job()), Generation(from->generation())};
  return absl::OkStatus();
}

void Put(const ForgetJob& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::ForgetJob* to = envelope->mutable_forget();
  to->set_job(from.job.value());
  to->set_keep_versions(from.keep_versions);
}

absl::Status Get(v1::ForgetJob* from, RecordReceiver*, ForgetJob* to) {
  EBB_RETURN_IF_ERROR(Named("ForgetJob.job", from->job()));
  to->job = JobId(from->job());
  to->keep_versions = from->keep_versions();
  return absl::OkStatus();
}

void Put(const RefuseServer& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::RefuseServer* to = envelope->mutable_refuse();
  to->set_displaced(from.displaced);
  to->set_reason(ValidUtf8(from.reason));
}

absl::Status Get(v1::RefuseServer* from, RecordReceiver*, RefuseServer* to) {
  *to = {from->displaced(), std::move(*from->mutable_reason())};
  return absl::OkStatus();
}

}  // namespace

v1::SchedulerToServer ToProto(const SchedulerToServer& message,
                              RecordSender* records) {
  v1::SchedulerToServer to;
  std::visit([&](const auto& from) { Put(from, records, &to); }, message);
  return to;
}

absl::StatusOr<SchedulerToServer> FromProto(v1::SchedulerToServer&& from,
                                            RecordReceiver* records) {
  using M = v1::SchedulerToServer;
  const auto read = internal::ReaderOf<SchedulerToServer>(
      [&](auto* message, auto* to) { return Get(message, records, to); });
  switch (from.message_case()) {
    case M::kGrant:
      return read.As<Grant>(from.mutable_grant());
    case M::kView:
      return read.As<ViewUpdate>(from.mutable_view());
    case M::kRound:
      return read.As<RoundStatus>(from.mutable_round());
    case M::kCheckpoint:
      return read.As<CheckpointNow>(from.mutable_checkpoint());
    case M::kTakeSnapshot:
      return read.As<TakeSnapshot>(from.mutable_take_snapshot());
    case M::kDropSnapshot:
      return read.As<DropSnapshot>(from.mutable_drop_snapshot());
    case M::kCompleted:
      return read.As<JobCompleted>(from.mutable_completed());
    case M::kForget:
      return read.As<ForgetJob>(from.mutable_forget());
    case M::kRefuse:
      return read.As<RefuseServer>(from.mutable_refuse());
    case M::kMoveIn:
      return read.As<MoveIn>(from.mutable_move_in());
    case M::kPartitionMoved:
      return read.As<PartitionMoved>(from.mutable_partition_moved());
    case M::kLeave:
      return read.As<LeaveNow>(from.mutable_leave());
    case M::kApplyOperation:
      return read.As<ApplyOperation>(from.mutable_apply_operation());
    case M::MESSAGE_NOT_SET:
      break;
  }
  return internal::EmptyMessage("SchedulerToServer");
}

}  // namespace ebb::rpc
