#include "rpc/convert.h"

#include <google/protobuf/text_format.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/message_fields.h"
#include "rpc/internal/bounds.h"
#include "rpc/internal/check.h"
#include "rpc/internal/field_kinds.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

using rpc::ToProto;

v1::PushResponse ToProto(const PushReply& reply) {
  v1::PushResponse message;
  rpc::ToProto(reply, &message);
  return message;
}

template <typename Message, typename Struct>
Message HeaderOf(const Struct& value) {
  Message message;
  HeaderToProto(value, &message);
  return message;
}

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message))
      << text;
  return message;
}

constexpr char kPlanText[] =
    "epochs: 2 examples: 100 shard_size: 30 batch_by_epoch: 4 "
    "batch_by_epoch: 8 seed: 5 layout_hash: 6 parameters: 70 "
    "block_floats: 16 partitions: 3 cut_floats: 8 oracle_width: 9 "
    "consistency { kind: KIND_ROUNDS clock_bound: 11 round_items: 2 "
    "rounds_in_memory: 13 max_staleness_updates: 14 } "
    "min_workers: 15 max_workers: 16 evaluate_every: 17 quarantine_after: 18 "
    "on_poison: POISON_POLICY_SKIP on_nonfinite: POISON_POLICY_PAUSE "
    "checkpoint_interval_ms: 19 checkpoint_keep: 20 priority: -21 "
    "push_filter { kind: KIND_INT8 threshold: 0.25 share: 0.5 } "
    " pull_filter { kind: KIND_BF16 }";

JobPlan TestPlan() {
  JobPlan plan;
  plan.epochs = 2;
  plan.examples = 100;
  plan.shard_size = 30;
  plan.batch_by_epoch = {4, 8};
  plan.seed = 5;
  plan.layout_hash = 6;
  plan.parameters = 70;
  plan.block_floats = 16;
  plan.partitions = 3;
  plan.cut_floats = 8;
  plan.oracle_width = 9;
  plan.consistency = {.kind = ConsistencyKind::kRounds,
                      .clock_bound = 11,
                      .round_items = 2,
                      .rounds_in_memory = 13,
                      .max_staleness_updates = 14};
  plan.min_workers = 15;
  plan.max_workers = 16;
  plan.evaluate_every = 17;
  plan.quarantine_after = 18;
  plan.on_poison = PoisonPolicy::kSkip;
  plan.on_nonfinite = PoisonPolicy::kPause;
  plan.checkpoint_interval_ms = 19;
  plan.checkpoint_keep = 20;
  plan.priority = -21;
  plan.filters = {.push = {FilterKind::kInt8, 0.25, 0.5},
                  .pull = {FilterKind::kBfloat16}};
  return plan;
}

const std::string kRecordText =
    absl::StrCat("id: 77 name: \"mlp\" plan { ", kPlanText,
                 " } specification: \"\\000\\377spec\"");

JobRecordPtr TestRecord() {
  return std::make_shared<JobRecord>(
      JobRecord{JobId(77), "mlp", TestPlan(), std::string("\0\xffspec", 6)});
}

const RollbackRecord kRollback{
    {VersionKey{JobId(77), Generation(2), PartitionId(1), Term(4), 5}},
    0.25,
    3};
constexpr char kRollbackText[] =
    "versions { job: 77 generation: 2 partition: 1 term: 4 sequence: 5 } "
    "rate_factor: 0.25 nonfinite: 3";

// A field of a struct has a field of its message, and the other way round.
template <typename Struct, typename Message>
void ExpectSameFields(int only_in_message = 0) {
  EXPECT_EQ(static_cast<int>(kMembers<Struct>) + only_in_message,
            Message::descriptor()->field_count())
      << Message::descriptor()->full_name();
}

TEST(ConvertTest, MessagesHaveTheFieldsOfTheirStructs) {
  constexpr int kFilters = 1;  // One for each direction.
  ExpectSameFields<JobPlan, v1::Plan>(kFilters);
  ExpectSameFields<Filter, v1::Plan::Filter>();
  ExpectSameFields<SparseTablePlan, v1::Plan::SparseTable>();
  ExpectSameFields<Traffic, v1::Traffic>();
  ExpectSameFields<ScaledUpdates, v1::ScaledUpdates>();
  ExpectSameFields<ConsistencyPlan, v1::Plan::Consistency>();
  ExpectSameFields<JobRecord, v1::JobRecord>();
  ExpectSameFields<VersionKey, v1::VersionKey>();
  ExpectSameFields<Placement, v1::Placement>();
  ExpectSameFields<PartitionPlace, v1::PartitionPlace>();
  constexpr int kValues = 1;
  ExpectSameFields<PushRequest, v1::PushRequest>(kValues);
  ExpectSameFields<PushSegment, v1::PushSegment>();
  constexpr int kKeyLists = 1;  // The channel's (key_lists.h).
  ExpectSameFields<PushRows, v1::PushRows>(kKeyLists);
  ExpectSameFields<PushReply, v1::PushResponse>();
  ExpectSameFields<PushSegmentReply, v1::PushSegmentResponse>();
  constexpr int kStays = -1;  // PullRequest::expected_bytes.
  ExpectSameFields<PullRequest, v1::PullRequest>(kValues + kKeyLists + kStays);
  ExpectSameFields<PullSegmentRequest, v1::PullSegmentRequest>();
  ExpectSameFields<PullRows, v1::PullRows>();
  ExpectSameFields<PullReply, v1::PullResponse>(kValues + kKeyLists);
  ExpectSameFields<PullSegment, v1::PullSegment>();
  ExpectSameFields<ClockUpdate, v1::ClockRequest>();
  ExpectSameFields<FetchRequest, v1::FetchRequest>();
  ExpectSameFields<FetchReply, v1::FetchResponse>();
  ExpectSameFields<RegisterServer, v1::RegisterServer>();
  ExpectSameFields<StoreDamage, v1::StoreDamage>();
  ExpectSameFields<JobRegistration, v1::JobRegistration>();
  ExpectSameFields<PartitionRegistration, v1::PartitionRegistration>();
  ExpectSameFields<MarkReport, v1::MarkReport>();
  ExpectSameFields<PartitionMarkReport, v1::PartitionMarkReport>();
  ExpectSameFields<SnapshotReply, v1::SnapshotReply>();
  ExpectSameFields<ServerStatistics, v1::ServerStatistics>();
  ExpectSameFields<EpochLossSum, v1::EpochLossSum>();
  ExpectSameFields<MoveProgress, v1::MoveProgress>();
  ExpectSameFields<MovedIn, v1::MovedIn>();
  ExpectSameFields<Grant, v1::Grant>();
  ExpectSameFields<PartitionGrant, v1::PartitionGrant>();
  ExpectSameFields<ViewUpdate, v1::ViewUpdate>();
  ExpectSameFields<ViewMember, v1::ViewMember>();
  ExpectSameFields<RoundStatus, v1::RoundStatus>();
  ExpectSameFields<MoveIn, v1::MoveIn>();
  ExpectSameFields<PartitionMoved, v1::PartitionMoved>();
  ExpectSameFields<RegisterWorker, v1::RegisterWorker>();
  ExpectSameFields<HeldItem, v1::HeldItem>();
  ExpectSameFields<Progress, v1::Progress>();
  ExpectSameFields<ItemEnd, v1::ItemEnd>();
  ExpectSameFields<EvaluationResult, v1::EvaluationResult>();
  ExpectSameFields<DataReached, v1::DataReached>();
  ExpectSameFields<Lease, v1::Lease>();
  ExpectSameFields<EvaluationLease, v1::EvaluationLease>();
  ExpectSameFields<WatchData, v1::WatchData>();
}

