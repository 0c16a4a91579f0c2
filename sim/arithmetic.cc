#include "sim/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/example_hash.h"
#include "optimizer/average.h"
#include "optimizer/frozen_rule.h"
#include "optimizer/word_rules.h"
#include "protocol/contribution_rows.h"
#include "protocol/ledger.h"

namespace ebb::sim {

namespace {

// So that the last batch of a job still shows.
constexpr double kShare = 1.0 / 64;

}  // namespace

bool Trains(const TrainedRanges* trained, int64_t index) {
  if (trained == nullptr) return true;
  return std::ranges::any_of(trained->parts(), [&](const FloatRange& part) {
    return part.first <= index && index < part.last;
  });
}

Averages::Averages(bool any, TrainedRangesPtr trained)
    : rule_(any ? MakeAverageRule(kShare) : nullptr),
      trained_(std::move(trained)) {}

int64_t Averages::Statistic(int64_t index) {
  return static_cast<int64_t>(WholeNumberRule::InitialWeight(index)) + 8;
}

double Averages::After(int64_t index, int64_t batches) {
  const double rest = std::pow(1 - kShare, static_cast<double>(batches));
  const auto statistic = static_cast<double>(Statistic(index));
  return statistic + rest * (WholeNumberRule::InitialWeight(index) - statistic);
}

float Averages::Step(const server::StepPlace& place, float average,
                     float sum) const {
  StepContext context;
  context.gradient_scale = place.gradient_scale;
  context.examples = place.examples;
  context.batches = place.batches;
  context.staleness = place.staleness;
  float next = 0;
  rule_->Step(context, std::span(&average, 1), std::span<const float>(&sum, 1),
              std::span(&next, 1), {});
  return next;
}

int64_t Arithmetic::Batches(ItemId item, int64_t begin, int64_t end) const {
  int64_t count = 0;
  while (begin < end) {
    begin = plan_.BatchEnd(item, begin);
    ++count;
  }
  return count;
}

void WholeNumberRule::InitialWeights(int64_t first,
                                     std::span<float> out) const {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = InitialWeight(first + static_cast<int64_t>(i));
    if (from_file_) ++out[i];
  }
}

void WholeNumberRule::InitialSlot(int slot, int64_t first,
                                  std::span<const float> weights,
                                  std::span<float> out) const {
  std::copy(weights.begin(), weights.end(), out.begin());
  if (!state_from_file_) return;
  for (float& value : out) ++value;
}

server::RowTableOptions WholeNumberRule::RowOptions(int32_t table) const {
  server::RowTableOptions options =
      rows_.empty() ? AdditiveRows::RowOptions(table) : rows_[table];
  options.of_tasks = tasks_ && options.write_once;
  options.contributes = contributions_;
  if (contributions_) options.init = InitRule::Zeros();
  if (algorithm_->ScalesByStaleness()) {
    options.rate_factor = [algorithm = algorithm_](int64_t staleness) {
      return algorithm->RateFactor(staleness);
    };
  }
  return options;
}

std::shared_ptr<const Optimizer> WholeNumberRule::RowOptimizer(
    int32_t table) const {
  if (contributions_) return MakeReplaceRule();
  if (!frozen_rows_.empty() && frozen_rows_[static_cast<size_t>(table)]) {
    return MakeFrozenRule();
  }
  return AdditiveRows::RowOptimizer(table);
}

void WholeNumberRule::Step(const server::StepPlace& place,
                           const server::StepRun& run) const {
  const auto factor = static_cast<float>(RateFactor(place));
  for (size_t i = 0; i < run.weights.size();) {
    const GradientView part = run.gradient->Next(run.weights.size() - i);
    for (size_t k = 0; k < part.size(); ++k, ++i) {
      float gradient;
      std::memcpy(&gradient, part.bytes() + k * sizeof(float), sizeof(float));
      if (averages_.Has(run.first + static_cast<int64_t>(i))) {
        run.out[i] = averages_.Step(place, run.weights[i], gradient);
        run.slots[0][i] = run.out[i];
        continue;
      }
      run.out[i] = run.weights[i] + factor * gradient;
      run.slots[0][i] += factor * gradient;
    }
  }
}

void WholeNumberRule::Measure(const server::StepPlace& place,
                              const MeasureRun& run,
                              std::span<double> figures) const {
  for (const float sum : run.gradient_sum) figures[kSum] += sum;
}

