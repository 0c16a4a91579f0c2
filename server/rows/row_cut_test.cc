#include "server/rows/row_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

#include "server/rows/internal/row_cut_format.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Keys = std::vector<uint64_t>;

// Rows of two floats and a slot: 28 bytes, 9 in a block of 256.
class RowCutTest : public testing::Test {
 protected:
  static RowTableOptions Options() {
    return {
        .table = "t",
        .width = 2,
        .init = InitRule::Uniform(1),
        .expire_after_examples = 1000,
        .admission = {
            .kind = RowAdmission::Kind::kCount, .count = 2, .counters = 500}};
  }
  void Make(RowTableOptions options = Options()) {
    auto table = RowTable::Create(options, optimizer_, pool_);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
  }
  absl::Status Restore(bool stored = true,
                       RowTableOptions options = Options()) {
    auto table = RowTable::FromCut(options, optimizer_, pool_,
                                   disk_.Load(pool_.get()), stored);
    if (!table.ok()) return table.status();
    table_ = *std::move(table);
    return absl::OkStatus();
  }
  static Keys Range(uint64_t first, uint64_t last) {
    Keys keys(last - first);
    std::iota(keys.begin(), keys.end(), first);
    return keys;
  }
  void Push(const Keys& keys, int64_t now = 0) {
    const absl::Status status = PushRows(table_.get(), keys, 1.0f, now);
    ASSERT_TRUE(status.ok()) << status;
  }
  RowCut Take() {
    auto cut = table_->TakeCut();
    EXPECT_TRUE(cut.ok()) << cut.status();
    return *std::move(cut);
  }
  // Takes a cut and stores it; returns the bytes that were new.
  int64_t Store() {
    RowCut cut = Take();
    const int64_t bytes = cut.NewBytes();
    const absl::Status status = disk_.Store(&cut);
    EXPECT_TRUE(status.ok()) << status;
    table_->Written(cut.token);
    return bytes;
  }
  std::vector<float> All() { return GatherRows(*table_, Range(0, 1000)); }

  std::shared_ptr<BlockPool> pool_ = MakeRowPool(256, 2000);
  std::shared_ptr<const Optimizer> optimizer_ =
      MakeRowOptimizer(v1::Optimizer::KIND_ADAGRAD);
  std::unique_ptr<RowTable> table_;
  RowDisk disk_;
};

TEST_F(RowCutTest, ATableWithoutRows) {
  Make();
  Store();
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(table_->Statistics().rows, 0);
  Push(Range(0, 10));
  Push(Range(0, 10));
  EXPECT_EQ(table_->Statistics().rows, 10);
}

TEST_F(RowCutTest, GoesOnFromWhatWasStored) {
  Make();
  Push(Range(0, 300), 1);
  Push(Range(0, 250), 2);
  const int64_t base = Store();
  const int64_t nothing = Store();
  Push(Range(10, 20), 500);
  Push(Range(240, 260), 900);
  const int64_t delta = Store();
  const std::vector<float> weights = All();
  const RowStatistics before = table_->Statistics();

  // Each row is 28 bytes, and 4 more where it changed; 250 rows and 500
  // counters. A run is behind them.
  EXPECT_GT(base, 250 * 28);
  EXPECT_EQ(nothing, 0);
  EXPECT_GT(delta, 30 * 32 + 10 * 4);
  EXPECT_LT(delta, base / 2);
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(All(), weights);
  EXPECT_EQ(table_->Statistics().rows, 260);
  EXPECT_EQ(table_->Statistics().created, before.created);
  EXPECT_EQ(table_->Statistics().not_admitted, before.not_admitted);
  // What is stored is known: nothing is new.
  EXPECT_EQ(Store(), 0);
  Push(Range(0, 1), 901);
  EXPECT_EQ(Store(), 32);
  // Of an age.
  Push({}, 1500);
  EXPECT_EQ(table_->Statistics().rows, 31);
}

TEST_F(RowCutTest, ACutThatIsLoadedFromElsewhereIsStoredWhole) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  Store();
  ASSERT_TRUE(Restore(/*stored=*/false).ok());
  EXPECT_GT(Store(), 100 * 28);
}

TEST_F(RowCutTest, WhatCouldNotBeWrittenIsWrittenNextTime) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  table_->MergeBack(Take().token);
  EXPECT_GT(Store(), 100 * 28);
  Push({7});
  const uint64_t failed = Take().token;
  EXPECT_EQ(table_->TakeCut().status().code(),
            absl::StatusCode::kFailedPrecondition);
  Push({7, 8});
  table_->MergeBack(failed);
  table_->MergeBack(failed);  // Of a token that is not known: nothing.
  table_->Written(failed);
  EXPECT_EQ(Store(), 2 * 32);
  const std::vector<float> weights = All();
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(All(), weights);
}

