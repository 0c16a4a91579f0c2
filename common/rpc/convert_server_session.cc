#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/convert.h"
#include "common/rpc/internal/check.h"
#include "common/rpc/internal/fields.h"
#include "common/status_macros.h"

// Each message has one function Put (struct to message) and one Get (message
// to struct), found by overloading; the oneofs at the end use them.
namespace ebb::rpc {

using internal::AtMost;
using internal::InRange;
using internal::IsPartition;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::Present;
using internal::ValidUtf8;

// Whoever adds a field is stopped here: convert it below, then count it.
static_assert(kFields<RegisterServer> == 6 && kFields<JobRegistration> == 4 &&
              kFields<PartitionRegistration> == 8 &&
              kFields<RegisterPartitions> == 2);
static_assert(kFields<MarkReport> == 4 && kFields<PartitionMarkReport> == 5);
static_assert(kFields<ViewRequest> == 1 && kFields<SnapshotReply> == 5 &&
              kFields<ServerStatistics> == 11 && kFields<EpochLossSum> == 3 &&
              kFields<ServerGoodbye> == 1 && kFields<ServerAlive> == 1);
static_assert(kFields<Grant> == 7 && kFields<PartitionGrant> == 3);
static_assert(kFields<ViewUpdate> == 4 && kFields<ViewMember> == 3 &&
              kFields<RoundStatus> == 4 && kFields<CheckpointNow> == 1 &&
              kFields<TakeSnapshot> == 3 && kFields<DropSnapshot> == 2 &&
              kFields<JobCompleted> == 2 && kFields<ForgetJob> == 1 &&
              kFields<RefuseServer> == 2);

static_assert(
    v1::SERVER_PROBLEM_UNSPECIFIED == static_cast<int>(ServerProblem::kOther) &&
    v1::SERVER_PROBLEM_MEMORY == static_cast<int>(ServerProblem::kMemory) &&
    v1::SERVER_PROBLEM_DISK == static_cast<int>(ServerProblem::kDisk));

namespace {

// How many jobs of a stream may be abbreviated; part of the protocol.
constexpr size_t kMaxAbbreviatedJobs = 256;

}  // namespace

void RecordSender::Put(const JobRecordPtr& record, v1::JobRecord* message) {
  const auto it = sent_.find(record->id);
  if (it != sent_.end() && it->second == record) {
    message->set_id(record->id.value());
    return;
  }
  *message = ToProto(*record);
  if (it != sent_.end()) {
    it->second = record;
  } else if (sent_.size() < kMaxAbbreviatedJobs) {
    sent_.emplace(record->id, record);
  }
}

absl::StatusOr<JobRecordPtr> RecordReceiver::Take(v1::JobRecord* message) {
  EBB_RETURN_IF_ERROR(Named("JobRecord.id", message->id()));
  const JobId job(message->id());
  if (!message->has_plan()) {
    const auto it = received_.find(job);
    if (it != received_.end()) return it->second;
    return absl::InvalidArgumentError(
        absl::StrCat("JobRecord of job ", job.value(),
                     " has no plan, and none was sent before in this stream"));
  }
  auto record = std::make_shared<JobRecord>();
  record->id = job;
  EBB_ASSIGN_OR_RETURN(record->plan, FromProto(message->plan()));
  record->name = std::move(*message->mutable_name());
  record->specification = std::move(*message->mutable_specification());
  if (received_.size() < kMaxAbbreviatedJobs || received_.contains(job)) {
    received_[job] = record;
  }
  return JobRecordPtr(std::move(record));
}

namespace {

// Partitions below a message that carries the job's plan must be the job's.
absl::Status OfJob(absl::string_view field, int32_t partition,
                   const JobRecord& record) {
  return InRange(field, partition, 0, record.plan.partitions - 1);
}

// --- Server -> scheduler -----------------------------------------------------

void Put(const PartitionRegistration& from, v1::PartitionRegistration* to) {
  to->set_partition(from.partition.value());
  to->set_term(from.term.value());
  to->set_serving(from.serving);
  to->set_marks(from.marks);
  to->set_durable_marks(from.durable_marks);
  for (const SkippedRange& range : from.skipped) {
    *to->add_skipped() = ToProto(range);
  }
  to->set_oldest_round(from.oldest_round);
  for (const RoundVersion& version : from.stored) {
    *to->add_stored() = ToProto(version);
  }
}

absl::Status GetStored(
    absl::string_view field, PartitionId partition,
    const google::protobuf::RepeatedPtrField<v1::RoundVersion>& from,
    std::vector<RoundVersion>* to) {
  EBB_RETURN_IF_ERROR(AtMost(field, from.size(), kMaxRoundVersions));
  to->reserve(from.size());
  for (const v1::RoundVersion& message : from) {
    EBB_ASSIGN_OR_RETURN(RoundVersion version, FromProto(message));
    if (version.key.partition != partition) {
      return absl::InvalidArgumentError(absl::StrCat(
          field, " of partition ", partition.value(),
          " names one of partition ", version.key.partition.value()));
    }
    to->push_back(version);
  }
  return absl::OkStatus();
}

absl::Status Get(v1::PartitionRegistration* from, PartitionRegistration* to) {
  to->partition = PartitionId(from->partition());
  to->term = Term(from->term());
  to->serving = from->serving();
  to->marks = std::move(*from->mutable_marks());
  to->durable_marks = std::move(*from->mutable_durable_marks());
  EBB_RETURN_IF_ERROR(AtMost("PartitionRegistration.skipped",
                             from->skipped_size(), kMaxSkippedRanges));
  to->skipped.reserve(from->skipped_size());
  for (const v1::SkippedRange& message : from->skipped()) {
    EBB_ASSIGN_OR_RETURN(SkippedRange range, FromProto(message));
    to->skipped.push_back(range);
  }
  EBB_RETURN_IF_ERROR(
      NotNegative("PartitionRegistration.oldest_round", from->oldest_round()));
  to->oldest_round = from->oldest_round();
  return GetStored("PartitionRegistration.stored", to->partition,
                   from->stored(), &to->stored);
}

void Put(const JobRegistration& from, RecordSender* records,
         v1::JobRegistration* to) {
  if (from.record != nullptr) records->Put(from.record, to->mutable_record());
  to->set_generation(from.generation.value());
  *to->mutable_rollback() = ToProto(from.rollback);
  for (const PartitionRegistration& partition : from.partitions) {
    Put(partition, to->add_partitions());
  }
}

absl::Status Get(v1::JobRegistration* from, RecordReceiver* records,
                 JobRegistration* to) {
  EBB_RETURN_IF_ERROR(Present("JobRegistration.record", from->has_record()));
  EBB_RETURN_IF_ERROR(
      Present("JobRegistration.rollback", from->has_rollback()));
  EBB_RETURN_IF_ERROR(AtMost("JobRegistration.partitions",
                             from->partitions_size(), kMaxPartitions));
  EBB_ASSIGN_OR_RETURN(to->record, records->Take(from->mutable_record()));
  to->generation = Generation(from->generation());
  EBB_ASSIGN_OR_RETURN(to->rollback, FromProto(from->rollback()));
  to->partitions.reserve(from->partitions_size());
  for (v1::PartitionRegistration& partition : *from->mutable_partitions()) {
    EBB_RETURN_IF_ERROR(OfJob("PartitionRegistration.partition",
                              partition.partition(), *to->record));
    EBB_RETURN_IF_ERROR(Get(&partition, &to->partitions.emplace_back()));
  }
  return absl::OkStatus();
}

void Put(const RegisterServer& from, RecordSender* records,
         v1::ServerToScheduler* envelope) {
  v1::RegisterServer* to = envelope->mutable_register_server();
  to->set_server(from.server.value());
  to->set_session(from.session.value());
  to->set_address(ValidUtf8(from.address));
  to->set_process_id(from.process_id);
  for (ServerId server : from.known_servers) {
    to->add_known_servers(server.value());
  }
  for (const JobRegistration& job : from.jobs) {
    Put(job, records, to->add_jobs());
  }
}

absl::Status Get(v1::RegisterServer* from, RecordReceiver* records,
                 RegisterServer* to) {
  EBB_RETURN_IF_ERROR(NotNegative("RegisterServer.server", from->server()));
  EBB_RETURN_IF_ERROR(Named("RegisterServer.session", from->session()));
  EBB_RETURN_IF_ERROR(
      Present("RegisterServer.address", !from->address().empty()));
  EBB_RETURN_IF_ERROR(AtMost("RegisterServer.known_servers",
                             from->known_servers_size(), kMaxServers));
  EBB_RETURN_IF_ERROR(
      AtMost("RegisterServer.jobs", from->jobs_size(), kMaxJobs));
  to->server = ServerId(from->server());
  to->session = SessionId(from->session());
  to->address = std::move(*from->mutable_address());
  to->process_id = from->process_id();
  for (int32_t server : from->known_servers()) {
    EBB_RETURN_IF_ERROR(NotNegative("RegisterServer.known_servers", server));
    to->known_servers.push_back(ServerId(server));
  }
  to->jobs.reserve(from->jobs_size());
  for (v1::JobRegistration& job : *from->mutable_jobs()) {
    EBB_RETURN_IF_ERROR(Get(&job, records, &to->jobs.emplace_back()));
  }
  return absl::OkStatus();
}

void Put(const RegisterPartitions& from, RecordSender* records,
         v1::ServerToScheduler* envelope) {
  v1::RegisterPartitions* to = envelope->mutable_register_partitions();
  to->set_session(from.session.value());
  Put(from.job, records, to->mutable_job());
}

absl::Status Get(v1::RegisterPartitions* from, RecordReceiver* records,
                 RegisterPartitions* to) {
  EBB_RETURN_IF_ERROR(Named("RegisterPartitions.session", from->session()));
  EBB_RETURN_IF_ERROR(Present("RegisterPartitions.job", from->has_job()));
  to->session = SessionId(from->session());
  return Get(from->mutable_job(), records, &to->job);
}

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
  for (const v1::PartitionMarkReport& message : from->partitions()) {
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

// --- Scheduler -> server -----------------------------------------------------

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
  EBB_RETURN_IF_ERROR(
      AtMost("Grant.known_servers", from->known_servers_size(), kMaxServers));
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
  for (int32_t server : from->known_servers()) {
    EBB_RETURN_IF_ERROR(NotNegative("Grant.known_servers", server));
    to->known_servers.push_back(ServerId(server));
  }
  return absl::OkStatus();
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
  envelope->mutable_forget()->set_job(from.job.value());
}

absl::Status Get(v1::ForgetJob* from, RecordReceiver*, ForgetJob* to) {
  EBB_RETURN_IF_ERROR(Named("ForgetJob.job", from->job()));
  to->job = JobId(from->job());
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

// Fills `*to` with the struct of `from`.
template <typename Struct, typename Message, typename Variant>
absl::Status GetInto(Variant* to, Message* from, RecordReceiver* records) {
  return Get(from, records, &to->template emplace<Struct>());
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
  ServerToScheduler to;
  absl::Status status = internal::EmptyMessage("ServerToScheduler");
  switch (from.message_case()) {
    case M::kRegisterServer:
      status =
          GetInto<RegisterServer>(&to, from.mutable_register_server(), records);
      break;
    case M::kRegisterPartitions:
      status = GetInto<RegisterPartitions>(
          &to, from.mutable_register_partitions(), records);
      break;
    case M::kMarkReport:
      status = GetInto<MarkReport>(&to, from.mutable_mark_report(), records);
      break;
    case M::kViewRequest:
      status = GetInto<ViewRequest>(&to, from.mutable_view_request(), records);
      break;
    case M::kSnapshotReply:
      status =
          GetInto<SnapshotReply>(&to, from.mutable_snapshot_reply(), records);
      break;
    case M::kStatistics:
      status =
          GetInto<ServerStatistics>(&to, from.mutable_statistics(), records);
      break;
    case M::kGoodbye:
      status = GetInto<ServerGoodbye>(&to, from.mutable_goodbye(), records);
      break;
    case M::kAlive:
      status = GetInto<ServerAlive>(&to, from.mutable_alive(), records);
      break;
    case M::MESSAGE_NOT_SET:
      break;
  }
  if (!status.ok()) return status;
  return to;
}

v1::SchedulerToServer ToProto(const SchedulerToServer& message,
                              RecordSender* records) {
  v1::SchedulerToServer to;
  std::visit([&](const auto& from) { Put(from, records, &to); }, message);
  return to;
}

absl::StatusOr<SchedulerToServer> FromProto(v1::SchedulerToServer&& from,
                                            RecordReceiver* records) {
  using M = v1::SchedulerToServer;
  SchedulerToServer to;
  absl::Status status = internal::EmptyMessage("SchedulerToServer");
  switch (from.message_case()) {
    case M::kGrant:
      status = GetInto<Grant>(&to, from.mutable_grant(), records);
      break;
    case M::kView:
      status = GetInto<ViewUpdate>(&to, from.mutable_view(), records);
      break;
    case M::kRound:
      status = GetInto<RoundStatus>(&to, from.mutable_round(), records);
      break;
    case M::kCheckpoint:
      status = GetInto<CheckpointNow>(&to, from.mutable_checkpoint(), records);
      break;
    case M::kTakeSnapshot:
      status =
          GetInto<TakeSnapshot>(&to, from.mutable_take_snapshot(), records);
      break;
    case M::kDropSnapshot:
      status =
          GetInto<DropSnapshot>(&to, from.mutable_drop_snapshot(), records);
      break;
    case M::kCompleted:
      status = GetInto<JobCompleted>(&to, from.mutable_completed(), records);
      break;
    case M::kForget:
      status = GetInto<ForgetJob>(&to, from.mutable_forget(), records);
      break;
    case M::kRefuse:
      status = GetInto<RefuseServer>(&to, from.mutable_refuse(), records);
      break;
    case M::MESSAGE_NOT_SET:
      break;
  }
  if (!status.ok()) return status;
  return to;
}

}  // namespace ebb::rpc
