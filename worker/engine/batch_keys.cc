#include "worker/engine/batch_keys.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/ids.h"

namespace ebb::worker {

namespace {

constexpr int64_t kFloat = sizeof(float);

}  // namespace

BatchKeys::BatchKeys(const JobPlan& plan,
                     std::span<const std::vector<uint64_t>> keys)
    : partitions_(plan.partitions) {
  tables_.reserve(keys.size());
  for (size_t t = 0; t < keys.size(); ++t) {
    Table& table = tables_.emplace_back(plan, keys[t]);
    table.width = plan.sparse_tables[t].width;
    table.first = floats_;
    floats_ += table.order.size() * table.width;
    entries_ += static_cast<int64_t>(keys[t].size());
  }
}

std::string BatchKeys::Counts() const {
  std::string counts;
  for (const Table& table : tables_) {
    const auto size = static_cast<uint64_t>(table.order.size());
    counts.append(reinterpret_cast<const char*>(&size), sizeof(size));
  }
  return counts;
}

void BatchKeys::CopyPlaces(std::span<int32_t> out) const {
  auto to = out.begin();
  for (const Table& table : tables_) {
    to = std::copy(table.places.begin(), table.places.end(), to);
  }
}

std::pair<int32_t, uint64_t> BatchKeys::NameOf(int64_t value) const {
  for (size_t t = tables_.size(); t-- > 0;) {
    const Table& table = tables_[t];
    if (value < table.first || table.order.size() == 0) continue;
    const int64_t row = (value - table.first) / table.width;
    for (int32_t p = 0; p < partitions_; ++p) {
      const auto [first, last] = table.order.PlacesOf(PartitionId(p));
      if (row < first || row >= last) continue;
      uint64_t key = 0;
      constexpr int64_t kKey = sizeof(key);
      table.order.KeysOf(PartitionId(p))
          .Sub((row - first) * kKey, kKey)
          .CopyTo(std::as_writable_bytes(std::span(&key, 1)));
      return {static_cast<int32_t>(t), key};
    }
  }
  return {0, 0};
}

std::vector<std::vector<PullRows>> BatchKeys::Pulls() const {
  std::vector<std::vector<PullRows>> all(partitions_);
  for (int32_t p = 0; p < partitions_; ++p) {
    for (size_t t = 0; t < tables_.size(); ++t) {
      Payload keys = tables_[t].order.KeysOf(PartitionId(p));
      if (keys.empty()) continue;
      all[p].push_back({static_cast<int32_t>(t), std::move(keys)});
    }
  }
  return all;
}

absl::Status BatchKeys::Assemble(const client::PulledValues& values,
                                 std::span<float> rows) const {
  for (int32_t p = 0; p < partitions_; ++p) {
    size_t answer = 0;
    for (size_t t = 0; t < tables_.size(); ++t) {
      const Table& table = tables_[t];
      const auto [first, last] = table.order.PlacesOf(PartitionId(p));
      if (first == last) continue;
      const auto run = rows.subspan(table.first + first * table.width,
                                    (last - first) * table.width);
      const bool there = static_cast<size_t>(p) < values.row_values.size() &&
                         answer < values.row_values[p].size();
      if (!there || values.row_values[p][answer].size() !=
                        static_cast<int64_t>(run.size_bytes())) {
        return absl::InternalError(absl::StrCat("rows of sparse table ", t,
                                                " of partition ", p,
                                                " were pulled wrong"));
      }
      values.row_values[p][answer].CopyTo(std::as_writable_bytes(run));
      ++answer;
    }
  }
  return absl::OkStatus();
}

std::vector<std::vector<PushRows>> BatchKeys::Pushes(
    const Payload& sums) const {
  std::vector<std::vector<PushRows>> all(partitions_);
  for (int32_t p = 0; p < partitions_; ++p) {
    for (size_t t = 0; t < tables_.size(); ++t) {
      const Table& table = tables_[t];
      const auto [first, last] = table.order.PlacesOf(PartitionId(p));
      if (first == last) continue;
      all[p].push_back({static_cast<int32_t>(t),
                        table.order.KeysOf(PartitionId(p)),
                        sums.Sub((table.first + first * table.width) * kFloat,
                                 (last - first) * table.width * kFloat)});
    }
  }
  return all;
}

}  // namespace ebb::worker
