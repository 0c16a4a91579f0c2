#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/fields.h"
#include "rpc/internal/server_messages.h"

// The messages by which a server says what it has.
namespace ebb::rpc {

static_assert(internal::kFields<StoreDamage> == 6);

v1::StoreDamage ToProto(const StoreDamage& damage) {
  v1::StoreDamage message;
  message.set_rescues(damage.rescues);
  message.set_found(internal::ValidUtf8(damage.found));
  message.set_set_aside(internal::ValidUtf8(damage.set_aside));
  message.set_versions_kept(damage.versions_kept);
  message.set_versions_lost(damage.versions_lost);
  message.set_last_lost(internal::ValidUtf8(damage.last_lost));
  return message;
}

absl::StatusOr<StoreDamage> FromProto(const v1::StoreDamage& message) {
  using internal::IsShort;
  using internal::NotNegative;
  EBB_RETURN_IF_ERROR(NotNegative("StoreDamage.rescues", message.rescues()));
  EBB_RETURN_IF_ERROR(IsShort("StoreDamage.found", message.found()));
  EBB_RETURN_IF_ERROR(IsShort("StoreDamage.set_aside", message.set_aside()));
  EBB_RETURN_IF_ERROR(
      NotNegative("StoreDamage.versions_kept", message.versions_kept()));
  EBB_RETURN_IF_ERROR(
      NotNegative("StoreDamage.versions_lost", message.versions_lost()));
  EBB_RETURN_IF_ERROR(IsShort("StoreDamage.last_lost", message.last_lost()));
  return StoreDamage{message.rescues(),       message.found(),
                     message.set_aside(),     message.versions_kept(),
                     message.versions_lost(), message.last_lost()};
}

}  // namespace ebb::rpc

namespace ebb::rpc::internal {

// A new field stops here: convert it below, then count it.
static_assert(kFields<RegisterServer> == 10 && kFields<JobRegistration> == 4 &&
              kFields<PartitionRegistration> == 10 &&
              kFields<RegisterPartitions> == 2 && kFields<RoundOperation> == 2);

absl::Status GetServers(absl::string_view field,
                        const google::protobuf::RepeatedField<int32_t>& from,
                        std::vector<ServerId>* to) {
  EBB_RETURN_IF_ERROR(AtMost(field, from.size(), kMaxServers));
  to->reserve(from.size());
  for (int32_t server : from) {
    EBB_RETURN_IF_ERROR(InRange(field, server, 0, kMaxServers - 1));
    to->push_back(ServerId(server));
  }
  return absl::OkStatus();
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

absl::Status GetOperations(
    absl::string_view field,
    google::protobuf::RepeatedPtrField<v1::RoundOperation>* from,
    std::vector<RoundOperation>* to) {
  EBB_RETURN_IF_ERROR(AtMost(field, from->size(), kMaxRoundVersions));
  to->reserve(from->size());
  for (v1::RoundOperation& message : *from) {
    EBB_RETURN_IF_ERROR(NotNegative("RoundOperation.round", message.round()));
    to->push_back({message.round(), std::move(*message.mutable_operation())});
  }
  return absl::OkStatus();
}

void PutOperations(const std::vector<RoundOperation>& from,
                   google::protobuf::RepeatedPtrField<v1::RoundOperation>* to) {
  for (const RoundOperation& one : from) {
    v1::RoundOperation* message = to->Add();
    message->set_round(one.round);
    message->set_operation(one.operation);
  }
}

namespace {

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
  to->set_stored_term(from.stored_term.value());
  PutOperations(from.operations, to->mutable_operations());
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
  to->stored_term = Term(from->stored_term());
  EBB_RETURN_IF_ERROR(GetOperations("PartitionRegistration.operations",
                                    from->mutable_operations(),
                                    &to->operations));
  return GetStored("PartitionRegistration.stored", to->partition,
                   from->stored(), &to->stored);
}

}  // namespace

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
  to->set_shared_folder(from.shared_folder);
  to->set_leaving(from.leaving);
  if (from.store_damage.any()) {
    *to->mutable_store_damage() = ToProto(from.store_damage);
  }
  to->set_store(from.store);
}

absl::Status Get(v1::RegisterServer* from, RecordReceiver* records,
                 RegisterServer* to) {
  EBB_RETURN_IF_ERROR(
      InRange("RegisterServer.server", from->server(), 0, kMaxServers - 1));
  EBB_RETURN_IF_ERROR(Named("RegisterServer.session", from->session()));
  EBB_RETURN_IF_ERROR(
      Present("RegisterServer.address", !from->address().empty()));
  EBB_RETURN_IF_ERROR(
      AtMost("RegisterServer.jobs", from->jobs_size(), kMaxJobs));
  EBB_RETURN_IF_ERROR(
      IsShort("RegisterServer.shared_folder", from->shared_folder()));
  EBB_RETURN_IF_ERROR(IsShort("RegisterServer.store", from->store()));
  to->server = ServerId(from->server());
  to->session = SessionId(from->session());
  to->address = std::move(*from->mutable_address());
  to->process_id = from->process_id();
  EBB_RETURN_IF_ERROR(GetServers("RegisterServer.known_servers",
                                 from->known_servers(), &to->known_servers));
  to->jobs.reserve(from->jobs_size());
  for (v1::JobRegistration& job : *from->mutable_jobs()) {
    EBB_RETURN_IF_ERROR(Get(&job, records, &to->jobs.emplace_back()));
  }
  to->shared_folder = std::move(*from->mutable_shared_folder());
  to->leaving = from->leaving();
  to->store = std::move(*from->mutable_store());
  EBB_ASSIGN_OR_RETURN(to->store_damage, FromProto(from->store_damage()));
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

}  // namespace ebb::rpc::internal
