// Checks of values, rows, counts and ledgers by marks; see checker.h.
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/checker.h"
#include "sim/unpacked.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

// How far an average may be from what its batches make of it exactly. The
// batches of a job are so few that one more makes a greater difference.
constexpr double kRounding = 1e-3;

int64_t SkippedOf(const std::vector<SkippedRange>& skipped, ItemId item) {
  int64_t sum = 0;
  for (const SkippedRange& range : skipped) {
    if (range.item == item) sum += range.end - range.begin;
  }
  return sum;
}

}  // namespace

bool Checker::IsSkipped(const std::vector<SkippedRange>& skipped, ItemId item,
                        int64_t begin) {
  return std::any_of(skipped.begin(), skipped.end(), [&](const auto& range) {
    return range.item == item && range.begin <= begin && begin < range.end;
  });
}

void Checker::AddRange(PartitionId p, ItemId item, int64_t begin, int64_t end,
                       bool skip, Content* content) const {
  if (skip) {
    content->skipped.push_back({item, begin, end});
    return;
  }
  content->total += ExpectedRow(item, begin, end);
  world_->arithmetic().AddOracle(item, begin, end, p, content->oracle);
  const size_t summed = histories_.none() ? content->rows.size() : 0;
  for (size_t t = 0; t < summed; ++t) {
    if (world_->arithmetic().FreezesRows(static_cast<int32_t>(t))) continue;
    Arithmetic::Rows all;
    world_->arithmetic().AddRows(item, begin, end, static_cast<int32_t>(t),
                                 &all);
    for (const auto& [key, sums] : all) {
      if (plan().PartitionOfKey(key) != p) continue;
      std::vector<int64_t>& row = content->rows[t][key];
      if (world_->arithmetic().contributions()) {
        Replace(sums, &row, content);
        continue;
      }
      if (plan().sparse_tables[t].kind == RowKind::kWriteOnce) {
        row = sums;
        continue;
      }
      row.resize(sums.size());
      for (size_t i = 0; i < sums.size(); ++i) {
        // Counts are modulo 2^64.
        row[i] = static_cast<int64_t>(static_cast<uint64_t>(row[i]) +
                                      static_cast<uint64_t>(sums[i]));
      }
    }
  }
  if (plan().rounds() || !world_->scenario().dense_values ||
      world_->arithmetic().contributions()) {
    return;
  }
  const auto [first, last] = plan().ParameterRange(p);
  world_->arithmetic().AddGradient(item, begin, end, 0, first, last,
                                   content->sum);
  content->batches += world_->arithmetic().Batches(item, begin, end);
}

void Checker::Replace(const std::vector<int64_t>& contribution,
                      std::vector<int64_t>* row, Content* content) const {
  if (!row->empty()) {
    world_->counts().Add(Probe::kContributionReplaced);
    if (Arithmetic::EpochOf(*row) > Arithmetic::EpochOf(contribution)) return;
  }
  const auto count = [content](const std::vector<int64_t>& of, int64_t number) {
    for (size_t i = 0; i + 1 < of.size(); ++i) {
      if (of[i] > 0) content->sum[of[i] - 1] += number;
    }
  };
  count(*row, -1);
  count(contribution, 1);
  *row = contribution;
}

Checker::Content Checker::ContentOf(PartitionId p, const MarkSet& marks,
                                    std::vector<SkippedRange> skipped) const {
  Content content(plan());
  const auto [first, last] = plan().ParameterRange(p);
  content.sum.resize(last - first);
  content.oracle.resize(plan().oracle_width);
  content.rows.resize(plan().sparse_tables.size());
  const bool from_file = world_->scenario().initial_rows && histories_.none();
  for (size_t t = 0; from_file && t < content.rows.size(); ++t) {
    for (const auto& [key, more] : world_->arithmetic().FileRows(
             p, static_cast<int32_t>(t), /*most=*/0)) {
      content.rows[t][key].assign(plan().sparse_tables[t].width, more);
    }
  }
  for (int64_t ordinal = 0; ordinal < plan().items(); ++ordinal) {
    const ItemId item = plan().ItemAt(ordinal);
    const int64_t mark = marks.mark(item);
    for (int64_t begin = 0; begin < mark;) {
      const int64_t end = std::min(plan().BatchEnd(item, begin), mark);
      if (!IsSkipped(skipped, item, begin)) {
        AddRange(p, item, begin, end, false, &content);
      }
      begin = end;
    }
    // Not a copy: `marks` go with the plan of a record that may be dropped.
    content.marks.Raise(item, mark).IgnoreError();
  }
  content.skipped = std::move(skipped);
  content.states = histories_.Of(p, content.marks);
  return content;
}