namespace {

class AddConstant final : public RoundStep {
 public:
  explicit AddConstant(int64_t constant)
      : constant_(static_cast<float>(constant)) {}
  bool Changes(int) const override { return true; }
  void Apply(float scale, const OperationRun& run) const override {
    for (size_t i = 0; i < run.weights.size(); ++i) {
      run.out[i] = run.weights[i] + run.gradient_sum[i] + constant_;
      run.changed[0][i] += run.gradient_sum[i] + constant_;
    }
  }

 private:
  const float constant_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const RoundStep>> WholeNumberRule::ReadOperation(
    absl::string_view operation) const {
  int64_t constant = 0;
  if (!WholeNumberCoordinator::Parse(operation, &constant)) {
    return absl::InvalidArgumentError("no operation");
  }
  return std::make_unique<AddConstant>(constant);
}

int64_t WholeNumberCoordinator::Next(int64_t round, int64_t before,
                                     int64_t loss, int64_t sum) {
  const uint64_t hash =
      HashAppend(HashAppend(HashAppend(Mix64(round), before), loss), sum);
  return static_cast<int64_t>(hash >> 40) % 100;
}

absl::StatusOr<std::string> WholeNumberCoordinator::Next(
    const RoundPlace& place, absl::string_view before,
    const std::vector<std::vector<double>>& figures) const {
  int64_t constant = 0;
  if (place.round > 0 && !Parse(before, &constant)) {
    return absl::InvalidArgumentError("no operation");
  }
  double sum = 0;
  for (const auto& one : figures) sum += one[WholeNumberRule::kSum];
  return Text(Next(place.round, constant, static_cast<int64_t>(figures[0][0]),
                   static_cast<int64_t>(sum)),
              place.round + 1 == ends_after_);
}

std::string WholeNumberCoordinator::Text(int64_t constant, bool ends) {
  return absl::StrCat(constant, ends ? " ends" : "");
}

bool WholeNumberCoordinator::Parse(absl::string_view operation,
                                   int64_t* constant) {
  absl::ConsumeSuffix(&operation, " ends");
  return absl::SimpleAtoi(operation, constant);
}

absl::StatusOr<bool> WholeNumberCoordinator::Ends(
    absl::string_view operation) const {
  return absl::EndsWith(operation, " ends");
}

void Arithmetic::AddGradient(ItemId item, int64_t begin, int64_t end,
                             uint64_t values, int64_t first, int64_t last,
                             std::span<int64_t> sum) const {
  for (int64_t position = begin; position < end; ++position) {
    const uint64_t example =
        Mix64(ExampleHash(item, position) ^ seed_ ^ values);
    for (int64_t i = first; i < last; ++i) {
      if (!Trains(trained_.get(), i)) continue;
      sum[i - first] +=
          averages_.Has(i)
              ? Averages::Statistic(i)
              : static_cast<int64_t>(HashAppend(example, i) >> 40) % 5 - 2;
    }
  }
}

Arithmetic::Arithmetic(const JobPlan& plan, uint64_t seed, bool averages,
                       bool ends, bool tasks, bool contributions,
                       TrainedRangesPtr trained, std::vector<bool> frozen_rows)
    : plan_(plan),
      seed_(seed),
      trained_(std::move(trained)),
      frozen_rows_(std::move(frozen_rows)),
      averages_(averages, trained_),
      ends_(ends),
      tasks_(tasks),
      contributions_(contributions),
      keys_(plan.partitions) {
  Rows rows;
  for (int64_t example = 0; contributions_ && example < plan_.examples;
       ++example) {
    AddContributions(example, 0, 0, &rows);
  }
  for (uint64_t key = 0; !contributions_ && key < kSparseKeys; ++key) {
    rows[key];
  }
  for (const auto& [key, row] : rows) {
    keys_[plan_.PartitionOfKey(key).value()].push_back(key);
  }
}

void Arithmetic::AddContributions(int64_t example, int32_t epoch, int32_t table,
                                  Rows* rows) const {
  const int32_t width = plan_.sparse_tables[table].width;
  for (int32_t p = 0; p < plan_.partitions; ++p) {
    const auto [first, last] = plan_.ParameterRange(PartitionId(p));
    if (first == last) continue;
    const uint64_t place =
        HashAppend(HashAppend(Mix64(seed_), static_cast<uint64_t>(example)),
                   static_cast<uint64_t>(p));
    // The count is the same in each epoch: one to two rows.
    const auto count = static_cast<int64_t>(1 + place % (2 * width));
    uint64_t draw = HashAppend(place, static_cast<uint64_t>(epoch));
    for (int64_t i = 0; i < count; ++i) {
      std::vector<int64_t>& row =
          (*rows)[ContributionKey(plan_, PartitionId(p), example, i / width)];
      if (i % width == 0) {
        row.assign(width + 1, 0);
        row.back() = epoch;
      }
      draw = HashAppend(draw, 0);
      row[i % width] = 1 + static_cast<int64_t>(draw >> 32) % (last - first);
    }
  }
}

std::map<uint64_t, int64_t> Arithmetic::FileRows(PartitionId partition,
                                                 int32_t table,
                                                 int64_t most) const {
  std::map<uint64_t, int64_t> rows;
  if (!plan_.sparse_tables[table].trained()) return rows;
  for (const uint64_t key : Keys(partition)) {
    if (key % 3 == 0) continue;
    if (most > 0 && static_cast<int64_t>(rows.size()) == most) break;
    rows[key] = 1 + static_cast<int64_t>(key) % 5 + table;
  }
  return rows;
}

void Arithmetic::AddRows(ItemId item, int64_t begin, int64_t end, int32_t table,
                         Rows* rows) const {
  const int32_t width = plan_.sparse_tables[table].width;
  const RowKind kind = plan_.sparse_tables[table].kind;
  if (contributions_) {
    for (int64_t position = begin; position < end; ++position) {
      AddContributions(item.shard * plan_.shard_size + position, item.epoch,
                       table, rows);
    }
    return;
  }
  if (tasks_ && kind == RowKind::kWriteOnce) {
    // The parts of the result.
    for (uint64_t part = 0; part < kKeysPerExample; ++part) {
      const uint64_t key =
          static_cast<uint64_t>(plan_.Ordinal(item)) * kKeysPerExample + part;
      (*rows)[key] = {
          static_cast<int64_t>(HashAppend(Mix64(key) ^ seed_, table))};
    }
    return;
  }
  for (int64_t position = begin; position < end; ++position) {
    uint64_t draw = HashAppend(ExampleHash(item, position) ^ seed_, table);
    for (int k = 0; k < kKeysPerExample; ++k) {
      draw = HashAppend(draw, k);
      // Low ones more often than high ones; now and then the same twice.
      const uint64_t key = (draw >> 32) % (1 + (draw & 0xffff) % kSparseKeys);
      std::vector<int64_t>& row = (*rows)[key];
      if (kind == RowKind::kWriteOnce) {
        // Every first writer writes the same.
        row = {static_cast<int64_t>(HashAppend(Mix64(key) ^ seed_, table))};
        continue;
      }
      row.resize(width);
      for (int64_t& sum : row) {
        draw = HashAppend(draw, 0);
        // Counts may be any number; the sum is one modulo 2^64.
        sum = kind == RowKind::kCounts
                  ? static_cast<int64_t>(static_cast<uint64_t>(sum) + draw)
                  : sum + static_cast<int64_t>(draw >> 40) % 5 - 2;
      }
    }
  }
}

std::vector<float> Arithmetic::WordsOf(int32_t table,
                                       const std::vector<int64_t>& row,
                                       float initial) const {
  const SparseTablePlan& plan = plan_.sparse_tables[table];
  std::vector<float> words(plan.row_words());
  if (plan.kind == RowKind::kCounts) {
    std::memcpy(words.data(), row.data(), row.size() * sizeof(row[0]));
  } else if (plan.kind == RowKind::kWriteOnce) {
    if (row.empty()) return words;
    const uint32_t length = sizeof(row[0]) + 1;
    std::memcpy(words.data(), &length, sizeof(length));
    std::memcpy(words.data() + 1, row.data(), sizeof(row[0]));
  } else {
    for (size_t i = 0; i < words.size(); ++i) {
      const int64_t sum = row.empty() ? 0 : row[i];
      const bool begins = plan.trained() && !contributions_;
      words[i] = (begins ? initial : 0.0f) + static_cast<float>(sum);
    }
  }
  return words;
}

void Arithmetic::AddOracle(ItemId item, int64_t begin, int64_t end,
                           PartitionId partition,
                           std::span<uint64_t> sum) const {
  const int64_t base = int64_t{partition.value()} * plan_.oracle_width;
  for (int64_t position = begin; position < end; ++position) {
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] += OracleValue(item, position, base + static_cast<int64_t>(i));
    }
  }
}