// Each field of a message is in the list of its struct, and so on within it.
template <typename Struct, typename Message>
void ExpectWholeList() {
  EXPECT_EQ(static_cast<int>(FieldsOfStruct<Struct>::kCount),
            Message::descriptor()->field_count())
      << Message::descriptor()->full_name();
  FieldsOfStruct<Struct>::ForEach([](auto field) {
    using Member =
        std::remove_cvref_t<decltype(field.In(std::declval<Struct&>()))>;
    if constexpr (Listed<Member>) {
      ExpectWholeList<Member, std::remove_pointer_t<decltype(field.Mutable(
                                  static_cast<Message*>(nullptr)))>>();
    } else if constexpr (internal::kIsList<Member>) {
      if constexpr (Listed<typename Member::value_type>) {
        using List = std::remove_pointer_t<decltype(field.Mutable(
            static_cast<Message*>(nullptr)))>;
        ExpectWholeList<typename Member::value_type,
                        typename List::value_type>();
      }
    }
  });
}

template <typename Message, typename... Struct>
void ExpectWholeLists(const std::variant<Struct...>&) {
  [&]<typename... Field>(Fields<Field...>) {
    (ExpectWholeList<Struct, std::remove_pointer_t<decltype(Field::Mutable(
                                 static_cast<Message*>(nullptr)))>>(),
     ...);
  }(FieldsOfStruct<std::variant<Struct...>>());
}

TEST(ConvertTest, ListsHaveTheFieldsOfTheirMessages) {
  ExpectWholeLists<v1::ServerToScheduler>(ServerToScheduler());
  ExpectWholeLists<v1::SchedulerToServer>(SchedulerToServer());
  ExpectWholeLists<v1::WorkerToScheduler>(WorkerToScheduler());
  ExpectWholeLists<v1::SchedulerToWorker>(SchedulerToWorker());
  ExpectWholeList<JobRecord, v1::JobRecord>();
  ExpectWholeList<LedgerRow, v1::LedgerRow>();
}

TEST(ConvertTest, BoundsAreThoseOfTheStructs) {
  const auto bound = [](const google::protobuf::Descriptor* message,
                        const std::string& field) {
    return internal::BoundOf(*message->FindFieldByName(field));
  };
  EXPECT_EQ(bound(v1::Plan::descriptor(), "partitions").most,
            JobPlan::kMaxPartitions);
  EXPECT_EQ(bound(v1::Plan::descriptor(), "sparse_tables").entries,
            kMaxSparseTables);
  EXPECT_EQ(bound(v1::Figures::descriptor(), "named").entries, kMostFigures);
  EXPECT_EQ(bound(v1::Figures::descriptor(), "confusion").entries,
            kMostConfusedClasses * kMostConfusedClasses);
  EXPECT_EQ(bound(v1::Figures::descriptor(), "calibration").entries,
            kMostCalibrationBins);
}

// --- Everything survives the way there and back ------------------------------

// ToProto(value) is `text`, and so is what FromProto makes of it.
template <typename Struct>
void ExpectSame(const Struct& value, const std::string& text) {
  const auto message = ToProto(value);
  EXPECT_EQ(message.ShortDebugString(),
            Parse<std::decay_t<decltype(message)>>(text).ShortDebugString());
  const auto back = FromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToProto(*back).ShortDebugString(), message.ShortDebugString());
}

TEST(ConvertTest, PlanSurvives) { ExpectSame(TestPlan(), kPlanText); }

TEST(ConvertTest, RecordSurvives) { ExpectSame(*TestRecord(), kRecordText); }

TEST(ConvertTest, SmallMessagesSurvive) {
  ExpectSame(ItemId{3, 4}, "epoch: 3 shard: 4");
  ExpectSame(LedgerRow{5, 0xffffffffffffffff},
             "count: 5 hash: 18446744073709551615");
  ExpectSame(SkippedRange{{3, 4}, 10, 20},
             "item { epoch: 3 shard: 4 } begin: 10 end: 20");
  ExpectSame(ItemMark{{3, 4}, 9}, "item { epoch: 3 shard: 4 } mark: 9");
  ExpectSame(kRollback, kRollbackText);
  // Of an ebb that knows no factors.
  ExpectSame(RollbackRecord(), "");
}