void Checker::Identify(const std::string& where,
                       const server::Partition& partition, Content* content) {
  if (histories_.none()) return;
  histories_.Match(partition, &content->states);
  if (content->states.empty()) {
    return Violate(absl::StrCat("I1: ", where,
                                ": its rows are in no state that pushes to its "
                                "marks have led to"));
  }
  content->rows = histories_.Rows(content->states.front());
}

void Checker::CompareWeights(const std::string& where, PartitionId p,
                             std::span<const float> weights,
                             const Content& content) {
  const auto [first, last] = plan().ParameterRange(p);
  if (static_cast<int64_t>(weights.size()) != last - first) {
    return Violate(absl::StrCat("I1: ", where, " has ", weights.size(),
                                " values instead of ", last - first));
  }
  if (!world_->scenario().exact_values) return;
  std::span<const float> round;
  if (plan().rounds()) {
    round = world_->arithmetic().RoundValues(content.marks.first_open_round());
  }
  const Averages& averages = world_->arithmetic().averages();
  for (int64_t i = first; i < last; ++i) {
    if (averages.Has(i) && !plan().rounds()) {
      const double average = Averages::After(i, content.batches);
      if (std::abs(weights[i - first] - average) < kRounding) continue;
      return Violate(absl::StrCat("I1: ", where, ": average ", i, " is ",
                                  weights[i - first], ", its marks say ",
                                  average));
    }
    const float expected = plan().rounds()
                               ? round[i]
                               : WholeNumberRule::InitialWeight(i) +
                                     static_cast<float>(content.sum[i - first]);
    if (weights[i - first] == expected) continue;
    return Violate(absl::StrCat("I1: ", where, ": value ", i, " is ",
                                weights[i - first], ", its marks say ",
                                expected));
  }
}

void Checker::NoteRows(const server::Partition& partition) {
  for (size_t t = 0; t < plan().sparse_tables.size(); ++t) {
    const server::RowStatistics rows =
        partition.rows()->table(static_cast<int32_t>(t)).Statistics();
    Counts& counts = world_->counts();
    if (rows.expired > 0) counts.Add(Probe::kRowsExpired);
    if (rows.evicted > 0) counts.Add(Probe::kRowsEvicted);
    if (rows.not_admitted > 0) counts.Add(Probe::kRowsNotAdmitted);
  }
}

void Checker::CompareRow(const std::string& where, int32_t table, uint64_t key,
                         std::span<const float> row,
                         const std::vector<Arithmetic::Rows>& rows) {
  const auto it = rows[table].find(key);
  const std::vector<float> expected = world_->arithmetic().WordsOf(
      table, it == rows[table].end() ? std::vector<int64_t>() : it->second,
      WholeNumberRule::kInitialRow);
  for (size_t i = 0; i < row.size(); ++i) {
    // Bits: not all words are floats.
    if (std::bit_cast<uint32_t>(row[i]) ==
        std::bit_cast<uint32_t>(expected[i])) {
      continue;
    }
    return Violate(absl::StrCat("I1: ", where, ": word ", i, " of row ", key,
                                " of sparse table ", table, " is ", row[i],
                                ", its marks say ", expected[i]));
  }
}

void Checker::CompareRows(const std::string& where,
                          const server::Partition& partition,
                          const Content& content) {
  for (size_t i = 0; i < content.rows.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    const server::RowTable& table = partition.rows()->table(t);
    const auto rows = static_cast<int64_t>(content.rows[i].size());
    if (table.Statistics().rows != rows) {
      return Violate(absl::StrCat("I1: ", where, ": sparse table ", t, " has ",
                                  table.Statistics().rows,
                                  " rows, its marks say ", rows));
    }
    const std::span<const uint64_t> keys =
        world_->arithmetic().Keys(partition.id());
    const size_t width = plan().sparse_tables[i].row_words();
    std::vector<float> values(keys.size() * width);
    table.Gather(keys, values);
    for (size_t k = 0; k < keys.size(); ++k) {
      CompareRow(where, t, keys[k], std::span(values).subspan(k * width, width),
                 content.rows);
    }
  }
}

void Checker::CompareCounts(const std::string& where,
                            const server::Partition& partition) {
  const std::span<const uint64_t> keys =
      world_->arithmetic().Keys(partition.id());
  std::vector<float> words(keys.size() * plan().sparse_tables[0].row_words());
  partition.rows()->table(0).Gather(keys, words);
  const int64_t first = plan().ParameterRange(partition.id()).first;
  std::vector<float> counts = Unpacked<float>(partition.Values());
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i] -=
        WholeNumberRule::InitialWeight(first + static_cast<int64_t>(i));
  }
  for (const float word : words) {
    if (word > 0) --counts[static_cast<size_t>(word) - 1];
  }
  const auto other =
      std::ranges::find_if(counts, [](float rest) { return rest != 0; });
  if (other == counts.end()) return;
  Violate(absl::StrCat("I10: ", where, ": count ", other - counts.begin(),
                       " is ", *other, " more than the sum of the rows"));
}

