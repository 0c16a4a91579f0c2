#include "protocol/ledger.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "protocol/codec.h"

namespace ebb {
namespace {

// 2 epochs of 2 shards: 4 and 2 examples.
JobPlan SmallPlan() {
  JobPlan plan;
  plan.epochs = 2;
  plan.examples = 6;
  plan.shard_size = 4;
  plan.batch_by_epoch = {2};
  return plan;
}

// docs/formats/marks-and-ledger.md has these bytes.
TEST(LedgerTest, IsEncodedAsDocumented) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  ledger.Add({1, 0}, {.count = 2, .hash = 0x0807060504030201});
  ledger.AddSkipped({{1, 1}, 0, 2}, {});
  EXPECT_EQ(absl::BytesToHexString(ledger.Encode()),
            "00"
            "02"
            "0100020102030405060708"
            "0101000000000000000000"
            "01"
            "01010002");
}

void AddAll(const JobPlan& plan, Ledger* ledger) {
  for (int64_t o = 0; o < plan.items(); ++o) {
    const ItemId item = plan.ItemAt(o);
    for (int64_t b = 0; b < plan.ItemSize(item); b += 2) {
      ledger->Add(item, ExpectedRow(item, b, b + 2));
    }
  }
}

TEST(LedgerTest, AWholeJobIsExactAndFoldsAway) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  AddAll(plan, &ledger);
  EXPECT_TRUE(ledger.open_rows().empty());
  const AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.expected, 12);
  EXPECT_EQ(audit.applied, 12);
}

TEST(LedgerTest, ALostBatchIsMissing) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  ledger.Add({0, 0}, ExpectedRow({0, 0}, 0, 2));
  const AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_EQ(audit.missing, 10);
  EXPECT_EQ(audit.doubled, 0);
}

// Bug: Ctrl-C of a job of thousands of epochs took a minute: the audit computed
// the hash of each example of epochs that had not begun.
TEST(LedgerTest, EpochsThatHaveNotBegunTakeNoTime) {
  constexpr int32_t kMany = 1'000'000;
  JobPlan plan = SmallPlan();
  plan.epochs = kMany;
  plan.examples = kMany;
  plan.shard_size = kMany;
  Ledger ledger(plan);
  ledger.Add({kMany - 1, 0}, ExpectedRow({kMany - 1, 0}, 0, 2));
  const AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_EQ(audit.missing, int64_t{kMany} * kMany - 2);
  EXPECT_EQ(audit.doubled, 0);
}

TEST(LedgerTest, WithoutAnEndItComparesWhatIsThere) {
  JobPlan plan = SmallPlan();
  plan.grows = true;
  plan.epochs = JobPlan::kEndlessEpochs;
  plan.last_epoch_examples = plan.examples;
  Ledger ledger(plan);
  const auto add = [&](ItemId item, int64_t begin, int64_t end) {
    ledger.Add(item, ExpectedRow(item, begin, end));
  };
  for (int32_t shard = 0; shard < 2; ++shard) {
    add({0, shard}, 0, plan.ItemSize({0, shard}));
  }
  add({7, 0}, 0, 2);
  AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.expected, 8);
  EXPECT_EQ(audit.applied, 8);
  // It was skipped, and what follows was not.
  ledger.AddSkipped({{7, 0}, 2, 3}, {});
  add({7, 0}, 3, 4);
  audit = AuditLedger(plan, ledger);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.skipped, 1);
  // No prefix of its item.
  add({7, 1}, 1, 2);
  EXPECT_FALSE(AuditLedger(plan, ledger).exact());
}

TEST(LedgerTest, AnItemThatEndsWhereItIsIsExact) {
  JobPlan plan = SmallPlan();
  plan.grows = true;
  plan.epochs = 2;
  plan.last_epoch_examples = 2;
  Ledger ledger(plan);
  // Applied when the item still had four examples: its row did not fold.
  ledger.Add({1, 0}, ExpectedRow({1, 0}, 0, 1));
  ledger.Add({1, 0}, ExpectedRow({1, 0}, 1, 2));
  ledger.Add({0, 0}, ExpectedRow(plan, {0, 0}));
  ledger.Add({0, 1}, ExpectedRow(plan, {0, 1}));
  const AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.expected, 8);
}

