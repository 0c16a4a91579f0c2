// Tables against a plain model with the same rules, over random pushes, cuts
// that are stored or fail, restarts, views, updates that are let go, and pools
// that run full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "common/example_hash.h"
#include "server/rows/testing/row_disk.h"

namespace ebb::server {
namespace {

using Keys = std::vector<uint64_t>;

// As row_options.h and row_table.h say it, one key at a time. Rows have
// numbers, the lowest free first, because evictions draw numbers.
class Model {
 public:
  Model(RowTableOptions options, std::shared_ptr<const Optimizer> optimizer)
      : options_(std::move(options)), optimizer_(std::move(optimizer)) {
    const int64_t life = options_.expire_after_examples;
    unit_ = life > 0 ? std::max<int64_t>(1, life / 256) : 64;
    life_units_ = (life + unit_ - 1) / unit_;
    if (options_.admission.kind == RowAdmission::Kind::kCount) {
      counters_.resize(static_cast<size_t>(options_.admission.counters));
    }
    draws_ = HashAppend(HashAppend(1, options_.seed), options_.table.size());
    for (const char c : options_.table) {
      draws_ = HashAppend(draws_, static_cast<unsigned char>(c));
    }
  }

  // False: refused for the limit of rows.
  bool Push(const Keys& keys, const std::vector<float>& gradient, int64_t now,
            const StepContext& context) {
    const Model before = *this;
    const int64_t unit = now / unit_;
    now_ = now;
    std::set<uint64_t> pushed;
    std::vector<uint64_t> made;
    std::vector<size_t> counted;
    int64_t dropped = 0;
    for (const uint64_t key : keys) {
      if (Find(key) != nullptr) {
        pushed.insert(key);
      } else if (Admits(key, &counted)) {
        made.push_back(key);
      } else {
        ++dropped;
      }
    }
    if (options_.max_rows > 0 && !made.empty()) {
      const auto rows = static_cast<int64_t>(LiveRows());
      const auto count = static_cast<int64_t>(made.size());
      const int64_t excess = rows + count - options_.max_rows;
      if (excess > 0 &&
          options_.at_limit == RowTableOptions::AtLimit::kRefuse) {
        *this = before;
        return false;
      }
      const int64_t most =
          std::min(2 * count, rows - static_cast<int64_t>(pushed.size()));
      for (int64_t i = 0; i < std::min(excess, most); ++i) {
        victims_.push_back(Victim(pushed, i));
      }
    }
    not_admitted_ += dropped;
    for (const uint64_t key : made) Create(key);
    for (size_t i = 0; i < keys.size(); ++i) {
      Row* const row = Find(keys[i]);
      if (row == nullptr) continue;
      row->touched = unit;
      std::vector<std::span<float>> slots(row->slots.begin(), row->slots.end());
      const size_t width = row->weights.size();
      optimizer_->Step(context, row->weights,
                       std::span(gradient).subspan(i * width, width),
                       row->weights, slots);
    }
    for (const uint32_t victim : victims_) rows_[victim].reset();
    evicted_ += static_cast<int64_t>(victims_.size());
    victims_.clear();
    for (const size_t counter : counted) {
      if (counters_[counter] < 255) ++counters_[counter];
    }
    ++pushes_;
    Sweep(4 * static_cast<int64_t>(keys.size()) + 16);
    return true;
  }

  std::vector<float> Gather(const Keys& keys) const {
    std::vector<float> all;
    for (const uint64_t key : keys) {
      std::vector<float> weights = Initial(key);
      if (const Row* row = const_cast<Model*>(this)->Find(key)) {
        weights = row->weights;
      }
      all.insert(all.end(), weights.begin(), weights.end());
    }
    return all;
  }

  size_t LiveRows() const {
    size_t rows = 0;
    for (const auto& row : rows_) rows += row && !Expired(*row);
    return rows;
  }
  int64_t now() const { return now_; }
  int64_t evicted() const { return evicted_; }
  int64_t not_admitted() const { return not_admitted_; }
  int64_t created() const { return created_; }
  int64_t expired() const { return expired_; }

 private:
  struct Row {
    uint64_t key = 0;
    int64_t touched = 0;
    std::vector<float> weights;
    std::vector<std::vector<float>> slots;
  };

