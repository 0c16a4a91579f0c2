#include "sim/checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/describe.h"
#include "sim/world.h"

namespace ebb::sim {

Checker::Checker(World* world)
    : world_(world),
      histories_(&world->scenario().plan, &world->arithmetic(),
                 world->scenario().row_options,
                 world->scenario().initial_rows) {
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
  // If it did, a registration would not say all of a term's beginning.
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
  if (plan().algorithm.runs) {
    CheckRun(where, commit);
    // A run may begin without a skip, which changes no values.
    if (!commit.skip) {
      applied_[{p, shadow.term, commit.item, commit.end}] =
          partition->tally().updates();
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

void Checker::CheckRun(const std::string& where, const Commit& commit) {
  const auto skips = [&](int64_t begin, int64_t end) {
    return std::ranges::any_of(skips_decided_, [&](const auto& skip) {
      const auto& [item, from, to] = skip;
      return item == commit.item && (from == begin || to == end);
    });
  };
  constexpr int64_t kNowhere = -1;
  const int64_t size = plan().ItemSize(commit.item);
  if (commit.skip) {
    const bool within = commit.end - commit.begin < size;
    if (plan().rounds() && within) world_->counts().Add(Probe::kSkipInARun);
    return;
  }
  const bool cut = commit.end != plan().PushEnd(commit.item, commit.begin) &&
                   !skips(commit.end, kNowhere);
  if (!plan().rounds()) {
    if (cut) world_->counts().Add(Probe::kRunCut);
    return;
  }
  const bool late = commit.begin != 0 && !skips(kNowhere, commit.begin);
  if (!cut && !late) return;
  Violate(absl::StrCat("I11: ", where, " applied [", commit.begin, ", ",
                       commit.end, ") of item ", ToString(commit.item),
                       ", which is a part of a run"));
}

void Checker::LookAt(const ServerNode& server) {
  const server::HostedJob* job = server.job();
  if (job != nullptr) {
    const server::StoredJob& stored = job->stored();
    if (world_->scenario().growth) {
      plans_.try_emplace(stored.generation, stored.record->plan);
    }
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
  const bool ends =
      world_->scenario().growth
          ? epochs != JobPlan::kEndlessEpochs
          : world_->scenario().epochs_beyond > 0 && epochs == plan().epochs;
  if (!ended_ && ends) {
    if (world_->scenario().growth &&
        !world_->scenario().growth->finished_after) {
      world_->counts().Add(Probe::kEndedByData);
    }
    ended_ = true;
    return;
  }
  world_->counts().Add(Probe::kRolledBack);
  if (!any_damage_ && !wanted_.contains(generation) &&
      !world_->scenario().Judged()) {
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
  shadow->content = ContentOf(p, OfWhole(partition.marks()),
                              partition.tally().ledger().skipped());
  Identify(where, partition, &*shadow->content);
  Compare(where, partition, *shadow->content);
  CompareLedger(where, partition.tally().ledger(), *shadow->content);
  const auto loaded = loaded_marks_.find({server.place(), p});
  if (partition.marks() == MarkSet(plan())) {
    if (!begun_.insert(p).second) {
      world_->counts().Add(Probe::kStartedFromInitial);
    }
  } else if (loaded == loaded_marks_.end() ||
             loaded->second != OfWhole(partition.marks()).Encode()) {
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
  const MarkSet marks = OfWhole(partition.marks());
  for (int64_t o = 0; o < plan().items(); ++o) {
    const ItemId item = plan().ItemAt(o);
    if (marks.mark(item) >= durable_floor_[p.value()][o]) continue;
    return Violate(absl::StrCat("I5b: ", server.name(), " partition ",
                                p.value(), " goes on with the mark ",
                                marks.mark(item), " of item ", ToString(item),
                                ", below the durable mark ",
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
      std::ranges::any_of(world_->SharedVersions(), copied)) {
    return;
  }
  const VersionKey* from = wanted->second.Find(p);
  const std::string marks =
      from == nullptr ? MarkSet(plan()).Encode() : stored_marks_[*from];
  if (OfWhole(partition.marks()).Encode() == marks) return;
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
      std::ranges::count(world_->SharedVersions(), *from) == 0 &&
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
    // Where data grows, the job has a part of the plan.
    const int64_t all = job->plan().AllExamples();
    if (!found->marks().Complete() || found->marks().examples() != all) {
      return Violate(absl::StrCat("I6: ", where, " has ",
                                  found->marks().examples(), " examples of ",
                                  all, ", though the job is complete"));
    }
    const AuditResult audit = AuditLedger(job->plan(), found->tally().ledger());
    if (!audit.exact() || audit.expected != all) {
      return Violate(absl::StrCat("I6: ", where, ": the audit finds ",
                                  audit.missing, " missing and ", audit.doubled,
                                  " doubled of ", audit.expected));
    }
    Content content = ContentOf(p, OfWhole(found->marks()),
                                found->tally().ledger().skipped());
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
