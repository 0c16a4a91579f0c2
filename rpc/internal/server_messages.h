// The messages of a server's stream whose conversion takes a file of its own:
// what the files of the two directions share. Each message has one function
// Put (struct to message) and one Get (message to struct).
#ifndef EBB_RPC_INTERNAL_SERVER_MESSAGES_H_
#define EBB_RPC_INTERNAL_SERVER_MESSAGES_H_

#include <google/protobuf/repeated_field.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/messages.h"
#include "rpc/convert.h"

namespace ebb::rpc::internal {

// --- Registrations: convert_registration.cc ----------------------------------

absl::Status GetServers(absl::string_view field,
                        const google::protobuf::RepeatedField<int32_t>& from,
                        std::vector<ServerId>* to);
absl::Status GetStored(
    absl::string_view field, PartitionId partition,
    const google::protobuf::RepeatedPtrField<v1::RoundVersion>& from,
    std::vector<RoundVersion>* to);

// Each of another round.
absl::Status GetOperations(
    absl::string_view field,
    google::protobuf::RepeatedPtrField<v1::RoundOperation>* from,
    std::vector<RoundOperation>* to);
void PutOperations(const std::vector<RoundOperation>& from,
                   google::protobuf::RepeatedPtrField<v1::RoundOperation>* to);

void Put(const JobRegistration& from, RecordSender* records,
         v1::JobRegistration* to);
void Put(const RegisterServer& from, RecordSender* records,
         v1::ServerToScheduler* envelope);
void Put(const RegisterPartitions& from, RecordSender* records,
         v1::ServerToScheduler* envelope);

absl::Status Get(v1::JobRegistration* from, RecordReceiver* records,
                 JobRegistration* to);
absl::Status Get(v1::RegisterServer* from, RecordReceiver* records,
                 RegisterServer* to);
absl::Status Get(v1::RegisterPartitions* from, RecordReceiver* records,
                 RegisterPartitions* to);

// --- Moves: convert_move.cc --------------------------------------------------

void Put(const ServerLeaving& from, RecordSender*,
         v1::ServerToScheduler* envelope);
void Put(const MoveProgress& from, RecordSender*,
         v1::ServerToScheduler* envelope);
void Put(const MovedIn& from, RecordSender* records,
         v1::ServerToScheduler* envelope);
void Put(const MoveIn& from, RecordSender* records,
         v1::SchedulerToServer* envelope);
void Put(const PartitionMoved& from, RecordSender*,
         v1::SchedulerToServer* envelope);
void Put(const LeaveNow& from, RecordSender*, v1::SchedulerToServer* envelope);

absl::Status Get(v1::ServerLeaving* from, RecordReceiver*, ServerLeaving* to);
absl::Status Get(v1::MoveProgress* from, RecordReceiver*, MoveProgress* to);
absl::Status Get(v1::MovedIn* from, RecordReceiver* records, MovedIn* to);
absl::Status Get(v1::MoveIn* from, RecordReceiver* records, MoveIn* to);
absl::Status Get(v1::PartitionMoved* from, RecordReceiver*, PartitionMoved* to);
absl::Status Get(v1::LeaveNow* from, RecordReceiver*, LeaveNow* to);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_SERVER_MESSAGES_H_