TEST(ConvertTest, ARollbackByItselfSurvives) {
  JobPlan plan = TestPlan();
  plan.on_nonfinite = PoisonPolicy::kRollBack;
  plan.nonfinite_rollback = {0.25, 3, 4};
  const auto back = FromProto(ToProto(plan));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->on_nonfinite, PoisonPolicy::kRollBack);
  EXPECT_EQ(back->nonfinite_rollback, plan.nonfinite_rollback);
}

TEST(ConvertTest, EachConsistencyKindSurvives) {
  JobPlan plan = TestPlan();
  for (const auto& [kind, name] :
       {std::pair{ConsistencyKind::kAsp, "KIND_ASP"},
        std::pair{ConsistencyKind::kSsp, "KIND_SSP"},
        std::pair{ConsistencyKind::kRounds, "KIND_ROUNDS"}}) {
    plan.consistency.kind = kind;
    const v1::Plan message = ToProto(plan);
    EXPECT_THAT(message.ShortDebugString(), HasSubstr(name));
    EXPECT_EQ(FromProto(message)->consistency.kind, kind);
  }
}

TEST(ConvertTest, LocalStepsSurvive) {
  JobPlan plan = TestPlan();
  plan.consistency.kind = ConsistencyKind::kAsp;
  plan.consistency.local_steps = 22;
  EXPECT_EQ(FromProto(ToProto(plan))->consistency.local_steps, 22);
}

TEST(ConvertTest, SparseTablesSurvive) {
  JobPlan plan = TestPlan();
  plan.consistency.kind = ConsistencyKind::kSsp;
  plan.sparse_tables = {
      {16},
      {.width = 1, .clock_bound = 3, .cache_rows = 9, .cache_batches = 2}};
  const v1::Plan message = ToProto(plan);
  EXPECT_THAT(message.ShortDebugString(),
              HasSubstr("sparse_tables { width: 16 } "
                        "sparse_tables { width: 1 clock_bound: 3 "
                        "cache_rows: 9 cache_batches: 2 }"));
  EXPECT_EQ(FromProto(message)->sparse_tables, plan.sparse_tables);
}

TEST(ConvertTest, KindsOfRowsSurviveAndUnknownOnesAreRefused) {
  JobPlan plan = TestPlan();
  plan.consistency.kind = ConsistencyKind::kSsp;
  plan.sparse_tables = {{.width = 4},
                        {.width = 1, .kind = RowKind::kAdditive},
                        {.width = 2, .kind = RowKind::kCounts},
                        {.width = 9, .kind = RowKind::kWriteOnce}};
  v1::Plan message = ToProto(plan);
  EXPECT_THAT(
      message.ShortDebugString(),
      HasSubstr("sparse_tables { width: 4 } "
                "sparse_tables { width: 1 kind: ROW_KIND_ADDITIVE } "
                "sparse_tables { width: 2 kind: ROW_KIND_COUNTS } "
                "sparse_tables { width: 9 kind: ROW_KIND_WRITE_ONCE }"));
  EXPECT_EQ(FromProto(message)->sparse_tables, plan.sparse_tables);
  message.mutable_sparse_tables(3)->set_kind(static_cast<v1::RowKind>(4));
  const absl::Status refused = FromProto(message).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("Plan.sparse_tables.kind"));
}

TEST(ConvertTest, EachFilterSurvivesAndAPlanWithoutAnyHasNone) {
  JobPlan plan = TestPlan();
  plan.consistency.kind = ConsistencyKind::kAsp;
  for (const auto& [kind, name] :
       {std::pair{FilterKind::kNone, "push_filter { kind: KIND_NONE "},
        std::pair{FilterKind::kBfloat16, "push_filter { kind: KIND_BF16 "},
        std::pair{FilterKind::kFloat16, "push_filter { kind: KIND_FP16 "},
        std::pair{FilterKind::kInt8, "push_filter { kind: KIND_INT8 "},
        std::pair{FilterKind::kThreshold,
                  "push_filter { kind: KIND_THRESHOLD "},
        std::pair{FilterKind::kTopK, "push_filter { kind: KIND_TOP_K "}}) {
    plan.filters.push.kind = kind;
    const v1::Plan message = ToProto(plan);
    EXPECT_THAT(message.ShortDebugString(), HasSubstr(name));
    EXPECT_EQ(FromProto(message)->filters, plan.filters);
  }
  v1::Plan older = ToProto(plan);
  older.clear_push_filter();
  older.clear_pull_filter();
  EXPECT_EQ(FromProto(older)->filters, FilterPlan());
}

TEST(ConvertTest, WhenWorkersPullAndPushSurvives) {
  JobPlan plan = TestPlan();
  plan.consistency.kind = ConsistencyKind::kAsp;
  plan.algorithm = {.push_batches = 5,
                    .pull_batches = 3,
                    .pulls_to_push = true,
                    .worker_vectors = 2,
                    .keeps_effect = true};
  EXPECT_EQ(FromProto(ToProto(plan))->algorithm, plan.algorithm);
  v1::Plan older = ToProto(plan);
  older.clear_algorithm();
  EXPECT_EQ(FromProto(older)->algorithm, AlgorithmPlan());
  v1::Plan never = ToProto(plan);
  never.mutable_algorithm()->set_push_batches(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(FromProto(never).status()));
}

