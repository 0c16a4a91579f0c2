#include "sim/checker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/example_hash.h"
#include "sim/describe.h"
#include "sim/unpacked.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

// How far an average may be from what its batches make of it exactly. The
// batches of a job are so few that one more makes a greater difference.
constexpr double kRounding = 1e-3;

std::vector<float> FloatsOf(const server::CutArray& array) {
  std::vector<float> floats;
  for (size_t i = 0; i < array.blocks.size(); ++i) {
    const auto part = array.UsedFloats(i);
    floats.insert(floats.end(), part.begin(), part.end());
  }
  return floats;
}

uint64_t DigestOf(std::span<const float> floats) {
  uint64_t digest = floats.size();
  for (const float value : floats) {
    digest = HashAppend(digest, std::bit_cast<uint32_t>(value));
  }
  return digest;
}

uint64_t DigestOf(const server::Cut& cut) {
  uint64_t digest =
      absl::HashOf(cut.marks, cut.ledger, cut.updates, cut.oracle);
  for (const auto& [name, array] : cut.arrays) {
    // Which of the stored blocks are at hand does not affect the contents.
    if (absl::StartsWith(name, "rows:")) continue;
    digest = HashAppend(digest, absl::HashOf(name));
    digest = HashAppend(digest, DigestOf(FloatsOf(array)));
  }
  return digest;
}

int64_t SkippedOf(const std::vector<SkippedRange>& skipped, ItemId item) {
  int64_t sum = 0;
  for (const SkippedRange& range : skipped) {
    if (range.item == item) sum += range.end - range.begin;
  }
  return sum;
}

bool IsSkipped(const std::vector<SkippedRange>& skipped, ItemId item,
               int64_t begin) {
  return std::any_of(skipped.begin(), skipped.end(), [&](const auto& range) {
    return range.item == item && range.begin <= begin && begin < range.end;
  });
}

}  // namespace

Checker::Checker(World* world)
    : world_(world),
      histories_(&world->scenario().plan, &world->arithmetic(),
                 world->scenario().row_options) {
  const int servers = world->scenario().servers + 1;  // And a twin.
  const int32_t partitions = plan().partitions;
  shadows_.resize(servers);
  stored_.resize(servers);
  for (int s = 0; s < servers; ++s) {
    shadows_[s].resize(partitions);
    stored_[s].resize(partitions);
  }
  served_.resize(partitions);
  granted_.resize(partitions);
  durable_floor_.resize(partitions);
  for (auto& floor : durable_floor_) floor.resize(plan().items());
}

Checker::~Checker() = default;

const JobPlan& Checker::plan() const { return world_->scenario().plan; }
bool Checker::Watches(JobId job) const { return job == world_->job; }

void Checker::Violate(std::string text) { world_->Violate(std::move(text)); }

// --- What marks imply --------------------------------------------------------

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

