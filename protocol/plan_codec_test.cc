#include "protocol/plan_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "protocol/field_codec.h"
#include "protocol/sealed.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

// Every field differs from its default and from all the others.
JobRecord Unusual() {
  JobRecord record;
  record.id = JobId(0xfedcba9876543210);
  record.name = "fashion-mlp";
  record.specification = std::string("\0\xff yaml", 7);
  JobPlan& plan = record.plan;
  plan.epochs = 8;
  plan.examples = 60'000;
  plan.shard_size = 1024;
  plan.batch_by_epoch = {32, 64, 129};
  plan.seed = 0xffffffffffffffff;
  plan.layout_hash = 0x8000000000000001;
  plan.parameters = 235'146;
  plan.block_floats = 16'385;
  plan.partitions = 15;
  plan.cut_floats = 17;
  plan.oracle_width = 16;
  plan.consistency = {.kind = ConsistencyKind::kRounds,
                      .clock_bound = 4,
                      .round_items = 5,
                      .rounds_in_memory = 6,
                      .max_staleness_updates = -1};
  plan.min_workers = 7;
  plan.max_workers = 9;
  plan.evaluate_every = 10;
  plan.quarantine_after = 11;
  plan.on_poison = PoisonPolicy::kSkip;
  plan.on_nonfinite = PoisonPolicy::kPause;
  plan.checkpoint_interval_ms = 12'345;
  plan.checkpoint_keep = 13;
  plan.priority = -14;
  plan.filters = {.push = {FilterKind::kInt8, 0.25, 0.5},
                  .pull = {FilterKind::kFloat16}};
  plan.nonfinite_rollback = {0.25, 12, 5};
  return record;
}

// With what jobs in rounds cannot have.
JobRecord UnusualAndSparse() {
  JobRecord record = Unusual();
  record.plan.consistency.kind = ConsistencyKind::kSsp;
  record.plan.sparse_tables = {{1},
                               {.width = kMaxRowWidth, .cache_rows = 7},
                               {.width = 2,
                                .clock_bound = SparseTablePlan::kNoBound,
                                .cache_rows = kMaxCachedRows,
                                .cache_batches = 3},
                               {.width = 3, .kind = RowKind::kAdditive},
                               {.width = 2, .kind = RowKind::kCounts},
                               {.width = 9, .kind = RowKind::kWriteOnce}};
  return record;
}

void ExpectSame(const JobRecord& a, const JobRecord& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.specification, b.specification);
  const JobPlan &p = a.plan, &q = b.plan;
  EXPECT_EQ(p.epochs, q.epochs);
  EXPECT_EQ(p.examples, q.examples);
  EXPECT_EQ(p.shard_size, q.shard_size);
  EXPECT_EQ(p.batch_by_epoch, q.batch_by_epoch);
  EXPECT_EQ(p.seed, q.seed);
  EXPECT_EQ(p.layout_hash, q.layout_hash);
  EXPECT_EQ(p.parameters, q.parameters);
  EXPECT_EQ(p.block_floats, q.block_floats);
  EXPECT_EQ(p.partitions, q.partitions);
  EXPECT_EQ(p.cut_floats, q.cut_floats);
  EXPECT_EQ(p.grows, q.grows);
  EXPECT_EQ(p.last_epoch_examples, q.last_epoch_examples);
  EXPECT_EQ(p.oracle_width, q.oracle_width);
  EXPECT_EQ(p.consistency.kind, q.consistency.kind);
  EXPECT_EQ(p.consistency.clock_bound, q.consistency.clock_bound);
  EXPECT_EQ(p.consistency.round_items, q.consistency.round_items);
  EXPECT_EQ(p.consistency.rounds_in_memory, q.consistency.rounds_in_memory);
  EXPECT_EQ(p.consistency.max_staleness_updates,
            q.consistency.max_staleness_updates);
  EXPECT_EQ(p.min_workers, q.min_workers);
  EXPECT_EQ(p.max_workers, q.max_workers);
  EXPECT_EQ(p.evaluate_every, q.evaluate_every);
  EXPECT_EQ(p.quarantine_after, q.quarantine_after);
  EXPECT_EQ(p.on_poison, q.on_poison);
  EXPECT_EQ(p.on_nonfinite, q.on_nonfinite);
  EXPECT_EQ(p.checkpoint_interval_ms, q.checkpoint_interval_ms);
  EXPECT_EQ(p.checkpoint_keep, q.checkpoint_keep);
  EXPECT_EQ(p.consistency.local_steps, q.consistency.local_steps);
  EXPECT_EQ(p.priority, q.priority);
  EXPECT_EQ(p.filters, q.filters);
  EXPECT_EQ(p.sparse_tables, q.sparse_tables);
  EXPECT_EQ(p.algorithm, q.algorithm);
  EXPECT_EQ(p.nonfinite_rollback, q.nonfinite_rollback);
}