TEST(ConvertTest, PushHeaderSurvives) {
  PushRequest request;
  request.job = JobId(1);
  request.generation = Generation(2);
  request.stamp = {SessionId(3), ViewNumber(4), 5};
  request.incarnation = 6;
  request.sequence = 7;
  request.layout_hash = 8;
  request.item = {9, 10};
  request.begin = 11;
  request.end = 12;
  request.ledger = {1, 13};
  request.loss_sum = 0.5;
  request.skip = true;
  PushSegment segment;
  segment.partition = PartitionId(14);
  segment.term = Term(15);
  segment.pulled_updates = 16;
  segment.gradient = Payload::Of(std::vector<float>(2));
  segment.oracle = Payload::Of(std::vector<uint64_t>(3));
  request.segments.push_back(segment);
  PushSegment encoded;
  encoded.partition = PartitionId(17);
  encoded.gradient = Payload::Of(std::vector<char>(7));
  encoded.encoding = Encoding::kInt8;
  encoded.rows = {{18, Payload::Of(std::vector<uint64_t>(2)),
                   Payload::Of(std::vector<float>(6))}};
  request.segments.push_back(encoded);

  const auto message = HeaderOf<v1::PushRequest>(request);
  const char* text =
      "job: 1 generation: 2 stamp { worker: 3 joined: 4 clock: 5 } "
      "incarnation: 6 sequence: 7 layout_hash: 8 item { epoch: 9 shard: 10 } "
      "begin: 11 end: 12 ledger { count: 1 hash: 13 } loss_sum: 0.5 skip: true "
      "segments { partition: 14 term: 15 pulled_updates: 16 "
      "gradient_bytes: 8 oracle_bytes: 24 } "
      "segments { partition: 17 gradient_bytes: 7 encoding: ENCODING_INT8 "
      "rows { table: 18 keys_bytes: 16 gradient_bytes: 24 } }";
  EXPECT_EQ(message.ShortDebugString(), text);

  auto back = HeaderFromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  back->segments[0].gradient = segment.gradient;
  back->segments[0].oracle = segment.oracle;
  back->segments[1].gradient = encoded.gradient;
  back->segments[1].rows[0].keys = encoded.rows[0].keys;
  back->segments[1].rows[0].gradient = encoded.rows[0].gradient;
  EXPECT_EQ(HeaderOf<v1::PushRequest>(*back).ShortDebugString(), text);
}

TEST(ConvertTest, PushReplySurvivesWithEveryVerdict) {
  PushReply reply;
  reply.job = JobId(1);
  reply.generation = Generation(2);
  reply.server = ServerId(3);
  reply.server_session = SessionId(4);
  reply.worker = SessionId(5);
  reply.incarnation = 6;
  reply.sequence = 7;
  reply.item = {8, 9};
  for (const auto& [verdict, name] :
       std::initializer_list<std::pair<Verdict, const char*>>{
           {Verdict::kApplied, "APPLIED"},
           {Verdict::kDuplicate, "DUPLICATE"},
           {Verdict::kGap, "GAP"},
           {Verdict::kOverlap, "OVERLAP"},
           {Verdict::kStale, "STALE"},
           {Verdict::kNotOpen, "NOT_OPEN"},
           {Verdict::kClosed, "CLOSED"},
           {Verdict::kWrongPlacement, "WRONG_PLACEMENT"},
           {Verdict::kWrongGeneration, "WRONG_GENERATION"},
           {Verdict::kSuperseded, "SUPERSEDED"},
           {Verdict::kBusy, "BUSY"},
           {Verdict::kInvalid, "INVALID"}}) {
    reply.segments = {{PartitionId(10), verdict, 11, Term(12)}};
    ExpectSame(reply,
               absl::StrCat("job: 1 generation: 2 server: 3 server_session: 4 "
                            "worker: 5 incarnation: 6 sequence: 7 "
                            "item { epoch: 8 shard: 9 } segments { "
                            "partition: 10 verdict: VERDICT_",
                            name, " mark: 11 term: 12 }"));
    EXPECT_EQ(FromProto(ToProto(reply))->segments[0].verdict, verdict);
  }
}

TEST(ConvertTest, PullRequestSurvives) {
  PullRequest request;
  request.job = JobId(1);
  request.generation = Generation(2);
  request.stamp = {SessionId(3), ViewNumber(4), 5};
  request.request = 6;
  request.target_clock = 7;
  request.round = -1;
  request.snapshot = 8;
  request.segments = {{PartitionId(9), Term(10)},
                      {PartitionId(11), Term(12), 0}};
  request.segments[1].rows = {{3, Payload::Of(std::vector<uint64_t>(2))}};
  request.encoding = Encoding::kFloat16;
  const auto message = HeaderOf<v1::PullRequest>(request);
  const char* text =
      "job: 1 generation: 2 stamp { worker: 3 joined: 4 clock: 5 } "
      "request: 6 target_clock: 7 round: -1 snapshot: 8 "
      "segments { partition: 9 term: 10 } "
      "segments { partition: 11 term: 12 known_updates: 0 "
      "rows { table: 3 keys_bytes: 16 } } "
      "encoding: ENCODING_FLOAT16";
  EXPECT_EQ(message.ShortDebugString(), text);
  auto back = HeaderFromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  back->segments[1].rows[0].keys = request.segments[1].rows[0].keys;
  EXPECT_EQ(HeaderOf<v1::PullRequest>(*back).ShortDebugString(), text);
}