// What was stored before a whole cut that could not be written is still there.
TEST_F(RowCutTest, AFailedWholeCutLeavesTheVersionBefore) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  Store();
  Push(Range(0, 90));
  RowCut whole = Take();
  EXPECT_GT(whole.NewBytes(), 90 * 28);
  Push({95});
  table_->MergeBack(whole.token);
  // Again nearly all.
  RowCut again = Take();
  ASSERT_TRUE(disk_.Store(&again).ok());
  table_->Written(again.token);
  const std::vector<float> weights = All();
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(All(), weights);
}

TEST_F(RowCutTest, ForgottenVersionsAreNotReliedOn) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  Store();
  Push({1});
  const uint64_t token = Take().token;
  table_->ForgetStored();
  table_->Written(token);
  EXPECT_GT(Store(), 100 * 28);
}

TEST_F(RowCutTest, AWholeCutHasEverythingAtHand) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  Store();
  Push({1});
  RowCut pending = Take();
  auto whole = table_->TakeWholeCut();
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->token, 0u);
  EXPECT_EQ(whole->NewBytes(), whole->Bytes());
  const std::vector<float> weights = All();
  Push(Range(0, 100));
  whole->Seal();
  RowTableOptions options = Options();
  auto moved =
      RowTable::FromCut(options, optimizer_, pool_, *std::move(whole), false);
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(GatherRows(**moved, Range(0, 1000)), weights);
  table_->Written(pending.token == 0 ? 1 : 0);  // Nothing.
}

TEST_F(RowCutTest, ACutStaysAsItWas) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  const std::vector<float> weights = All();
  RowCut cut = Take();
  for (int i = 0; i < 5; ++i) Push(Range(0, 120), 500 * i);
  Push({}, 5000);
  for (int i = 0; i < 50; ++i) Push({}, 5000);
  EXPECT_EQ(table_->Statistics().expired, 120);
  ASSERT_TRUE(disk_.Store(&cut).ok());
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(All(), weights);
}

// What changed is packed as the cut is sealed: pushes that change it again, let
// it expire, or make other rows under its numbers, come before that.
TEST_F(RowCutTest, WhatChangedStaysAsItWas) {
  Make();
  Push(Range(0, 200));
  Push(Range(0, 200));
  Store();
  Push(Range(0, 30));
  const std::vector<float> weights = All();
  RowCut cut = Take();
  ASSERT_LT(cut.NewBytes(), 150 * 28) << "all rows are in it";
  Push(Range(20, 90), 500);
  Push({}, 1400);  // What is not of the last push has expired.
  for (int i = 0; i < 50; ++i) Push({}, 1400);
  EXPECT_EQ(table_->Statistics().expired, 130);
  for (int i = 0; i < 2; ++i) Push(Range(300, 400), 1400);
  ASSERT_TRUE(disk_.Store(&cut).ok());
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(All(), weights);
}

// Who seals it has it still.
TEST_F(RowCutTest, ACutOutlivesItsTable) {
  for (const int how : {0, 1, 2}) {
    SCOPED_TRACE(how);
    Make();
    Push(Range(0, 200));
    Push(Range(0, 200));
    Store();
    Push(Range(0, 30));
    const std::vector<float> weights = All();
    RowCut cut = Take();
    ASSERT_LT(cut.NewBytes(), 150 * 28) << "all rows are in it";
    if (how == 0) table_->ForgetStored();
    if (how == 1) table_->MergeBack(cut.token);
    if (how < 2) Push(Range(20, 90));
    table_.reset();
    ASSERT_TRUE(disk_.Store(&cut).ok());
    ASSERT_TRUE(Restore().ok());
    EXPECT_EQ(All(), weights);
  }
}