// With thousands of items under way, comparing each at every step would take
// longer than all the rest: at scale their sum must do.
bool Checker::SameMarks(const MarkSet& a, const MarkSet& b) const {
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

// --- Live partitions ---------------------------------------------------------

void Checker::UpdateDone(const ServerNode& server, const Commit& commit) {
  if (!Watches(commit.job)) return;
  const server::HostedJob* job = server.job();
  const PartitionId p = commit.partition;
  Shadow& shadow = shadows_[server.place()][p.value()];
  const server::Partition* partition =
      job == nullptr ? nullptr : job->partition(p);
  if (partition == nullptr || partition != commit.instance ||
      !shadow.Is(partition)) {
    world_->counts().Add(Probe::kUpdateOutlivedPartition);
    return;
  }
  Content& content = *shadow.content;
  const int64_t before = content.marks.mark(commit.item);
  const int64_t after = partition->marks().mark(commit.item);
  if (before == after) {
    world_->counts().Add(commit.waits ? Probe::kRoundWaits
                                      : Probe::kUpdateOutlivedPartition);
    return;
  }
  ++progress_;
  const std::string where =
      absl::StrCat(server.name(), " partition ", p.value());
  // What a registration says of a term's beginning would not be all.
  if (commit.begun_in != shadow.term) {
    return Violate(absl::StrCat("I4: ", where, " applied [", commit.begin, ", ",
                                commit.end, ") of item ", ToString(commit.item),
                                " of the term before"));
  }
  if (commit.begin != before || commit.end != after ||
      !plan().OnGrid(commit.item, commit.begin, commit.end)) {
    return Violate(absl::StrCat("I2: ", where, " applied [", commit.begin, ", ",
                                commit.end, ") of item ", ToString(commit.item),
                                ", whose mark was ", before, " and is ",
                                after));
  }
  if (commit.skip) {
    world_->counts().Add(Probe::kSkipApplied);
    if (!skips_decided_.contains({commit.item, commit.begin, commit.end})) {
      return Violate(absl::StrCat("I6: ", where, " skips [", commit.begin, ", ",
                                  commit.end, ") of item ",
                                  ToString(commit.item),
                                  ", which the scheduler did not decide"));
    }
  }
  histories_.Push(p, content.marks, commit.item, commit.begin, commit.end,
                  commit.skip, &content.states);
  AddRange(p, commit.item, commit.begin, commit.end, commit.skip, &content);
  content.marks.Raise(commit.item, commit.end).IgnoreError();
  Identify(where, *partition, &content);
  histories_.Keep(p, content.marks, content.states);
  Compare(where, *partition, content);
}

void Checker::LookAt(const ServerNode& server) {
  const server::HostedJob* job = server.job();
  if (job != nullptr) {
    const server::StoredJob& stored = job->stored();
    MeetGeneration(stored.generation, stored.record->plan.epochs);
    HasRollback(server.name(), stored.generation, stored.rollback);
  }
  for (int32_t i = 0; i < plan().partitions; ++i) {
    const PartitionId p(i);
    Shadow& shadow = shadows_[server.place()][i];
    const server::Partition* partition =
        job == nullptr ? nullptr : job->partition(p);
    if (partition == nullptr) {
      shadow = {};
      continue;
    }
    const Term term = job->term(p);
    // Another may have taken the place of one that was dropped.
    const bool same = shadow.Is(partition) &&
                      shadow.generation == job->stored().generation &&
                      SameMarks(partition->marks(), shadow.content->marks);
    if (same && term == shadow.term) continue;
    if (same) {
      world_->counts().Add(Probe::kWentOnFromMemory);
      Compare(absl::StrCat(server.name(), " partition ", i, " in a new term"),
              *partition, *shadow.content);
      shadow.term = term;
      Serves(server, p, term);
      CheckFloor(server, p, *partition, term);
      continue;
    }
    if (shadow.Is(partition) && term == shadow.term) {
      return Violate(absl::StrCat("I1: ", server.name(), " partition ", i,
                                  ": marks moved without a push"));
    }
    NewInstance(server, p, *partition, term, &shadow);
  }
}

void Checker::HasRollback(const std::string& who, Generation generation,
                          const RollbackRecord& rollback) {
  const RollbackRecord& decided =
      decided_.try_emplace(generation, rollback).first->second;
  if (decided.rate_factor == rollback.rate_factor &&
      decided.nonfinite == rollback.nonfinite) {
    return;
  }
  Violate(absl::StrCat("I4: ", who, " has generation ", generation.value(),
                       " with the rate factor ", rollback.rate_factor,
                       " after ", rollback.nonfinite, " rollbacks, not ",
                       decided.rate_factor, " after ", decided.nonfinite));
}

void Checker::MeetGeneration(Generation generation, int32_t epochs) {
  if (generation <= generation_) return;
  const bool first = generation_ == Generation();
  generation_ = generation;
  if (first) return;
  ++progress_;
  // An end takes nothing back: what was durable stays so. The scheduler that
  // decided it may be dead by now.
  if (!ended_ && world_->scenario().epochs_beyond > 0 &&
      epochs == plan().epochs) {
    ended_ = true;
    return;
  }
  world_->counts().Add(Probe::kRolledBack);
  if (!any_damage_ && !wanted_.contains(generation)) {
    Violate("I5b: the job rolled back, but no storage was damaged");
  }
  for (auto& floor : durable_floor_) std::ranges::fill(floor, 0);
}

void Checker::NewInstance(const ServerNode& server, PartitionId p,
                          const server::Partition& partition, Term term,
                          Shadow* shadow) {
  ++progress_;
  const std::string where =
      absl::StrCat(server.name(), " partition ", p.value(), " as loaded");
  shadow->instance = server.job()->WeakPartition(p);
  shadow->generation = server.job()->stored().generation;
  shadow->term = term;
  shadow->content =
      ContentOf(p, partition.marks(), partition.tally().ledger().skipped());
  Identify(where, partition, &*shadow->content);
  Compare(where, partition, *shadow->content);
  CompareLedger(where, partition.tally().ledger(), *shadow->content);
  const auto loaded = loaded_marks_.find({server.place(), p});
  if (partition.marks() == MarkSet(plan())) {
    if (!begun_.insert(p).second) {
      world_->counts().Add(Probe::kStartedFromInitial);
    }
  } else if (loaded == loaded_marks_.end() ||
             loaded->second != partition.marks().Encode()) {
    Violate(absl::StrCat("I3: ", where, " has marks that were never stored"));
  }
  begun_.insert(p);
  if (server.rate_factor() != server.job()->stored().rollback.rate_factor) {
    Violate(absl::StrCat("I4: ", where, " is stepped with the rate factor ",
                         server.rate_factor()));
  }
  CheckBeginning(server, p, partition);
  Serves(server, p, term);
  CheckFloor(server, p, partition, term);
}

void Checker::CheckFloor(const ServerNode& server, PartitionId p,
                         const server::Partition& partition, Term term) {
  if (server.job()->stored().generation < generation_) return;
  // Others had it since, and no daemon hears of what this one loads.
  if (served_[p.value()].upper_bound(term) != served_[p.value()].end()) return;
  if (stored_[server.place()][p.value()].damaged) {
    // Another's may be sound still, but this one's claim was the newest.
    std::ranges::fill(durable_floor_[p.value()], 0);
    return;
  }
  for (int64_t o = 0; o < plan().items(); ++o) {
    const ItemId item = plan().ItemAt(o);
    if (partition.marks().mark(item) >= durable_floor_[p.value()][o]) continue;
    return Violate(absl::StrCat("I5b: ", server.name(), " partition ",
                                p.value(), " goes on with the mark ",
                                partition.marks().mark(item), " of item ",
                                ToString(item), ", below the durable mark ",
                                durable_floor_[p.value()][o]));
  }
}

void Checker::OperatorRollsBack(const scheduler::TrainingJob& job,
                                const scheduler::RollbackOrder& order) {
  wanted_[job.state().generation] = order.record;
}

void Checker::CheckBeginning(const ServerNode& server, PartitionId p,
                             const server::Partition& partition) {
  const Generation generation = server.job()->stored().generation;
  const auto wanted = wanted_.find(generation);
  // A server that took it over since has what the generation came to meanwhile.
  const auto begun = [&](const std::vector<Stored>& stored) {
    return stored[p.value()].key.generation == generation;
  };
  const auto copied = [&](const VersionKey& key) {
    return key.partition == p && key.generation == generation;
  };
  if (wanted == wanted_.end() || any_damage_ ||
      std::ranges::any_of(stored_, begun) ||
      std::ranges::any_of(world_->shared_disk().Versions(), copied)) {
    return;
  }
  const VersionKey* from = wanted->second.Find(p);
  const std::string marks =
      from == nullptr ? MarkSet(plan()).Encode() : stored_marks_[*from];
  if (partition.marks().Encode() == marks) return;
  // The policy chose it by a report, and retention was faster than the grant.
  if (wanted->second.nonfinite > 0 && from != nullptr &&
      partition.marks() == MarkSet(plan()) &&
      std::ranges::count(server.disk().Versions(), *from) == 0) {
    return;
  }
  // A server that took it over lacks what only the other had.
  const auto has = [&](const ServerNode& one) {
    return std::ranges::count(one.disk().Versions(), *from) > 0;
  };
  if (from != nullptr && partition.marks() == MarkSet(plan()) && !has(server) &&
      std::ranges::count(world_->shared_disk().Versions(), *from) == 0 &&
      std::ranges::any_of(world_->servers(),
                          [&](const auto& one) { return has(*one); })) {
    return;
  }
  Violate(absl::StrCat(
      "I4: ", server.name(), " partition ", p.value(), " begins generation ",
      generation.value(), " from something else than ",
      from == nullptr ? "its initial values" : Describe(*from)));
}

void Checker::Serves(const ServerNode& server, PartitionId p, Term term) {
  const Life life{server.place(), server.life()};
  const auto [it, first] = served_[p.value()].try_emplace(term, life);
  if (!first) {
    Violate(absl::StrCat("I3: partition ", p.value(), ": the term ",
                         term.value(), " is served by two lives, of server-",
                         it->second.server, " and ", server.name()));
  }
}

void Checker::ServerDied(const ServerNode& server) {
  for (Shadow& shadow : shadows_[server.place()]) shadow = {};
}

// --- Storage -----------------------------------------------------------------

void Checker::CutTaken(const ServerNode& server, const VersionKey& key,
                       const server::Cut& cut) {
  if (!Watches(key.job)) return;
  const std::string where =
      absl::StrCat("the cut of ", server.name(), " for ", Describe(key));
  if (!versions_.try_emplace(key, DigestOf(cut)).second) {
    return Violate(absl::StrCat("I4: two versions of one key: ", where));
  }
  const auto marks = MarkSet::Decode(plan(), cut.marks);
  const auto ledger = Ledger::Decode(plan(), cut.ledger);
  if (!marks.ok() || !ledger.ok()) {
    return Violate(absl::StrCat("I1: ", where, " cannot be read"));
  }
  full_items_[key] = marks->full_items();
  const Shadow& shadow = shadows_[server.place()][key.partition.value()];
  const bool known = shadow.content.has_value() &&
                     shadow.content->marks == *marks &&
                     shadow.content->skipped == ledger->skipped();
  const Content content =
      known ? *shadow.content
            : ContentOf(key.partition, *marks, ledger->skipped());
  CompareLedger(where, *ledger, content);
  CompareCut(where, key.partition, cut, content);
}

void Checker::CompareCut(const std::string& where, PartitionId p,
                         const server::Cut& cut, const Content& content) {
  if (cut.oracle != content.oracle) {
    return Violate(absl::StrCat("I10: ", where,
                                ": the oracle table does not "
                                "hold what the marks say"));
  }
  server::EpochLoss loss;
  for (const auto& [epoch, row] : cut.loss) {
    loss.examples += row.examples;
    loss.loss_sum += row.loss_sum;
  }
  if (loss.examples != content.total.count ||
      loss.loss_sum != static_cast<double>(loss.examples)) {
    return Violate(absl::StrCat("I10: ", where, ": the loss table has ",
                                loss.examples, " examples, the marks ",
                                content.total.count));
  }
  if (!world_->scenario().dense_values) return;
  const auto weights = cut.arrays.find("weights");
  const auto slot = cut.arrays.find("slot:0");
  if (weights == cut.arrays.end() || slot == cut.arrays.end()) {
    return Violate(absl::StrCat("I10: ", where, " lacks an array"));
  }
  const std::vector<float> values = FloatsOf(weights->second);
  CompareWeights(where, p, values, content);
  if (FloatsOf(slot->second) != values) {
    return Violate(absl::StrCat("I10: ", where,
                                ": the slot did not see the "
                                "same updates as the weights"));
  }
  if (plan().rounds()) CompareRoundArrays(where, p, cut, content);
}

// The values kept for pulls of closed rounds, and the sums of the open one.
void Checker::CompareRoundArrays(const std::string& where, PartitionId p,
                                 const server::Cut& cut,
                                 const Content& content) {
  const auto [first, last] = plan().ParameterRange(p);
  const int64_t open = content.marks.first_open_round();
  std::vector<int64_t> sum(last - first);
  for (const auto& [name, array] : cut.arrays) {
    const std::vector<float> floats = FloatsOf(array);
    int64_t round = 0;
    const std::vector<std::string> parts = absl::StrSplit(name, ':');
    if (parts[0] == "value" && absl::SimpleAtoi(parts[1], &round)) {
      const auto expected =
          world_->arithmetic().RoundValues(round).subspan(first, last - first);
      if (round >= open || !std::ranges::equal(floats, expected)) {
        return Violate(absl::StrCat(
            "I7: ", where, ": the value kept for round ", round, " is wrong"));
      }
    } else if (parts[0] == "sum" || parts[0] == "item") {
      for (size_t i = 0; i < floats.size(); ++i) {
        sum[i] += static_cast<int64_t>(floats[i]);
      }
    }
  }
  std::vector<int64_t> expected(last - first);
  if (open < plan().RoundCount()) {
    const uint64_t hash = world_->arithmetic().RoundHash(open);
    const auto [from, to] = plan().RoundItems(open);
    for (int64_t ordinal = from; ordinal < to; ++ordinal) {
      const ItemId item = plan().ItemAt(ordinal);
      for (int64_t b = 0; b < content.marks.mark(item);) {
        const int64_t e = plan().BatchEnd(item, b);
        if (!IsSkipped(content.skipped, item, b)) {
          world_->arithmetic().AddGradient(item, b, e, hash, first, last,
                                           expected);
        }
        b = e;
      }
    }
  }
  if (sum != expected) {
    Violate(absl::StrCat("I1: ", where, ": the sums of round ", open,
                         " are not those of its pushes"));
  }
  if (plan().algorithm.operated) CompareOperations(where, cut, content);
}

// Those that closed rounds whose values are kept, and the last; and of the open
// round the losses, of which there is one for each example.
void Checker::CompareOperations(const std::string& where,
                                const server::Cut& cut,
                                const Content& content) {
  const int64_t open = content.marks.first_open_round();
  if (open > 0 && !cut.operations.contains(open - 1)) {
    return Violate(absl::StrCat("I1: ", where, ": the operation of round ",
                                open - 1,
                                " is gone, of which the next is made"));
  }
  for (const auto& [round, operation] : cut.operations) {
    if (round >= open ||
        operation != world_->arithmetic().RoundOperation(round)) {
      return Violate(absl::StrCat("I1: ", where, ": the operation of round ",
                                  round, " is not the one that closed it"));
    }
  }
  std::map<int64_t, double> expected;
  if (open < plan().RoundCount()) {
    const auto [from, to] = plan().RoundItems(open);
    for (int64_t ordinal = from; ordinal < to; ++ordinal) {
      const ItemId item = plan().ItemAt(ordinal);
      for (int64_t b = 0; b < content.marks.mark(item);) {
        const int64_t e = plan().BatchEnd(item, b);
        if (!IsSkipped(content.skipped, item, b)) {
          expected[ordinal] += static_cast<double>(e - b);
        }
        b = e;
      }
    }
  }
  if (cut.item_losses != expected) {
    Violate(absl::StrCat("I1: ", where, ": the losses of round ", open,
                         " are not those of its pushes"));
  }
}

void Checker::VersionWritten(const ServerNode& server, const VersionKey& key,
                             const server::Cut& cut,
                             const absl::Status& status) {
  if (!Watches(key.job)) return;
  if (!status.ok()) {
    world_->counts().Add(Probe::kWriteFailed);
    if (absl::IsAborted(status)) {
      world_->counts().Add(Probe::kIncrementRefused);
    }
    return;
  }
  ++progress_;
  if (key.sequence == 0) world_->counts().Add(Probe::kFirstVersionOfTerm);
  for (const auto& [name, array] : cut.arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      if (array.at_hand(i)) continue;
      world_->counts().Add(Probe::kIncrementStored);
    }
  }
  const auto known = versions_.find(key);
  if (known == versions_.end() || known->second != DigestOf(cut)) {
    return Violate(absl::StrCat("I1: ", server.name(), ": ", Describe(key),
                                " changed between the cut and the write"));
  }
  Stored& stored = stored_[server.place()][key.partition.value()];
  stored.key = key;
  stored.marks = *MarkSet::Decode(plan(), cut.marks);
  stored_marks_[key] = cut.marks;
  stored.damaged = false;
  // A copy that moved in, served only later: as if it were loaded.
  const Shadow& shadow = shadows_[server.place()][key.partition.value()];
  if (!shadow.content.has_value() || shadow.term != key.term) {
    loaded_marks_[{server.place(), key.partition}] = cut.marks;
  }
}

