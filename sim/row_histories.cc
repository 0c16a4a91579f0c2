#include "sim/row_histories.h"

#include <algorithm>
#include <cstddef>

#include "optimizer/word_rules.h"

namespace ebb::sim {

namespace {

bool Same(const RowHistories::State& a, const RowHistories::State& b) {
  return std::ranges::equal(a, b, [](const auto& one, const auto& other) {
    return one.SameState(other);
  });
}

}  // namespace

RowHistories::RowHistories(const JobPlan* plan, const Arithmetic* arithmetic,
                           const std::vector<server::RowTableOptions>& options,
                           bool from_file)
    : plan_(*plan), arithmetic_(*arithmetic), from_file_(from_file) {
  for (const server::RowTableOptions& of_table : options) {
    first_.emplace_back(of_table, MakeAdditiveRule());
    max_rows_.push_back(of_table.max_rows);
  }
}

RowHistories::State RowHistories::FirstOf(PartitionId p) const {
  State first = first_;
  for (size_t t = 0; from_file_ && t < first.size(); ++t) {
    std::vector<uint64_t> keys;
    std::vector<float> weights;
    for (const auto& [key, more] :
         arithmetic_.FileRows(p, static_cast<int32_t>(t), max_rows_[t])) {
      keys.push_back(key);
      weights.insert(weights.end(), plan_.sparse_tables[t].width,
                     WholeNumberRule::kInitialRow + static_cast<float>(more));
    }
    first[t].Begin(keys, weights);
  }
  return first;
}

std::vector<RowHistories::State> RowHistories::Of(PartitionId p,
                                                  const MarkSet& marks) const {
  if (none()) return {};
  const auto known = known_.find({p, marks.Encode()});
  std::vector<State> states;
  if (known != known_.end()) states = known->second;
  if (marks.examples() == 0) states.push_back(FirstOf(p));
  return states;
}

void RowHistories::Push(PartitionId p, const MarkSet& marks, ItemId item,
                        int64_t begin, int64_t end, bool skip,
                        std::vector<State>* states) const {
  const int64_t now = marks.examples() + end - begin;
  for (size_t t = 0; t < first_.size(); ++t) {
    Arithmetic::Rows rows;
    if (!skip && !arithmetic_.FreezesRows(static_cast<int32_t>(t))) {
      arithmetic_.AddRows(item, begin, end, static_cast<int32_t>(t), &rows);
    }
    std::vector<uint64_t> keys;
    std::vector<float> gradient;
    for (const auto& [key, sums] : rows) {
      if (plan_.PartitionOfKey(key) != p) continue;
      keys.push_back(key);
      for (const int64_t sum : sums) {
        gradient.push_back(static_cast<float>(sum));
      }
    }
    for (State& state : *states) state[t].Push(keys, gradient, now, {});
  }
}

bool RowHistories::Fits(const server::Partition& partition,
                        const State& state) const {
  const std::span<const uint64_t> known = arithmetic_.Keys(partition.id());
  const std::vector<uint64_t> keys(known.begin(), known.end());
  for (size_t t = 0; t < state.size(); ++t) {
    const server::RowTable& table =
        partition.rows()->table(static_cast<int32_t>(t));
    const server::RowStatistics have = table.Statistics();
    const server::RowModel& model = state[t];
    if (have.rows != static_cast<int64_t>(model.LiveRows()) ||
        have.created != model.created() || have.expired != model.expired() ||
        have.evicted != model.evicted() ||
        have.not_admitted != model.not_admitted()) {
      return false;
    }
    std::vector<float> values(keys.size() * plan_.sparse_tables[t].width);
    table.Gather(keys, values);
    if (values != model.Gather(keys)) return false;
  }
  return true;
}

void RowHistories::Match(const server::Partition& partition,
                         std::vector<State>* states) const {
  std::erase_if(*states,
                [&](const State& state) { return !Fits(partition, state); });
}

void RowHistories::Keep(PartitionId p, const MarkSet& marks,
                        const std::vector<State>& states) {
  if (states.empty()) return;
  std::vector<State>& known = known_[{p, marks.Encode()}];
  for (const State& state : states) {
    const bool is_new = std::ranges::none_of(
        known, [&](const State& other) { return Same(state, other); });
    if (is_new) known.push_back(state);
  }
}

std::vector<Arithmetic::Rows> RowHistories::Rows(const State& state) const {
  std::vector<Arithmetic::Rows> all(state.size());
  for (size_t t = 0; t < state.size(); ++t) {
    state[t].ForEachRow([&](uint64_t key, const std::vector<float>& weights) {
      std::vector<int64_t>& row = all[t][key];
      for (const float weight : weights) {
        row.push_back(
            static_cast<int64_t>(weight - WholeNumberRule::kInitialRow));
      }
    });
  }
  return all;
}

}  // namespace ebb::sim