TEST_F(RowCutTest, NoCutWhileAPushIsApplied) {
  Make();
  auto update = table_->Prepare(Keys{1}, 0);
  ASSERT_TRUE(update.ok()) << update.status();
  EXPECT_EQ(table_->TakeCut().status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(table_->TakeWholeCut().status().code(),
            absl::StatusCode::kFailedPrecondition);
  update->reset();
  EXPECT_TRUE(table_->TakeCut().ok());
}

// Bug: rows that had gone stayed in the base, however many, and a server that
// was promised memory for the rest could not load the version.
TEST_F(RowCutTest, AVersionIsAtMostHalfAgainAsLargeAsItsRows) {
  Make();
  Push(Range(0, 1000), 1);
  Push(Range(0, 1000), 1);
  Push(Range(0, 400), 900);
  Store();
  while (table_->Statistics().expired < 600) Push({}, 1500);
  ASSERT_EQ(table_->Statistics().rows, 400);
  Store();

  int64_t bytes = 0;
  for (const auto& block : disk_.blocks()) {
    bytes += static_cast<int64_t>(block.size());
  }
  auto whole = table_->TakeWholeCut();
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_LE(bytes, whole->NewBytes() * 3 / 2);
  ASSERT_TRUE(Restore().ok());
  EXPECT_EQ(table_->Statistics().rows, 400);
}

TEST_F(RowCutTest, AnotherLifeAndOtherCountersAreFine) {
  Make();
  Push(Range(0, 100), 0);
  Push(Range(0, 100), 300);
  Push(Range(0, 50), 600);
  Store();
  RowTableOptions options = Options();
  options.expire_after_examples = 2000;
  options.admission.counters = 100;
  ASSERT_EQ(Restore(true, options), absl::OkStatus());
  Push({}, 2300);
  EXPECT_EQ(table_->Statistics().rows, 100);
  Push({}, 2310);
  EXPECT_EQ(table_->Statistics().rows, 50);
  EXPECT_GT(Take().NewBytes(), 50 * 28);
  // For ever.
  options.expire_after_examples = 0;
  ASSERT_EQ(Restore(true, options), absl::OkStatus());
  Push({}, 1000000);
  EXPECT_EQ(table_->Statistics().rows, 100);
}

TEST_F(RowCutTest, RowsOfAnotherTableAreNotItsOwn) {
  Make();
  Push(Range(0, 100));
  Push(Range(0, 100));
  Store();
  const auto error = [&](const std::function<void(RowTableOptions*)>& change) {
    RowTableOptions options = Options();
    change(&options);
    const absl::Status status = Restore(true, options);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return std::string(status.message());
  };
  EXPECT_EQ(error([](auto* options) { options->table = "u"; }),
            "table 'u': its stored rows: they are those of table 't'");
  EXPECT_THAT(error([](auto* options) { options->width = 3; }),
              HasSubstr("2 floats and 1 slot(s) instead of 3 and 1"));
  optimizer_ = MakeRowOptimizer(v1::Optimizer::KIND_SGD);
  EXPECT_THAT(error([](auto*) {}), HasSubstr("instead of 2 and 0"));
}

// --- Damage ------------------------------------------------------------------

class DamagedRowCutTest : public RowCutTest {
 protected:
  // A version of three parts, with rows that are gone.
  void SetUp() override {
    Make();
    Push(Range(0, 100), 0);
    Push(Range(0, 100), 300);
    Store();
    older_ = disk_;
    Push(Range(20, 30), 600);
    Store();
    Push(Range(25, 35), 700);
    Push(Range(40, 45), 800);
    Push(Range(200, 204), 800);
    Store();
    ASSERT_TRUE(Restore().ok());
    ASSERT_GE(disk_.blocks().size(), 14u);
  }
  void ExpectDamaged(const std::string& what) {
    const absl::Status status = Restore();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << what;
    EXPECT_THAT(status.message(), HasSubstr("table 't'")) << what;
  }

  RowDisk older_;
};

TEST_F(DamagedRowCutTest, NoFlippedBitPasses) {
  std::mt19937 random(1);
  const RowDisk good = disk_;
  for (size_t b = 0; b < disk_.blocks().size(); ++b) {
    for (int i = 0; i < 20; ++i) {
      disk_ = good;
      std::vector<std::byte>& bytes = disk_.blocks()[b];
      bytes[random() % bytes.size()] ^= std::byte{1} << (random() % 8);
      ExpectDamaged("block");
    }
  }
  for (size_t byte = 0; byte < disk_.header().size(); ++byte) {
    disk_ = good;
    disk_.header()[byte] ^= static_cast<char>(1 << (random() % 8));
    // A newer version of the form is told as such.
    EXPECT_FALSE(Restore().ok());
  }
  disk_ = good;
  EXPECT_TRUE(Restore().ok());
}

TEST_F(DamagedRowCutTest, NoWrongMixPasses) {
  const RowDisk good = disk_;
  disk_.header() = older_.header();
  ExpectDamaged("an older header");
  disk_ = good;
  disk_.blocks()[3] = older_.blocks()[4];
  ExpectDamaged("another block");
  disk_ = good;
  std::swap(disk_.blocks()[3], disk_.blocks()[4]);
  ExpectDamaged("another order");
  disk_ = good;
  disk_.blocks().pop_back();
  ExpectDamaged("a block less");
  disk_ = good;
  disk_.blocks().push_back(disk_.blocks().back());
  ExpectDamaged("a block more");
  disk_ = good;
  disk_.blocks()[2].resize(disk_.blocks()[2].size() - 4);
  ExpectDamaged("a shorter block");
  disk_ = good;
  disk_.header().clear();
  ExpectDamaged("no header");
}

// Any number: mostly one that a small table could have.
int64_t AnyNumber(std::mt19937_64* random) {
  const auto any = static_cast<int64_t>((*random)());
  switch ((*random)() % 5) {
    case 0:
      return any;
    case 1:
      return any % (int64_t{1} << 32);
    case 2:
      return static_cast<int64_t>((*random)() % 400);
    case 3:
      return static_cast<int64_t>((*random)() % 4) * 256;
    default:
      return 0;
  }
}

// Changes one field of a cut's header, or a block and its checksum.
void ChangeOne(std::mt19937_64* random, internal::RowCutFields* fields,
               RowDisk* disk) {
  internal::RowCutOutline& part =
      fields->parts[(*random)() % fields->parts.size()];
  switch ((*random)() % 16) {
    case 0:
      fields->now = AnyNumber(random);
      break;
    case 1:
      fields->rows = AnyNumber(random);
      break;
    case 2:
      fields->sweep_hand = static_cast<uint64_t>(AnyNumber(random));
      break;
    case 3:
      fields->unit_examples = AnyNumber(random);
      break;
    case 4:
      part.capacity = AnyNumber(random);
      break;
    case 5:
      part.records = AnyNumber(random);
      break;
    case 6:
      part.removed = AnyNumber(random);
      break;
    case 7:
      part.changed_counters = AnyNumber(random);
      break;
    case 8:
      part.checksums.clear();
      break;
    case 9:
      part.dropped = AnyNumber(random);
      break;
    case 10:
      part.first_block = AnyNumber(random);
      break;
    case 11:
      part.end_block = AnyNumber(random);
      break;
    case 12:
      part.kept_block = AnyNumber(random);
      break;
    case 13:
      part.blocks = AnyNumber(random);
      break;
    case 14:
      ((*random)() % 2 == 0 ? part.first_counter : part.end_counter) =
          AnyNumber(random);
      break;
    default: {
      std::vector<std::byte>& bytes =
          disk->blocks()[(*random)() % disk->blocks().size()];
      for (int n = 0; n < 3; ++n) {
        bytes[(*random)() % bytes.size()] = static_cast<std::byte>((*random)());
      }
      size_t next = 0;
      for (auto& each : fields->parts) {
        for (uint64_t& checksum : each.checksums) {
          checksum = internal::RowBlockChecksum(disk->blocks()[next++]);
        }
      }
    }
  }
}

// Headers and blocks that say anything, with the right checksums: errors, or
// another table, but no crash, and no memory that was not paid for; nor as it
// goes on from them.
TEST_F(DamagedRowCutTest, WhatIsWrongUnderRightChecksumsDoesNoHarm) {
  std::mt19937_64 random(2);
  const RowDisk young = disk_;
  // In another round, with parts of which something was dropped.
  for (int version = 0; version < 40; ++version) {
    Push(Range(0, 5 + 3 * (version % 7)), 800);
    Store();
  }
  const RowDisk old = disk_;
  ASSERT_TRUE(Restore().ok());
  int refused = 0;
  constexpr int kTries = 5000;
  for (int i = 0; i < kTries; ++i) {
    disk_ = i % 2 == 0 ? young : old;
    auto fields =
        internal::DecodeRowCutHeader("t", table_->layout(), disk_.header());
    ASSERT_TRUE(fields.ok()) << fields.status();
    for (uint64_t more = 1 + random() % 3; more > 0; --more) {
      ChangeOne(&random, &*fields, &disk_);
    }
    disk_.header() = internal::EncodeRowCutHeader(*fields);
    const absl::Status status = Restore();
    if (status.ok()) {
      EXPECT_LE(table_->Statistics().rows, 400);
      for (int version = 0; version < 3; ++version) {
        const int64_t now = table_->now();
        if (!PushRows(table_.get(), Range(0, 8), 1.0f, now).ok()) break;
        Store();
      }
      All();
    } else {
      ++refused;
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    }
  }
  EXPECT_GT(refused, kTries / 4);
}

}  // namespace
}  // namespace ebb::server