TEST(LedgerTest, ABatchAppliedTwiceIsDoubledBeforeAndAfterTheFold) {
  const JobPlan plan = SmallPlan();
  Ledger early(plan), late(plan);
  early.Add({0, 0}, ExpectedRow({0, 0}, 0, 2));
  AddAll(plan, &early);
  AddAll(plan, &late);
  late.Add({0, 0}, ExpectedRow({0, 0}, 0, 2));
  for (const Ledger& ledger : {early, late}) {
    const AuditResult audit = AuditLedger(plan, ledger);
    EXPECT_EQ(audit.doubled, 2);
    EXPECT_EQ(audit.missing, 0);
  }
}

TEST(LedgerTest, AWholeItemAppliedTwiceIsDoubled) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  AddAll(plan, &ledger);
  ledger.Add({1, 1}, ExpectedRow({1, 1}, 0, 2));
  EXPECT_EQ(AuditLedger(plan, ledger).doubled, 2);
}

TEST(LedgerTest, TheWrongExamplesAtTheRightCountAreOneOfEach) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  AddAll(plan, &ledger);
  Ledger wrong(plan);
  for (int64_t o = 0; o < plan.items(); ++o) {
    const ItemId item = plan.ItemAt(o);
    LedgerRow row = ExpectedRow(plan, item);
    if (o == 1) row.hash += 1;
    wrong.Add(item, row);
  }
  const AuditResult audit = AuditLedger(plan, wrong);
  EXPECT_EQ(audit.missing, 1);
  EXPECT_EQ(audit.doubled, 1);
}

TEST(LedgerTest, SkippedExamplesAreListedApart) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  for (int64_t o = 0; o < plan.items(); ++o) {
    const ItemId item = plan.ItemAt(o);
    if (o != 0) ledger.Add(item, ExpectedRow(plan, item));
  }
  ledger.Add({0, 0}, ExpectedRow({0, 0}, 0, 2));
  ledger.AddSkipped({{0, 0}, 2, 4}, ExpectedRow({0, 0}, 2, 4));
  const AuditResult audit = AuditLedger(plan, ledger);
  EXPECT_TRUE(audit.exact());
  EXPECT_EQ(audit.skipped, 2);
  EXPECT_EQ(audit.applied, 10);
}

TEST(LedgerTest, DecodesWhatItEncodedAndRefusesDamage) {
  const JobPlan plan = SmallPlan();
  Ledger ledger(plan);
  ledger.Add({0, 0}, ExpectedRow({0, 0}, 0, 4));
  ledger.Add({1, 0}, ExpectedRow({1, 0}, 0, 2));
  ledger.AddSkipped({{1, 0}, 2, 4}, ExpectedRow({1, 0}, 2, 4));
  const std::string bytes = ledger.Encode();
  const auto decoded = Ledger::Decode(plan, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, ledger);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(Ledger::Decode(plan, bytes.substr(0, n)).ok()) << n;
  }
}

// No epochs; `rows` of one item, (epoch 0, shard `shard`) with `count`; one
// skipped range of item (0, 0).
std::string Stored(std::vector<std::pair<int, int64_t>> rows, int begin,
                   int end) {
  std::string bytes;
  PutVarint(0, &bytes);
  PutVarint(rows.size(), &bytes);
  for (const auto& [shard, count] : rows) {
    PutVarint(0, &bytes);
    PutVarint(shard, &bytes);
    PutVarint(count, &bytes);
    PutFixed64(7, &bytes);
  }
  for (const int value : {1, 0, 0, begin, end}) PutVarint(value, &bytes);
  return bytes;
}

// Bug: such a ledger was read, and its audit was negative, undefined, or that
// of half of its rows. Found by common_marks_fuzz.
TEST(LedgerTest, RefusesWhatNoLedgerEncodes) {
  const JobPlan plan = SmallPlan();
  const int64_t most = int64_t{1} << 62;

  EXPECT_TRUE(Ledger::Decode(plan, Stored({{0, 3}, {1, 9}}, 2, 4)).ok());
  EXPECT_TRUE(Ledger::Decode(plan, Stored({{0, most}}, 2, 2)).ok());

  EXPECT_FALSE(Ledger::Decode(plan, Stored({{0, 3}, {0, 9}}, 2, 4)).ok());
  EXPECT_FALSE(Ledger::Decode(plan, Stored({{0, 3}}, 3, 2)).ok());
  EXPECT_FALSE(Ledger::Decode(plan, Stored({{0, 3}}, 2, 5)).ok());
  EXPECT_FALSE(Ledger::Decode(plan, Stored({{0, most}, {1, 1}}, 2, 2)).ok());
  EXPECT_FALSE(Ledger::Decode(plan, Stored({{0, most}}, 2, 4)).ok());
}

}  // namespace
}  // namespace ebb