TEST(ConvertTest, PullHeaderSurvivesWithEveryResult) {
  PullReply reply;
  reply.job = JobId(1);
  reply.generation = Generation(2);
  reply.server = ServerId(3);
  reply.server_session = SessionId(4);
  reply.worker = SessionId(5);
  reply.request = 6;
  reply.view_clock = 10;
  PullSegment segment;
  segment.partition = PartitionId(7);
  segment.term = Term(8);
  segment.updates = 9;
  segment.values = Payload::Of(std::vector<float>(10));
  segment.rows = {Payload::Of(std::vector<float>(2)), Payload()};
  for (const auto& [result, name] :
       std::initializer_list<std::pair<PullResult, const char*>>{
           {PullResult::kValues, "VALUES"},
           {PullResult::kWait, "WAIT"},
           {PullResult::kClosed, "CLOSED"},
           {PullResult::kNotInView, "NOT_IN_VIEW"},
           {PullResult::kWrongPlacement, "WRONG_PLACEMENT"},
           {PullResult::kWrongGeneration, "WRONG_GENERATION"},
           {PullResult::kNoSnapshot, "NO_SNAPSHOT"},
           {PullResult::kInvalid, "INVALID"},
           {PullResult::kUnchanged, "UNCHANGED"}}) {
    segment.result = result;
    reply.segments = {segment};
    const auto message = HeaderOf<v1::PullResponse>(reply);
    EXPECT_EQ(message.ShortDebugString(),
              absl::StrCat("job: 1 generation: 2 server: 3 server_session: 4 "
                           "worker: 5 request: 6 segments { partition: 7 "
                           "result: PULL_RESULT_",
                           name,
                           " term: 8 updates: 9 values_bytes: 40 rows_bytes: 8 "
                           "rows_bytes: 0 } "
                           "view_clock: 10"));
    auto back = HeaderFromProto(message);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->segments[0].result, result);
    back->segments[0].values = segment.values;
    back->segments[0].rows = segment.rows;
    EXPECT_EQ(HeaderOf<v1::PullResponse>(*back).ShortDebugString(),
              message.ShortDebugString());
  }
}

TEST(ConvertTest, ClockSurvives) {
  ExpectSame(
      ClockUpdate{JobId(1), Generation(2), {SessionId(3), ViewNumber(4), 5}},
      "job: 1 generation: 2 stamp { worker: 3 joined: 4 clock: 5 }");
}

TEST(ConvertTest, FetchRequestSurvives) {
  ExpectSame(FetchRequest{.job = JobId(1),
                          .generation = Generation(2),
                          .partition = PartitionId(3),
                          .source = SessionId(4),
                          .term = Term(5),
                          .new_term = Term(6),
                          .freeze = true,
                          .blocks = {0, 0xffffffffffffffff},
                          .sums_with_blocks = true},
             "job: 1 generation: 2 partition: 3 source: 4 term: 5 new_term: 6 "
             "freeze: true blocks: 0 blocks: 18446744073709551615 "
             "sums_with_blocks: true");
}

TEST(ConvertTest, FetchHeaderSurvivesWithEveryResult) {
  FetchReply reply;
  reply.server = ServerId(3);
  reply.server_session = SessionId(4);
  reply.manifest = std::string("\0\xff", 2);
  reply.sums = {5, 0xffffffffffffffff};
  reply.values = Payload::Of(std::vector<float>(10));
  for (const auto& [result, name] :
       std::initializer_list<std::pair<FetchResult, const char*>>{
           {FetchResult::kOk, "OK"},
           {FetchResult::kNotHere, "NOT_HERE"},
           {FetchResult::kGone, "GONE"}}) {
    reply.result = result;
    const v1::FetchResponse message = HeaderToProto(reply);
    EXPECT_EQ(message.ShortDebugString(),
              absl::StrCat("result: FETCH_RESULT_", name,
                           " manifest: \"\\000\\377\" server: 3 "
                           "server_session: 4 sums: 5 "
                           "sums: 18446744073709551615"));
    const auto back = HeaderFromProto(v1::FetchResponse(message));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->result, result);
    EXPECT_EQ(back->manifest, reply.manifest);
    EXPECT_EQ(back->sums, reply.sums);
  }
}

// --- Sessions ----------------------------------------------------------------

// Does the same as ExpectSame for a variant of a stream, each in a new stream.
template <typename Variant, typename Struct>
void ExpectSameInStream(const Struct& value, const std::string& text) {
  const Variant variant(value);
  RecordSender sender;
  auto message = ToProto(variant, &sender);
  const std::string sent = message.ShortDebugString();
  EXPECT_EQ(sent, Parse<decltype(message)>(text).ShortDebugString());
  RecordReceiver receiver;
  const auto back = FromProto(std::move(message), &receiver);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->index(), variant.index());
  RecordSender again;
  EXPECT_EQ(ToProto(*back, &again).ShortDebugString(), sent);
}

const RoundVersion kRoundVersion{
    {JobId(77), Generation(5), PartitionId(2), Term(6), 7}, {8, 9}};
constexpr char kRoundVersionText[] =
    "key { job: 77 generation: 5 partition: 2 term: 6 sequence: 7 } "
    "oldest_round: 8 open_round: 9";

JobRegistration TestRegistration() {
  JobRegistration job;
  job.record = TestRecord();
  job.generation = Generation(5);
  job.rollback = kRollback;
  job.partitions = {{PartitionId(2),
                     Term(6),
                     true,
                     "\x01",
                     "\x02",
                     {{{0, 1}, 2, 3}},
                     4,
                     {kRoundVersion},
                     Term(5),
                     {{3, "\xfe"}}}};
  return job;
}
const std::string kRegistrationText = absl::StrCat(
    "record { ", kRecordText, " } generation: 5 rollback { ", kRollbackText,
    " } partitions { partition: 2 term: 6 serving: true marks: \"\\001\" "
    "durable_marks: \"\\002\" skipped { item { shard: 1 } begin: 2 end: 3 } "
    "oldest_round: 4 stored { ",
    kRoundVersionText,
    " } stored_term: 5 operations { round: 3 operation: \"\\376\" } }");

