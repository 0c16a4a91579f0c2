#include "server/rows/testing/row_model.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/numeric/int128.h"
#include "common/example_hash.h"
#include "common/initializer.h"

namespace ebb::server {

namespace {

uint64_t Spread(uint64_t hash, uint64_t size) {
  return absl::Uint128High64(absl::uint128(hash) * size);
}

}  // namespace

RowModel::RowModel(RowTableOptions options,
                   std::shared_ptr<const Optimizer> optimizer)
    : options_(std::move(options)), optimizer_(std::move(optimizer)) {
  const int64_t life = options_.expire_after_examples;
  unit_ = life > 0 ? std::max<int64_t>(1, life / 256) : 64;
  life_units_ = (life + unit_ - 1) / unit_;
  if (options_.admission.kind == RowAdmission::Kind::kCount) {
    state_.counters.resize(static_cast<size_t>(options_.admission.counters));
  }
  draws_ = HashAppend(HashAppend(1, options_.seed), options_.table.size());
  for (const char c : options_.table) {
    draws_ = HashAppend(draws_, static_cast<unsigned char>(c));
  }
}

void RowModel::Begin(const Keys& keys, const std::vector<float>& weights) {
  const size_t width = weights.size() / std::max<size_t>(1, keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    Create(keys[i]);
    frequencies_.insert_or_assign(keys[i], RowFrequency(0));
    Row* const row = Find(keys[i]);
    row->touched = 0;
    row->weights.assign(weights.begin() + i * width,
                        weights.begin() + (i + 1) * width);
    for (size_t s = 0; s < row->slots.size(); ++s) {
      optimizer_->InitializeSlot(static_cast<int>(s), row->weights,
                                 row->slots[s]);
    }
  }
}

bool RowModel::Push(const Keys& keys, const std::vector<float>& gradient,
                    int64_t now, const StepContext& context) {
  const State before = state_;
  const int64_t unit = now / unit_;
  state_.now = now;
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
  std::vector<uint32_t> victims;
  if (options_.max_rows > 0 && !made.empty()) {
    const auto rows = static_cast<int64_t>(LiveRows());
    const auto count = static_cast<int64_t>(made.size());
    const int64_t excess = rows + count - options_.max_rows;
    if (excess > 0 && options_.at_limit == RowTableOptions::AtLimit::kRefuse) {
      state_ = before;
      return false;
    }
    const int64_t most =
        std::min(2 * count, rows - static_cast<int64_t>(pushed.size()));
    for (int64_t i = 0; i < std::min(excess, most); ++i) {
      victims.push_back(Victim(pushed, victims));
    }
  }
  state_.not_admitted += dropped;
  for (const uint64_t key : made) {
    Create(key);
    frequencies_.erase(key);
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    Row* const row = Find(keys[i]);
    if (row == nullptr) continue;
    row->touched = unit;
    Step(row, gradient.data() + i * row->weights.size(), context);
  }
  for (const uint32_t victim : victims) state_.rows[victim].reset();
  state_.evicted += static_cast<int64_t>(victims.size());
  for (const size_t counter : counted) {
    if (state_.counters[counter] < 255) ++state_.counters[counter];
  }
  ++state_.pushes;
  Sweep(4 * static_cast<int64_t>(keys.size()) + 16);
  return true;
}

void RowModel::Step(Row* row, const float* gradient,
                    const StepContext& context) {
  RowStep step = {.weights_in = row->weights.data(),
                  .gradient_sum = reinterpret_cast<const std::byte*>(gradient),
                  .weights_out = row->weights.data()};
  for (size_t s = 0; s < row->slots.size(); ++s) {
    step.slots_in[s] = step.slots_out[s] = row->slots[s].data();
  }
  const int64_t update = state_.pushes + 1;
  const auto [it, made] =
      frequencies_.try_emplace(row->key, RowFrequency(update));
  if (!made) {
    if (options_.rate_factor != nullptr) {
      step.late_factor = static_cast<float>(options_.rate_factor(
          it->second.Staleness(state_.pushes, context.staleness)));
    }
    it->second.Change(update);
  }
  optimizer_->StepRows(context, row->weights.size(), {&step, 1});
}

void RowModel::Loaded() {
  for (auto& [key, frequency] : frequencies_) {
    frequency = RowFrequency(state_.pushes);
  }
}

std::vector<float> RowModel::Gather(const Keys& keys) const {
  std::vector<float> all;
  for (const uint64_t key : keys) {
    std::vector<float> weights = Initial(key);
    if (const Row* row = const_cast<RowModel*>(this)->Find(key)) {
      weights = row->weights;
    }
    all.insert(all.end(), weights.begin(), weights.end());
  }
  return all;
}

void RowModel::ForEachRow(
    absl::FunctionRef<void(uint64_t, const std::vector<float>&)> visit) const {
  for (const auto& row : state_.rows) {
    if (row && !Expired(*row)) visit(row->key, row->weights);
  }
}

size_t RowModel::LiveRows() const {
  size_t rows = 0;
  for (const auto& row : state_.rows) rows += row && !Expired(*row);
  return rows;
}

bool RowModel::Expired(const Row& row) const {
  return options_.expire_after_examples > 0 &&
         state_.now / unit_ - row.touched > life_units_;
}

RowModel::Row* RowModel::Find(uint64_t key) {
  for (auto& row : state_.rows) {
    if (row && row->key == key && !Expired(*row)) return &*row;
  }
  return nullptr;
}

std::vector<float> RowModel::Initial(uint64_t key) const {
  std::vector<float> weights(static_cast<size_t>(options_.width));
  FillInitialRow(options_.init, options_.seed, options_.table, key, weights);
  return weights;
}

bool RowModel::Admits(uint64_t key, std::vector<size_t>* counted) const {
  const uint64_t hash = HashAppend(draws_, key);
  switch (options_.admission.kind) {
    case RowAdmission::Kind::kAlways:
      return true;
    case RowAdmission::Kind::kCount:
      counted->push_back(Spread(hash, state_.counters.size()));
      return state_.counters[counted->back()] + 1 >= options_.admission.count;
    case RowAdmission::Kind::kProbability:
      return UnitOf(HashAppend(hash, static_cast<uint64_t>(state_.pushes))) <
             options_.admission.probability;
  }
  return true;
}

uint32_t RowModel::Victim(const std::set<uint64_t>& pushed,
                          const std::vector<uint32_t>& victims) const {
  const auto& rows = state_.rows;
  const auto may_go = [&](uint64_t n) {
    return rows[n] && !Expired(*rows[n]) && !pushed.contains(rows[n]->key) &&
           !std::ranges::count(victims, n);
  };
  const uint64_t sequence = HashAppend(
      draws_, static_cast<uint64_t>(state_.evicted) + victims.size());
  std::optional<uint64_t> best;
  for (uint64_t i = 0; i < 16; ++i) {
    const uint64_t n = Spread(HashAppend(sequence, i), rows.size());
    if (may_go(n) && (!best || rows[n]->touched < rows[*best]->touched)) {
      best = n;
    }
  }
  for (uint64_t n = Spread(HashAppend(sequence, 0), rows.size()); !best;
       n = (n + 1) % rows.size()) {
    if (may_go(n)) best = n;
  }
  return static_cast<uint32_t>(*best);
}

void RowModel::Create(uint64_t key) {
  ++state_.created;
  std::optional<Row>* place = nullptr;
  for (auto& row : state_.rows) {
    if (row && row->key == key) {  // It had expired.
      place = &row;
      ++state_.expired;
    }
  }
  for (auto& row : state_.rows) {
    if (place == nullptr && !row) place = &row;
  }
  if (place == nullptr) place = &state_.rows.emplace_back();
  Row row;
  row.key = key;
  row.touched = state_.now / unit_;
  row.weights = Initial(key);
  for (int s = 0; s < optimizer_->SlotCount(); ++s) {
    optimizer_->InitializeSlot(s, row.weights,
                               row.slots.emplace_back(row.weights.size()));
  }
  *place = std::move(row);
}

void RowModel::Sweep(int64_t rows) {
  for (; rows > 0; --rows) {
    const bool any = std::ranges::any_of(
        state_.rows, [&](const auto& row) { return row && Expired(*row); });
    if (!any) return;
    if (state_.hand >= state_.rows.size()) state_.hand = 0;
    auto& row = state_.rows[state_.hand++];
    if (!row || !Expired(*row)) continue;
    row.reset();
    ++state_.expired;
  }
}

}  // namespace ebb::server