void Checker::VersionLoaded(const ServerNode& server, const VersionKey& key,
                            const absl::StatusOr<server::Cut>& cut) {
  if (!Watches(key.job)) return;
  const std::pair place(server.place(), key.partition);
  if (!cut.ok()) {
    load_failed_[place] = key;
    return;
  }
  world_->counts().Add(Probe::kLoadedVersion);
  if (const auto it = load_failed_.find(place); it != load_failed_.end()) {
    if (key < it->second) world_->counts().Add(Probe::kFellBackToOlderVersion);
    load_failed_.erase(it);
  }
  const auto known = versions_.find(key);
  if (known == versions_.end() || known->second != DigestOf(*cut)) {
    return Violate(absl::StrCat("I4: ", server.name(), " loads ", Describe(key),
                                ", which differs from what was cut"));
  }
  loaded_marks_[place] = cut->marks;
}

void Checker::Forgot(const ServerNode& server, PartitionId p, Term newest) {
  world_->counts().Add(Probe::kPartitionForgotten);
  Stored& stored = stored_[server.place()][p.value()];
  if (stored.key.term <= newest) stored = {};
}

void Checker::StorageDamaged(const ServerNode& server) {
  any_damage_ = true;
  for (int32_t p = 0; p < plan().partitions; ++p) {
    Stored& stored = stored_[server.place()][p];
    // An older disk has again some of what it had forgotten.
    const bool has = std::ranges::any_of(
        server.disk().Versions(), [&](const VersionKey& key) {
          return Watches(key.job) && key.partition == PartitionId(p);
        });
    if (!stored.marks.has_value() && !has) continue;
    stored.damaged = true;
    std::ranges::fill(durable_floor_[p], 0);
  }
}