  static uint64_t Spread(uint64_t hash, uint64_t size) {
    return absl::Uint128High64(absl::uint128(hash) * size);
  }
  bool Expired(const Row& row) const {
    return options_.expire_after_examples > 0 &&
           now_ / unit_ - row.touched > life_units_;
  }
  Row* Find(uint64_t key) {
    for (auto& row : rows_) {
      if (row && row->key == key && !Expired(*row)) return &*row;
    }
    return nullptr;
  }
  std::vector<float> Initial(uint64_t key) const {
    std::vector<float> weights(static_cast<size_t>(options_.width));
    FillInitialRow(options_.init, options_.seed, options_.table, key, weights);
    return weights;
  }
  bool Admits(uint64_t key, std::vector<size_t>* counted) const {
    const uint64_t hash = HashAppend(draws_, key);
    switch (options_.admission.kind) {
      case RowAdmission::Kind::kAlways:
        return true;
      case RowAdmission::Kind::kCount:
        counted->push_back(Spread(hash, counters_.size()));
        return counters_[counted->back()] + 1 >= options_.admission.count;
      case RowAdmission::Kind::kProbability:
        return static_cast<double>(
                   HashAppend(hash, static_cast<uint64_t>(pushes_)) >> 11) *
                   0x1p-53 <
               options_.admission.probability;
    }
    return true;
  }
  uint32_t Victim(const std::set<uint64_t>& pushed, int64_t v) const {
    const auto may_go = [&](uint64_t n) {
      return rows_[n] && !Expired(*rows_[n]) &&
             !pushed.contains(rows_[n]->key) &&
             !std::ranges::count(victims_, n);
    };
    const uint64_t sequence =
        HashAppend(draws_, static_cast<uint64_t>(evicted_ + v));
    std::optional<uint64_t> best;
    for (uint64_t i = 0; i < 16; ++i) {
      const uint64_t n = Spread(HashAppend(sequence, i), rows_.size());
      if (may_go(n) && (!best || rows_[n]->touched < rows_[*best]->touched)) {
        best = n;
      }
    }
    for (uint64_t n = Spread(HashAppend(sequence, 0), rows_.size()); !best;
         n = (n + 1) % rows_.size()) {
      if (may_go(n)) best = n;
    }
    return static_cast<uint32_t>(*best);
  }
  void Create(uint64_t key) {
    ++created_;
    std::optional<Row>* place = nullptr;
    for (auto& row : rows_) {
      if (row && row->key == key) {  // It had expired.
        place = &row;
        ++expired_;
      }
    }
    for (auto& row : rows_) {
      if (place == nullptr && !row) place = &row;
    }
    if (place == nullptr) place = &rows_.emplace_back();
    Row row = {.key = key, .touched = now_ / unit_, .weights = Initial(key)};
    for (int s = 0; s < optimizer_->SlotCount(); ++s) {
      optimizer_->InitializeSlot(s, row.weights,
                                 row.slots.emplace_back(row.weights.size()));
    }
    *place = std::move(row);
  }
  void Sweep(int64_t rows) {
    for (; rows > 0; --rows) {
      const bool any = std::ranges::any_of(
          rows_, [&](const auto& row) { return row && Expired(*row); });
      if (!any) return;
      if (hand_ >= rows_.size()) hand_ = 0;
      auto& row = rows_[hand_++];
      if (!row || !Expired(*row)) continue;
      row.reset();
      ++expired_;
    }
  }

  RowTableOptions options_;
  std::shared_ptr<const Optimizer> optimizer_;
  int64_t unit_ = 0;
  int64_t life_units_ = 0;
  uint64_t draws_ = 0;
  std::vector<uint8_t> counters_;
  std::vector<std::optional<Row>> rows_;
  std::vector<uint32_t> victims_;
  size_t hand_ = 0;
  int64_t now_ = 0;
  int64_t pushes_ = 0;
  int64_t created_ = 0;
  int64_t expired_ = 0;
  int64_t evicted_ = 0;
  int64_t not_admitted_ = 0;
};

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
                                 .step = static_cast<int64_t>(1 + Draw(100))};
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
    now_ = model_->now();
  }

  void Move() {
    auto cut = table_->TakeWholeCut();
    if (!cut.ok()) return;
    cut->Seal();
    auto pool = MakeRowPool(pool_->block_bytes(), 4000);
    auto table = RowTable::FromCut(table_->options(), optimizer_, pool,
                                   *std::move(cut), false);
    ASSERT_TRUE(table.ok()) << table.status();
    if (Draw(2) == 0) {
      // Both go on alike, so either may be kept.
      pool_ = std::move(pool);
      table_ = *std::move(table);
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
  optimizer_ = MakeRowOptimizer(AllOptimizerKinds()[Draw(8)]);
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
