#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/fields.h"
#include "rpc/internal/server_messages.h"

// The messages that move a partition: fetches between two servers, and what the
// scheduler and they say of it.
namespace ebb::rpc {

using internal::AtMost;
using internal::IsPartition;
using internal::kFields;
using internal::Named;
using internal::Present;
using internal::UnknownEnum;

// A new field stops here: convert it below, then count it.
static_assert(kFields<FetchRequest> == 9 && kFields<FetchReply> == 6);
static_assert(kFields<ServerLeaving> == 1 && kFields<MoveProgress> == 9 &&
              kFields<MovedIn> == 2);
static_assert(kFields<MoveIn> == 12 && kFields<PartitionMoved> == 5 &&
              kFields<LeaveNow> == 1);

// --- Server <-> server -------------------------------------------------------

v1::FetchRequest ToProto(const FetchRequest& request) {
  v1::FetchRequest message;
  message.set_job(request.job.value());
  message.set_generation(request.generation.value());
  message.set_partition(request.partition.value());
  message.set_source(request.source.value());
  message.set_term(request.term.value());
  message.set_new_term(request.new_term.value());
  message.set_freeze(request.freeze);
  message.mutable_blocks()->Add(request.blocks.begin(), request.blocks.end());
  message.set_sums_with_blocks(request.sums_with_blocks);
  return message;
}

absl::StatusOr<FetchRequest> FromProto(const v1::FetchRequest& message) {
  EBB_RETURN_IF_ERROR(Named("FetchRequest.job", message.job()));
  EBB_RETURN_IF_ERROR(
      IsPartition("FetchRequest.partition", message.partition()));
  EBB_RETURN_IF_ERROR(Named("FetchRequest.source", message.source()));
  EBB_RETURN_IF_ERROR(Named("FetchRequest.term", message.term()));
  EBB_RETURN_IF_ERROR(Named("FetchRequest.new_term", message.new_term()));
  EBB_RETURN_IF_ERROR(
      AtMost("FetchRequest.blocks", message.blocks_size(), kMaxFetchedBlocks));
  FetchRequest request;
  request.job = JobId(message.job());
  request.generation = Generation(message.generation());
  request.partition = PartitionId(message.partition());
  request.source = SessionId(message.source());
  request.term = Term(message.term());
  request.new_term = Term(message.new_term());
  request.freeze = message.freeze();
  request.blocks.assign(message.blocks().begin(), message.blocks().end());
  request.sums_with_blocks = message.sums_with_blocks();
  return request;
}

namespace {

v1::FetchResult ToProto(FetchResult result) {
  switch (result) {
    case FetchResult::kOk:
      return v1::FETCH_RESULT_OK;
    case FetchResult::kNotHere:
      return v1::FETCH_RESULT_NOT_HERE;
    case FetchResult::kGone:
      return v1::FETCH_RESULT_GONE;
  }
  return v1::FETCH_RESULT_UNSPECIFIED;
}

absl::StatusOr<FetchResult> FromProto(v1::FetchResult result) {
  switch (result) {
    case v1::FETCH_RESULT_OK:
      return FetchResult::kOk;
    case v1::FETCH_RESULT_NOT_HERE:
      return FetchResult::kNotHere;
    case v1::FETCH_RESULT_GONE:
      return FetchResult::kGone;
    default:
      return UnknownEnum("FetchResponse.result", result);
  }
}

}  // namespace

v1::FetchResponse HeaderToProto(const FetchReply& reply) {
  v1::FetchResponse message;
  message.set_result(ToProto(reply.result));
  message.set_manifest(reply.manifest);
  message.set_server(reply.server.value());
  message.set_server_session(reply.server_session.value());
  message.mutable_sums()->Add(reply.sums.begin(), reply.sums.end());
  return message;
}

absl::StatusOr<FetchReply> HeaderFromProto(v1::FetchResponse&& message) {
  FetchReply reply;
  EBB_ASSIGN_OR_RETURN(reply.result, FromProto(message.result()));
  reply.manifest = std::move(*message.mutable_manifest());
  EBB_RETURN_IF_ERROR(NotNegative("FetchResponse.server", message.server()));
  reply.server = ServerId(message.server());
  reply.server_session = SessionId(message.server_session());
  EBB_RETURN_IF_ERROR(
      AtMost("FetchResponse.sums", message.sums_size(), kMaxFetchedBlocks));
  reply.sums.assign(message.sums().begin(), message.sums().end());
  return reply;
}

namespace internal {

// --- Server -> scheduler -----------------------------------------------------

void Put(const ServerLeaving& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  envelope->mutable_leaving()->set_session(from.session.value());
}

absl::Status Get(v1::ServerLeaving* from, RecordReceiver*, ServerLeaving* to) {
  EBB_RETURN_IF_ERROR(Named("ServerLeaving.session", from->session()));
  to->session = SessionId(from->session());
  return absl::OkStatus();
}

void Put(const MoveProgress& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  v1::MoveProgress* to = envelope->mutable_move_progress();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_partition(from.partition.value());
  to->set_term(from.term.value());
  to->set_paused_us(absl::ToInt64Microseconds(from.paused));
  to->set_stored_us(absl::ToInt64Microseconds(from.stored));
  to->set_failed(
      ValidUtf8(absl::string_view(from.failed).substr(0, kMaxTextBytes)));
  if (from.unreached) *to->mutable_unreached() = ToProto(*from.unreached);
}

absl::Status Get(v1::MoveProgress* from, RecordReceiver*, MoveProgress* to) {
  EBB_RETURN_IF_ERROR(Named("MoveProgress.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("MoveProgress.job", from->job()));
  EBB_RETURN_IF_ERROR(IsPartition("MoveProgress.partition", from->partition()));
  EBB_RETURN_IF_ERROR(Named("MoveProgress.term", from->term()));
  EBB_RETURN_IF_ERROR(NotNegative("MoveProgress.paused_us", from->paused_us()));
  EBB_RETURN_IF_ERROR(NotNegative("MoveProgress.stored_us", from->stored_us()));
  EBB_RETURN_IF_ERROR(IsShort("MoveProgress.failed", from->failed()));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->partition = PartitionId(from->partition());
  to->term = Term(from->term());
  to->paused = absl::Microseconds(from->paused_us());
  to->stored = absl::Microseconds(from->stored_us());
  to->failed = std::move(*from->mutable_failed());
  if (from->has_unreached()) {
    EBB_ASSIGN_OR_RETURN(to->unreached, FromProto(from->unreached()));
  }
  return absl::OkStatus();
}

void Put(const MovedIn& from, RecordSender* records,
         v1::ServerToScheduler* envelope) {
  v1::MovedIn* to = envelope->mutable_moved_in();
  to->set_session(from.session.value());
  Put(from.job, records, to->mutable_job());
}

absl::Status Get(v1::MovedIn* from, RecordReceiver* records, MovedIn* to) {
  EBB_RETURN_IF_ERROR(Named("MovedIn.session", from->session()));
  EBB_RETURN_IF_ERROR(Present("MovedIn.job", from->has_job()));
  if (const int n = from->job().partitions_size(); n != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "MovedIn.job.partitions has ", n, " entries, must have one"));
  }
  to->session = SessionId(from->session());
  return Get(from->mutable_job(), records, &to->job);
}

// --- Scheduler -> server -----------------------------------------------------

void Put(const MoveIn& from, RecordSender* records,
         v1::SchedulerToServer* envelope) {
  v1::MoveIn* to = envelope->mutable_move_in();
  to->set_server(from.server.value());
  to->set_session(from.session.value());
  if (from.record != nullptr) records->Put(from.record, to->mutable_record());
  to->set_generation(from.generation.value());
  *to->mutable_rollback() = ToProto(from.rollback);
  for (ServerId server : from.known_servers) {
    to->add_known_servers(server.value());
  }
  to->set_partition(from.partition.value());
  to->set_term(from.term.value());
  to->set_source(from.source.value());
  to->set_source_address(ValidUtf8(from.source_address));
  to->set_source_term(from.source_term.value());
  if (from.source_server) to->set_source_server(from.source_server->value());
}

absl::Status Get(v1::MoveIn* from, RecordReceiver* records, MoveIn* to) {
  EBB_RETURN_IF_ERROR(NotNegative("MoveIn.server", from->server()));
  EBB_RETURN_IF_ERROR(Named("MoveIn.session", from->session()));
  EBB_RETURN_IF_ERROR(Present("MoveIn.record", from->has_record()));
  EBB_RETURN_IF_ERROR(Present("MoveIn.rollback", from->has_rollback()));
  EBB_RETURN_IF_ERROR(Named("MoveIn.term", from->term()));
  EBB_RETURN_IF_ERROR(Named("MoveIn.source", from->source()));
  EBB_RETURN_IF_ERROR(
      Present("MoveIn.source_address", !from->source_address().empty()));
  EBB_RETURN_IF_ERROR(Named("MoveIn.source_term", from->source_term()));
  to->server = ServerId(from->server());
  to->session = SessionId(from->session());
  EBB_ASSIGN_OR_RETURN(to->record, records->Take(from->mutable_record()));
  EBB_RETURN_IF_ERROR(
      OfJob("MoveIn.partition", from->partition(), *to->record));
  to->generation = Generation(from->generation());
  EBB_ASSIGN_OR_RETURN(to->rollback, FromProto(from->rollback()));
  to->partition = PartitionId(from->partition());
  to->term = Term(from->term());
  to->source = SessionId(from->source());
  to->source_address = std::move(*from->mutable_source_address());
  to->source_term = Term(from->source_term());
  if (from->has_source_server()) {
    EBB_RETURN_IF_ERROR(
        NotNegative("MoveIn.source_server", from->source_server()));
    to->source_server = ServerId(from->source_server());
  }
  return GetServers("MoveIn.known_servers", from->known_servers(),
                    &to->known_servers);
}

void Put(const PartitionMoved& from, RecordSender*,
         v1::SchedulerToServer* envelope) {
  v1::PartitionMoved* to = envelope->mutable_partition_moved();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_partition(from.partition.value());
  to->set_term(from.term.value());
  to->set_owner(from.owner.value());
}

absl::Status Get(v1::PartitionMoved* from, RecordReceiver*,
                 PartitionMoved* to) {
  EBB_RETURN_IF_ERROR(Named("PartitionMoved.job", from->job()));
  EBB_RETURN_IF_ERROR(
      IsPartition("PartitionMoved.partition", from->partition()));
  EBB_RETURN_IF_ERROR(Named("PartitionMoved.term", from->term()));
  EBB_RETURN_IF_ERROR(NotNegative("PartitionMoved.owner", from->owner()));
  *to = {JobId(from->job()), Generation(from->generation()),
         PartitionId(from->partition()), Term(from->term()),
         ServerId(from->owner())};
  return absl::OkStatus();
}

void Put(const LeaveNow& from, RecordSender*, v1::SchedulerToServer* envelope) {
  envelope->mutable_leave()->set_session(from.session.value());
}

absl::Status Get(v1::LeaveNow* from, RecordReceiver*, LeaveNow* to) {
  EBB_RETURN_IF_ERROR(Named("LeaveNow.session", from->session()));
  to->session = SessionId(from->session());
  return absl::OkStatus();
}

}  // namespace internal

}  // namespace ebb::rpc
