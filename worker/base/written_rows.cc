#include "worker/base/written_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::worker {

std::byte* WrittenRows::RowOf(int64_t table, uint64_t key, RowKind kind,
                              size_t elements) {
  const auto refuse = [&](const auto&... what) {
    if (status_.ok()) {
      status_ = absl::InternalError(
          absl::StrCat("the model gives a row of sparse table ", table,
                       " under key ", key, ": ", what...));
    }
    return nullptr;
  };
  if (table < 0 || table >= static_cast<int64_t>(tables_.size())) {
    return refuse("the job has ", tables_.size(), " such tables");
  }
  const SparseTablePlan& planned = plan_.sparse_tables[table];
  if (planned.kind != kind) return refuse("the table has rows of another kind");
  const auto width = static_cast<size_t>(planned.width);
  if (kind == RowKind::kWriteOnce ? elements > width : elements != width) {
    return refuse("it has ", elements, " elements, the table's have ", width);
  }
  Table& to = tables_[table];
  const auto bytes = static_cast<size_t>(planned.row_bytes());
  const auto [it, is_new] = to.numbers.emplace(key, to.keys.size());
  if (is_new) {
    to.keys.push_back(key);
    to.rows.resize(to.rows.size() + bytes);
  }
  return to.rows.data() + it->second * bytes;
}

void WrittenRows::Add(int64_t table, uint64_t key, std::span<const float> row) {
  std::byte* const to = RowOf(table, key, RowKind::kAdditive, row.size());
  if (to == nullptr) return;
  for (size_t i = 0; i < row.size(); ++i) {
    float sum = 0;
    std::memcpy(&sum, to + i * sizeof(sum), sizeof(sum));
    sum += row[i];
    std::memcpy(to + i * sizeof(sum), &sum, sizeof(sum));
  }
}

void WrittenRows::Count(int64_t table, uint64_t key,
                        std::span<const int64_t> row) {
  std::byte* const to = RowOf(table, key, RowKind::kCounts, row.size());
  if (to == nullptr) return;
  for (size_t i = 0; i < row.size(); ++i) {
    uint64_t sum = 0;
    std::memcpy(&sum, to + i * sizeof(sum), sizeof(sum));
    sum += static_cast<uint64_t>(row[i]);
    std::memcpy(to + i * sizeof(sum), &sum, sizeof(sum));
  }
}

void WrittenRows::Write(int64_t table, uint64_t key,
                        std::span<const std::byte> bytes) {
  std::byte* const to = RowOf(table, key, RowKind::kWriteOnce, bytes.size());
  if (to == nullptr) return;
  uint32_t length = 0;
  std::memcpy(&length, to, sizeof(length));
  if (length != 0) return;  // The batch's first stays, too.
  length = static_cast<uint32_t>(bytes.size()) + 1;
  std::memcpy(to, &length, sizeof(length));
  if (!bytes.empty()) {
    std::memcpy(to + sizeof(length), bytes.data(), bytes.size());
  }
}

absl::Status WrittenRows::CheckFinite(size_t table) const {
  const Table& of = tables_[table];
  const auto width = static_cast<size_t>(plan_.sparse_tables[table].width);
  for (size_t i = 0; i < of.keys.size() * width; ++i) {
    float value = 0;
    std::memcpy(&value, of.rows.data() + i * sizeof(value), sizeof(value));
    if (std::isfinite(value)) continue;
    return absl::OutOfRangeError(
        absl::StrCat("what a batch adds is not finite: ", value, " at element ",
                     i % width, " of the row under key ", of.keys[i / width],
                     " of sparse table ", table));
  }
  return absl::OkStatus();
}

void WrittenRows::AppendTable(size_t table,
                              std::vector<std::vector<PushRows>>* rows) {
  Table& of = tables_[table];
  const auto bytes =
      static_cast<size_t>(plan_.sparse_tables[table].row_bytes());
  std::vector<size_t> order(of.keys.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto place = [&](size_t number) {
    const uint64_t key = of.keys[number];
    return std::make_pair(plan_.PartitionOfKey(key).value(), key);
  };
  std::ranges::sort(order, {}, place);
  std::vector<uint64_t> keys;
  keys.reserve(order.size());
  std::vector<std::byte> values(of.rows.size());
  for (size_t i = 0; i < order.size(); ++i) {
    keys.push_back(of.keys[order[i]]);
    std::memcpy(values.data() + i * bytes, of.rows.data() + order[i] * bytes,
                bytes);
  }
  std::vector<int32_t> partitions;
  for (const uint64_t key : keys) {
    partitions.push_back(plan_.PartitionOfKey(key).value());
  }
  const Payload all_keys = Payload::Of(std::move(keys));
  const Payload all_rows = Payload::Of(std::move(values));
  for (size_t first = 0; first < partitions.size();) {
    size_t last = first;
    while (last < partitions.size() && partitions[last] == partitions[first]) {
      ++last;
    }
    const auto cut = [&](const Payload& payload, size_t size) {
      return payload.Sub(static_cast<int64_t>(first * size),
                         static_cast<int64_t>((last - first) * size));
    };
    (*rows)[partitions[first]].push_back({static_cast<int32_t>(table),
                                          cut(all_keys, sizeof(uint64_t)),
                                          cut(all_rows, bytes)});
    first = last;
  }
  of = {};
}

absl::Status WrittenRows::AppendTo(std::vector<std::vector<PushRows>>* rows) {
  EBB_RETURN_IF_ERROR(status_);
  if (rows->empty()) rows->resize(plan_.partitions);
  for (size_t t = 0; t < tables_.size(); ++t) {
    if (plan_.sparse_tables[t].kind == RowKind::kAdditive) {
      EBB_RETURN_IF_ERROR(CheckFinite(t));
    }
    AppendTable(t, rows);
  }
  return absl::OkStatus();
}

}  // namespace ebb::worker
