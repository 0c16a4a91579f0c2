// Tests that no message is trusted: see convert.h.
#include <google/protobuf/text_format.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/convert.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

constexpr int32_t kMaxRoundFigures = 65536;

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
    "block_floats: 16 partitions: 3 oracle_width: 9 "
    "consistency { kind: KIND_ROUNDS clock_bound: 11 round_items: 2 "
    "rounds_in_memory: 13 max_staleness_updates: 14 } "
    "min_workers: 15 max_workers: 16 evaluate_every: 17 quarantine_after: 18 "
    "on_poison: POISON_POLICY_SKIP on_nonfinite: POISON_POLICY_PAUSE "
    "checkpoint_interval_ms: 19 checkpoint_keep: 20";

const std::string kRecordText =
    absl::StrCat("id: 77 name: \"mlp\" plan { ", kPlanText,
                 " } specification: \"\\000\\377spec\"");

template <typename Message>
void ExpectRefused(const std::string& text, const std::string& error) {
  const auto result = FromProto(Parse<Message>(text));
  ASSERT_FALSE(result.ok()) << text;
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), HasSubstr(error)) << text;
}

// The same of messages whose values travel beside them.
template <typename Message>
void ExpectHeaderRefused(const std::string& text, const std::string& error) {
  const auto result = HeaderFromProto(Parse<Message>(text));
  ASSERT_FALSE(result.ok()) << text;
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), HasSubstr(error)) << text;
}

// `text` with `to` where it has `from`.
std::string With(std::string text, const std::string& from,
                 const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << from << " is not in " << text;
    return text;
  }
  return text.replace(at, from.size(), to);
}

// In the valid plan, `from` replaced by `to` must be refused.
void ExpectPlanRefused(const std::string& from, const std::string& to,
                       const std::string& error) {
  ExpectRefused<v1::Plan>(With(kPlanText, from, to), error);
}

TEST(ConvertHostileTest, RefusesPlansThatNoJobCanHave) {
  ExpectRefused<v1::Plan>("", "Plan.consistency is missing");
  ExpectPlanRefused("epochs: 2", "epochs: 0", "epochs");
  ExpectPlanRefused("epochs: 2", "epochs: -3", "epochs");
  ExpectPlanRefused("examples: 100", "examples: 0", "Plan.examples is 0");
  ExpectPlanRefused("examples: 100", "examples: 9223372036854775807",
                    "Plan.examples is 9223372036854775807");
  ExpectPlanRefused("shard_size: 30", "shard_size: 0", "Plan.shard_size");
  ExpectPlanRefused("examples: 100 shard_size: 30",
                    "examples: 281474976710656 shard_size: 1",
                    "Plan.examples / Plan.shard_size");
  ExpectPlanRefused("batch_by_epoch: 4", "batch_by_epoch: 0",
                    "Plan.batch_by_epoch is 0");
  ExpectPlanRefused("batch_by_epoch: 4 batch_by_epoch: 8 ", "", "batch");
  ExpectPlanRefused("parameters: 70", "parameters: -1", "Plan.parameters");
  ExpectPlanRefused("block_floats: 16", "block_floats: 0", "Plan.block_floats");
  ExpectPlanRefused("partitions: 3", "partitions: 65537", "Plan.partitions");
  ExpectPlanRefused("partitions: 3", "partitions: 0", "Plan.partitions");
  ExpectPlanRefused("oracle_width: 9", "oracle_width: -1", "Plan.oracle_width");
  ExpectPlanRefused("KIND_ROUNDS", "KIND_UNSPECIFIED",
                    "Plan.consistency.kind is 0");
  ExpectPlanRefused("KIND_ROUNDS", "17", "Plan.consistency.kind is 17");
  ExpectPlanRefused("POISON_POLICY_SKIP", "POISON_POLICY_UNSPECIFIED",
                    "Plan.on_poison is 0");
  ExpectPlanRefused("round_items: 2", "round_items: 0", "round_items");
  ExpectPlanRefused("clock_bound: 11", "clock_bound: -1", "clock bound");
  ExpectPlanRefused("max_staleness_updates: 14", "max_staleness_updates: -2",
                    "max_staleness_updates is -2");
  ExpectPlanRefused("max_staleness_updates: 14", "local_steps: 1",
                    "local_steps is 1");
  ExpectPlanRefused("min_workers: 15", "min_workers: -1", "Plan.min_workers");
  ExpectPlanRefused("checkpoint_interval_ms: 19", "checkpoint_interval_ms: 0",
                    "Plan.checkpoint_interval_ms");
  ExpectPlanRefused("checkpoint_keep: 20", "checkpoint_keep: 0",
                    "Plan.checkpoint_keep");
}