TEST(ConvertTest, ServerMessagesSurvive) {
  using V = ServerToScheduler;
  ExpectSameInStream<V>(
      RegisterServer{ServerId(1),
                     SessionId(2),
                     "ps-1:7001",
                     3,
                     {ServerId(0), ServerId(4)},
                     {TestRegistration()},
                     "\xff",
                     true,
                     {1, "a file", "/s/db.damaged-1", 2, 3, "a version"},
                     "\xfe"},
      absl::StrCat("register_server { server: 1 session: 2 "
                   "address: \"ps-1:7001\" process_id: 3 known_servers: 0 "
                   "known_servers: 4 jobs { ",
                   kRegistrationText,
                   " } shared_folder: \"\\377\" leaving: true "
                   "store: \"\\376\" store_damage { "
                   "rescues: 1 found: \"a file\" "
                   "set_aside: \"/s/db.damaged-1\" versions_kept: 2 "
                   "versions_lost: 3 last_lost: \"a version\" } }"));
  ExpectSameInStream<V>(RegisterPartitions{SessionId(1), TestRegistration()},
                        absl::StrCat("register_partitions { session: 1 job { ",
                                     kRegistrationText, " } }"));
  ExpectSameInStream<V>(
      MarkReport{SessionId(1),
                 JobId(2),
                 Generation(3),
                 {{PartitionId(2),
                   Term(5),
                   {{{6, 7}, 8}},
                   {{{9, 10}, 11}},
                   {kRoundVersion},
                   RoundFigures{12, {0.5, -2}},
                   {{11, "x"}}}}},
      absl::StrCat(
          "mark_report { session: 1 job: 2 generation: 3 partitions { "
          "partition: 2 term: 5 marks { item { epoch: 6 shard: 7 } mark: 8 } "
          "durable { item { epoch: 9 shard: 10 } mark: 11 } stored { ",
          kRoundVersionText,
          " } figures { round: 12 values: 0.5 values: -2 } "
          "operations { round: 11 operation: \"x\" } } }"));
  ExpectSameInStream<V>(ViewRequest{JobId(1)}, "view_request { job: 1 }");
  ExpectSameInStream<V>(
      SnapshotReply{JobId(1), Generation(2), 3, {{PartitionId(4), Term(5)}}, 6},
      "snapshot_reply { job: 1 generation: 2 snapshot: 3 partitions { "
      "partition: 4 term: 5 } examples: 6 }");
  ExpectSameInStream<V>(
      ServerStatistics{SessionId(1),
                       JobId(2),
                       3,
                       {4, 5},
                       0.5,
                       6,
                       "disk full",
                       7,
                       "no room",
                       {{8, 1.5, 9}},
                       ServerProblem::kDisk,
                       10,
                       {11, 12, 13, 14},
                       {.versions_lost = 1, .last_lost = "x"},
                       {15, 14, 13, 12.5, 11.5},
                       absl::Microseconds(16)},
      "statistics { session: 1 job: 2 updates: 3 staleness: 4 staleness: 5 "
      "loss_sum: 0.5 loss_examples: 6 problem: \"disk full\" "
      "refused_pushes: 7 refusal: \"no room\" "
      "losses { epoch: 8 loss_sum: 1.5 examples: 9 } "
      "problem_kind: SERVER_PROBLEM_DISK clock_lead: 10 "
      "traffic { pushed: 11 pushed_as_floats: 12 pulled: 13 "
      "pulled_as_floats: 14 } "
      "store_damage { versions_lost: 1 last_lost: \"x\" } "
      "scaled { updates: 15 scaled: 14 to_nothing: 13 factor_sum: 12.5 "
      "scaled_staleness: 11.5 } bound_wait_us: 16 }");
  // An older server says neither.
  ExpectSameInStream<V>(
      ServerStatistics{.session = SessionId(1), .job = JobId(2)},
      "statistics { session: 1 job: 2 traffic {} }");
  ExpectSameInStream<V>(ServerGoodbye{SessionId(1)}, "goodbye { session: 1 }");
  ExpectSameInStream<V>(ServerAlive{SessionId(1)}, "alive { session: 1 }");
}

TEST(ConvertTest, MessagesToServersSurvive) {
  using V = SchedulerToServer;
  ExpectSameInStream<V>(
      Grant{ServerId(1),
            SessionId(2),
            TestRecord(),
            Generation(3),
            kRollback,
            {{PartitionId(2), Term(5), Term(6)}}},
      absl::StrCat("grant { server: 1 session: 2 record { ", kRecordText,
                   " } generation: 3 rollback { ", kRollbackText,
                   " } partitions { partition: 2 term: 5 parent: 6 } }"));
  ExpectSameInStream<V>(
      ViewUpdate{JobId(1),
                 Generation(2),
                 ViewNumber(3),
                 {{SessionId(4), ViewNumber(5), 6}}},
      "view { job: 1 generation: 2 number: 3 members { worker: 4 joined: 5 "
      "start_clock: 6 } }");
  ExpectSameInStream<V>(RoundStatus{JobId(1), Generation(2), 4, 3},
                        "round { job: 1 generation: 2 closed_everywhere: 4 "
                        "durable_everywhere: 3 }");
  ExpectSameInStream<V>(CheckpointNow{JobId(1)}, "checkpoint { job: 1 }");
  ExpectSameInStream<V>(TakeSnapshot{JobId(1), Generation(2), 3},
                        "take_snapshot { job: 1 generation: 2 snapshot: 3 }");
  ExpectSameInStream<V>(DropSnapshot{JobId(1), 2},
                        "drop_snapshot { job: 1 snapshot: 2 }");
  ExpectSameInStream<V>(JobCompleted{JobId(1), Generation(2)},
                        "completed { job: 1 generation: 2 }");
  ExpectSameInStream<V>(ForgetJob{JobId(1)}, "forget { job: 1 }");
  ExpectSameInStream<V>(ForgetJob{JobId(1), true},
                        "forget { job: 1 keep_versions: true }");
  ExpectSameInStream<V>(ApplyOperation{JobId(1), Generation(2), {3, "\xfe"}},
                        "apply_operation { job: 1 generation: 2 "
                        "operation { round: 3 operation: \"\\376\" } }");
  ExpectSameInStream<V>(RefuseServer{true, "a twin"},
                        "refuse { displaced: true reason: \"a twin\" }");
}

