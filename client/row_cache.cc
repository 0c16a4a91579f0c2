#include "client/row_cache.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "common/plant.h"

namespace ebb::client {

namespace {

constexpr int64_t kBlockRows = 1024;
// Size of an entry and its place in the index, which is rebuilt as it grows,
// about.
constexpr int64_t kEntryBytes = 112;

std::vector<uint64_t> Numbers(const Payload& keys) {
  std::vector<uint64_t> numbers(keys.size() / sizeof(uint64_t));
  keys.CopyTo(std::as_writable_bytes(std::span(numbers)));
  return numbers;
}

}  // namespace

RowCache::RowCache(const JobPlan& plan) : dropped_(plan.partitions, 0) {
  for (const SparseTablePlan& table : plan.sparse_tables) {
    const auto t = static_cast<int32_t>(tables_.size());
    tables_.push_back({table.cache_rows, table.cache_batches,
                       plan.ClockBoundOf(t), table.width});
    on_ = on_ || table.cache_rows > 0;
  }
}

int64_t RowCache::MostBytes(const JobPlan& plan) {
  int64_t bytes = 0;
  for (const SparseTablePlan& table : plan.sparse_tables) {
    bytes += table.cache_rows * (table.row_bytes() + kEntryBytes);
  }
  return bytes;
}

void RowCache::Begin(int64_t clock) {
  ++batch_;
  clock_ = clock;
}

RowCache::Entry& RowCache::Table::EntryAt(int64_t place) {
  return blocks[place / kBlockRows].entries[place % kBlockRows];
}

std::span<float> RowCache::Table::RowAt(int64_t place) {
  return std::span(blocks[place / kBlockRows].rows)
      .subspan(place % kBlockRows * width, width);
}

bool RowCache::Usable(const Table& table, const Entry& entry,
                      PartitionId partition, Term term) const {
  if (entry.partition != partition) return false;
  if (entry.term != term && !EBB_PLANTED(cached_rows_outlive_their_term)) {
    return false;
  }
  if (EBB_PLANTED(cached_rows_of_any_age)) return true;
  if (entry.batch <= dropped_[partition.value()]) return false;
  if (table.batches > 0 && batch_ - entry.batch > table.batches) return false;
  return table.bound == SparseTablePlan::kNoBound ||
         entry.clock >= clock_ - table.bound;
}

CachedRows RowCache::Find(PartitionId partition, Term term,
                          const std::vector<PullRows>& wanted) {
  CachedRows found;
  for (const PullRows& rows : wanted) {
    Table& table = tables_[rows.table];
    CachedRows::Table& to = found.tables.emplace_back();
    to.table = rows.table;
    to.keys = rows.keys.size() / static_cast<int64_t>(sizeof(uint64_t));
    if (table.most == 0) {
      found.ask.push_back(rows);
      continue;
    }
    const std::vector<uint64_t> keys = Numbers(rows.keys);
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto place = table.places.find(keys[i]);
      if (place == table.places.end() ||
          !Usable(table, table.EntryAt(place->second), partition, term)) {
        to.missing.push_back(static_cast<int32_t>(i));
        to.asked.push_back(keys[i]);
        continue;
      }
      Entry& entry = table.EntryAt(place->second);
      entry.used = true;
      found.updates = std::min(found.updates, entry.updates);
      to.rows.resize(keys.size() * table.width);
      std::ranges::copy(
          table.RowAt(place->second),
          to.rows.begin() + static_cast<int64_t>(i) * table.width);
    }
    if (to.rows.empty()) {
      found.ask.push_back(rows);  // The list that a push may name.
    } else if (!to.asked.empty()) {
      found.ask.push_back({rows.table, Payload::Of(to.asked)});
    }
  }
  return found;
}

std::optional<std::vector<Payload>> RowCache::Complete(
    CachedRows found, PartitionId partition, Term term, int64_t updates,
    int64_t clock, std::vector<Payload> answered) {
  if (answered.size() != found.ask.size()) return std::nullopt;
  for (size_t i = 0; i < answered.size(); ++i) {
    const PullRows& asked = found.ask[i];
    const int64_t row_bytes =
        tables_[asked.table].width * static_cast<int64_t>(sizeof(float));
    if (answered[i].size() != asked.keys.size() /
                                  static_cast<int64_t>(sizeof(uint64_t)) *
                                  row_bytes) {
      return std::nullopt;
    }
  }
  std::vector<Payload> all;
  size_t answer = 0;
  for (CachedRows::Table& part : found.tables) {
    Table& table = tables_[part.table];
    const bool asked =
        answer < found.ask.size() && found.ask[answer].table == part.table;
    if (table.most == 0) {
      all.push_back(std::move(answered[answer++]));
      continue;
    }
    counts_.pulled += static_cast<int64_t>(part.asked.size());
    counts_.used += part.keys - static_cast<int64_t>(part.asked.size());
    std::vector<float> rows;
    if (asked) {
      rows.resize(part.asked.size() * table.width);
      answered[answer].CopyTo(std::as_writable_bytes(std::span(rows)));
    }
    for (size_t i = 0; i < part.asked.size(); ++i) {
      const float* const row = rows.data() + i * table.width;
      Put(&table, {part.asked[i], term, updates, clock, batch_, partition},
          row);
      if (part.rows.empty()) continue;
      std::copy_n(row, table.width,
                  part.rows.begin() + part.missing[i] * table.width);
    }
    if (part.rows.empty() && asked) {
      all.push_back(std::move(answered[answer]));
    } else {
      all.push_back(Payload::Of(std::move(part.rows)));
    }
    answer += asked ? 1 : 0;
  }
  return all;
}

int64_t RowCache::PlaceFor(Table* table, uint64_t key) {
  const auto [it, is_new] = table->places.try_emplace(key, 0);
  if (!is_new) return it->second;
  int64_t place = table->size;
  if (place < table->most) {
    if (place % kBlockRows == 0) {
      const int64_t rows = std::min(kBlockRows, table->most - place);
      table->blocks.push_back(
          {std::vector<Entry>(rows), std::vector<float>(rows * table->width)});
    }
    ++table->size;
  } else {
    const auto next = [&] {
      place = table->hand;
      table->hand = (table->hand + 1) % table->size;
      return std::exchange(table->EntryAt(place).used, false);
    };
    while (next()) {
    }
    table->places.erase(table->EntryAt(place).key);
  }
  // Erasing moves nothing.
  it->second = static_cast<uint32_t>(place);
  return place;
}

void RowCache::Put(Table* table, const Entry& entry, const float* row) {
  const int64_t place = PlaceFor(table, entry.key);
  table->EntryAt(place) = entry;
  std::copy_n(row, table->width, table->RowAt(place).begin());
}

void RowCache::Clear() {
  for (Table& table : tables_) {
    table.places.clear();
    table.blocks.clear();
    table.size = 0;
    table.hand = 0;
  }
}

}  // namespace ebb::client