TEST(ConvertHostileTest, RefusesBrokenRecordsAndItems) {
  ExpectRefused<v1::JobRecord>("id: 1", "JobRecord.plan is missing");
  ExpectRefused<v1::JobRecord>("name: \"x\"", "JobRecord.id is 0");
  ExpectRefused<v1::ItemId>("epoch: -1", "ItemId.epoch is -1");
  ExpectRefused<v1::ItemId>("shard: -1", "ItemId.shard is -1");
  ExpectRefused<v1::LedgerRow>("count: -5", "LedgerRow.count is -5");
  ExpectRefused<v1::SkippedRange>("end: 1", "SkippedRange.item is missing");
  ExpectRefused<v1::SkippedRange>("item {} begin: 3 end: 3", "is empty");
  ExpectRefused<v1::ItemMark>("item {} mark: -1", "ItemMark.mark is -1");
  ExpectRefused<v1::VersionKey>("partition: 1", "VersionKey.job is 0");
  ExpectRefused<v1::VersionKey>("job: 1 partition: 65536",
                                "VersionKey.partition is 65536");
  ExpectRefused<v1::RollbackRecord>(
      "versions { job: 1 partition: 2 } versions { job: 1 partition: 2 }",
      "names partition 2 twice");
  ExpectRefused<v1::RollbackRecord>("rate_factor: -1",
                                    "RollbackRecord.rate_factor is -1");
  ExpectRefused<v1::RollbackRecord>("rate_factor: nan", "rate_factor is nan");
  ExpectRefused<v1::RollbackRecord>("rate_factor: 1e-20",
                                    "must be 1e-09 to 1e+09");
  ExpectRefused<v1::RollbackRecord>("nonfinite: -1", "nonfinite is -1");
}

TEST(ConvertHostileTest, RefusesBrokenPullRequests) {
  using M = v1::PullRequest;
  constexpr char kStamp[] = " stamp { worker: 1 } ";
  ExpectHeaderRefused<M>("", "PullRequest.job is 0");
  ExpectHeaderRefused<M>("job: 1", "PullRequest.stamp is missing");
  ExpectHeaderRefused<M>("job: 1 stamp {}", "WorkerStamp.worker is 0");
  ExpectHeaderRefused<M>("job: 1 stamp { worker: 1 clock: -1 }",
                         "WorkerStamp.clock is -1");
  ExpectHeaderRefused<M>(absl::StrCat("job: 1 round: -2", kStamp),
                         "PullRequest.round is -2");
  ExpectHeaderRefused<M>(absl::StrCat("job: 1 snapshot: -1", kStamp),
                         "PullRequest.snapshot");
  ExpectHeaderRefused<M>(
      absl::StrCat("job: 1 segments { partition: -1 }", kStamp),
      "PullSegmentRequest.partition is -1");
  const auto rows = [&](absl::string_view text) {
    return absl::StrCat("job: 1 segments { ", text, " }", kStamp);
  };
  ExpectHeaderRefused<M>(rows("rows { keys_bytes: 12 }"), "multiple of 8");
  ExpectHeaderRefused<M>(rows("rows { keys_bytes: -8 }"), "keys_bytes is -8");
  ExpectHeaderRefused<M>(rows("rows { table: 64 }"), "PullRows.table is 64");
  ExpectHeaderRefused<M>(rows("rows { table: 3 } rows { table: 3 }"),
                         "PullRows.table is 3");

  M many = Parse<M>("job: 1 stamp { worker: 1 }");
  for (int i = 0; i <= kMaxPartitions; ++i) many.add_segments();
  EXPECT_THAT(HeaderFromProto(many).status().message(),
              HasSubstr("PullRequest.segments has 65537 entries"));
}