void Checker::CheckRows(const std::string& where,
                        const PullSegmentRequest& wanted,
                        const PullSegment& segment,
                        const std::vector<Arithmetic::Rows>& rows) {
  if (segment.rows.size() != wanted.rows.size()) {
    return Violate(absl::StrCat("I1: ", where, ": rows of ",
                                segment.rows.size(), " tables instead of ",
                                wanted.rows.size()));
  }
  for (size_t i = 0; i < wanted.rows.size(); ++i) {
    const PullRows& asked = wanted.rows[i];
    const auto keys = Unpacked<uint64_t>(asked.keys);
    const auto values = Unpacked<float>(segment.rows[i]);
    const size_t width = plan().sparse_tables[asked.table].row_words();
    if (values.size() != keys.size() * width) {
      return Violate(absl::StrCat("I1: ", where, ": ", values.size(),
                                  " values of ", keys.size(), " rows"));
    }
    for (size_t k = 0; k < keys.size(); ++k) {
      CompareRow(where, asked.table, keys[k],
                 std::span(values).subspan(k * width, width), rows);
    }
  }
}

void Checker::CompareLedger(const std::string& where, const Ledger& ledger,
                            const Content& content) {
  if (ledger.Total() != content.total) {
    return Violate(absl::StrCat("I1: ", where, ": the ledger counts ",
                                ledger.Total().count, " examples, the marks ",
                                content.total.count,
                                ", or their hashes "
                                "differ"));
  }
  for (const auto& [item, row] : ledger.open_rows()) {
    const int64_t expected =
        content.marks.mark(item) - SkippedOf(content.skipped, item);
    if (row.count == expected) continue;
    return Violate(absl::StrCat("I1: ", where, ": the ledger counts ",
                                row.count, " examples of item ", ToString(item),
                                ", the marks ", expected));
  }
  if (!content.marks.Complete()) return;
  const AuditResult audit = AuditLedger(plan(), ledger);
  if (!audit.exact()) {
    Violate(absl::StrCat("I6: ", where, ": full marks, but the audit finds ",
                         audit.missing, " missing and ", audit.doubled,
                         " doubled"));
  }
}

MarkSet Checker::OfWhole(const MarkSet& marks) const {
  if (!world_->scenario().growth) return marks;
  MarkSet whole(plan());
  for (int64_t o = 0; o < plan().items(); ++o) {
    const ItemId item = plan().ItemAt(o);
    const int64_t mark =
        marks.Complete()
            ? std::clamp<int64_t>(marks.examples() - plan().PlaceOf(item, 0), 0,
                                  plan().ItemSize(item))
            : marks.mark(item);
    whole.Raise(item, mark).IgnoreError();  // 0 raises nothing.
  }
  return whole;
}

absl::StatusOr<MarkSet> Checker::ReadMarks(Generation generation,
                                           absl::string_view bytes) const {
  const auto known = plans_.find(generation);
  const auto marks =
      MarkSet::Decode(known == plans_.end() ? plan() : known->second, bytes);
  if (!marks.ok()) return marks.status();
  return OfWhole(*marks);
}

// With thousands of items under way, comparing each at every step would take
// longer than all the rest: at scale their sum must do.
bool Checker::SameMarks(const MarkSet& a, const MarkSet& b) const {
  if (world_->scenario().growth) return OfWhole(a) == OfWhole(b);
  return world_->scenario().dense_values ? a == b
                                         : a.examples() == b.examples();
}

void Checker::Compare(const std::string& where,
                      const server::Partition& partition,
                      const Content& content) {
  if (!SameMarks(partition.marks(), content.marks)) {
    return Violate(absl::StrCat("I2: ", where,
                                " has other marks than its "
                                "pushes moved"));
  }
  if (!std::ranges::equal(partition.tally().oracle(), content.oracle)) {
    return Violate(absl::StrCat("I10: ", where,
                                ": the oracle table does not "
                                "hold what the marks say"));
  }
  if (partition.tally().ledger().skipped().size() != content.skipped.size()) {
    return Violate(absl::StrCat("I6: ", where,
                                ": the ledger names other "
                                "skipped ranges"));
  }
  if (!world_->scenario().dense_values) return;
  if (world_->arithmetic().contributions()) CompareCounts(where, partition);
  CompareWeights(where, partition.id(), Unpacked<float>(partition.Values()),
                 content);
  CompareRows(where, partition, content);
}
}  // namespace ebb::sim