TEST(ConvertTest, MessagesOfAMoveSurvive) {
  ExpectSameInStream<ServerToScheduler>(ServerLeaving{SessionId(1)},
                                        "leaving { session: 1 }");
  ExpectSameInStream<ServerToScheduler>(
      MoveProgress{SessionId(1), JobId(2), Generation(3), PartitionId(4),
                   Term(5), absl::Microseconds(7), absl::Microseconds(6),
                   "no room",
                   PeerTrouble{ServerId(0),
                               SessionId(8),
                               "ps-3:7001",
                               absl::Seconds(5),
                               6,
                               {CallCause::kRefused, "refused"}}},
      "move_progress { session: 1 job: 2 generation: 3 partition: 4 term: 5 "
      "paused_us: 7 stored_us: 6 failed: \"no room\" unreached { session: 8 "
      "address: \"ps-3:7001\" lasts_ms: 5000 attempts: 6 cause: "
      "CAUSE_REFUSED text: \"refused\" } }");
  ExpectSameInStream<ServerToScheduler>(
      MovedIn{SessionId(1), TestRegistration()},
      absl::StrCat("moved_in { session: 1 job { ", kRegistrationText, " } }"));
  ExpectSameInStream<SchedulerToServer>(
      MoveIn{.server = ServerId(1),
             .session = SessionId(2),
             .record = TestRecord(),
             .generation = Generation(3),
             .rollback = kRollback,
             .known_servers = {ServerId(0), ServerId(4)},
             .partition = PartitionId(2),
             .term = Term(6),
             .source = SessionId(7),
             .source_address = "ps-4:7001",
             .source_term = Term(5),
             .source_server = ServerId(0)},
      absl::StrCat("move_in { server: 1 session: 2 record { ", kRecordText,
                   " } generation: 3 rollback { ", kRollbackText,
                   " } known_servers: 0 known_servers: 4 partition: 2 term: 6 "
                   "source: 7 source_address: \"ps-4:7001\" source_term: 5 "
                   "source_server: 0 }"));
  ExpectSameInStream<SchedulerToServer>(
      PartitionMoved{JobId(1), Generation(2), PartitionId(3), Term(4),
                     ServerId(5)},
      "partition_moved { job: 1 generation: 2 partition: 3 term: 4 owner: 5 }");
  ExpectSameInStream<SchedulerToServer>(LeaveNow{SessionId(1)},
                                        "leave { session: 1 }");
}

TEST(ConvertTest, ALongReasonIsCutToWhatIsAccepted) {
  const MoveProgress progress{.session = SessionId(1),
                              .job = JobId(2),
                              .term = Term(3),
                              .failed = std::string(4095, 'x') + "\xc3\xa9"};
  RecordSender sender;
  RecordReceiver receiver;

  const auto back =
      FromProto(ToProto(ServerToScheduler(progress), &sender), &receiver);

  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<MoveProgress>(*back).failed, std::string(4095, 'x') + "?");
}

TEST(ConvertTest, WorkerMessagesSurvive) {
  using V = WorkerToScheduler;
  ExpectSameInStream<V>(
      RegisterWorker{SessionId(1),
                     "w-0",
                     2,
                     {{JobId(3), Generation(4), {5, 6}}},
                     7,
                     JobId(8),
                     true,
                     9},
      "register_worker { session: 1 name: \"w-0\" process_id: 2 held { job: 3 "
      "generation: 4 item { epoch: 5 shard: 6 } } clock: 7 only_job: 8 "
      "no_evaluations: true examples: 9 }");
  ExpectSameInStream<V>(LeaseRequest{SessionId(1), 2},
                        "lease_request { session: 1 items: 2 }");
  ExpectSameInStream<V>(
      Progress{SessionId(1),
               JobId(2),
               Generation(3),
               {4, 5},
               6,
               7,
               8,
               true,
               true,
               9},
      "progress { session: 1 job: 2 generation: 3 item { epoch: 4 shard: 5 } "
      "position: 6 clock: 7 examples: 8 parked: true not_in_view: true "
      "view_clock: 9 }");
  for (const auto& [end, name] :
       std::initializer_list<std::pair<LeaseEnd, const char*>>{
           {LeaseEnd::kDone, "DONE"},
           {LeaseEnd::kReturned, "RETURNED"},
           {LeaseEnd::kRefused, "REFUSED"},
           {LeaseEnd::kFailed, "FAILED"}}) {
    ExpectSameInStream<V>(
        ItemEnd{SessionId(1),
                JobId(2),
                Generation(3),
                {4, 5},
                end,
                6,
                7,
                true,
                "NaN",
                8,
                true},
        absl::StrCat("item_end { session: 1 job: 2 generation: 3 item { "
                     "epoch: 4 shard: 5 } end: REASON_",
                     name,
                     " position: 6 failed_end: 7 non_finite: true "
                     "error: \"NaN\" examples: 8 over_limit: true }"));
  }
  ExpectSameInStream<V>(PlacementRequest{SessionId(1), JobId(2)},
                        "placement_request { session: 1 job: 2 }");
  ExpectSameInStream<V>(
      PlacementRequest{SessionId(1),
                       JobId(2),
                       {{ServerId(3),
                         SessionId(4),
                         "ps-3:7001",
                         absl::Seconds(5),
                         6,
                         {CallCause::kName, "unknown"}}},
                       true},
      "placement_request { session: 1 job: 2 unreached { server: 3 session: 4 "
      "address: \"ps-3:7001\" lasts_ms: 5000 attempts: 6 cause: CAUSE_NAME "
      "text: \"unknown\" } goes_on: true }");
  ExpectSameInStream<V>(
      EvaluationResult{
          SessionId(1),
          JobId(2),
          Generation(3),
          4,
          "bad",
          9,
          0.5,
          6,
          {{{"auc", 0.75}, {"f1", 0.5}}, {1, 2, 3, 4}, {{7, 0.25, 0.5}, {}}}},
      "evaluation_result { session: 1 job: 2 generation: 3 snapshot: 4 "
      "error: \"bad\" examples: 9 loss_sum: 0.5 correct: 6 figures { "
      "named { name: \"auc\" value: 0.75 } named { name: \"f1\" value: 0.5 } "
      "confusion: 1 confusion: 2 confusion: 3 confusion: 4 calibration { "
      "examples: 7 predicted: 0.25 observed: 0.5 } calibration {} } }");
  // An older ebb sends no figures.
  ExpectSameInStream<V>(
      EvaluationResult{SessionId(1), JobId(2), Generation(3), 4, "", 9, 0.5, 6},
      "evaluation_result { session: 1 job: 2 generation: 3 snapshot: 4 "
      "examples: 9 loss_sum: 0.5 correct: 6 }");
  ExpectSameInStream<V>(WorkerGoodbye{SessionId(1)}, "goodbye { session: 1 }");
  ExpectSameInStream<V>(
      DataReached{SessionId(1), JobId(2), 3, true},
      "data_reached { session: 1 job: 2 examples: 3 ended: true }");
}

