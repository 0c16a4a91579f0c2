#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/envelope_reader.h"
#include "rpc/internal/fields.h"

// The functions are as in convert_server_to_scheduler.cc.
namespace ebb::rpc {

using internal::AtMost;
using internal::InRange;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::Present;
using internal::UnknownEnum;
using internal::ValidUtf8;

// A new field stops here: convert it below, then count it.
static_assert(kFields<RegisterWorker> == 8 && kFields<HeldItem> == 3 &&
              kFields<LeaseRequest> == 2 && kFields<Progress> == 10 &&
              kFields<ItemEnd> == 11 && kFields<PlacementRequest> == 4 &&
              kFields<EvaluationResult> == 9 && kFields<WorkerGoodbye> == 1);
static_assert(kFields<Lease> == 9 && kFields<EvaluationLease> == 4 &&
              kFields<LeaseLost> == 3);

namespace {

// Sources that are compiled with this one have overloads here, which would hide
// those of the header.
using rpc::FromProto;
using rpc::ToProto;

absl::Status GetItem(absl::string_view field, bool present,
                     const v1::ItemId& message, ItemId* item) {
  EBB_RETURN_IF_ERROR(Present(field, present));
  EBB_ASSIGN_OR_RETURN(*item, FromProto(message));
  return absl::OkStatus();
}

// --- Worker -> scheduler -----------------------------------------------------

void Put(const RegisterWorker& from, v1::WorkerToScheduler* envelope) {
  v1::RegisterWorker* to = envelope->mutable_register_worker();
  to->set_session(from.session.value());
  to->set_name(ValidUtf8(from.name));
  to->set_process_id(from.process_id);
  for (const HeldItem& held : from.held) {
    v1::HeldItem* message = to->add_held();
    message->set_job(held.job.value());
    message->set_generation(held.generation.value());
    *message->mutable_item() = ToProto(held.item);
  }
  to->set_clock(from.clock);
  to->set_only_job(from.only_job.value());
  to->set_no_evaluations(from.no_evaluations);
  to->set_examples(from.examples);
}

absl::Status Get(v1::RegisterWorker* from, RegisterWorker* to) {
  EBB_RETURN_IF_ERROR(Named("RegisterWorker.session", from->session()));
  EBB_RETURN_IF_ERROR(
      AtMost("RegisterWorker.held", from->held_size(), kMaxHeldItems));
  EBB_RETURN_IF_ERROR(InRange("RegisterWorker.clock", from->clock(), -1,
                              std::numeric_limits<int64_t>::max()));
  EBB_RETURN_IF_ERROR(NotNegative("RegisterWorker.examples", from->examples()));
  to->session = SessionId(from->session());
  to->clock = from->clock();
  to->name = std::move(*from->mutable_name());
  to->process_id = from->process_id();
  to->only_job = JobId(from->only_job());
  to->no_evaluations = from->no_evaluations();
  to->examples = from->examples();
  to->held.reserve(from->held_size());
  for (const v1::HeldItem& message : from->held()) {
    EBB_RETURN_IF_ERROR(Named("HeldItem.job", message.job()));
    HeldItem& held = to->held.emplace_back();
    held.job = JobId(message.job());
    held.generation = Generation(message.generation());
    EBB_RETURN_IF_ERROR(GetItem("HeldItem.item", message.has_item(),
                                message.item(), &held.item));
  }
  return absl::OkStatus();
}

void Put(const LeaseRequest& from, v1::WorkerToScheduler* envelope) {
  v1::LeaseRequest* to = envelope->mutable_lease_request();
  to->set_session(from.session.value());
  to->set_items(from.items);
}

absl::Status Get(v1::LeaseRequest* from, LeaseRequest* to) {
  EBB_RETURN_IF_ERROR(Named("LeaseRequest.session", from->session()));
  EBB_RETURN_IF_ERROR(
      InRange("LeaseRequest.items", from->items(), 0, kMaxHeldItems));
  *to = {SessionId(from->session()), from->items()};
  return absl::OkStatus();
}

void Put(const Progress& from, v1::WorkerToScheduler* envelope) {
  v1::Progress* to = envelope->mutable_progress();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  *to->mutable_item() = ToProto(from.item);
  to->set_position(from.position);
  to->set_clock(from.clock);
  to->set_examples(from.examples);
  to->set_parked(from.parked);
  to->set_not_in_view(from.not_in_view);
  to->set_view_clock(from.view_clock);
}

absl::Status Get(v1::Progress* from, Progress* to) {
  EBB_RETURN_IF_ERROR(Named("Progress.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("Progress.job", from->job()));
  EBB_RETURN_IF_ERROR(
      GetItem("Progress.item", from->has_item(), from->item(), &to->item));
  EBB_RETURN_IF_ERROR(NotNegative("Progress.position", from->position()));
  EBB_RETURN_IF_ERROR(NotNegative("Progress.clock", from->clock()));
  EBB_RETURN_IF_ERROR(NotNegative("Progress.examples", from->examples()));
  EBB_RETURN_IF_ERROR(NotNegative("Progress.view_clock", from->view_clock()));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->position = from->position();
  to->clock = from->clock();
  to->examples = from->examples();
  to->parked = from->parked();
  to->not_in_view = from->not_in_view();
  to->view_clock = from->view_clock();
  return absl::OkStatus();
}

v1::ItemEnd::Reason ReasonToProto(LeaseEnd end) {
  switch (end) {
    case LeaseEnd::kDone:
      return v1::ItemEnd::REASON_DONE;
    case LeaseEnd::kReturned:
      return v1::ItemEnd::REASON_RETURNED;
    case LeaseEnd::kRefused:
      return v1::ItemEnd::REASON_REFUSED;
    case LeaseEnd::kFailed:
      return v1::ItemEnd::REASON_FAILED;
  }
  return v1::ItemEnd::REASON_UNSPECIFIED;
}

absl::StatusOr<LeaseEnd> ReasonFromProto(v1::ItemEnd::Reason reason) {
  switch (reason) {
    case v1::ItemEnd::REASON_DONE:
      return LeaseEnd::kDone;
    case v1::ItemEnd::REASON_RETURNED:
      return LeaseEnd::kReturned;
    case v1::ItemEnd::REASON_REFUSED:
      return LeaseEnd::kRefused;
    case v1::ItemEnd::REASON_FAILED:
      return LeaseEnd::kFailed;
    default:
      return UnknownEnum("ItemEnd.end", reason);
  }
}

void Put(const ItemEnd& from, v1::WorkerToScheduler* envelope) {
  v1::ItemEnd* to = envelope->mutable_item_end();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  *to->mutable_item() = ToProto(from.item);
  to->set_end(ReasonToProto(from.end));
  to->set_position(from.position);
  to->set_failed_end(from.failed_end);
  to->set_non_finite(from.non_finite);
  to->set_error(ValidUtf8(from.error));
  to->set_examples(from.examples);
  to->set_over_limit(from.over_limit);
}

absl::Status Get(v1::ItemEnd* from, ItemEnd* to) {
  EBB_RETURN_IF_ERROR(Named("ItemEnd.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("ItemEnd.job", from->job()));
  EBB_RETURN_IF_ERROR(
      GetItem("ItemEnd.item", from->has_item(), from->item(), &to->item));
  EBB_ASSIGN_OR_RETURN(to->end, ReasonFromProto(from->end()));
  EBB_RETURN_IF_ERROR(NotNegative("ItemEnd.position", from->position()));
  EBB_RETURN_IF_ERROR(NotNegative("ItemEnd.failed_end", from->failed_end()));
  EBB_RETURN_IF_ERROR(NotNegative("ItemEnd.examples", from->examples()));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->position = from->position();
  to->failed_end = from->failed_end();
  to->non_finite = from->non_finite();
  to->examples = from->examples();
  to->over_limit = from->over_limit();
  to->error = std::move(*from->mutable_error());
  return absl::OkStatus();
}

void Put(const PlacementRequest& from, v1::WorkerToScheduler* envelope) {
  v1::PlacementRequest* to = envelope->mutable_placement_request();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  for (const PeerTrouble& trouble : from.unreached) {
    *to->add_unreached() = ToProto(trouble);
  }
  to->set_goes_on(from.goes_on);
}

absl::Status Get(v1::PlacementRequest* from, PlacementRequest* to) {
  EBB_RETURN_IF_ERROR(Named("PlacementRequest.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("PlacementRequest.job", from->job()));
  EBB_RETURN_IF_ERROR(AtMost("PlacementRequest.unreached",
                             from->unreached_size(), kMaxServers));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->unreached.reserve(from->unreached_size());
  for (const v1::PeerTrouble& message : from->unreached()) {
    EBB_ASSIGN_OR_RETURN(PeerTrouble trouble, FromProto(message));
    to->unreached.push_back(std::move(trouble));
  }
  to->goes_on = from->goes_on();
  return absl::OkStatus();
}

void Put(const EvaluationResult& from, v1::WorkerToScheduler* envelope) {
  v1::EvaluationResult* to = envelope->mutable_evaluation_result();
  to->set_session(from.session.value());
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  to->set_snapshot(from.snapshot);
  to->set_error(ValidUtf8(from.error));
  to->set_examples(from.examples);
  to->set_loss_sum(from.loss_sum);
  to->set_correct(from.correct);
  if (from.figures != Figures()) *to->mutable_figures() = ToProto(from.figures);
}

absl::Status Get(v1::EvaluationResult* from, EvaluationResult* to) {
  EBB_RETURN_IF_ERROR(Named("EvaluationResult.session", from->session()));
  EBB_RETURN_IF_ERROR(Named("EvaluationResult.job", from->job()));
  EBB_RETURN_IF_ERROR(
      NotNegative("EvaluationResult.snapshot", from->snapshot()));
  EBB_RETURN_IF_ERROR(
      NotNegative("EvaluationResult.examples", from->examples()));
  EBB_RETURN_IF_ERROR(InRange("EvaluationResult.correct", from->correct(), -1,
                              from->examples()));
  to->session = SessionId(from->session());
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  to->snapshot = from->snapshot();
  to->error = std::move(*from->mutable_error());
  to->examples = from->examples();
  to->loss_sum = from->loss_sum();
  to->correct = from->correct();
  EBB_ASSIGN_OR_RETURN(to->figures, FromProto(from->figures()));
  return absl::OkStatus();
}

void Put(const WorkerGoodbye& from, v1::WorkerToScheduler* envelope) {
  envelope->mutable_goodbye()->set_session(from.session.value());
}

absl::Status Get(v1::WorkerGoodbye* from, WorkerGoodbye* to) {
  EBB_RETURN_IF_ERROR(Named("WorkerGoodbye.session", from->session()));
  to->session = SessionId(from->session());
  return absl::OkStatus();
}

// --- Scheduler -> worker -----------------------------------------------------

void Put(const Lease& from, RecordSender* records,
         v1::SchedulerToWorker* envelope) {
  v1::Lease* to = envelope->mutable_lease();
  if (from.record != nullptr) records->Put(from.record, to->mutable_record());
  to->set_generation(from.generation.value());
  *to->mutable_item() = ToProto(from.item);
  to->set_ttl_ms(absl::ToInt64Milliseconds(from.ttl));
  to->mutable_hints()->Add(from.hints.begin(), from.hints.end());
  to->set_joined(from.joined.value());
  to->set_start_clock(from.start_clock);
  for (const SkippedRange& range : from.skipped) {
    *to->add_skipped() = ToProto(range);
  }
  if (from.rate_factor != 1) to->set_rate_factor(from.rate_factor);
}

absl::Status Get(v1::Lease* from, RecordReceiver* records, Lease* to) {
  constexpr int64_t kMaxTtlMs = int64_t{1} << 40;
  EBB_RETURN_IF_ERROR(Present("Lease.record", from->has_record()));
  EBB_ASSIGN_OR_RETURN(to->record, records->Take(from->mutable_record()));
  EBB_RETURN_IF_ERROR(
      GetItem("Lease.item", from->has_item(), from->item(), &to->item));
  if (!to->record->plan.HasItem(to->item)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Lease.item is ", ToString(to->item), ", which job ",
                     to->record->id.value(), " does not have"));
  }
  EBB_RETURN_IF_ERROR(InRange("Lease.ttl_ms", from->ttl_ms(), 0, kMaxTtlMs));
  EBB_RETURN_IF_ERROR(
      AtMost("Lease.hints", from->hints_size(), to->record->plan.partitions));
  for (int64_t hint : from->hints()) {
    EBB_RETURN_IF_ERROR(NotNegative("Lease.hints", hint));
  }
  EBB_RETURN_IF_ERROR(NotNegative("Lease.start_clock", from->start_clock()));
  EBB_ASSIGN_OR_RETURN(
      to->rate_factor,
      internal::RateFactorOf("Lease.rate_factor", from->rate_factor()));
  EBB_RETURN_IF_ERROR(
      AtMost("Lease.skipped", from->skipped_size(), kMaxSkippedRanges));
  to->generation = Generation(from->generation());
  to->ttl = absl::Milliseconds(from->ttl_ms());
  to->hints.assign(from->hints().begin(), from->hints().end());
  to->joined = ViewNumber(from->joined());
  to->start_clock = from->start_clock();
  to->skipped.reserve(from->skipped_size());
  for (const v1::SkippedRange& message : from->skipped()) {
    EBB_ASSIGN_OR_RETURN(SkippedRange range, FromProto(message));
    to->skipped.push_back(range);
  }
  return absl::OkStatus();
}

void Put(const EvaluationLease& from, RecordSender* records,
         v1::SchedulerToWorker* envelope) {
  v1::EvaluationLease* to = envelope->mutable_evaluation();
  if (from.record != nullptr) records->Put(from.record, to->mutable_record());
  to->set_generation(from.generation.value());
  to->set_snapshot(from.snapshot);
  to->set_epoch(from.epoch);
}

absl::Status Get(v1::EvaluationLease* from, RecordReceiver* records,
                 EvaluationLease* to) {
  EBB_RETURN_IF_ERROR(Present("EvaluationLease.record", from->has_record()));
  EBB_RETURN_IF_ERROR(
      NotNegative("EvaluationLease.snapshot", from->snapshot()));
  EBB_RETURN_IF_ERROR(NotNegative("EvaluationLease.epoch", from->epoch()));
  EBB_ASSIGN_OR_RETURN(to->record, records->Take(from->mutable_record()));
  to->generation = Generation(from->generation());
  to->snapshot = from->snapshot();
  to->epoch = from->epoch();
  return absl::OkStatus();
}

void Put(const LeaseLost& from, RecordSender*,
         v1::SchedulerToWorker* envelope) {
  v1::LeaseLost* to = envelope->mutable_lost();
  to->set_job(from.job.value());
  to->set_generation(from.generation.value());
  *to->mutable_item() = ToProto(from.item);
}

absl::Status Get(v1::LeaseLost* from, RecordReceiver*, LeaseLost* to) {
  EBB_RETURN_IF_ERROR(Named("LeaseLost.job", from->job()));
  to->job = JobId(from->job());
  to->generation = Generation(from->generation());
  return GetItem("LeaseLost.item", from->has_item(), from->item(), &to->item);
}

void Put(const Placement& from, RecordSender*,
         v1::SchedulerToWorker* envelope) {
  *envelope->mutable_placement() = ToProto(from);
}

absl::Status Get(v1::Placement* from, RecordReceiver*, Placement* to) {
  EBB_ASSIGN_OR_RETURN(*to, FromProto(*from));
  return absl::OkStatus();
}

}  // namespace

v1::WorkerToScheduler ToProto(const WorkerToScheduler& message, RecordSender*) {
  v1::WorkerToScheduler to;
  std::visit([&](const auto& from) { Put(from, &to); }, message);
  return to;
}

absl::StatusOr<WorkerToScheduler> FromProto(v1::WorkerToScheduler&& from,
                                            RecordReceiver*) {
  using M = v1::WorkerToScheduler;
  const auto read = internal::ReaderOf<WorkerToScheduler>(
      [](auto* message, auto* to) { return Get(message, to); });
  switch (from.message_case()) {
    case M::kRegisterWorker:
      return read.As<RegisterWorker>(from.mutable_register_worker());
    case M::kLeaseRequest:
      return read.As<LeaseRequest>(from.mutable_lease_request());
    case M::kProgress:
      return read.As<Progress>(from.mutable_progress());
    case M::kItemEnd:
      return read.As<ItemEnd>(from.mutable_item_end());
    case M::kPlacementRequest:
      return read.As<PlacementRequest>(from.mutable_placement_request());
    case M::kEvaluationResult:
      return read.As<EvaluationResult>(from.mutable_evaluation_result());
    case M::kGoodbye:
      return read.As<WorkerGoodbye>(from.mutable_goodbye());
    case M::MESSAGE_NOT_SET:
      break;
  }
  return internal::EmptyMessage("WorkerToScheduler");
}

v1::SchedulerToWorker ToProto(const SchedulerToWorker& message,
                              RecordSender* records) {
  v1::SchedulerToWorker to;
  std::visit([&](const auto& from) { Put(from, records, &to); }, message);
  return to;
}

absl::StatusOr<SchedulerToWorker> FromProto(v1::SchedulerToWorker&& from,
                                            RecordReceiver* records) {
  using M = v1::SchedulerToWorker;
  const auto read = internal::ReaderOf<SchedulerToWorker>(
      [&](auto* message, auto* to) { return Get(message, records, to); });
  switch (from.message_case()) {
    case M::kLease:
      return read.As<Lease>(from.mutable_lease());
    case M::kEvaluation:
      return read.As<EvaluationLease>(from.mutable_evaluation());
    case M::kLost:
      return read.As<LeaseLost>(from.mutable_lost());
    case M::kPlacement:
      return read.As<Placement>(from.mutable_placement());
    case M::MESSAGE_NOT_SET:
      break;
  }
  return internal::EmptyMessage("SchedulerToWorker");
}

}  // namespace ebb::rpc
