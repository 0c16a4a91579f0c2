#include "protocol/ledger.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "protocol/codec.h"

namespace ebb {

LedgerRow ExpectedRow(ItemId item, int64_t begin, int64_t end) {
  LedgerRow row;
  row.count = end - begin;
  row.hash = ExampleHashSum(item, begin, end);
  return row;
}

uint64_t OracleValue(ItemId item, int64_t position, int64_t index) {
  return HashAppend(ExampleHash(item, position), static_cast<uint64_t>(index));
}

void Ledger::Add(ItemId item, const LedgerRow& row) {
  rows_[item] += row;
  MaybeFold(item);
}

void Ledger::AddSkipped(const SkippedRange& range, const LedgerRow& row) {
  skipped_.push_back(range);
  // The expectation of the item shrinks by what was skipped; its row stays
  // open, so that the audit names it.
  rows_.try_emplace(range.item);
}

void Ledger::MaybeFold(ItemId item) {
  const auto it = rows_.find(item);
  if (it->second.count != plan_->ItemSize(item)) return;
  if (it->second != ExpectedRow(*plan_, item)) return;
  if (const auto known = epochs_.find(item.epoch); known != epochs_.end()) {
    // Folded before: this is a second time, which must stay visible.
    const EpochRow& row = known->second;
    if (row.folded.empty() || row.folded[item.shard]) return;
  }
  EpochRow& epoch = epochs_[item.epoch];
  epoch.sum += it->second;
  if (epoch.folded.empty()) epoch.folded.resize(plan_->shards());
  epoch.folded[item.shard] = true;
  if (++epoch.items == plan_->shards()) epoch.folded.clear();
  rows_.erase(it);
}

int64_t Ledger::skipped_examples() const {
  int64_t sum = 0;
  for (const SkippedRange& range : skipped_) sum += range.end - range.begin;
  return sum;
}

LedgerRow Ledger::Total() const {
  LedgerRow total;
  for (const auto& [epoch, row] : epochs_) total += row.sum;
  for (const auto& [item, row] : rows_) total += row;
  return total;
}

// Lists, each preceded by its count: epochs (number, items, count, hash,
// bitmap unless all items folded), rows (epoch, shard, count, hash), skipped
// ranges (epoch, shard, begin, end).
std::string Ledger::Encode() const {
  std::string out;
  PutVarint(epochs_.size(), &out);
  for (const auto& [epoch, row] : epochs_) {
    PutVarint(epoch, &out);
    PutVarint(row.items, &out);
    PutVarint(row.sum.count, &out);
    PutFixed64(row.sum.hash, &out);
    for (size_t i = 0; i < row.folded.size(); i += 8) {
      unsigned char byte = 0;
      for (size_t b = 0; b < 8 && i + b < row.folded.size(); ++b) {
        byte |= static_cast<unsigned char>(row.folded[i + b]) << b;
      }
      out.push_back(static_cast<char>(byte));
    }
  }
  PutVarint(rows_.size(), &out);
  for (const auto& [item, row] : rows_) {
    PutVarint(item.epoch, &out);
    PutVarint(item.shard, &out);
    PutVarint(row.count, &out);
    PutFixed64(row.hash, &out);
  }
  PutVarint(skipped_.size(), &out);
  for (const SkippedRange& range : skipped_) {
    PutVarint(range.item.epoch, &out);
    PutVarint(range.item.shard, &out);
    PutVarint(range.begin, &out);
    PutVarint(range.end, &out);
  }
  return out;
}

namespace {

// Most examples of a ledger in all, so that no sum overflows.
constexpr int64_t kMaxCount = int64_t{1} << 62;

[[nodiscard]] bool GetItem(const JobPlan& plan, ByteReader* in, ItemId* item) {
  int64_t epoch = 0, shard = 0;
  if (!in->GetBounded(plan.epochs - 1, &epoch) ||
      !in->GetBounded(plan.shards() - 1, &shard)) {
    return false;
  }
  *item = {static_cast<int32_t>(epoch), static_cast<int32_t>(shard)};
  return plan.HasItem(*item);
}

// At most `left` examples, which shrinks by them.
[[nodiscard]] bool GetRow(ByteReader* in, int64_t* left, LedgerRow* row) {
  if (!in->GetBounded(*left, &row->count) || !in->GetFixed64(&row->hash)) {
    return false;
  }
  *left -= row->count;
  return true;
}

[[nodiscard]] bool GetSkipped(const JobPlan& plan, ByteReader* in,
                              int64_t* left, SkippedRange* range) {
  if (!GetItem(plan, in, &range->item) ||
      !in->GetBounded(plan.ItemSize(range->item), &range->begin) ||
      !in->GetBounded(plan.ItemSize(range->item), &range->end) ||
      range->begin > range->end || range->end - range->begin > *left) {
    return false;
  }
  *left -= range->end - range->begin;
  return true;
}

[[nodiscard]] bool GetEpochRow(const JobPlan& plan, ByteReader* in,
                               int64_t* left, int32_t* epoch,
                               Ledger::EpochRow* row) {
  int64_t number = 0;
  if (!in->GetBounded(plan.epochs - 1, &number) ||
      !in->GetBounded(plan.shards(), &row->items) ||
      !GetRow(in, left, &row->sum)) {
    return false;
  }
  *epoch = static_cast<int32_t>(number);
  if (row->items == plan.shards()) return true;
  absl::string_view packed;
  if (!in->GetBytes((plan.shards() + 7) / 8, &packed)) return false;
  row->folded.resize(plan.shards());
  int64_t set = 0;
  for (int32_t i = 0; i < plan.shards(); ++i) {
    const bool bit = (static_cast<unsigned char>(packed[i / 8]) >> (i % 8)) & 1;
    row->folded[i] = bit;
    set += bit;
  }
  return set == row->items;
}

}  // namespace

absl::StatusOr<Ledger> Ledger::Decode(const JobPlan& plan,
                                      absl::string_view bytes) {
  const auto damaged = [](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("stored ledger: ", what));
  };
  ByteReader in(bytes);
  Ledger ledger(plan);
  int64_t count = 0, left = kMaxCount;
  if (!in.GetBounded(plan.epochs, &count)) return damaged("bad epoch count");
  for (; count > 0; --count) {
    int32_t epoch = 0;
    EpochRow row;
    if (!GetEpochRow(plan, &in, &left, &epoch, &row) ||
        !ledger.epochs_.try_emplace(epoch, std::move(row)).second) {
      return damaged("bad epoch row");
    }
  }
  if (!in.GetBounded(plan.items(), &count)) return damaged("bad row count");
  for (; count > 0; --count) {
    ItemId item;
    LedgerRow row;
    if (!GetItem(plan, &in, &item) || !GetRow(&in, &left, &row) ||
        !ledger.rows_.try_emplace(item, row).second) {
      return damaged("bad row");
    }
  }
  if (!in.GetBounded(kMaxCount, &count)) return damaged("bad skip count");
  for (; count > 0; --count) {
    SkippedRange range;
    if (!GetSkipped(plan, &in, &left, &range)) {
      return damaged("bad skipped range");
    }
    ledger.skipped_.push_back(range);
  }
  if (!in.done()) return damaged("bytes left over");
  return ledger;
}

