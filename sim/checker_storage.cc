// Checks of what servers store and load; see checker.h.
#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/example_hash.h"
#include "sim/checker.h"
#include "sim/describe.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

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

}  // namespace

void Checker::CutTaken(const ServerNode& server, const VersionKey& key,
                       const server::Cut& cut) {
  if (!Watches(key.job)) return;
  const std::string where =
      absl::StrCat("the cut of ", server.name(), " for ", Describe(key));
  if (!versions_.try_emplace(key, DigestOf(cut)).second) {
    return Violate(absl::StrCat("I4: two versions of one key: ", where));
  }
  const auto marks = ReadMarks(key.generation, cut.marks);
  const auto ledger = Ledger::Decode(plan(), cut.ledger);
  if (!marks.ok() || !ledger.ok()) {
    return Violate(absl::StrCat("I1: ", where, " cannot be read"));
  }
  version_examples_[key] = marks->examples();
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
  const TrainedRanges* const trained = world_->arithmetic().trained().get();
  if (FloatsOf(slot->second) != TrainedPart(plan(), trained, p, values)) {
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
  const TrainedRanges* const trained = world_->arithmetic().trained().get();
  std::vector<int64_t> sum(PushedRun(plan(), trained, p).size());
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
      if (plan().algorithm.runs) {
        std::vector<int64_t> all(plan().parameters);
        world_->arithmetic().AddRuns(item, content.marks.mark(item), all);
        for (int64_t i = first; i < last; ++i) expected[i - first] += all[i];
        continue;
      }
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
  if (sum != TrainedPart(plan(), trained, p, expected)) {
    Violate(absl::StrCat("I1: ", where, ": the sums of round ", open,
                         " are not those of its pushes"));
  }
  if (plan().algorithm.operated) CompareOperations(where, cut, content);
}

// Compares the operations that closed rounds whose values are kept, and the
// last; and the losses of the open round: there is one for each example.
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
  stored.marks = *ReadMarks(key.generation, cut.marks);
  stored_marks_[key] = stored.marks->Encode();
  stored.damaged = false;
  // A copy that moved in, served only later: as if it were loaded.
  const Shadow& shadow = shadows_[server.place()][key.partition.value()];
  if (!shadow.content.has_value() || shadow.term != key.term) {
    loaded_marks_[{server.place(), key.partition}] = stored_marks_[key];
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
  const auto marks = ReadMarks(key.generation, cut->marks);
  if (!marks.ok()) {
    return Violate(absl::StrCat("I4: ", server.name(), " loads ", Describe(key),
                                ", whose marks cannot be read"));
  }
  loaded_marks_[place] = marks->Encode();
  // The process that wrote it to a bucket may have died before it heard so.
  stored_marks_.try_emplace(key, marks->Encode());
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
  // Whatever it has not forgotten yet is another's.
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
}  // namespace ebb::sim
