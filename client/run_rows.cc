#include "client/run_rows.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::client {

namespace {

constexpr int64_t kWord = sizeof(float);
constexpr int64_t kKey = sizeof(uint64_t);

template <typename T>
std::vector<T> VectorOf(const Payload& payload) {
  std::vector<T> values(payload.size() / sizeof(T));
  payload.CopyTo(
      std::as_writable_bytes(std::span(values)).first(payload.size()));
  return values;
}

// Joins two pushes of a row that is not trained, as a server would.
void AddWritten(RowKind kind, std::span<const float> more,
                std::span<float> kept) {
  if (kind == RowKind::kAdditive) {
    for (size_t i = 0; i < kept.size(); ++i) kept[i] += more[i];
  } else if (kind == RowKind::kCounts) {
    for (size_t i = 0; i < kept.size(); i += 2) {
      uint64_t sum = 0, one = 0;
      std::memcpy(&sum, &kept[i], sizeof(sum));
      std::memcpy(&one, &more[i], sizeof(one));
      sum += one;
      std::memcpy(&kept[i], &sum, sizeof(sum));
    }
  } else {
    uint32_t length = 0;
    std::memcpy(&length, kept.data(), sizeof(length));
    if (length == 0) std::ranges::copy(more, kept.begin());
  }
}

}  // namespace

void RunRows::Clear() {
  tables_ = {};
  rows_ = 0;
}

int64_t RunRows::Stride(const SparseTablePlan& table) const {
  return table.row_words() * (table.trained() ? rule_->vectors() : 1);
}

absl::StatusOr<std::vector<std::vector<Payload>>> RunRows::ValuesOf(
    const JobPlan& plan, const PulledValues& pulled) const {
  std::vector<std::vector<Payload>> all = pulled.row_values;
  if (tables_.empty()) return all;
  for (size_t p = 0; p < all.size(); ++p) {
    const std::vector<PullRows>& asked = pulled.rows->partitions[p];
    if (all[p].size() != asked.size()) {
      return absl::InternalError(absl::StrCat(
          "rows of ", all[p].size(), " sparse tables of partition ", p,
          " were pulled, and those of ", asked.size(), " asked for"));
    }
    for (size_t i = 0; i < asked.size(); ++i) {
      const Table& table = tables_[p][asked[i].table];
      if (table.keys.empty()) continue;
      const SparseTablePlan& of = plan.sparse_tables[asked[i].table];
      const auto width = static_cast<size_t>(of.row_words());
      const auto stride = static_cast<size_t>(Stride(of));
      const auto keys = VectorOf<uint64_t>(asked[i].keys);
      auto values = VectorOf<float>(all[p][i]);
      if (values.size() != keys.size() * width) {
        return absl::InternalError(
            absl::StrCat("rows of sparse table ", asked[i].table,
                         " of partition ", p, " were pulled wrong"));
      }
      for (size_t k = 0; k < keys.size(); ++k) {
        const auto it = table.places.find(keys[k]);
        if (it == table.places.end()) continue;
        const float* const moved = &table.kept[it->second * stride];
        for (size_t j = 0; j < width; ++j) values[k * width + j] += moved[j];
      }
      all[p][i] = Payload::Of(std::move(values));
    }
  }
  return all;
}

absl::Status RunRows::AddRows(const JobPlan& plan, const LocalStep& step,
                              const PushRows& rows, Table* table) {
  const SparseTablePlan& of = plan.sparse_tables[rows.table];
  const auto width = static_cast<size_t>(of.row_words());
  const auto stride = static_cast<size_t>(Stride(of));
  const auto keys = VectorOf<uint64_t>(rows.keys);
  const auto sums = VectorOf<float>(rows.gradient);
  if (sums.size() != keys.size() * width) {
    return absl::InternalError(absl::StrCat(
        "a batch has ", sums.size(), " values of ", keys.size(),
        " rows of sparse table ", rows.table, ", whose width is ", width));
  }
  for (size_t k = 0; k < keys.size(); ++k) {
    const auto next = static_cast<int32_t>(table->keys.size());
    const auto [it, added] = table->places.try_emplace(keys[k], next);
    if (added) {
      table->keys.push_back(keys[k]);
      table->kept.resize(table->kept.size() + stride);
      ++rows_;
    }
    const std::span kept(&table->kept[it->second * stride], stride);
    const auto sum = std::span(sums).subspan(k * width, width);
    if (of.trained()) {
      rule_->Step(step, sum, kept);
    } else {
      AddWritten(of.kind, sum, kept);
    }
  }
  return absl::OkStatus();
}