namespace {

void Compare(const LedgerRow& expected, const LedgerRow& found,
             AuditResult* result) {
  result->missing += std::max<int64_t>(0, expected.count - found.count);
  result->doubled += std::max<int64_t>(0, found.count - expected.count);
  if (expected.count == found.count && expected.hash != found.hash) {
    ++result->missing;
    ++result->doubled;
  }
}

// Returns the epochs that the ledger has anything of; ascending. A long job
// that was interrupted has many others, and all of them are missing.
std::set<int32_t> TouchedEpochs(const Ledger& ledger) {
  std::set<int32_t> epochs;
  for (const auto& [epoch, row] : ledger.epochs()) epochs.insert(epoch);
  for (const auto& [item, row] : ledger.open_rows()) epochs.insert(item.epoch);
  for (const SkippedRange& range : ledger.skipped()) {
    epochs.insert(range.item.epoch);
  }
  return epochs;
}

// Returns where the item ends by what the ledger has of it: what was applied is
// a prefix, but for what is skipped in it.
int64_t AppliedEnd(const JobPlan& plan, const Ledger& ledger, ItemId item) {
  const auto row = ledger.open_rows().find(item);
  if (row == ledger.open_rows().end()) return 0;
  int64_t end = row->second.count;
  std::vector<SkippedRange> skipped;
  std::ranges::copy_if(
      ledger.skipped(), std::back_inserter(skipped),
      [&](const SkippedRange& range) { return range.item == item; });
  std::ranges::sort(skipped, {}, &SkippedRange::begin);
  for (const SkippedRange& range : skipped) {
    if (range.begin <= end) end += range.end - range.begin;
  }
  return std::min(end, plan.ItemSize(item));
}

}  // namespace

AuditResult AuditLedger(const JobPlan& plan, const Ledger& ledger) {
  AuditResult result;
  result.partitions = 1;
  result.applied = ledger.Total().count;
  result.skipped = ledger.skipped_examples();
  std::map<ItemId, LedgerRow> skipped;
  for (const SkippedRange& range : ledger.skipped()) {
    skipped[range.item] += ExpectedRow(range.item, range.begin, range.end);
  }
  const std::set<int32_t> touched = TouchedEpochs(ledger);
  if (!plan.endless()) {
    result.expected = plan.AllExamples();
    result.missing = result.expected;
    for (const int32_t epoch : touched) {
      result.missing -= plan.EpochExamples(epoch);
    }
  }
  for (const int32_t epoch : touched) {
    const auto row = ledger.epochs().find(epoch);
    LedgerRow folded;  // The right sum of the folded items of this epoch.
    for (int32_t shard = 0; shard < plan.ShardsOf(epoch); ++shard) {
      const ItemId item{epoch, shard};
      const bool is_folded =
          row != ledger.epochs().end() &&
          (row->second.folded.empty() ? row->second.items == plan.shards()
                                      : row->second.folded[shard]);
      const int64_t end = plan.endless() && !is_folded
                              ? AppliedEnd(plan, ledger, item)
                              : plan.ItemSize(item);
      LedgerRow expected = ExpectedRow(item, 0, end);
      if (plan.endless()) result.expected += end;
      LedgerRow found;
      if (is_folded) {
        folded += expected;
        found = expected;  // Checked in sum below.
      }
      if (const auto it = ledger.open_rows().find(item);
          it != ledger.open_rows().end()) {
        found += it->second;
      }
      if (const auto it = skipped.find(item); it != skipped.end()) {
        expected.count -= it->second.count;
        expected.hash -= it->second.hash;
      }
      Compare(expected, found, &result);
    }
    Compare(folded,
            row == ledger.epochs().end() ? LedgerRow{} : row->second.sum,
            &result);
  }
  return result;
}

}  // namespace ebb
