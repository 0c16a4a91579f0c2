#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "protocol/field_list.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"

namespace ebb::rpc {

using internal::AtMost;
using internal::InRange;
using internal::IsPartition;
using internal::IsSize;
using internal::Named;
using internal::NotNegative;
using internal::Present;
using internal::UnknownEnum;

// A new field stops here: convert it below, then count it.
static_assert(kMembers<PushRequest> == 14 && kMembers<PushSegment> == 7 &&
              kMembers<WorkerStamp> == 3);
static_assert(kMembers<PushReply> == 9 && kMembers<PushSegmentReply> == 4);
static_assert(kMembers<PullRequest> == 10 && kMembers<PullSegmentRequest> == 4);
static_assert(kMembers<PullReply> == 8 && kMembers<PullSegment> == 7);
static_assert(kMembers<ClockUpdate> == 3);

namespace {

v1::Verdict ToProto(Verdict verdict) {
  switch (verdict) {
    case Verdict::kApplied:
      return v1::VERDICT_APPLIED;
    case Verdict::kDuplicate:
      return v1::VERDICT_DUPLICATE;
    case Verdict::kGap:
      return v1::VERDICT_GAP;
    case Verdict::kOverlap:
      return v1::VERDICT_OVERLAP;
    case Verdict::kStale:
      return v1::VERDICT_STALE;
    case Verdict::kNotOpen:
      return v1::VERDICT_NOT_OPEN;
    case Verdict::kClosed:
      return v1::VERDICT_CLOSED;
    case Verdict::kWrongPlacement:
      return v1::VERDICT_WRONG_PLACEMENT;
    case Verdict::kWrongGeneration:
      return v1::VERDICT_WRONG_GENERATION;
    case Verdict::kSuperseded:
      return v1::VERDICT_SUPERSEDED;
    case Verdict::kBusy:
      return v1::VERDICT_BUSY;
    case Verdict::kInvalid:
      return v1::VERDICT_INVALID;
  }
  return v1::VERDICT_UNSPECIFIED;
}

absl::StatusOr<Verdict> FromProto(v1::Verdict verdict) {
  switch (verdict) {
    case v1::VERDICT_APPLIED:
      return Verdict::kApplied;
    case v1::VERDICT_DUPLICATE:
      return Verdict::kDuplicate;
    case v1::VERDICT_GAP:
      return Verdict::kGap;
    case v1::VERDICT_OVERLAP:
      return Verdict::kOverlap;
    case v1::VERDICT_STALE:
      return Verdict::kStale;
    case v1::VERDICT_NOT_OPEN:
      return Verdict::kNotOpen;
    case v1::VERDICT_CLOSED:
      return Verdict::kClosed;
    case v1::VERDICT_WRONG_PLACEMENT:
      return Verdict::kWrongPlacement;
    case v1::VERDICT_WRONG_GENERATION:
      return Verdict::kWrongGeneration;
    case v1::VERDICT_SUPERSEDED:
      return Verdict::kSuperseded;
    case v1::VERDICT_BUSY:
      return Verdict::kBusy;
    case v1::VERDICT_INVALID:
      return Verdict::kInvalid;
    default:
      return UnknownEnum("PushSegmentResponse.verdict", verdict);
  }
}

v1::PullResult ToProto(PullResult result) {
  switch (result) {
    case PullResult::kValues:
      return v1::PULL_RESULT_VALUES;
    case PullResult::kWait:
      return v1::PULL_RESULT_WAIT;
    case PullResult::kClosed:
      return v1::PULL_RESULT_CLOSED;
    case PullResult::kNotInView:
      return v1::PULL_RESULT_NOT_IN_VIEW;
    case PullResult::kWrongPlacement:
      return v1::PULL_RESULT_WRONG_PLACEMENT;
    case PullResult::kWrongGeneration:
      return v1::PULL_RESULT_WRONG_GENERATION;
    case PullResult::kUnchanged:
      return v1::PULL_RESULT_UNCHANGED;
    case PullResult::kNoSnapshot:
      return v1::PULL_RESULT_NO_SNAPSHOT;
    case PullResult::kInvalid:
      return v1::PULL_RESULT_INVALID;
  }
  return v1::PULL_RESULT_UNSPECIFIED;
}

absl::StatusOr<PullResult> FromProto(v1::PullResult result) {
  switch (result) {
    case v1::PULL_RESULT_VALUES:
      return PullResult::kValues;
    case v1::PULL_RESULT_WAIT:
      return PullResult::kWait;
    case v1::PULL_RESULT_CLOSED:
      return PullResult::kClosed;
    case v1::PULL_RESULT_NOT_IN_VIEW:
      return PullResult::kNotInView;
    case v1::PULL_RESULT_WRONG_PLACEMENT:
      return PullResult::kWrongPlacement;
    case v1::PULL_RESULT_WRONG_GENERATION:
      return PullResult::kWrongGeneration;
    case v1::PULL_RESULT_UNCHANGED:
      return PullResult::kUnchanged;
    case v1::PULL_RESULT_NO_SNAPSHOT:
      return PullResult::kNoSnapshot;
    case v1::PULL_RESULT_INVALID:
      return PullResult::kInvalid;
    default:
      return UnknownEnum("PullSegment.result", result);
  }
}

static_assert(v1::ENCODING_UNSPECIFIED ==
                  static_cast<int>(Encoding::kFloat32) &&
              v1::ENCODING_BFLOAT16 == static_cast<int>(Encoding::kBfloat16) &&
              v1::ENCODING_FLOAT16 == static_cast<int>(Encoding::kFloat16) &&
              v1::ENCODING_INT8 == static_cast<int>(Encoding::kInt8) &&
              v1::ENCODING_SPARSE == static_cast<int>(Encoding::kSparse) &&
              v1::Encoding_MAX == static_cast<int>(kLastEncoding));

v1::Encoding ToProto(Encoding encoding) {
  return static_cast<v1::Encoding>(encoding);
}

absl::StatusOr<Encoding> FromProto(absl::string_view field,
                                   v1::Encoding encoding) {
  if (!v1::Encoding_IsValid(encoding)) return UnknownEnum(field, encoding);
  return static_cast<Encoding>(encoding);
}

// Whole floats; what is encoded has another size, which is judged when its
// partition is known.
absl::Status IsSizeOf(absl::string_view field, int64_t bytes,
                      Encoding encoding) {
  return IsSize(field, bytes,
                encoding == Encoding::kFloat32 ? sizeof(float) : 1);
}

v1::WorkerStamp ToProto(const WorkerStamp& stamp) {
  v1::WorkerStamp message;
  message.set_worker(stamp.worker.value());
  message.set_joined(stamp.joined.value());
  message.set_clock(stamp.clock);
  return message;
}

absl::StatusOr<WorkerStamp> FromProto(const v1::WorkerStamp& message) {
  EBB_RETURN_IF_ERROR(Named("WorkerStamp.worker", message.worker()));
  EBB_RETURN_IF_ERROR(NotNegative("WorkerStamp.clock", message.clock()));
  return WorkerStamp{SessionId(message.worker()), ViewNumber(message.joined()),
                     message.clock()};
}

// Tables ascend, so that each is there at most once.
absl::Status IsNextTable(absl::string_view field, int32_t table,
                         int32_t* next) {
  EBB_RETURN_IF_ERROR(InRange(field, table, *next, kMaxSparseTables - 1));
  *next = table + 1;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PushRows>> RowsFromProto(
    const v1::PushSegment& message) {
  std::vector<PushRows> rows;
  rows.reserve(message.rows_size());
  int32_t next = 0;
  for (const v1::PushRows& from : message.rows()) {
    EBB_RETURN_IF_ERROR(IsNextTable("PushRows.table", from.table(), &next));
    EBB_RETURN_IF_ERROR(
        IsSize("PushRows.keys_bytes", from.keys_bytes(), sizeof(uint64_t)));
    EBB_RETURN_IF_ERROR(IsSize("PushRows.gradient_bytes", from.gradient_bytes(),
                               sizeof(float)));
    rows.emplace_back().table = from.table();
  }
  return rows;
}

absl::StatusOr<std::vector<PullRows>> RowsFromProto(
    const v1::PullSegmentRequest& message) {
  std::vector<PullRows> rows;
  rows.reserve(message.rows_size());
  int32_t next = 0;
  for (const v1::PullRows& from : message.rows()) {
    EBB_RETURN_IF_ERROR(IsNextTable("PullRows.table", from.table(), &next));
    EBB_RETURN_IF_ERROR(
        IsSize("PullRows.keys_bytes", from.keys_bytes(), sizeof(uint64_t)));
    rows.emplace_back().table = from.table();
  }
  return rows;
}

}  // namespace

// --- Push --------------------------------------------------------------------

void HeaderToProto(const PushRequest& request, v1::PushRequest* to_message) {
  v1::PushRequest& message = *to_message;
  message.set_job(request.job.value());
  message.set_generation(request.generation.value());
  *message.mutable_stamp() = ToProto(request.stamp);
  message.set_incarnation(request.incarnation);
  message.set_sequence(request.sequence);
  message.set_server_session(request.server_session.value());
  message.set_layout_hash(request.layout_hash);
  *message.mutable_item() = ToProto(request.item);
  message.set_begin(request.begin);
  message.set_end(request.end);
  *message.mutable_ledger() = ToProto(request.ledger);
  message.set_loss_sum(request.loss_sum);
  message.set_skip(request.skip);
  for (const PushSegment& segment : request.segments) {
    v1::PushSegment* to = message.add_segments();
    to->set_partition(segment.partition.value());
    to->set_term(segment.term.value());
    to->set_pulled_updates(segment.pulled_updates);
    to->set_gradient_bytes(segment.gradient.size());
    to->set_oracle_bytes(segment.oracle.size());
    to->set_encoding(ToProto(segment.encoding));
    for (const PushRows& rows : segment.rows) {
      v1::PushRows* part = to->add_rows();
      part->set_table(rows.table);
      part->set_keys_bytes(rows.keys.size());
      part->set_gradient_bytes(rows.gradient.size());
    }
  }
}

absl::StatusOr<PushRequest> HeaderFromProto(const v1::PushRequest& message) {
  EBB_RETURN_IF_ERROR(Named("PushRequest.job", message.job()));
  EBB_RETURN_IF_ERROR(Present("PushRequest.stamp", message.has_stamp()));
  EBB_RETURN_IF_ERROR(Present("PushRequest.item", message.has_item()));
  EBB_RETURN_IF_ERROR(Present("PushRequest.ledger", message.has_ledger()));
  EBB_RETURN_IF_ERROR(
      NotNegative("PushRequest.incarnation", message.incarnation()));
  EBB_RETURN_IF_ERROR(NotNegative("PushRequest.sequence", message.sequence()));
  EBB_RETURN_IF_ERROR(NotNegative("PushRequest.begin", message.begin()));
  EBB_RETURN_IF_ERROR(
      InRange("PushRequest.end", message.end(), message.begin(), INT64_MAX));
  EBB_RETURN_IF_ERROR(
      AtMost("PushRequest.segments", message.segments_size(), kMaxPartitions));
  PushRequest request;
  request.job = JobId(message.job());
  request.generation = Generation(message.generation());
  EBB_ASSIGN_OR_RETURN(request.stamp, FromProto(message.stamp()));
  request.incarnation = message.incarnation();
  request.sequence = message.sequence();
  request.server_session = SessionId(message.server_session());
  request.layout_hash = message.layout_hash();
  EBB_ASSIGN_OR_RETURN(request.item, FromProto(message.item()));
  request.begin = message.begin();
  request.end = message.end();
  EBB_ASSIGN_OR_RETURN(request.ledger, FromProto(message.ledger()));
  request.loss_sum = message.loss_sum();
  request.skip = message.skip();
  request.segments.reserve(message.segments_size());
  for (const v1::PushSegment& from : message.segments()) {
    EBB_RETURN_IF_ERROR(IsPartition("PushSegment.partition", from.partition()));
    EBB_RETURN_IF_ERROR(
        NotNegative("PushSegment.pulled_updates", from.pulled_updates()));
    EBB_ASSIGN_OR_RETURN(const Encoding encoding,
                         FromProto("PushSegment.encoding", from.encoding()));
    EBB_RETURN_IF_ERROR(IsSizeOf("PushSegment.gradient_bytes",
                                 from.gradient_bytes(), encoding));
    EBB_RETURN_IF_ERROR(IsSize("PushSegment.oracle_bytes", from.oracle_bytes(),
                               sizeof(uint64_t)));
    PushSegment segment;
    segment.partition = PartitionId(from.partition());
    segment.term = Term(from.term());
    segment.pulled_updates = from.pulled_updates();
    segment.encoding = encoding;
    EBB_ASSIGN_OR_RETURN(segment.rows, RowsFromProto(from));
    request.segments.push_back(std::move(segment));
  }
  return request;
}

void ToProto(const PushReply& reply, v1::PushResponse* to_message) {
  v1::PushResponse& message = *to_message;
  message.set_job(reply.job.value());
  message.set_generation(reply.generation.value());
  message.set_server(reply.server.value());
  message.set_server_session(reply.server_session.value());
  message.set_worker(reply.worker.value());
  message.set_incarnation(reply.incarnation);
  message.set_sequence(reply.sequence);
  *message.mutable_item() = ToProto(reply.item);
  for (const PushSegmentReply& segment : reply.segments) {
    v1::PushSegmentResponse* to = message.add_segments();
    to->set_partition(segment.partition.value());
    to->set_verdict(ToProto(segment.verdict));
    to->set_mark(segment.mark);
    to->set_term(segment.term.value());
  }
}

absl::StatusOr<PushReply> FromProto(const v1::PushResponse& message) {
  EBB_RETURN_IF_ERROR(Named("PushResponse.job", message.job()));
  EBB_RETURN_IF_ERROR(NotNegative("PushResponse.server", message.server()));
  EBB_RETURN_IF_ERROR(Present("PushResponse.item", message.has_item()));
  EBB_RETURN_IF_ERROR(
      NotNegative("PushResponse.incarnation", message.incarnation()));
  EBB_RETURN_IF_ERROR(NotNegative("PushResponse.sequence", message.sequence()));
  EBB_RETURN_IF_ERROR(
      AtMost("PushResponse.segments", message.segments_size(), kMaxPartitions));
  PushReply reply;
  reply.job = JobId(message.job());
  reply.generation = Generation(message.generation());
  reply.server = ServerId(message.server());
  reply.server_session = SessionId(message.server_session());
  reply.worker = SessionId(message.worker());
  reply.incarnation = message.incarnation();
  reply.sequence = message.sequence();
  EBB_ASSIGN_OR_RETURN(reply.item, FromProto(message.item()));
  reply.segments.reserve(message.segments_size());
  for (const v1::PushSegmentResponse& from : message.segments()) {
    EBB_RETURN_IF_ERROR(
        IsPartition("PushSegmentResponse.partition", from.partition()));
    EBB_RETURN_IF_ERROR(NotNegative("PushSegmentResponse.mark", from.mark()));
    EBB_ASSIGN_OR_RETURN(Verdict verdict, FromProto(from.verdict()));
    reply.segments.push_back({PartitionId(from.partition()), verdict,
                              from.mark(), Term(from.term())});
  }
  return reply;
}

// --- Pull --------------------------------------------------------------------

void HeaderToProto(const PullRequest& request, v1::PullRequest* to_message) {
  v1::PullRequest& message = *to_message;
  message.set_job(request.job.value());
  message.set_generation(request.generation.value());
  *message.mutable_stamp() = ToProto(request.stamp);
  message.set_request(request.request);
  message.set_target_clock(request.target_clock);
  message.set_round(request.round);
  message.set_snapshot(request.snapshot);
  message.set_encoding(ToProto(request.encoding));
  for (const PullSegmentRequest& segment : request.segments) {
    v1::PullSegmentRequest* to = message.add_segments();
    to->set_partition(segment.partition.value());
    to->set_term(segment.term.value());
    if (segment.known_updates) to->set_known_updates(*segment.known_updates);
    for (const PullRows& rows : segment.rows) {
      v1::PullRows* part = to->add_rows();
      part->set_table(rows.table);
      part->set_keys_bytes(rows.keys.size());
    }
  }
}

absl::StatusOr<PullRequest> HeaderFromProto(const v1::PullRequest& message) {
  EBB_RETURN_IF_ERROR(Named("PullRequest.job", message.job()));
  EBB_RETURN_IF_ERROR(Present("PullRequest.stamp", message.has_stamp()));
  EBB_RETURN_IF_ERROR(
      NotNegative("PullRequest.target_clock", message.target_clock()));
  EBB_RETURN_IF_ERROR(
      InRange("PullRequest.round", message.round(), -1, INT64_MAX));
  EBB_RETURN_IF_ERROR(NotNegative("PullRequest.snapshot", message.snapshot()));
  EBB_RETURN_IF_ERROR(
      AtMost("PullRequest.segments", message.segments_size(), kMaxPartitions));
  PullRequest request;
  request.job = JobId(message.job());
  request.generation = Generation(message.generation());
  EBB_ASSIGN_OR_RETURN(request.stamp, FromProto(message.stamp()));
  request.request = message.request();
  request.target_clock = message.target_clock();
  request.round = message.round();
  request.snapshot = message.snapshot();
  EBB_ASSIGN_OR_RETURN(request.encoding,
                       FromProto("PullRequest.encoding", message.encoding()));
  request.segments.reserve(message.segments_size());
  for (const v1::PullSegmentRequest& from : message.segments()) {
    EBB_RETURN_IF_ERROR(
        IsPartition("PullSegmentRequest.partition", from.partition()));
    EBB_RETURN_IF_ERROR(
        NotNegative("PullSegmentRequest.known_updates", from.known_updates()));
    PullSegmentRequest& to = request.segments.emplace_back();
    to.partition = PartitionId(from.partition());
    to.term = Term(from.term());
    if (from.has_known_updates()) to.known_updates = from.known_updates();
    EBB_ASSIGN_OR_RETURN(to.rows, RowsFromProto(from));
  }
  return request;
}

void HeaderToProto(const PullReply& reply, v1::PullResponse* to_message) {
  v1::PullResponse& message = *to_message;
  message.set_job(reply.job.value());
  message.set_generation(reply.generation.value());
  message.set_server(reply.server.value());
  message.set_server_session(reply.server_session.value());
  message.set_worker(reply.worker.value());
  message.set_request(reply.request);
  for (const PullSegment& segment : reply.segments) {
    v1::PullSegment* to = message.add_segments();
    to->set_partition(segment.partition.value());
    to->set_result(ToProto(segment.result));
    to->set_term(segment.term.value());
    to->set_updates(segment.updates);
    to->set_values_bytes(segment.values.size());
    to->set_encoding(ToProto(segment.encoding));
    for (const Payload& rows : segment.rows) to->add_rows_bytes(rows.size());
  }
  message.set_view_clock(reply.view_clock);
}

absl::StatusOr<PullReply> HeaderFromProto(const v1::PullResponse& message) {
  EBB_RETURN_IF_ERROR(Named("PullResponse.job", message.job()));
  EBB_RETURN_IF_ERROR(NotNegative("PullResponse.server", message.server()));
  EBB_RETURN_IF_ERROR(
      NotNegative("PullResponse.view_clock", message.view_clock()));
  EBB_RETURN_IF_ERROR(
      AtMost("PullResponse.segments", message.segments_size(), kMaxPartitions));
  PullReply reply;
  reply.job = JobId(message.job());
  reply.generation = Generation(message.generation());
  reply.server = ServerId(message.server());
  reply.server_session = SessionId(message.server_session());
  reply.worker = SessionId(message.worker());
  reply.request = message.request();
  reply.view_clock = message.view_clock();
  reply.segments.reserve(message.segments_size());
  for (const v1::PullSegment& from : message.segments()) {
    EBB_RETURN_IF_ERROR(IsPartition("PullSegment.partition", from.partition()));
    EBB_RETURN_IF_ERROR(NotNegative("PullSegment.updates", from.updates()));
    PullSegment segment;
    EBB_ASSIGN_OR_RETURN(segment.encoding,
                         FromProto("PullSegment.encoding", from.encoding()));
    EBB_RETURN_IF_ERROR(IsSizeOf("PullSegment.values_bytes",
                                 from.values_bytes(), segment.encoding));
    segment.partition = PartitionId(from.partition());
    EBB_ASSIGN_OR_RETURN(segment.result, FromProto(from.result()));
    segment.term = Term(from.term());
    segment.updates = from.updates();
    EBB_RETURN_IF_ERROR(AtMost("PullSegment.rows_bytes", from.rows_bytes_size(),
                               kMaxSparseTables));
    for (const int64_t bytes : from.rows_bytes()) {
      EBB_RETURN_IF_ERROR(
          IsSize("PullSegment.rows_bytes", bytes, sizeof(float)));
    }
    segment.rows.resize(from.rows_bytes_size());
    reply.segments.push_back(std::move(segment));
  }
  return reply;
}

// --- Clock -------------------------------------------------------------------

v1::ClockRequest ToProto(const ClockUpdate& update) {
  v1::ClockRequest message;
  message.set_job(update.job.value());
  message.set_generation(update.generation.value());
  *message.mutable_stamp() = ToProto(update.stamp);
  return message;
}

absl::StatusOr<ClockUpdate> FromProto(const v1::ClockRequest& message) {
  EBB_RETURN_IF_ERROR(Named("ClockRequest.job", message.job()));
  EBB_RETURN_IF_ERROR(Present("ClockRequest.stamp", message.has_stamp()));
  EBB_ASSIGN_OR_RETURN(WorkerStamp stamp, FromProto(message.stamp()));
  return ClockUpdate{JobId(message.job()), Generation(message.generation()),
                     stamp};
}

}  // namespace ebb::rpc