TEST(ConvertHostileTest, RefusesBrokenAnswersAndClocks) {
  ExpectRefused<v1::PushResponse>("job: 1", "PushResponse.item is missing");
  ExpectRefused<v1::PushResponse>("job: 1 item {} segments { }",
                                  "verdict is 0");
  ExpectRefused<v1::PushResponse>("job: 1 item {} segments { verdict: 99 }",
                                  "verdict is 99");
  ExpectRefused<v1::PushResponse>(
      "job: 1 item {} segments { verdict: VERDICT_GAP mark: -1 }",
      "mark is -1");
  ExpectRefused<v1::ClockRequest>("job: 1", "ClockRequest.stamp is missing");
}

TEST(ConvertHostileTest, RefusesBrokenPushHeaders) {
  using M = v1::PushRequest;
  const std::string good = "job: 1 stamp { worker: 1 } item {} ledger {} ";
  ASSERT_TRUE(HeaderFromProto(Parse<M>(good)).ok());
  ExpectHeaderRefused<M>("job: 1 stamp { worker: 1 } ledger {}",
                         "PushRequest.item");
  ExpectHeaderRefused<M>("job: 1 stamp { worker: 1 } item {}",
                         "PushRequest.ledger");
  const auto refused = [&](const std::string& text, const std::string& error) {
    ExpectHeaderRefused<M>(good + text, error);
  };
  refused("begin: -1", "PushRequest.begin");
  refused("begin: 5 end: 4", "PushRequest.end is 4");
  refused("incarnation: -1", "PushRequest.incarnation");
  refused("sequence: -1", "PushRequest.sequence");
  refused("segments { gradient_bytes: 6 }", "multiple of 4");
  refused("segments { gradient_bytes: -4 }", "gradient_bytes is -4");
  refused("segments { oracle_bytes: 12 }", "multiple of 8");
  refused("segments { pulled_updates: -1 }", "pulled_updates");
  refused("segments { rows { keys_bytes: 4 } }", "multiple of 8");
  refused("segments { rows { gradient_bytes: 2 } }", "multiple of 4");
  refused("segments { rows { table: -1 } }", "PushRows.table is -1");
  refused("segments { rows { table: 2 } rows { table: 1 } }",
          "PushRows.table is 1");
}

TEST(ConvertHostileTest, RefusesBrokenPullHeaders) {
  using M = v1::PullResponse;
  ExpectHeaderRefused<M>("job: 1 segments {}", "PullSegment.result is 0");
  ExpectHeaderRefused<M>(
      "job: 1 segments { result: PULL_RESULT_VALUES values_bytes: 3 }",
      "multiple of 4");
  ExpectHeaderRefused<M>(
      "job: 1 segments { result: PULL_RESULT_VALUES rows_bytes: -4 }",
      "rows_bytes is -4");
  ExpectHeaderRefused<M>("job: 1 server: -1", "PullResponse.server");
}

