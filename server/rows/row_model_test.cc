// Tables against a plain model with the same rules, over random pushes, cuts
// that are stored or fail, restarts, views, updates that are let go, and pools
// that run full.
#include "server/rows/testing/row_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "common/example_hash.h"
#include "common/payload.h"
#include "ebb/v1/job.pb.h"
#include "optimizer/word_rules.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using Keys = std::vector<uint64_t>;
using Model = RowModel;

class RowModelTest : public testing::TestWithParam<int> {
 protected:
  static constexpr uint64_t kKeys = 150;

  uint64_t Draw(uint64_t size) { return random_() % size; }

  RowTableOptions DrawOptions() {
    RowTableOptions options = {
        .table = "t",
        .width = static_cast<int64_t>(1 + Draw(9)),
        .init = Draw(2) == 0 ? InitRule::Zeros() : InitRule::Normal(1),
        .seed = Draw(100)};
    if (Draw(2) == 0) {
      options.expire_after_examples = static_cast<int64_t>(1 + Draw(2000));
    }
    if (Draw(2) == 0) {
      options.max_rows = static_cast<int64_t>(20 + Draw(100));
      if (Draw(3) > 0) options.at_limit = RowTableOptions::AtLimit::kEvict;
    }
    switch (Draw(4)) {
      case 0:
        options.admission = {.kind = RowAdmission::Kind::kCount,
                             .count = static_cast<int64_t>(2 + Draw(3)),
                             .counters = static_cast<int64_t>(1 + Draw(300))};
        break;
      case 1:
        options.admission = {.kind = RowAdmission::Kind::kProbability,
                             .probability = 0.3};
        break;
      default:
        break;
    }
    if (Draw(2) == 0) {
      options.rate_factor = [](int64_t staleness) {
        return std::min(1.0, 8.0 / (1.0 + static_cast<double>(staleness)));
      };
    }
    return options;
  }

  // Ascending. Few of them are pushed often.
  Keys DrawKeys() {
    std::set<uint64_t> keys;
    for (uint64_t n = Draw(4) == 0 ? 0 : Draw(40); n > 0; --n) {
      keys.insert(Mix64(Draw(1 + Draw(kKeys))));
    }
    return {keys.begin(), keys.end()};
  }
  Keys AllKeys() {
    Keys keys;
    for (uint64_t key = 0; key < kKeys; ++key) keys.push_back(Mix64(key));
    return keys;
  }

  void Push() {
    const Keys keys = DrawKeys();
    std::vector<float> gradient(keys.size() * table_->layout().width());
    for (float& g : gradient) g = static_cast<float>(Draw(17)) - 8;
    const StepContext context = {.rate = 0.1f,
                                 .gradient_scale = 0.5f,
                                 .step = static_cast<int64_t>(1 + Draw(100)),
                                 .staleness = static_cast<int64_t>(Draw(30))};
    now_ += static_cast<int64_t>(Draw(20) == 0 ? Draw(3000) : Draw(30));
    auto update = table_->Prepare(keys, now_);
    if (Draw(10) == 0) return;  // Let go.
    const bool memory =
        update.ok() || absl::StrContains(update.status().message(), "pool");
    if (!update.ok() && memory) {
      ++full_;
      return;
    }
    ASSERT_EQ(model_->Push(keys, gradient, now_, context), update.ok())
        << update.status();
    if (!update.ok()) {
      ++refused_;
      return;
    }
    const bool early = Draw(2) == 0;
    if (early) Pin();
    if (Draw(2) == 0) {
      const Payload payload = Payload::Of(std::move(gradient));
      GradientCursor cursor(payload);
      return table_->Apply(*std::move(update), cursor, context);
    }
    table_->Compute(update->get(), gradient, context);
    if (!early && Draw(2) == 0) Pin();
    table_->Commit(*std::move(update));
  }

  // `model_` may be one push ahead of the table: views are compared with what
  // the table had.
  void Pin() {
    if (Draw(8) != 0) return;
    const Keys keys = AllKeys();
    auto view = table_->Pin();
    if (!view.ok()) {
      ++full_;
      return;
    }
    views_.push_back({*std::move(view), GatherRows(*table_, keys)});
    if (views_.size() > 2) views_.erase(views_.begin());
  }