absl::Status RunRows::CheckLimits(const JobPlan& plan, PartitionId p) const {
  constexpr absl::string_view kAdvice =
      "; let algorithm.push_every or train.batch be less";
  if (rows_ > limits_.most_rows) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the batches of one push have more than ", limits_.most_rows,
        " rows, the job's algorithm.most_rows", kAdvice, ", or that one more"));
  }
  const auto [first, last] = plan.ParameterRange(p);
  int64_t bytes = (last - first) * kWord;
  for (size_t t = 0; t < plan.sparse_tables.size(); ++t) {
    bytes += static_cast<int64_t>(tables_[p.value()][t].keys.size()) *
             (kKey + plan.sparse_tables[t].row_bytes());
  }
  if (bytes > limits_.most_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the batches of one push have ", bytes,
                     " bytes for partition ", p.value(), ", more than the ",
                     limits_.most_bytes, " that a push may have", kAdvice));
  }
  return absl::OkStatus();
}

absl::Status RunRows::Add(const JobPlan& plan, const LocalStep& step,
                          const std::vector<std::vector<PushRows>>& rows) {
  if (rows.empty()) return absl::OkStatus();
  if (tables_.empty()) {
    tables_.assign(plan.partitions,
                   std::vector<Table>(plan.sparse_tables.size()));
  }
  for (size_t p = 0; p < rows.size(); ++p) {
    for (const PushRows& of_table : rows[p]) {
      EBB_RETURN_IF_ERROR(
          AddRows(plan, step, of_table, &tables_[p][of_table.table]));
    }
    EBB_RETURN_IF_ERROR(
        CheckLimits(plan, PartitionId(static_cast<int32_t>(p))));
  }
  return absl::OkStatus();
}

absl::StatusOr<PushRows> RunRows::PushOf(const JobPlan& plan,
                                         const LocalPush& push, int32_t t,
                                         const Table& table) const {
  const SparseTablePlan& of = plan.sparse_tables[t];
  const auto width = static_cast<size_t>(of.row_words());
  const auto stride = static_cast<size_t>(Stride(of));
  std::vector<int32_t> order(table.keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {},
                    [&](int32_t place) { return table.keys[place]; });
  std::vector<uint64_t> keys(order.size());
  std::vector<float> rows(order.size() * width);
  for (size_t i = 0; i < order.size(); ++i) {
    keys[i] = table.keys[order[i]];
    const std::span kept(&table.kept[order[i] * stride], stride);
    const auto row = std::span(rows).subspan(i * width, width);
    if (of.trained()) {
      rule_->Push(push, kept, row);
    } else {
      // Words, whatever they mean.
      std::memcpy(row.data(), kept.data(), row.size_bytes());
    }
  }
  const auto odd = std::ranges::find_if_not(
      rows, [](float value) { return std::isfinite(value); });
  if (of.trained() && odd != rows.end()) {
    return absl::OutOfRangeError(absl::StrCat(
        "non-finite change: ", *odd, " in the row of key ",
        keys[(odd - rows.begin()) / width], " of sparse table ", t));
  }
  return PushRows{t, Payload::Of(std::move(keys)),
                  Payload::Of(std::move(rows))};
}

absl::StatusOr<std::vector<std::vector<PushRows>>> RunRows::Push(
    const JobPlan& plan, const LocalPush& push) const {
  std::vector<std::vector<PushRows>> all(plan.partitions);
  for (size_t p = 0; p < tables_.size(); ++p) {
    for (size_t t = 0; t < tables_[p].size(); ++t) {
      if (tables_[p][t].keys.empty()) continue;
      EBB_ASSIGN_OR_RETURN(
          PushRows rows,
          PushOf(plan, push, static_cast<int32_t>(t), tables_[p][t]));
      all[p].push_back(std::move(rows));
    }
  }
  return all;
}

}  // namespace ebb::client