TEST(ConvertHostileTest, RefusesBrokenFetches) {
  using M = v1::FetchRequest;
  const std::string good = "job: 1 partition: 2 source: 3 term: 4 new_term: 5 ";
  ASSERT_TRUE(FromProto(Parse<M>(good)).ok());
  ExpectRefused<M>("", "FetchRequest.job is 0");
  ExpectRefused<M>(With(good, "partition: 2", "partition: -1"),
                   "FetchRequest.partition is -1");
  ExpectRefused<M>(With(good, "partition: 2", "partition: 65536"),
                   "FetchRequest.partition is 65536");
  ExpectRefused<M>(With(good, "source: 3", ""), "FetchRequest.source is 0");
  ExpectRefused<M>(With(good, " term: 4", ""), "FetchRequest.term is 0");
  ExpectRefused<M>(With(good, "new_term: 5", ""), "FetchRequest.new_term is 0");
  M many = Parse<M>(good);
  for (int i = 0; i < kMaxFetchedBlocks; ++i) many.add_blocks(i);
  EXPECT_TRUE(FromProto(many).ok());
  many.add_blocks(7);
  EXPECT_THAT(FromProto(many).status().message(),
              HasSubstr("FetchRequest.blocks has 1048577 entries"));
  v1::FetchResponse sums;
  sums.set_result(v1::FETCH_RESULT_OK);
  for (int i = 0; i < kMaxFetchedBlocks; ++i) sums.add_sums(i);
  EXPECT_TRUE(HeaderFromProto(v1::FetchResponse(sums)).ok());
  sums.add_sums(7);
  EXPECT_THAT(HeaderFromProto(std::move(sums)).status().message(),
              HasSubstr("FetchResponse.sums has 1048577 entries"));

  EXPECT_THAT(HeaderFromProto(v1::FetchResponse()).status().message(),
              HasSubstr("FetchResponse.result is 0"));
  EXPECT_THAT(
      HeaderFromProto(Parse<v1::FetchResponse>("result: 4")).status().message(),
      HasSubstr("FetchResponse.result is 4"));
}

template <typename Message>
void ExpectRefusedInStream(const std::string& text, const std::string& error) {
  RecordReceiver receiver;
  const auto result = FromProto(Parse<Message>(text), &receiver);
  ASSERT_FALSE(result.ok()) << text;
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.status().message(), HasSubstr(error)) << text;
}

