#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
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
using internal::GetStored;
using internal::IsPartition;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::Put;
using internal::ValidUtf8;

// A new field stops here: convert it below, then count it.
static_assert(kFields<MarkReport> == 4 && kFields<PartitionMarkReport> == 7 &&
              kFields<RoundFigures> == 2);
static_assert(kFields<ViewRequest> == 1 && kFields<SnapshotReply> == 5 &&
              kFields<ServerStatistics> == 16 && kFields<EpochLossSum> == 3 &&
              kFields<ServerGoodbye> == 1 && kFields<ServerAlive> == 1);

static_assert(
    v1::SERVER_PROBLEM_UNSPECIFIED == static_cast<int>(ServerProblem::kOther) &&
    v1::SERVER_PROBLEM_MEMORY == static_cast<int>(ServerProblem::kMemory) &&
    v1::SERVER_PROBLEM_DISK == static_cast<int>(ServerProblem::kDisk) &&
    v1::SERVER_PROBLEM_INITIAL_VALUES ==
        static_cast<int>(ServerProblem::kInitialValues));

namespace {

// Sources that are compiled with this one have overloads here, which would hide
// those of the header.
using rpc::FromProto;
using rpc::ToProto;

absl::Status GetMarks(
    absl::string_view field,
    const google::protobuf::RepeatedPtrField<v1::ItemMark>& from,
    std::vector<ItemMark>* to) {
  EBB_RETURN_IF_ERROR(AtMost(field, from.size(), kMaxMarksPerPartition));
  to->reserve(from.size());
  for (const v1::ItemMark& message : from) {
    EBB_ASSIGN_OR_RETURN(ItemMark mark, FromProto(message));
    to->push_back(mark);
  }
  return absl::OkStatus();
}

absl::Status GetFigures(const v1::RoundFigures& from, RoundFigures* to) {
  EBB_RETURN_IF_ERROR(NotNegative("RoundFigures.round", from.round()));
  EBB_RETURN_IF_ERROR(
      AtMost("RoundFigures.values", from.values_size(), kMaxRoundFigures));
  to->round = from.round();
  to->values.assign(from.values().begin(), from.values().end());
  return absl::OkStatus();
}

void Put(const MarkReport& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  v1::MarkReport* to = envelope->mutable_mark_report();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  for (const PartitionMarkReport& partition : from.partitions) {
    v1::PartitionMarkReport* message = to->add_partitions();
    message->set_partition(partition.partition.value());
    message->set_term(partition.term.value());
    for (const ItemMark& mark : partition.marks) {
      *message->add_marks() = ToProto(mark);
    }
    for (const ItemMark& mark : partition.durable) {
      *message->add_durable() = ToProto(mark);
    }
    for (const RoundVersion& version : partition.stored) {
      *message->add_stored() = ToProto(version);
    }
    if (partition.figures.has_value()) {
      v1::RoundFigures* figures = message->mutable_figures();
      figures->set_round(partition.figures->round);
      figures->mutable_values()->Add(partition.figures->values.begin(),
                                     partition.figures->values.end());
    }
    internal::PutOperations(partition.operations,
                            message->mutable_operations());
  }
}

absl::Status Get(v1::MarkReport* from, RecordReceiver*, MarkReport* to) {
  EBB_RETURN_IF_ERROR(Named("MarkReport.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("MarkReport.job", from->job()));
  EBB_RETURN_IF_ERROR(
      AtMost("MarkReport.partitions", from->partitions_size(), kMaxPartitions));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->partitions.reserve(from->partitions_size());
  for (v1::PartitionMarkReport& message : *from->mutable_partitions()) {
    EBB_RETURN_IF_ERROR(
        IsPartition("PartitionMarkReport.partition", message.partition()));
    PartitionMarkReport& partition = to->partitions.emplace_back();
    partition.partition = PartitionId(message.partition());
    partition.term = Term(message.term());
    EBB_RETURN_IF_ERROR(GetMarks("PartitionMarkReport.marks", message.marks(),
                                 &partition.marks));
    EBB_RETURN_IF_ERROR(GetMarks("PartitionMarkReport.durable",
                                 message.durable(), &partition.durable));
    EBB_RETURN_IF_ERROR(GetStored("PartitionMarkReport.stored",
                                  partition.partition, message.stored(),
                                  &partition.stored));
    if (message.has_figures()) {
      EBB_RETURN_IF_ERROR(
          GetFigures(message.figures(), &partition.figures.emplace()));
    }
    EBB_RETURN_IF_ERROR(internal::GetOperations(
        "PartitionMarkReport.operations", message.mutable_operations(),
        &partition.operations));
  }
  return absl::OkStatus();
}

void Put(const ViewRequest& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  envelope->mutable_view_request()->set_job(from.job.value());
}

absl::Status Get(v1::ViewRequest* from, RecordReceiver*, ViewRequest* to) {
  EBB_RETURN_IF_ERROR(Named("ViewRequest.job", from->job()));
  to->job = JobId(from->job());
  return absl::OkStatus();
}

void Put(const SnapshotReply& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  v1::SnapshotReply* to = envelope->mutable_snapshot_reply();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_snapshot(from.snapshot);
  for (const auto& [partition, term] : from.partitions) {
    v1::PartitionTerm* message = to->add_partitions();
    message->set_partition(partition.value());
    message->set_term(term.value());
  }
  to->set_examples(from.examples);
}

absl::Status Get(v1::SnapshotReply* from, RecordReceiver*, SnapshotReply* to) {
  EBB_RETURN_IF_ERROR(Named("SnapshotReply.job", from->job()));
  EBB_RETURN_IF_ERROR(NotNegative("SnapshotReply.snapshot", from->snapshot()));
  EBB_RETURN_IF_ERROR(NotNegative("SnapshotReply.examples", from->examples()));
  EBB_RETURN_IF_ERROR(AtMost("SnapshotReply.partitions",
                             from->partitions_size(), kMaxPartitions));
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->snapshot = from->snapshot();
  to->partitions.reserve(from->partitions_size());
  for (const v1::PartitionTerm& message : from->partitions()) {
    EBB_RETURN_IF_ERROR(
        IsPartition("PartitionTerm.partition", message.partition()));
    to->partitions.emplace_back(PartitionId(message.partition()),
                                Term(message.term()));
  }
  to->examples = from->examples();
  return absl::OkStatus();
}

void Put(const ServerStatistics& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  v1::ServerStatistics* to = envelope->mutable_statistics();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_updates(from.updates);
  to->mutable_staleness()->Add(from.staleness.begin(), from.staleness.end());
  to->set_loss_sum(from.loss_sum);
  to->set_loss_examples(from.loss_examples);
  to->set_problem(ValidUtf8(from.problem));
  to->set_refused_pushes(from.refused_pushes);
  to->set_refusal(ValidUtf8(from.refusal));
  for (const EpochLossSum& loss : from.losses) {
    v1::EpochLossSum* out = to->add_losses();
    out->set_epoch(loss.epoch);
    out->set_loss_sum(loss.loss_sum);
    out->set_examples(loss.examples);
  }
  to->set_problem_kind(static_cast<v1::ServerProblem>(from.problem_kind));
  to->set_clock_lead(from.clock_lead);
  *to->mutable_traffic() = ToProto(from.traffic);
  if (from.store_damage.any()) {
    *to->mutable_store_damage() = ToProto(from.store_damage);
  }
  if (from.scaled.updates > 0) *to->mutable_scaled() = ToProto(from.scaled);
  if (from.bound_wait) {
    to->set_bound_wait_us(absl::ToInt64Microseconds(*from.bound_wait));
  }
}

absl::Status Get(v1::ServerStatistics* from, RecordReceiver*,
                 ServerStatistics* to) {
  EBB_RETURN_IF_ERROR(Named("ServerStatistics.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("ServerStatistics.job", from->job()));
  EBB_RETURN_IF_ERROR(NotNegative("ServerStatistics.updates", from->updates()));
  EBB_RETURN_IF_ERROR(
      NotNegative("ServerStatistics.loss_examples", from->loss_examples()));
  EBB_RETURN_IF_ERROR(AtMost("ServerStatistics.staleness",
                             from->staleness_size(), kMaxStalenessBuckets));
  for (int64_t count : from->staleness()) {
    EBB_RETURN_IF_ERROR(NotNegative("ServerStatistics.staleness", count));
  }
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->updates = from->updates();
  to->staleness.assign(from->staleness().begin(), from->staleness().end());
  to->loss_sum = from->loss_sum();
  to->loss_examples = from->loss_examples();
  to->problem = std::move(*from->mutable_problem());
  EBB_RETURN_IF_ERROR(
      NotNegative("ServerStatistics.refused_pushes", from->refused_pushes()));
  to->refused_pushes = from->refused_pushes();
  to->refusal = std::move(*from->mutable_refusal());
  for (const v1::EpochLossSum& loss : from->losses()) {
    EBB_RETURN_IF_ERROR(NotNegative("EpochLossSum.epoch", loss.epoch()));
    EBB_RETURN_IF_ERROR(NotNegative("EpochLossSum.examples", loss.examples()));
    to->losses.push_back({loss.epoch(), loss.loss_sum(), loss.examples()});
  }
  EBB_RETURN_IF_ERROR(
      NotNegative("ServerStatistics.clock_lead", from->clock_lead()));
  to->clock_lead = from->clock_lead();
  EBB_ASSIGN_OR_RETURN(to->traffic, FromProto(from->traffic()));
  EBB_ASSIGN_OR_RETURN(to->store_damage, FromProto(from->store_damage()));
  EBB_ASSIGN_OR_RETURN(to->scaled, FromProto(from->scaled()));
  if (from->has_bound_wait_us()) {
    EBB_RETURN_IF_ERROR(
        NotNegative("ServerStatistics.bound_wait_us", from->bound_wait_us()));
    to->bound_wait = absl::Microseconds(from->bound_wait_us());
  }
  // One that a newer server knows is another to us.
  to->problem_kind = v1::ServerProblem_IsValid(from->problem_kind())
                         ? static_cast<ServerProblem>(from->problem_kind())
                         : ServerProblem::kOther;
  return absl::OkStatus();
}

void Put(const ServerGoodbye& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  envelope->mutable_goodbye()->set_session(from.session.value());
}

absl::Status Get(v1::ServerGoodbye* from, RecordReceiver*, ServerGoodbye* to) {
  EBB_RETURN_IF_ERROR(Named("ServerGoodbye.session", from->session()));
  to->session = SessionId(from->session());
  return absl::OkStatus();
}

void Put(const ServerAlive& from, RecordSender*,
         v1::ServerToScheduler* envelope) {
  envelope->mutable_alive()->set_session(from.session.value());
}

absl::Status Get(v1::ServerAlive* from, RecordReceiver*, ServerAlive* to) {
  EBB_RETURN_IF_ERROR(Named("ServerAlive.session", from->session()));
  to->session = SessionId(from->session());
  return absl::OkStatus();
}

}  // namespace

v1::ServerToScheduler ToProto(const ServerToScheduler& message,
                              RecordSender* records) {
  v1::ServerToScheduler to;
  std::visit([&](const auto& from) { Put(from, records, &to); }, message);
  return to;
}

absl::StatusOr<ServerToScheduler> FromProto(v1::ServerToScheduler&& from,
                                            RecordReceiver* records) {
  using M = v1::ServerToScheduler;
  const auto read = internal::ReaderOf<ServerToScheduler>(
      [&](auto* message, auto* to) { return Get(message, records, to); });
  switch (from.message_case()) {
    case M::kRegisterServer:
      return read.As<RegisterServer>(from.mutable_register_server());
    case M::kRegisterPartitions:
      return read.As<RegisterPartitions>(from.mutable_register_partitions());
    case M::kMarkReport:
      return read.As<MarkReport>(from.mutable_mark_report());
    case M::kViewRequest:
      return read.As<ViewRequest>(from.mutable_view_request());
    case M::kSnapshotReply:
      return read.As<SnapshotReply>(from.mutable_snapshot_reply());
    case M::kStatistics:
      return read.As<ServerStatistics>(from.mutable_statistics());
    case M::kGoodbye:
      return read.As<ServerGoodbye>(from.mutable_goodbye());
    case M::kAlive:
      return read.As<ServerAlive>(from.mutable_alive());
    case M::kLeaving:
      return read.As<ServerLeaving>(from.mutable_leaving());
    case M::kMoveProgress:
      return read.As<MoveProgress>(from.mutable_move_progress());
    case M::kMovedIn:
      return read.As<MovedIn>(from.mutable_moved_in());
    case M::MESSAGE_NOT_SET:
      break;
  }
  return internal::EmptyMessage("ServerToScheduler");
}

}  // namespace ebb::rpc