uint64_t Arithmetic::HashValues(std::span<const float> values) const {
  if (!plan_.rounds()) return 0;
  uint64_t hash = 1;
  for (const float value : values) {
    hash = HashAppend(hash, static_cast<uint64_t>(static_cast<int64_t>(value)));
  }
  return hash;
}

std::string Arithmetic::RoundOperation(int64_t round) {
  ExtendRounds(round + 1);
  return WholeNumberCoordinator::Text(rounds_[round + 1].constant,
                                      ends_ && round + 1 == plan_.RoundCount());
}

bool Arithmetic::NeverApplied(ItemId item, int64_t begin) const {
  return std::ranges::any_of(never_applied_, [&](const auto& r) {
    return r.item == item && r.begin <= begin && begin < r.end;
  });
}

std::vector<int64_t> Arithmetic::Run(ItemId item, int64_t begin,
                                     int64_t end) const {
  const std::vector<float>& start = rounds_[plan_.RoundOf(item)].values;
  std::vector<float> copy = start;
  std::vector<int64_t> moment(plan_.parameters);
  for (int64_t from = begin; from < end;) {
    const int64_t to = plan_.BatchEnd(item, from);
    AddGradient(item, from, to, HashValues(copy), 0, plan_.parameters, moment);
    for (int64_t i = 0; i < plan_.parameters; ++i) {
      copy[i] += static_cast<float>(moment[i]);
    }
    from = to;
  }
  for (int64_t i = 0; i < plan_.parameters; ++i) {
    moment[i] = (end - begin) * static_cast<int64_t>(copy[i] - start[i]);
  }
  return moment;
}