void Checker::TwinTookOver(const ServerNode& twin, const ServerNode* other,
                           bool met) {
  // What it has not forgotten yet is another's.
  const scheduler::TrainingJob* job = world_->scheduler().job();
  // Nor does what is of before a rollback count, but what that led back to.
  const auto counts = [&](const VersionKey& key, const ServerNode& server) {
    const VersionKey* from = job->state().rollback.Find(key.partition);
    return job->placement().at(key.partition).owner == server.id() &&
           (key.generation >= job->state().generation ||
            (from != nullptr &&
             std::ranges::count(server.disk().Versions(), *from) > 0));
  };
  const auto has = [&](const ServerNode& server, int32_t p) {
    const Stored& stored = stored_[server.place()][p];
    return stored.marks.has_value() && *stored.marks != MarkSet(plan()) &&
           (job == nullptr || counts(stored.key, server));
  };
  const auto has_all = [&](const ServerNode& server, int32_t p) {
    for (int64_t o = 0; o < plan().items(); ++o) {
      const int64_t durable = durable_floor_[p][o];
      if (durable > 0 &&
          (!has(server, p) || stored_[server.place()][p].marks->mark(
                                  plan().ItemAt(o)) < durable)) {
        return false;
      }
    }
    return true;
  };
  // Only what a scheduler was told to be durable is missed.
  bool nothing = true, lacks = false;
  for (int32_t p = 0; p < plan().partitions; ++p) {
    nothing = nothing && !has(twin, p);
    lacks = lacks || (other != nullptr && has(*other, p) &&
                      has_all(*other, p) && !has_all(twin, p));
  }
  // One that has not met the other knows of it from its store only.
  if (lacks && (met || nothing)) {
    return Violate(absl::StrCat("I5: ", twin.name(), " takes the place of ",
                                other->name(),
                                ", which is there, and of all "
                                "that it has stored"));
  }
  any_damage_ = true;
  twin_took_over_ = true;
  for (auto& floor : durable_floor_) std::ranges::fill(floor, 0);
}