  void Cut() {
    auto cut = table_->TakeCut();
    if (!cut.ok()) {
      ASSERT_EQ(cut.status().code(), absl::StatusCode::kResourceExhausted)
          << cut.status();
      ++full_;
      return;
    }
    const Model at_cut = *model_;
    for (uint64_t n = Draw(4); n > 0; --n) Push();
    switch (Draw(8)) {
      case 0:
        table_->MergeBack(cut->token);
        return;
      case 1:
        table_->ForgetStored();
        return;
      default:
        break;
    }
    const absl::Status status = disk_.Store(&*cut);
    ASSERT_TRUE(status.ok()) << status;
    table_->Written(cut->token);
    stored_ = at_cut;
    ++stored_cuts_;
  }

  void Restart() {
    if (disk_.empty()) return;
    views_.clear();
    const RowTableOptions options = table_->options();
    table_.reset();
    auto table = RowTable::FromCut(options, optimizer_, pool_,
                                   disk_.Load(pool_.get()), Draw(4) > 0);
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    model_ = stored_;
    model_->Loaded();
    now_ = model_->now();
  }

  void Move() {
    auto cut = table_->TakeWholeCut();
    if (!cut.ok()) return;
    RowDisk wire;  // The other server's blocks are its own.
    ASSERT_TRUE(wire.Store(&*cut).ok());
    auto pool = MakeRowPool(pool_->block_bytes(), 4000);
    auto table = RowTable::FromCut(table_->options(), optimizer_, pool,
                                   wire.Load(pool.get()), false);
    ASSERT_TRUE(table.ok()) << table.status();
    if (Draw(2) == 0) {
      // Both go on alike, but for what loading loses. So either may be kept.
      pool_ = std::move(pool);
      table_ = *std::move(table);
      model_->Loaded();
    }
  }

  void Check() {
    const Keys keys = AllKeys();
    ASSERT_EQ(GatherRows(*table_, keys), model_->Gather(keys));
    for (const auto& [view, weights] : views_) {
      ASSERT_EQ(GatherRows(*view, table_->layout().width(), keys), weights);
    }
    const RowStatistics statistics = table_->Statistics();
    ASSERT_EQ(statistics.rows, static_cast<int64_t>(model_->LiveRows()));
    ASSERT_EQ(statistics.created, model_->created());
    ASSERT_EQ(statistics.expired, model_->expired());
    ASSERT_EQ(statistics.evicted, model_->evicted());
    ASSERT_EQ(statistics.not_admitted, model_->not_admitted());
  }

  std::mt19937_64 random_{static_cast<uint64_t>(GetParam())};
  std::shared_ptr<BlockPool> pool_;
  std::shared_ptr<const Optimizer> optimizer_;
  std::unique_ptr<RowTable> table_;
  std::optional<Model> model_;
  RowDisk disk_;
  std::optional<Model> stored_;
  std::vector<std::pair<std::shared_ptr<const RowView>, std::vector<float>>>
      views_;
  int64_t now_ = 0;
  int full_ = 0;
  int refused_ = 0;
  int stored_cuts_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Seed, RowModelTest, testing::Range(0, 60));

TEST_P(RowModelTest, TablesDoAsTheModelSays) {
  SCOPED_TRACE(testing::Message() << "seed " << GetParam());
  // One in four has hardly enough memory.
  const int64_t block_bytes = Draw(2) == 0 ? 256 : 1024;
  pool_ = MakeRowPool(block_bytes, Draw(4) == 0 ? 60 : 4000);
  // 0 stands for the rule of additive rows.
  const auto kind = static_cast<v1::Optimizer::Kind>(Draw(8));
  optimizer_ = kind == v1::Optimizer::KIND_UNSPECIFIED ? MakeAdditiveRule()
                                                       : MakeRowOptimizer(kind);
  const RowTableOptions options = DrawOptions();
  auto table = RowTable::Create(options, optimizer_, pool_);
  ASSERT_TRUE(table.ok()) << table.status();
  table_ = *std::move(table);
  model_.emplace(options, optimizer_);
  for (int step = 0; step < 250; ++step) {
    switch (Draw(40)) {
      case 0:
        Restart();
        break;
      case 1:
        Move();
        break;
      case 2:
      case 3:
      case 4:
      case 5:
        Cut();
        break;
      default:
        Push();
    }
    if (HasFatalFailure()) return;
    Check();
    if (HasFatalFailure()) {
      ADD_FAILURE() << "step " << step;
      return;
    }
  }
  RecordProperty("stored_cuts", stored_cuts_);
}

}  // namespace
}  // namespace ebb::server
