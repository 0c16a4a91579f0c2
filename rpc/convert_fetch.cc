#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "protocol/field_list.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"

// Fetches between two servers, of which one takes a partition over.
namespace ebb::rpc {

using internal::AtMost;
using internal::IsPartition;
using internal::Named;
using internal::NotNegative;
using internal::Present;
using internal::UnknownEnum;

// A new field stops here: convert it below, then count it.
static_assert(kMembers<FetchRequest> == 9 && kMembers<FetchReply> == 6);

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

}  // namespace ebb::rpc
