#include "client/key_order.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace ebb::client {

namespace {

constexpr int64_t kKeyBytes = sizeof(uint64_t);
constexpr int64_t kFloatBytes = sizeof(float);

}  // namespace

KeyOrder::KeyOrder(const JobPlan& plan, std::span<const uint64_t> keys,
                   std::vector<int32_t>* places)
    : firsts_(plan.partitions + 1) {
  absl::flat_hash_map<uint64_t, int32_t> place_of;
  std::vector<std::vector<uint64_t>> of_partition(plan.partitions);
  for (const uint64_t key : keys) {
    if (place_of.emplace(key, 0).second) {
      of_partition[plan.PartitionOfKey(key).value()].push_back(key);
    }
  }
  std::vector<uint64_t> ordered;
  ordered.reserve(place_of.size());
  for (int32_t p = 0; p < plan.partitions; ++p) {
    std::ranges::sort(of_partition[p]);
    for (const uint64_t key : of_partition[p]) {
      place_of[key] = static_cast<int32_t>(ordered.size());
      ordered.push_back(key);
    }
    firsts_[p + 1] = static_cast<int64_t>(ordered.size());
  }
  places->clear();
  places->reserve(keys.size());
  for (const uint64_t key : keys) places->push_back(place_of[key]);
  keys_ = Payload::Of(std::move(ordered));
}

Payload KeyOrder::KeysOf(PartitionId p) const {
  const auto [first, last] = PlacesOf(p);
  return keys_.Sub(first * kKeyBytes, (last - first) * kKeyBytes);
}

std::vector<std::vector<PullRows>> KeyOrder::Pulls(const JobPlan& plan) const {
  std::vector<std::vector<PullRows>> all(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = PlacesOf(PartitionId(p));
    if (first == last) continue;
    const Payload keys = KeysOf(PartitionId(p));
    for (int32_t t = 0; t < plan.trained_tables(); ++t) {
      all[p].push_back({t, keys});
    }
  }
  return all;
}

int64_t KeyOrder::Floats(const JobPlan& plan) const {
  int64_t width = 0;
  for (const SparseTablePlan& table : plan.sparse_tables) {
    if (table.trained()) width += table.width;
  }
  return size() * width;
}

absl::Status KeyOrder::Assemble(const JobPlan& plan, const PulledValues& values,
                                std::span<float> rows) const {
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = PlacesOf(PartitionId(p));
    if (first == last) continue;
    std::span<float> table = rows;
    const auto tables = static_cast<size_t>(plan.trained_tables());
    for (size_t t = 0; t < tables; ++t) {
      const int64_t width = plan.sparse_tables[t].width;
      const auto run = table.subspan(first * width, (last - first) * width);
      const bool there = static_cast<size_t>(p) < values.row_values.size() &&
                         t < values.row_values[p].size();
      if (!there || values.row_values[p][t].size() !=
                        static_cast<int64_t>(run.size_bytes())) {
        return absl::InternalError(absl::StrCat("rows of sparse table ", t,
                                                " of partition ", p,
                                                " were pulled wrong"));
      }
      values.row_values[p][t].CopyTo(std::as_writable_bytes(run));
      table = table.subspan(size() * width);
    }
  }
  return absl::OkStatus();
}

std::vector<std::vector<PushRows>> KeyOrder::Pushes(
    const JobPlan& plan, const Payload& gradient) const {
  std::vector<std::vector<PushRows>> all(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = PlacesOf(PartitionId(p));
    if (first == last) continue;
    const Payload keys = KeysOf(PartitionId(p));
    int64_t table = 0;  // The offset of its matrix, in bytes.
    for (int32_t t = 0; t < plan.trained_tables(); ++t) {
      const int64_t row = plan.sparse_tables[t].width * kFloatBytes;
      all[p].push_back(
          {t, keys, gradient.Sub(table + first * row, (last - first) * row)});
      table += size() * row;
    }
  }
  return all;
}

}  // namespace ebb::client