// --- The end -----------------------------------------------------------------

void Checker::CheckAllExact() {
  std::vector<SkippedRange> skipped;
  for (int32_t i = 0; i < plan().partitions; ++i) {
    const PartitionId p(i);
    const server::Partition* found = nullptr;
    const scheduler::TrainingJob* job = world_->scheduler().job();
    if (job == nullptr) return Violate("the scheduler does not know the job");
    const scheduler::Ownership& owner = job->placement().at(p);
    if (owner.owner != scheduler::Ownership::kNobody) {
      const ServerNode& server = world_->ServerOf(owner);
      if (server.job() != nullptr && server.job()->term(p) == owner.drawn) {
        found = server.job()->partition(p);
      }
    }
    const std::string where = absl::StrCat("partition ", i, " at the end");
    if (found == nullptr) {
      return Violate(absl::StrCat("I6: ", where, " is not served"));
    }
    if (!found->marks().Complete()) {
      return Violate(absl::StrCat(
          "I6: ", where, " has ", found->marks().examples(), " examples of ",
          plan().examples * plan().epochs, ", though the job is complete"));
    }
    Content content =
        ContentOf(p, found->marks(), found->tally().ledger().skipped());
    Identify(where, *found, &content);
    NoteRows(*found);
    Compare(where, *found, content);
    CompareLedger(where, found->tally().ledger(), content);
    if (i == 0) skipped = content.skipped;
    if (!std::ranges::is_permutation(skipped, content.skipped)) {
      Violate(absl::StrCat("I6: ", where,
                           " has skipped other ranges than "
                           "partition 0"));
    }
  }
}

}  // namespace ebb::sim
