#include "server/rows/internal/row_limit.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "server/rows/internal/row_draws.h"
#include "server/rows/internal/row_reader.h"

namespace ebb::server::internal {

RowLimit::RowLimit(const RowTableOptions& options)
    : options_(options), draws_(DrawsOf(options)) {}

// What has expired is not counted, whether or not it was swept.
absl::Status RowLimit::Keep(const RowStore& rows, int64_t made, int64_t evicted,
                            RowPush* push) const {
  if (options_.max_rows == 0 || made == 0) return absl::OkStatus();
  const int64_t count = rows.size() - rows.ages().ExpiredAt(push->unit);
  const int64_t excess = count + made - options_.max_rows;
  if (excess <= 0) return absl::OkStatus();
  if (options_.at_limit == RowTableOptions::AtLimit::kRefuse) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "table '", options_.table, "': a push makes ", made,
        " row(s), but it has ", count, " of at most ", options_.max_rows,
        " in this partition; raise its limit of rows, let rows expire sooner, "
        "or admit fewer"));
  }
  // Rows beyond the limit after a push that was larger than it, or when the
  // limit was lowered, go little by little.
  const auto touched = static_cast<int64_t>(push->rows.size()) - made;
  push->evicted = ChooseVictims(
      rows, std::min({excess, 2 * made, count - touched}), evicted, *push);
  return absl::OkStatus();
}

std::vector<uint32_t> RowLimit::ChooseVictims(const RowStore& rows,
                                              int64_t count, int64_t evicted,
                                              const RowPush& push) const {
  constexpr int kSamples = 16;
  const RowReader read = rows.reader();
  const RowSet& live = rows.numbers().live();
  absl::flat_hash_set<uint32_t> spared;
  for (const RowPush::Row& row : push.rows) {
    if (row.kind != RowPush::Kind::kCreated) spared.insert(row.row);
  }
  const auto eligible = [&](uint32_t row) {
    return live.Has(row) && !spared.contains(row) &&
           !rows.ages().Expired(RowLayout::TouchedOf(read.RecordOf(row)),
                                push.unit);
  };
  const auto capacity = static_cast<uint64_t>(rows.numbers().capacity());
  std::vector<uint32_t> victims;
  for (int64_t v = 0; v < count; ++v) {
    const uint64_t sequence =
        HashAppend(draws_, static_cast<uint64_t>(evicted + v));
    std::array<uint32_t, kSamples> samples;
    for (int i = 0; i < kSamples; ++i) {
      samples[i] = static_cast<uint32_t>(
          Spread(HashAppend(sequence, static_cast<uint64_t>(i)), capacity));
      if (live.Has(samples[i])) __builtin_prefetch(read.RecordOf(samples[i]));
    }
    uint32_t victim = kNoRow;
    uint32_t oldest = 0;
    for (const uint32_t row : samples) {
      if (!eligible(row)) continue;
      const uint32_t touched = RowLayout::TouchedOf(read.RecordOf(row));
      if (victim != kNoRow && touched >= oldest) continue;
      victim = row;
      oldest = touched;
    }
    // There is one: the push spares fewer than the table has.
    for (uint32_t row = samples[0]; victim == kNoRow;
         row = row + 1 == capacity ? 0 : row + 1) {
      if (eligible(row)) victim = row;
    }
    spared.insert(victim);
    victims.push_back(victim);
  }
  return victims;
}

}  // namespace ebb::server::internal