std::string Repeated(const std::string& text, int32_t times) {
  std::string all;
  for (int32_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(ConvertHostileTest, RefusesBrokenServerMessages) {
  using M = v1::ServerToScheduler;
  ExpectRefusedInStream<M>("", "is empty");
  ExpectRefusedInStream<M>("register_server { server: -1 }",
                           "RegisterServer.server is -1");
  ExpectRefusedInStream<M>(
      "register_server { server: 65536 }",
      "RegisterServer.server is 65536, must be 0 to 65535");
  ExpectRefusedInStream<M>("register_server { server: 1 }",
                           "RegisterServer.session is 0");
  ExpectRefusedInStream<M>("register_server { session: 1 }",
                           "RegisterServer.address is missing");
  ExpectRefusedInStream<M>(
      "register_server { session: 1 address: \"a\" jobs {} }",
      "JobRegistration.record is missing");
  ExpectRefusedInStream<M>(
      "register_partitions { session: 1 job { record { id: 5 } rollback {} } }",
      "none was sent before in this stream");
  ExpectRefusedInStream<M>(
      absl::StrCat("register_partitions { session: 1 job { record { ",
                   kRecordText,
                   " } rollback {} partitions { partition: 3 } } "
                   "}"),
      "PartitionRegistration.partition is 3, must be 0 to 2");
  ExpectRefusedInStream<M>("register_partitions { session: 1 }",
                           "RegisterPartitions.job is missing");
  ExpectRefusedInStream<M>(
      "mark_report { session: 1 job: 1 partitions { marks {} } }",
      "ItemMark.item is missing");
  ExpectRefusedInStream<M>("mark_report { job: 1 }", "MarkReport.session");
  ExpectRefusedInStream<M>(
      "mark_report { session: 1 job: 1 partitions { figures { round: -1 } } }",
      "RoundFigures.round is -1");
  ExpectRefusedInStream<M>(
      absl::StrCat("mark_report { session: 1 job: 1 partitions { figures { ",
                   Repeated("values: 0 ", kMaxRoundFigures + 1), "} } }"),
      "RoundFigures.values");
  ExpectRefusedInStream<M>(
      "mark_report { session: 1 job: 1 partitions { operations { round: -1 } } "
      "}",
      "RoundOperation.round is -1");
  ExpectRefusedInStream<M>(
      absl::StrCat("register_partitions { session: 1 job { record { ",
                   kRecordText,
                   " } rollback {} partitions { partition: 1 "
                   "operations { round: -1 } } } }"),
      "RoundOperation.round is -1");
  ExpectRefusedInStream<M>("view_request {}", "ViewRequest.job is 0");
  ExpectRefusedInStream<M>("snapshot_reply { job: 1 examples: -1 }",
                           "SnapshotReply.examples");
  ExpectRefusedInStream<M>("statistics { session: 1 job: 1 staleness: -1 }",
                           "ServerStatistics.staleness is -1");
  ExpectRefusedInStream<M>("statistics { session: 1 job: 1 clock_lead: -1 }",
                           "ServerStatistics.clock_lead is -1");
  ExpectRefusedInStream<M>("statistics { session: 1 job: 1 bound_wait_us: -1 }",
                           "ServerStatistics.bound_wait_us is -1");
  for (const auto& [scaled, why] :
       std::vector<std::pair<const char*, const char*>>{
           {"updates: -1", "updates is -1"},
           {"updates: 3 scaled: 4", "scaled is 4"},
           {"updates: 3 scaled: -1", "scaled is -1"},
           {"updates: 3 scaled: 2 to_nothing: 3", "to_nothing is 3"},
           {"updates: 3 factor_sum: -0.5", "factor_sum is -0.5"},
           {"updates: 3 factor_sum: inf", "factor_sum is inf"},
           {"updates: 3 factor_sum: 5", "factor_sum is 5"},
           {"updates: 3 scaled_staleness: nan", "scaled_staleness is nan"}}) {
    ExpectRefusedInStream<M>(
        absl::StrCat("statistics { session: 1 job: 1 scaled { ", scaled,
                     " } }"),
        absl::StrCat("ScaledUpdates.", why));
  }
  ExpectRefusedInStream<M>("goodbye {}", "ServerGoodbye.session is 0");
  ExpectRefusedInStream<M>("alive {}", "ServerAlive.session is 0");
}

TEST(ConvertHostileTest, RefusesBrokenMessagesToServers) {
  using M = v1::SchedulerToServer;
  ExpectRefusedInStream<M>("", "is empty");
  ExpectRefusedInStream<M>("grant { session: 1 }", "Grant.record is missing");
  ExpectRefusedInStream<M>(
      absl::StrCat("grant { session: 1 record { ", kRecordText, " } }"),
      "Grant.rollback is missing");
  ExpectRefusedInStream<M>(
      absl::StrCat("grant { session: 1 record { ", kRecordText,
                   " } rollback {} partitions { partition: 1 } }"),
      "PartitionGrant.term is 0");
  ExpectRefusedInStream<M>("view { job: 1 members {} }",
                           "ViewMember.worker is 0");
  ExpectRefusedInStream<M>(
      "round { job: 1 closed_everywhere: 1 durable_everywhere: 2 }",
      "RoundStatus.closed_everywhere is 1");
  ExpectRefusedInStream<M>("checkpoint {}", "CheckpointCommand.job");
  ExpectRefusedInStream<M>("take_snapshot { job: 1 snapshot: -1 }",
                           "TakeSnapshot.snapshot");
  ExpectRefusedInStream<M>("drop_snapshot {}", "DropSnapshot.job");
  ExpectRefusedInStream<M>("completed {}", "JobCompleted.job");
  ExpectRefusedInStream<M>("forget {}", "ForgetJob.job");
  ExpectRefusedInStream<M>("apply_operation {}", "ApplyOperation.job is 0");
  ExpectRefusedInStream<M>("apply_operation { job: 1 operation { round: -1 } }",
                           "ApplyOperation.operation.round is -1");
}

TEST(ConvertHostileTest, RefusesBrokenServerMessagesOfAMove) {
  using M = v1::ServerToScheduler;
  ExpectRefusedInStream<M>(
      absl::StrCat("register_server { session: 1 address: \"a\" "
                   "shared_folder: \"",
                   std::string(4097, 'x'), "\" }"),
      "RegisterServer.shared_folder has 4097 bytes, at most 4096");
  ExpectRefusedInStream<M>("leaving {}", "ServerLeaving.session is 0");
  const auto progress = [](const std::string& from, const std::string& to,
                           const std::string& error) {
    ExpectRefusedInStream<M>(With("move_progress { session: 1 job: 2 "
                                  "partition: 3 term: 4 paused_us: 5 "
                                  "stored_us: 6 failed: \"no\" }",
                                  from, to),
                             error);
  };
  progress("session: 1", "", "MoveProgress.session is 0");
  progress("job: 2", "", "MoveProgress.job is 0");
  progress("partition: 3", "partition: 65536",
           "MoveProgress.partition is 65536");
  progress("term: 4", "", "MoveProgress.term is 0");
  progress("paused_us: 5", "paused_us: -1", "MoveProgress.paused_us is -1");
  progress("stored_us: 6", "stored_us: -1", "MoveProgress.stored_us is -1");
  progress("no", std::string(4097, 'x'),
           "MoveProgress.failed has 4097 bytes, at most 4096");

  ExpectRefusedInStream<M>("moved_in { job {} }", "MovedIn.session is 0");
  ExpectRefusedInStream<M>("moved_in { session: 1 }", "MovedIn.job is missing");
  const auto moved_in = [](const std::string& partitions,
                           const std::string& error) {
    ExpectRefusedInStream<M>(
        absl::StrCat("moved_in { session: 1 job { record { ", kRecordText,
                     " } rollback {} ", partitions, " } }"),
        error);
  };
  moved_in("", "MovedIn.job.partitions has 0 entries, must have one");
  moved_in("partitions {} partitions { partition: 1 }",
           "MovedIn.job.partitions has 2 entries, must have one");
  moved_in("partitions { partition: 3 }",
           "PartitionRegistration.partition is 3, must be 0 to 2");
}

TEST(ConvertHostileTest, RefusesBrokenMessagesOfAMoveToServers) {
  using M = v1::SchedulerToServer;
  const std::string good = absl::StrCat(
      "move_in { server: 0 session: 1 record { ", kRecordText,
      " } rollback {} partition: 2 term: 3 source: 4 source_address: \"a\" "
      "source_term: 5 }");
  RecordReceiver receiver;
  ASSERT_TRUE(FromProto(Parse<M>(good), &receiver).ok());
  const auto move_in = [&](const std::string& from, const std::string& to,
                           const std::string& error) {
    ExpectRefusedInStream<M>(With(good, from, to), error);
  };
  move_in("server: 0", "server: -1", "MoveIn.server is -1");
  move_in("session: 1", "", "MoveIn.session is 0");
  move_in("rollback {}", "", "MoveIn.rollback is missing");
  move_in("partition: 2", "partition: 3",
          "MoveIn.partition is 3, must be 0 to 2");
  move_in("partition: 2", "partition: -1", "MoveIn.partition is -1");
  move_in(" term: 3", "", "MoveIn.term is 0");
  move_in("source: 4", "", "MoveIn.source is 0");
  move_in("\"a\"", "\"\"", "MoveIn.source_address is missing");
  move_in("source_term: 5", "", "MoveIn.source_term is 0");
  move_in("server: 0", "known_servers: -1", "MoveIn.known_servers is -1");
  ExpectRefusedInStream<M>("move_in { session: 1 rollback {} }",
                           "MoveIn.record is missing");

  ExpectRefusedInStream<M>("partition_moved { term: 1 }",
                           "PartitionMoved.job is 0");
  ExpectRefusedInStream<M>("partition_moved { job: 1 partition: -1 term: 1 }",
                           "PartitionMoved.partition is -1");
  ExpectRefusedInStream<M>("partition_moved { job: 1 }",
                           "PartitionMoved.term is 0");
  ExpectRefusedInStream<M>("partition_moved { job: 1 term: 1 owner: -1 }",
                           "PartitionMoved.owner is -1");
  ExpectRefusedInStream<M>("leave {}", "LeaveNow.session is 0");
}

TEST(ConvertHostileTest, RefusesBrokenWorkerMessages) {
  using M = v1::WorkerToScheduler;
  ExpectRefusedInStream<M>("", "is empty");
  ExpectRefusedInStream<M>("register_worker { session: 1 held { job: 1 } }",
                           "HeldItem.item is missing");
  ExpectRefusedInStream<M>("lease_request { session: 1 items: -1 }",
                           "LeaseRequest.items is -1");
  ExpectRefusedInStream<M>("progress { session: 1 job: 1 }",
                           "Progress.item is missing");
  ExpectRefusedInStream<M>(
      "progress { session: 1 job: 1 item {} position: -1 }",
      "Progress.position");
  ExpectRefusedInStream<M>("item_end { session: 1 job: 1 item {} }",
                           "ItemEnd.end is 0");
  ExpectRefusedInStream<M>("placement_request { session: 1 }",
                           "PlacementRequest.job");
  ExpectRefusedInStream<M>(
      "placement_request { session: 1 job: 1 unreached {} }",
      "PeerTrouble.session is 0");
  ExpectRefusedInStream<M>(
      "placement_request { session: 1 job: 1 unreached { session: 1 server: -1 "
      "} }",
      "PeerTrouble.server is -1");
  ExpectRefusedInStream<M>(
      "placement_request { session: 1 job: 1 unreached { session: 1 attempts: "
      "-1 } }",
      "PeerTrouble.attempts");
  ExpectRefusedInStream<M>(
      "evaluation_result { session: 1 job: 1 examples: 5 correct: 6 }",
      "EvaluationResult.correct is 6");
  ExpectRefusedInStream<M>(
      "evaluation_result { session: 1 job: 1 examples: 5 correct: -2 }",
      "EvaluationResult.correct is -2");
  const auto figures = [](const std::string& figures, const char* complaint) {
    ExpectRefusedInStream<M>(
        absl::StrCat("evaluation_result { session: 1 job: 1 figures { ",
                     figures, " } }"),
        complaint);
  };
  figures("named { name: \"a b\" }", "Figures.name must be");
  figures("named {}", "Figures.name must be");
  figures("confusion: 1 confusion: 2", "Figures.confusion has 2 entries");
  figures("confusion: -1", "Figures.confusion is -1");
  figures("calibration { examples: -1 }", "Figures.Bin.examples is -1");
  figures("calibration { predicted: 1.5 }",
          "Figures.Bin has the shares 1.5 and 0; each must be from 0 to 1");
  figures("calibration { observed: nan }", "the shares 0 and nan");
  figures(Repeated("calibration {} ", kMostCalibrationBins + 1),
          "Figures.calibration has 101 entries, at most 100");
  std::string many;
  for (int i = 0; i < 33; ++i) absl::StrAppend(&many, "named { name: \"a\" } ");
  figures(many, "Figures.named has 33 entries, at most 32");
  ExpectRefusedInStream<M>("goodbye {}", "WorkerGoodbye.session is 0");
}

TEST(ConvertHostileTest, RefusesBrokenMessagesToWorkers) {
  using M = v1::SchedulerToWorker;
  const std::string record = absl::StrCat("record { ", kRecordText, " } ");
  ExpectRefusedInStream<M>("", "is empty");
  ExpectRefusedInStream<M>("lease {}", "Lease.record is missing");
  ExpectRefusedInStream<M>(absl::StrCat("lease { ", record, "}"),
                           "Lease.item is missing");
  ExpectRefusedInStream<M>(
      absl::StrCat("lease { ", record, "item { epoch: 2 } }"),
      "which job 77 does not have");
  ExpectRefusedInStream<M>(
      absl::StrCat("lease { ", record, "item {} ttl_ms: -1 }"),
      "Lease.ttl_ms is -1");
  ExpectRefusedInStream<M>(
      absl::StrCat("lease { ", record,
                   "item {} hints: 1 hints: 1 hints: 1 hints: 1 }"),
      "Lease.hints has 4 entries, at most 3");
  ExpectRefusedInStream<M>(absl::StrCat("evaluation { ", record, "epoch: -1 }"),
                           "EvaluationLease.epoch");
  ExpectRefusedInStream<M>("lost { job: 1 }", "LeaseLost.item is missing");
  ExpectRefusedInStream<M>("placement { job: 1 servers { server: 1 } }",
                           "ServerAddress.address is missing");
  ExpectRefusedInStream<M>("placement { job: 1 partitions { server: -1 } }",
                           "PartitionPlace.server is -1");
}

}  // namespace
}  // namespace ebb::rpc