TEST(PlanCodecTest, EveryFieldComesBack) {
  const JobRecord record = Unusual();
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
}

TEST(PlanCodecTest, SparseTablesComeBackAndAreChecked) {
  JobRecord record = UnusualAndSparse();
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
  const auto refused = [&] {
    return DecodeJobRecord(EncodeJobRecord(record)).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  record.plan.consistency.kind = ConsistencyKind::kRounds;
  EXPECT_TRUE(refused());
  record = UnusualAndSparse();
  record.plan.sparse_tables[1].width = kMaxRowWidth + 1;
  EXPECT_TRUE(refused());
  record.plan.sparse_tables[1].width = 0;
  EXPECT_TRUE(refused());
  record.plan.sparse_tables.assign(kMaxSparseTables + 1, {1});
  EXPECT_TRUE(refused());
  // Behind one that is not.
  record = UnusualAndSparse();
  record.plan.sparse_tables.push_back({1});
  EXPECT_TRUE(refused());
}

TEST(PlanCodecTest, RowsAreKeptOnlyWhereTheyMayBeUsedAgain) {
  const auto refused = [](const SparseTablePlan& table) {
    JobPlan plan = UnusualAndSparse().plan;
    plan.sparse_tables = {table};
    return !plan.Validate().ok();
  };
  constexpr int64_t kNone = SparseTablePlan::kNoBound;
  EXPECT_FALSE(refused({.clock_bound = 1, .cache_rows = 1}));
  EXPECT_TRUE(refused({.clock_bound = 0, .cache_rows = 1}));
  EXPECT_TRUE(refused({.clock_bound = kNone, .cache_rows = 1}));
  EXPECT_FALSE(
      refused({.clock_bound = kNone, .cache_rows = 1, .cache_batches = 1}));
  EXPECT_TRUE(refused({.clock_bound = 1, .cache_rows = -1}));
  EXPECT_TRUE(refused({.clock_bound = 1, .cache_rows = kMaxCachedRows + 1}));
  EXPECT_TRUE(
      refused({.clock_bound = 1, .cache_rows = 1, .cache_batches = -1}));
  EXPECT_TRUE(refused({.clock_bound = 1,
                       .kind = RowKind::kAdditive,
                       .cache_rows = 1,
                       .cache_batches = 1}));
}

TEST(PlanCodecTest, OfSparseTablesALocalRulePullsWithEachBatchAndKeepsNothing) {
  JobRecord record = UnusualAndSparse();
  const auto code = [&] {
    return DecodeJobRecord(EncodeJobRecord(record)).status().code();
  };
  for (SparseTablePlan& table : record.plan.sparse_tables) {
    table.clock_bound = SparseTablePlan::kBoundOfJob;
    table.cache_rows = table.cache_batches = 0;
  }
  record.plan.consistency.kind = ConsistencyKind::kAsp;
  const AlgorithmPlan plan = {
      .push_batches = 9, .pull_batches = 1, .worker_vectors = 3};
  record.plan.algorithm = plan;
  EXPECT_EQ(code(), absl::StatusCode::kOk);
  record.plan.algorithm.pull_batches = 9;
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  record.plan.algorithm = plan;
  record.plan.algorithm.pulls_to_push = true;
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  record.plan.algorithm = plan;
  record.plan.algorithm.keeps_effect = true;
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  // A clock is a batch.
  record.plan.algorithm = plan;
  record.plan.sparse_tables[0].clock_bound = 3;
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
}

TEST(PlanTest, RowsAreWordsOfFourBytes) {
  const auto words = [](int32_t width, RowKind kind) {
    return SparseTablePlan{.width = width, .kind = kind}.row_words();
  };
  EXPECT_EQ(words(3, RowKind::kTrained), 3);
  EXPECT_EQ(words(3, RowKind::kAdditive), 3);
  EXPECT_EQ(words(3, RowKind::kCounts), 6);
  EXPECT_EQ(words(8, RowKind::kWriteOnce), 3);
  EXPECT_EQ(words(9, RowKind::kWriteOnce), 4);
}

TEST(PlanCodecTest, LocalStepsComeBackAndAreOfAspAlone) {
  JobRecord record = Unusual();
  record.plan.consistency.local_steps = 15;
  EXPECT_EQ(DecodeJobRecord(EncodeJobRecord(record)).status().code(),
            absl::StatusCode::kInvalidArgument);
  record.plan.consistency.kind = ConsistencyKind::kAsp;
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
}

TEST(PlanCodecTest, TheAlgorithmComesBackAndIsOfAspAlone) {
  JobRecord record = Unusual();
  record.plan.algorithm = {.push_batches = 15,
                           .pull_batches = 17,
                           .pulls_to_push = true,
                           .worker_vectors = 18,
                           .keeps_effect = true};
  EXPECT_EQ(DecodeJobRecord(EncodeJobRecord(record)).status().code(),
            absl::StatusCode::kInvalidArgument);
  record.plan.consistency.kind = ConsistencyKind::kAsp;
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
}

TEST(PlanCodecTest, RunsComeBackAndKeepNothingInTheirWorker) {
  JobRecord record = Unusual();
  record.plan.filters = {};
  record.plan.algorithm = {
      .push_batches = 0, .pull_batches = 0, .worker_vectors = 4, .runs = true};
  const auto why = [&] {
    const auto back = DecodeJobRecord(EncodeJobRecord(record));
    if (back.ok()) ExpectSame(**back, record);
    return std::string(back.status().message());
  };
  EXPECT_EQ(why(), "");
  record.plan.consistency.kind = ConsistencyKind::kAsp;
  record.plan.algorithm.push_batches = record.plan.algorithm.pull_batches = 50;
  EXPECT_EQ(why(), "");
  record.plan.algorithm.pull_batches = 25;
  EXPECT_THAT(why(), HasSubstr("covers 50 batches and a pull 25"));
  record.plan.algorithm.pull_batches = 50;
  record.plan.algorithm.keeps_effect = true;
  EXPECT_THAT(why(), HasSubstr("stays with its worker"));
  record.plan.algorithm.keeps_effect = false;
  record.plan.consistency.local_steps = 1;
  EXPECT_THAT(why(), HasSubstr("stays with its worker"));
  record.plan.consistency.local_steps = 0;
  record.plan.sparse_tables = {{1}};
  EXPECT_THAT(why(), HasSubstr("runs know no sparse tables"));
}

TEST(PlanCodecTest, AnEndlessPlanComesBackAndHasNoRounds) {
  JobRecord record = Unusual();
  JobPlan& plan = record.plan;
  plan.grows = true;
  plan.epochs = JobPlan::kEndlessEpochs;
  plan.last_epoch_examples = plan.examples;
  plan.evaluate_every = 0;
  const auto refused = [&] {
    return DecodeJobRecord(EncodeJobRecord(record)).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused());  // Rounds.
  plan.consistency = {};
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
  EXPECT_TRUE((*back)->plan.endless());
  plan.last_epoch_examples = 1;
  EXPECT_TRUE(refused());  // It has no last epoch.
  plan.epochs = 3;
  EXPECT_FALSE(refused());
  EXPECT_EQ(plan.AllExamples(), 2 * plan.examples + 1);
  EXPECT_EQ(plan.items(), 2 * plan.shards() + 1);
  EXPECT_FALSE(plan.HasItem({2, 1}));
  EXPECT_EQ(plan.ItemSize({2, 0}), 1);
  plan.last_epoch_examples = plan.examples + 1;
  EXPECT_TRUE(refused());
  plan.last_epoch_examples = 1;
  plan.grows = false;
  EXPECT_TRUE(refused());  // Only data that grows has one.
}

TEST(PlanTest, AStepOfRunsIsThatOfTheLongest) {
  JobPlan plan;
  plan.epochs = 2;
  plan.examples = 25;
  plan.shard_size = 10;
  plan.batch_by_epoch = {2, 3};
  plan.algorithm = {
      .push_batches = 3, .pull_batches = 3, .worker_vectors = 4, .runs = true};
  EXPECT_EQ(plan.ExamplesOfAStep({0, 2}), 6);
  EXPECT_EQ(plan.ExamplesOfAStep({1, 0}), 9);
  plan.algorithm.push_batches = plan.algorithm.pull_batches = 4;
  EXPECT_EQ(plan.ExamplesOfAStep({1, 0}), 10);  // An item is no longer.
  plan.algorithm.push_batches = plan.algorithm.pull_batches = 0;
  plan.consistency = {.kind = ConsistencyKind::kRounds, .round_items = 2};
  EXPECT_EQ(plan.ExamplesOfAStep({1, 2}), 20);  // The first round has more.
}

TEST(PlanCodecTest, OperationsCloseRoundsAndNothingElse) {
  JobRecord record = Unusual();
  record.plan.algorithm = {.operated = true};
  record.plan.consistency.kind = ConsistencyKind::kRounds;
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
  record.plan.consistency.kind = ConsistencyKind::kAsp;
  EXPECT_THAT(DecodeJobRecord(EncodeJobRecord(record)).status().message(),
              HasSubstr("only rounds are closed by operations"));
}

TEST(PlanCodecTest, APlanRollsBackToWhatIsKept) {
  JobRecord record = Unusual();
  record.plan.on_nonfinite = PoisonPolicy::kRollBack;
  const auto refused = [&] {
    return DecodeJobRecord(EncodeJobRecord(record)).status().code() ==
           absl::StatusCode::kInvalidArgument;
  };
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(**back, record);
  record.plan.nonfinite_rollback.versions = 13;
  EXPECT_TRUE(refused());
  record.plan.nonfinite_rollback = {.factor = 1};
  EXPECT_TRUE(refused());
  record.plan.nonfinite_rollback = {.factor = 0};
  EXPECT_TRUE(refused());
  record.plan.nonfinite_rollback = {.most = -1};
  EXPECT_TRUE(refused());
  record = Unusual();
  record.plan.on_poison = PoisonPolicy::kRollBack;
  EXPECT_TRUE(refused());
}

TEST(PlanTest, PushesAndPullsLieOnGridsOfTheirOwn) {
  JobPlan plan;
  plan.examples = plan.shard_size = 23;
  plan.batch_by_epoch = {2};
  plan.algorithm.push_batches = 3;
  plan.algorithm.pull_batches = 2;
  const ItemId item{0, 0};
  EXPECT_EQ(plan.PushEnd(item, 0), 6);
  EXPECT_EQ(plan.PushEnd(item, 4), 6);
  EXPECT_EQ(plan.PushEnd(item, 6), 12);
  EXPECT_EQ(plan.PushEnd(item, 18), 23);
  EXPECT_TRUE(plan.PullsAt(item, 0));
  EXPECT_FALSE(plan.PullsAt(item, 2));
  EXPECT_TRUE(plan.PullsAt(item, 4));
  plan.algorithm.pulls_to_push = true;
  EXPECT_TRUE(plan.PullsAt(item, 0));
  EXPECT_FALSE(plan.PullsAt(item, 2));
  EXPECT_TRUE(plan.PullsAt(item, 4));
  EXPECT_FALSE(plan.PullsAt(item, 6));
  EXPECT_TRUE(plan.PullsAt(item, 22));  // The last.
  plan.algorithm = {.push_batches = 0, .pull_batches = 0};
  EXPECT_EQ(plan.PushEnd(item, 4), 23);
  EXPECT_TRUE(plan.PullsAt(item, 0));
  EXPECT_FALSE(plan.PullsAt(item, 4));
}

TEST(PlanCodecTest, StillReadsTheOlderVersions) {
  // Written by hand from docs/formats/job-record.md, the checksum apart:
  // job 5 "j", 1 epoch of 2 examples in shards of 2, batches of 1 (signed
  // numbers are doubled), everything else as small as can be.
  const std::string body = absl::HexStringToBytes(
      "05"    // id
      "016a"  // name
      "02"
      "04"
      "04"  // epochs, examples, shard_size
      "01"
      "02"  // batch_by_epoch
      "07"
      "09"  // seed, layout_hash
      "06"
      "08"
      "02"  // parameters, block_floats, partitions
      "00"  // oracle_width
      "01"
      "0a"
      "00"
      "04"
      "01"  // SSP, bound 5, 0, 2, -1
      "00"
      "00"
      "00"
      "06"  // workers, evaluate_every, quarantine_after
      "00"
      "01"  // pause, skip
      "d00f"
      "06"      // 1000 ms, keep 3
      "0173");  // specification
  const auto record = DecodeJobRecord(Seal("EBBJ", 1, body));
  ASSERT_TRUE(record.ok()) << record.status();
  const JobPlan& plan = (*record)->plan;
  EXPECT_EQ((*record)->id, JobId(5));
  EXPECT_EQ((*record)->name, "j");
  EXPECT_EQ((*record)->specification, "s");
  EXPECT_EQ(plan.batch_by_epoch, std::vector<int64_t>{1});
  EXPECT_EQ(plan.seed, 7u);
  EXPECT_EQ(plan.layout_hash, 9u);
  EXPECT_EQ(plan.block_floats, 4);
  EXPECT_EQ(plan.consistency.kind, ConsistencyKind::kSsp);
  EXPECT_EQ(plan.consistency.clock_bound, 5);
  EXPECT_EQ(plan.consistency.max_staleness_updates, -1);
  EXPECT_EQ(plan.quarantine_after, 3);
  EXPECT_EQ(plan.on_nonfinite, PoisonPolicy::kSkip);
  EXPECT_EQ(plan.checkpoint_interval_ms, 1000);
  EXPECT_EQ(plan.priority, 0);
  // The second version has the priority behind all that (-3), the third the
  // local steps behind it, the fourth the filters behind those, the fifth the
  // sparse tables, the sixth the algorithm, the seventh the rollback, the
  // eighth the bounds of tables, the ninth whether operations close its rounds,
  // the tenth the kinds of tables, the eleventh what workers keep of them, the
  // twelfth at which multiples partitions begin, the thirteenth whether pushes
  // are runs and the fourteenth whether its data grows.
  const auto second = DecodeJobRecord(Seal("EBBJ", 2, body + "\x05"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->plan.priority, -3);
  EXPECT_EQ((*second)->plan.consistency.local_steps, 0);
  const std::string sixth =
      body + "\x05" + std::string(36, 0) + "\x02\x02" + std::string(3, 0);
  const auto without_rollback = DecodeJobRecord(Seal("EBBJ", 6, sixth));
  ASSERT_TRUE(without_rollback.ok()) << without_rollback.status();
  EXPECT_EQ((*without_rollback)->plan.nonfinite_rollback, NonfiniteRollback());
  EXPECT_EQ(EncodeJobRecord(**second),
            Seal("EBBJ", 14,
                 sixth + absl::HexStringToBytes("000000000000e03f"  // 0.5
                                                "04"
                                                "06"
                                                "00"
                                                "00"
                                                "00"
                                                "00"
                                                "00"
                                                "00"
                                                "00"
                                                "00"
                                                "00")));
  const auto third =
      DecodeJobRecord(Seal("EBBJ", 3, body + "\x05" + std::string(1, 0)));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ((*third)->plan.filters, FilterPlan());
  const auto fourth =
      DecodeJobRecord(Seal("EBBJ", 4, body + "\x05" + std::string(35, 0)));
  ASSERT_TRUE(fourth.ok()) << fourth.status();
  EXPECT_EQ((*fourth)->plan.algorithm, AlgorithmPlan());
}

TEST(PlanCodecTest, RefusesEveryTruncationAndEveryFlippedByte) {
  const std::string good = EncodeJobRecord(Unusual());
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(DecodeJobRecord(good.substr(0, n)).status().code(),
              absl::StatusCode::kDataLoss);
    std::string flipped = good;
    flipped[n] ^= 0x10;
    EXPECT_EQ(DecodeJobRecord(flipped).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(PlanCodecTest, RefusesAPlanThatCannotBe) {
  JobRecord record = Unusual();
  record.plan.examples = 0;
  const auto back = DecodeJobRecord(EncodeJobRecord(record));
  EXPECT_EQ(back.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(back.status().message(), HasSubstr("no examples"));
}

// Sums of such numbers would wrap around.
TEST(PlanCodecTest, RefusesNumbersThatNoDataHas) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (const auto& [examples, shard_size] :
       std::vector<std::pair<int64_t, int64_t>>{
           {most, most}, {most, 1}, {1, most}, {int64_t{1} << 32, 1}}) {
    JobRecord record = Unusual();
    record.plan.examples = examples;
    record.plan.shard_size = shard_size;
    EXPECT_EQ(DecodeJobRecord(EncodeJobRecord(record)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(PlanCodecTest, RefusesBytesLeftOver) {
  const std::string stored = EncodeJobRecord(Unusual());
  const auto body = Unseal("EBBJ", 14, "", stored);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(DecodeJobRecord(Seal("EBBJ", 14, std::string(*body) + "x"))
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
}

TEST(SealedTest, NamesWhatANewerVersionNeeds) {
  const auto body = Unseal("EBBJ", 1, "stored job record", Seal("EBBJ", 2, ""));
  EXPECT_EQ(body.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(body.status().message(), HasSubstr("version 2"));
}

TEST(SealedTest, HeadIsMagicVersionLength) {
  EXPECT_EQ(absl::BytesToHexString(SealHead("EBBJ", 3, 0x0102030405)),
            "4542424a"
            "03000000"
            "0504030201000000");
  EXPECT_EQ(Seal("EBBJ", 3, "abc").size(), kSealHeadBytes + 3 + kSealTailBytes);
}

TEST(SealedTest, AnotherKindOfRecordIsNoneOfThese) {
  EXPECT_EQ(Unseal("EBBJ", 1, "x", Seal("EBBM", 1, "")).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(FieldCodecTest, ExtremeNumbersComeBack) {
  std::string bytes;
  const int64_t low = std::numeric_limits<int64_t>::min();
  const int64_t high = std::numeric_limits<int64_t>::max();
  FieldWriter writer(&bytes);
  writer(low, high, int32_t{-1}, -0.5);
  int64_t a = 0, b = 0;
  int32_t c = 0;
  double d = 0;
  FieldReader reader(bytes);
  reader(a, b, c, d);
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(a, low);
  EXPECT_EQ(b, high);
  EXPECT_EQ(c, -1);
  EXPECT_EQ(d, -0.5);
}

TEST(FieldCodecTest, RefusesANumberTooLargeForItsField) {
  std::string bytes;
  FieldWriter writer(&bytes);
  writer(int64_t{1} << 31);
  int32_t narrow = 7;
  FieldReader reader(bytes);
  reader(narrow);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(narrow, 7);
}

TEST(FieldCodecTest, ACountOfMoreThanIsThereAllocatesNothing) {
  std::string bytes;
  PutVarint(uint64_t{1} << 60, &bytes);
  std::vector<std::string> list;
  FieldReader reader(bytes);
  reader(list);
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace ebb