TEST(ConvertTest, MessagesToWorkersSurvive) {
  using V = SchedulerToWorker;
  ExpectSameInStream<V>(
      Lease{TestRecord(),
            Generation(2),
            {1, 3},
            absl::Milliseconds(1500),
            {4, 5},
            ViewNumber(6),
            7,
            {{{1, 3}, 8, 9}},
            0.5},
      absl::StrCat("lease { record { ", kRecordText,
                   " } generation: 2 item { epoch: 1 shard: 3 } ttl_ms: 1500 "
                   "hints: 4 hints: 5 joined: 6 start_clock: 7 skipped { "
                   "item { epoch: 1 shard: 3 } begin: 8 end: 9 } "
                   "rate_factor: 0.5 }"));
  ExpectSameInStream<V>(
      EvaluationLease{TestRecord(), Generation(2), 3, 4},
      absl::StrCat("evaluation { record { ", kRecordText,
                   " } generation: 2 snapshot: 3 epoch: 4 }"));
  ExpectSameInStream<V>(
      WatchData{TestRecord(), 2},
      absl::StrCat("watch_data { record { ", kRecordText, " } known: 2 }"));
  ExpectSameInStream<V>(
      LeaseLost{JobId(1), Generation(2), {3, 4}},
      "lost { job: 1 generation: 2 item { epoch: 3 shard: 4 } }");
  ExpectSameInStream<V>(
      Placement{JobId(1),
                Generation(2),
                {{PartitionId(3), ServerId(4), SessionId(5), Term(6)}},
                {{ServerId(4), "ps-4:7001"}}},
      "placement { job: 1 generation: 2 partitions { partition: 3 server: 4 "
      "server_session: 5 term: 6 } servers { server: 4 "
      "address: \"ps-4:7001\" } }");
}

TEST(ConvertTest, RecordIsSentOncePerStreamAndShared) {
  RecordSender sender;
  RecordReceiver receiver;
  const SchedulerToWorker lease(EvaluationLease{TestRecord(), Generation(1)});

  v1::SchedulerToWorker first = ToProto(lease, &sender);
  v1::SchedulerToWorker second = ToProto(lease, &sender);

  EXPECT_EQ(second.ShortDebugString(),
            "evaluation { record { id: 77 } generation: 1 }");
  const auto a = FromProto(std::move(first), &receiver);
  const auto b = FromProto(std::move(second), &receiver);
  ASSERT_TRUE(a.ok() && b.ok()) << b.status();
  EXPECT_EQ(std::get<EvaluationLease>(*b).record,
            std::get<EvaluationLease>(*a).record);
}

TEST(ConvertTest, ChangedRecordIsSentAgain) {
  RecordSender sender;
  RecordReceiver receiver;
  JobRecord changed = *TestRecord();
  changed.specification = "changed";
  const SchedulerToWorker before(EvaluationLease{TestRecord(), Generation(1)});
  const SchedulerToWorker after(
      EvaluationLease{std::make_shared<JobRecord>(changed), Generation(2)});

  ASSERT_TRUE(FromProto(ToProto(before, &sender), &receiver).ok());
  ASSERT_TRUE(FromProto(ToProto(after, &sender), &receiver).ok());
  const auto repeated = FromProto(ToProto(after, &sender), &receiver);

  ASSERT_TRUE(repeated.ok()) << repeated.status();
  EXPECT_EQ(std::get<EvaluationLease>(*repeated).record->specification,
            "changed");
}

TEST(ConvertTest, RecordsBeyondTheFirst256JobsAreSentWhole) {
  RecordSender sender;
  RecordReceiver receiver;
  for (int round = 0; round < 2; ++round) {
    for (uint64_t job = 1; job <= 258; ++job) {
      JobRecord record = *TestRecord();
      record.id = JobId(job);
      const auto back = FromProto(
          ToProto(SchedulerToWorker(EvaluationLease{
                      std::make_shared<JobRecord>(record), Generation(1)}),
                  &sender),
          &receiver);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(std::get<EvaluationLease>(*back).record->id, JobId(job));
    }
  }
}

TEST(ConvertTest, TextsBecomeUtf8) {
  EXPECT_EQ(internal::ValidUtf8("ok \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "ok \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(internal::ValidUtf8("a\xff"
                                "b\xc3"),
            "a?b?");
  EXPECT_EQ(internal::ValidUtf8("\xc0\x80"), "??");            // Overlong.
  EXPECT_EQ(internal::ValidUtf8("\xed\xa0\x80"), "???");       // Surrogate.
  EXPECT_EQ(internal::ValidUtf8("\xf4\x90\x80\x80"), "????");  // > U+10FFFF.
  RecordSender sender;
  RecordReceiver receiver;
  v1::WorkerToScheduler message =
      ToProto(WorkerToScheduler(EvaluationResult{
                  SessionId(1), JobId(1), Generation(1), 0, "bad byte \xff"}),
              &sender);
  v1::WorkerToScheduler parsed;
  EXPECT_TRUE(parsed.ParseFromString(message.SerializeAsString()));
}

}  // namespace
}  // namespace ebb::rpc