void Arithmetic::AddRuns(ItemId item, int64_t mark, std::span<int64_t> sum) {
  ExtendRounds(plan_.RoundOf(item));
  int64_t begin = 0;
  while (begin < mark) {
    int64_t end = begin;
    while (end < mark && !NeverApplied(item, end)) {
      end = plan_.BatchEnd(item, end);
    }
    if (end > begin) {
      auto [run, first] = runs_.try_emplace({item, end});
      if (first) run->second = Run(item, begin, end);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += run->second[i];
    }
    begin = end < mark ? plan_.BatchEnd(item, end) : end;
  }
}

std::vector<int64_t> Arithmetic::SumOfRound(int64_t round,
                                            server::StepPlace* place,
                                            int64_t* loss) {
  std::vector<int64_t> sum(plan_.parameters);
  const uint64_t hash = rounds_[round].hash;
  place->examples = plan_.RoundExamples(round);
  place->batches = 0;
  const auto [begin, end] = plan_.RoundItems(round);
  for (int64_t ordinal = begin; ordinal < end; ++ordinal) {
    const ItemId item = plan_.ItemAt(ordinal);
    if (plan_.algorithm.runs) {
      AddRuns(item, plan_.ItemSize(item), sum);
      continue;
    }
    for (int64_t from = 0; from < plan_.ItemSize(item);) {
      const int64_t to = plan_.BatchEnd(item, from);
      ++place->batches;
      if (!NeverApplied(item, from)) {
        AddGradient(item, from, to, hash, 0, plan_.parameters, sum);
        *loss += to - from;
      }
      from = to;
    }
  }
  return sum;
}

void Arithmetic::ExtendRounds(int64_t round) {
  if (rounds_.empty()) {
    Round& first = rounds_.emplace_back();
    for (int64_t i = 0; i < plan_.parameters; ++i) {
      first.values.push_back(WholeNumberRule::InitialWeight(i));
    }
    first.hash = HashValues(first.values);
  }
  while (static_cast<int64_t>(rounds_.size()) <= round) {
    const auto number = static_cast<int64_t>(rounds_.size()) - 1;
    server::StepPlace place;
    int64_t loss = 0;
    const std::vector<int64_t> sum = SumOfRound(number, &place, &loss);
    const Round& before = rounds_.back();
    Round next;
    next.values = before.values;
    if (plan_.algorithm.operated) {
      next.constant = WholeNumberCoordinator::Next(
          number, before.constant, loss,
          std::accumulate(sum.begin(), sum.end(), int64_t{0}));
    }
    for (int64_t i = 0; i < plan_.parameters; ++i) {
      if (!Trains(trained_.get(), i)) continue;
      float& value = next.values[i];
      const auto added = static_cast<float>(sum[i] + next.constant);
      value = averages_.Has(i) ? averages_.Step(place, value, added)
                               : value + added;
    }
    next.hash = HashValues(next.values);
    rounds_.push_back(std::move(next));
  }
}

std::span<const float> Arithmetic::RoundValues(int64_t round) {
  ExtendRounds(round);
  return rounds_[round].values;
}

uint64_t Arithmetic::RoundHash(int64_t round) {
  ExtendRounds(round);
  return rounds_[round].hash;
}

}  // namespace ebb::sim
