#include "scheduler/explain.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "scheduler/status.h"

namespace ebb::scheduler {

namespace {

using Reason = v1::WaitReason;

constexpr int64_t kMostListed = 8;

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
}

std::string ServerCount(int64_t n) {
  return absl::StrCat(n, n == 1 ? " server" : " servers");
}

std::string ThereAre(int64_t n) {
  return absl::StrCat(n == 1 ? "; there is " : "; there are ", n);
}

std::string NameOf(const Cluster& cluster, SessionId session) {
  const auto it = cluster.workers.find(session);
  if (it == cluster.workers.end()) return "a worker that is gone";
  const std::string& name = it->second.name;
  return absl::StartsWith(name, "worker") ? name
                                          : absl::StrCat("worker ", name);
}

Reason::Kind KindOf(ServerProblem problem) {
  switch (problem) {
    case ServerProblem::kMemory:
      return Reason::KIND_BACK_PRESSURE;
    case ServerProblem::kDisk:
      return Reason::KIND_DISK_FULL;
    case ServerProblem::kOther:
      break;
  }
  return Reason::KIND_UNSPECIFIED;
}

// Collects the reasons of one job; each method looks for one kind.
class Explainer {
 public:
  Explainer(const SchedulerShell::Picture& picture, const TrainingJob& job)
      : picture_(picture),
        core_(picture.core),
        cluster_(picture.core.cluster()),
        job_(job),
        plan_(job.plan()),
        stopped_(NotAdvancing(picture, job) > absl::ZeroDuration()) {}

  std::vector<Reason> Explain() {
    if (job_.over()) return {};
    Store();
    Paused();
    Servers();
    if (job_.state().phase == JobPhase::kRunning && reasons_.empty()) Workers();
    Refusals();
    Problems();
    if (job_.state().phase != JobPhase::kRunning) return std::move(reasons_);
    if (job_.marks().AllApplied()) {
      Ending();
    } else if (job_.started() && job_.placement().AllRegistered()) {
      AtOtherJobs();
      ParkedBySsp();
      RoundOpen();
      LeasesHeld();
      Silent();
    }
    Redone();
    return std::move(reasons_);
  }

 private:
  void Add(Reason::Kind kind, std::string subject, std::string text,
           absl::Duration lasts = absl::ZeroDuration()) {
    Reason& reason = reasons_.emplace_back();
    reason.set_kind(kind);
    reason.set_subject(std::move(subject));
    reason.set_text(std::move(text));
    reason.set_for_ms(std::max<int64_t>(0, absl::ToInt64Milliseconds(lasts)));
  }

  void Store() {
    if (picture_.store_problem.empty()) return;
    Add(Reason::KIND_DISK_FULL, "scheduler",
        absl::StrCat("the scheduler cannot write its state, so it decides "
                     "nothing: ",
                     picture_.store_problem));
  }

  void Paused() {
    if (job_.state().phase != JobPhase::kPaused) return;
    for (const int64_t ordinal : job_.state().quarantined) {
      const ItemId item = plan_.ItemAt(ordinal);
      const auto failed_at = job_.poison().QuarantinedAt(ordinal);
      const std::string name = absl::StrCat("item ", ToString(item));
      const bool applied = job_.poison().AppliedSomewhere(ordinal);
      if (failed_at && !applied && job_.poison().SkipWanted(ordinal)) {
        Add(Reason::KIND_QUARANTINED, name,
            absl::StrCat(name, ": its batch at example ", *failed_at,
                         " is left out once all partitions say, under new "
                         "terms, that they lack it"));
        continue;
      }
      Add(Reason::KIND_QUARANTINED, name,
          failed_at ? absl::StrCat(name, " is quarantined at example ",
                                   *failed_at, " of ", plan_.ItemSize(item),
                                   applied ? "; some partitions have its "
                                             "batch, so it cannot be skipped: "
                                             "try again, or roll back"
                                           : "; decide whether to skip its "
                                             "batch or to try again")
                    : absl::StrCat(name,
                                   " is quarantined, though no batch failed: "
                                   "the job goes on with the next worker that "
                                   "connects, or when an operator resumes it"));
    }
    Add(Reason::KIND_PAUSED, absl::StrCat("job ", job_.record()->name),
        absl::StrCat("the job is paused: ", job_.state().reason));
  }

  void Servers() {
    if (!job_.started()) {
      std::string awaited;
      for (const auto& [id, server] : cluster_.servers) {
        if (!server.connected) absl::StrAppend(&awaited, " ", id.value());
      }
      Add(Reason::KIND_STARTING, "scheduler",
          awaited.empty()
              ? absl::StrCat("the scheduler waits for ",
                             ServerCount(core_.options().min_servers),
                             ThereAre(cluster_.servers.size()))
              : absl::StrCat(
                    "the scheduler started and waits, at most ",
                    absl::FormatDuration(core_.options().takeover_after),
                    ", for the servers it knows of; missing:", awaited),
          picture_.now - picture_.watch.since());
      return;
    }
    const auto connected =
        std::count_if(cluster_.servers.begin(), cluster_.servers.end(),
                      [](const auto& one) { return one.second.connected; });
    // By owner, and by the folder that has their copies.
    std::map<std::pair<ServerId, std::string>, int> away;
    for (int32_t p = 0; p < plan_.partitions; ++p) {
      const Ownership& one = job_.placement().at(PartitionId(p));
      if (one.owner == Ownership::kNobody) {
        Add(Reason::KIND_NO_SERVERS, "servers",
            absl::StrCat("partitions wait to be placed until ",
                         ServerCount(core_.options().min_servers),
                         core_.options().min_servers == 1 ? " is" : " are",
                         " there", ThereAre(connected)));
        return;
      }
      if (!one.registered) ++away[{one.owner, job_.state().durable_in[p]}];
    }
    for (const auto& [owned, partitions] : away) {
      const auto& [id, folder] = owned;
      const auto it = cluster_.servers.find(id);
      const bool here = it != cluster_.servers.end() && it->second.connected;
      const absl::Duration since =
          it == cluster_.servers.end() ||
                  it->second.since == absl::InfinitePast()
              ? picture_.now - picture_.watch.since()
              : picture_.now - it->second.since;
      if (here) {
        Loading(
            id, it->second, partitions,
            stopped_ ? std::min(since, NotAdvancing(picture_, job_)) : since);
        continue;
      }
      Add(Reason::KIND_SERVER_AWAY, absl::StrCat("ps ", id.value()),
          absl::StrCat(
              "ps ", id.value(), ", which owns ", partitions, " of ",
              plan_.partitions, " partitions, is away",
              it == cluster_.servers.end() ? "" : WhoTakesOver(folder, since)),
          since);
    }
  }

  // And why it does not, if it says so.
  void Loading(ServerId id, const ServerInfo& server, int partitions,
               absl::Duration lasts) {
    const std::string name = absl::StrCat("ps ", id.value());
    std::string text =
        absl::StrCat(name, " is loading ", partitions,
                     partitions == 1 ? " partition" : " partitions");
    Reason::Kind kind = Reason::KIND_STARTING;
    const auto report = server.reports.find(job_.id());
    if (report != server.reports.end() && !report->second.problem.empty()) {
      absl::StrAppend(&text, ": ", report->second.problem);
      if (report->second.problem_kind != ServerProblem::kOther) {
        kind = KindOf(report->second.problem_kind);
      }
      told_.insert(id);
    }
    Add(kind, name, std::move(text), lasts);
  }

  std::string WhoTakesOver(const std::string& folder,
                           absl::Duration since) const {
    if (folder.empty()) {
      return "; what is durable of them is in no --shared-checkpoints, so they "
             "wait for it";
    }
    const bool heirs = std::any_of(
        cluster_.servers.begin(), cluster_.servers.end(), [&](const auto& one) {
          return one.second.connected && !one.second.leaving &&
                 one.second.shared_folder == folder;
        });
    if (!heirs) {
      return "; no other server has the --shared-checkpoints of their copies";
    }
    const absl::Duration left = core_.options().takeover_after - since;
    return absl::StrCat(
        "; others take them in ",
        absl::FormatDuration(std::max(absl::ZeroDuration(),
                                      absl::Floor(left, absl::Seconds(1)))));
  }

  void Workers() {
    if (cluster_.workers.empty()) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          "no worker is connected; start some with ebb-worker");
      return;
    }
    const int64_t able = cluster_.WorkersFor(job_.id());
    if (able == 0) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          absl::StrCat("none of the ", cluster_.workers.size(),
                       " workers can work on this job; their logs say why"));
    } else if (!job_.HasBegun() && able < plan_.min_workers) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          absl::StrCat("the job begins with ", plan_.min_workers,
                       " workers (workers.min); there are ", able));
    }
  }

  // Workers that do not take part, while others may: the data that one reads
  // has changed, say.
  void Refusals() {
    int64_t listed = 0;
    for (const auto& [session, worker] : cluster_.workers) {
      const auto why = worker.unfit_for.find(job_.id());
      if (why == worker.unfit_for.end()) continue;
      if (++listed > kMostListed) return;
      Add(Reason::KIND_WORKER_REFUSES, NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session),
                       " refuses this job: ", why->second,
                       ". It is asked again when it is started anew",
                       job_.state().phase == JobPhase::kPaused
                           ? ", or when the job is resumed"
                           : ""));
    }
  }

  // Why it has none, or fewer than it takes at least: who has them.
  void AtOtherJobs() {
    const int64_t has = WorkersOf(picture_, job_);
    const int64_t least =
        std::min<int64_t>(std::max(1, plan_.min_workers), WorkersWanted(job_));
    if (has >= least) return;
    std::vector<std::pair<int64_t, const TrainingJob*>> others;
    for (const auto& [id, other] : core_.jobs()) {
      const int64_t n = WorkersOf(picture_, *other);
      if (n > 0 && other.get() != &job_) others.emplace_back(n, other.get());
    }
    if (others.empty()) return;
    std::stable_sort(
        others.begin(), others.end(), [](const auto& a, const auto& b) {
          return a.second->plan().priority > b.second->plan().priority;
        });
    std::string text = absl::StrCat(
        "waits for workers: it has ", has, " and takes ", least,
        " at least; of the ", core_.allotment().workers(), " that are there ");
    for (const auto& [n, other] : others) {
      absl::StrAppend(&text, other == others.front().second ? "" : ", ", n,
                      n == 1 ? " is" : " are", " with job ",
                      other->record()->name, " of priority ",
                      other->plan().priority);
    }
    Add(Reason::KIND_NO_WORKERS, "workers",
        absl::StrCat(text, "; its own priority is ", plan_.priority));
  }

  // What servers complain of.
  void Problems() {
    for (const auto& [id, server] : cluster_.servers) {
      const auto it = server.reports.find(job_.id());
      if (!server.connected || it == server.reports.end()) continue;
      const ServerReport& report = it->second;
      const std::string name = absl::StrCat("ps ", id.value());
      const bool refuses = picture_.now - report.refused_at < kPushesBack;
      if (refuses) {
        Add(Reason::KIND_BACK_PRESSURE, name,
            absl::StrCat(name, " refused ", report.refused_pushes,
                         report.refused_pushes == 1 ? " push " : " pushes ",
                         Seconds(picture_.now - report.refused_at),
                         " ago: ", report.refusal, "; workers try again"));
      }
      if (report.problem.empty() || told_.contains(id) ||
          (refuses && report.problem == report.refusal &&
           report.problem_kind == ServerProblem::kMemory)) {
        continue;
      }
      Add(KindOf(report.problem_kind), name,
          absl::StrCat(name, ": ", report.problem));
    }
  }

  void Ending() {
    if (job_.evaluating()) {
      Add(Reason::KIND_EVALUATION, absl::StrCat("job ", job_.record()->name),
          "every example is applied; the last evaluation is under way");
    }
    if (!job_.marks().Complete()) {
      Add(Reason::KIND_NOT_DURABLE, absl::StrCat("job ", job_.record()->name),
          absl::StrCat("every example is applied; the servers write the last "
                       "versions: ",
                       job_.marks().durable_everywhere(), " of ", plan_.items(),
                       " items are durable"));
    }
  }

  void ParkedBySsp() {
    if (!plan_.clocked()) return;
    const SessionId slowest = job_.view().Slowest();
    for (const auto& [session, worker] : cluster_.workers) {
      if (!worker.parked || session == slowest ||
          !job_.view().Contains(session)) {
        continue;
      }
      const WorkerWatch* watch = picture_.watch.worker(session);
      const bool since_known =
          watch != nullptr && watch->parked_since != absl::InfiniteFuture();
      Add(Reason::KIND_PARKED_BY_SSP, NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session), " is at clock ", worker.clock,
                       " and parked, waiting for ", NameOf(cluster_, slowest),
                       " at clock ", job_.view().MinClock(), Unheard(slowest),
                       " (bound ", plan_.LeastClockBound(), ")"),
          since_known ? picture_.now - watch->parked_since
                      : absl::ZeroDuration());
    }
  }

  // Where a worker that is waited for may be stopped or hang.
  std::string Unheard(SessionId session) const {
    constexpr absl::Duration kLong = absl::Seconds(1);
    const auto it = cluster_.workers.find(session);
    if (it == cluster_.workers.end()) return "";
    const absl::Duration unheard = picture_.now - it->second.last_heard;
    return unheard < kLong
               ? ""
               : absl::StrCat(", which said nothing for ", Seconds(unheard));
  }

  bool AnybodyIdle() const {
    return std::any_of(cluster_.workers.begin(), cluster_.workers.end(),
                       [&](const auto& one) {
                         return job_.leases().HeldBy(one.first).empty();
                       });
  }

  void RoundOpen() {
    if (!plan_.rounds() || (!stopped_ && !AnybodyIdle())) return;
    const int64_t round = job_.marks().RoundsClosed();
    if (round >= plan_.RoundCount()) return;
    const int64_t durable = job_.marks().RoundsDurable();
    if (round - plan_.consistency.rounds_in_memory >= durable) {
      Add(Reason::KIND_NOT_DURABLE, absl::StrCat("round ", round),
          absl::StrCat("round ", round, " begins when round ",
                       round - plan_.consistency.rounds_in_memory,
                       " is durable: the servers hold as many values as they "
                       "may (rounds_in_memory: ",
                       plan_.consistency.rounds_in_memory, ")"));
      return;
    }
    RoundOperations::Phase phase;
    if (plan_.algorithm.operated) {
      phase = job_.OperationPhase(round);
      if (phase.count.empty()) return OperationDue(round, phase);
    }
    const auto [first, last] = plan_.RoundItems(round);
    int64_t full = 0;
    std::set<std::string> holders;
    for (int64_t ordinal = first; ordinal < last; ++ordinal) {
      if (job_.marks().FullEverywhere(ordinal)) ++full;
      for (const SessionId holder : job_.leases().HoldersOf(ordinal)) {
        holders.insert(NameOf(cluster_, holder));
      }
    }
    std::string text = absl::StrCat("round ", round, " is open: ", full, " of ",
                                    last - first, " items are full");
    for (const std::string& holder : holders) {
      absl::StrAppend(
          &text, holder == *holders.begin() ? "; in work at " : ", ", holder);
    }
    if (plan_.algorithm.operated) {
      absl::StrAppend(
          &text, "; ", phase.count.size(), " of ", plan_.partitions,
          plan_.partitions == 1 ? " partition waits" : " partitions wait",
          " for its last examples, ", phase.wait.size(),
          " for its operation, which ",
          phase.made ? "is made" : "the scheduler makes when all have them");
    }
    Add(Reason::KIND_ROUND_OPEN, absl::StrCat("round ", round),
        std::move(text));
  }

  // Every partition has the round's examples.
  void OperationDue(int64_t round, const RoundOperations::Phase& phase) {
    std::string text =
        absl::StrCat("round ", round, " has all its examples and waits for ");
    if (phase.made) {
      std::map<ServerId, int64_t> at;
      for (const PartitionId p : phase.wait) ++at[job_.placement().at(p).owner];
      absl::StrAppend(&text, "its operation to be applied");
      const char* before = ": ";
      for (const auto& [server, count] : at) {
        absl::StrAppend(&text, std::exchange(before, ", "), "ps ",
                        server.value(), " has it to do in ", count,
                        count == 1 ? " partition" : " partitions");
      }
    } else {
      absl::StrAppend(
          &text, "the scheduler's operation, ",
          phase.problem.empty()
              ? "which is being made"
              : absl::StrCat("which cannot be made: ", phase.problem));
    }
    Add(Reason::KIND_ROUND_OPEN, absl::StrCat("round ", round),
        std::move(text));
  }

  void LeasesHeld() {
    if (!stopped_) return;
    int64_t listed = 0;
    std::set<SessionId> begin;
    for (const auto& [ordinal, first] : job_.leases().held()) {
      for (const SessionId worker : job_.leases().HoldersOf(ordinal)) {
        if (begin.contains(worker)) continue;
        if (++listed > kMostListed) return;
        if (!Begins(worker)) {
          LeaseHeld(ordinal, *job_.leases().Find(ordinal, worker));
          continue;
        }
        begin.insert(worker);
        Add(Reason::KIND_LEASE_HELD, NameOf(cluster_, worker),
            absl::StrCat(NameOf(cluster_, worker),
                         " loads the data, or computes its first batch"));
      }
    }
  }

  // Loading renews a lease; that it may end is no news then.
  bool Begins(SessionId worker) const {
    const auto it = cluster_.workers.find(worker);
    if (it == cluster_.workers.end() || it->second.examples > 0) return false;
    return !job_.statistics().examples_by_worker.contains(it->second.name);
  }

  void LeaseHeld(int64_t ordinal, const LeaseTable::Held& held) {
    const ItemId item = plan_.ItemAt(ordinal);
    const bool two = job_.leases().backups().contains(ordinal);
    Add(Reason::KIND_LEASE_HELD, NameOf(cluster_, held.worker),
        absl::StrCat(NameOf(cluster_, held.worker), " holds item ",
                     ToString(item), " at example ", held.position, " of ",
                     plan_.ItemSize(item), "; its lease ends in ",
                     Seconds(std::max(absl::ZeroDuration(),
                                      held.expires - picture_.now)),
                     " unless it shows progress, then another worker ",
                     two ? "has the item alone" : "gets the item"));
  }

  // What they held is given to others, who may come to hang as well.
  void Silent() {
    int64_t listed = 0;
    for (const auto& [session, worker] : cluster_.workers) {
      if (!worker.silent || worker.silent_in != job_.id()) continue;
      if (++listed > kMostListed) return;
      const absl::Duration unheard = picture_.now - worker.last_heard;
      Add(Reason::KIND_LEASE_HELD, NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session), " said nothing for ",
                       Seconds(unheard),
                       ", and its lease ran out: it hangs in a batch, or its "
                       "machine is overloaded; others get the item, if there "
                       "are any"),
          unheard);
    }
  }

  void Redone() {
    for (const Fallback& fallback : job_.fallbacks().told()) {
      if (fallback.MadeUpFor(job_.marks())) continue;
      Add(Reason::KIND_REDONE, absl::StrCat("ps ", fallback.server.value()),
          fallback.Text(job_.marks()));
    }
  }

  const SchedulerShell::Picture& picture_;
  const SchedulerCore& core_;
  const Cluster& cluster_;
  const TrainingJob& job_;
  const JobPlan& plan_;
  const bool stopped_;
  std::set<ServerId> told_;  // Their problems.
  std::vector<Reason> reasons_;
};

}  // namespace

absl::Duration NotAdvancing(const SchedulerShell::Picture& picture,
                            const TrainingJob& job) {
  const JobWatch* watch = picture.watch.job(job.id());
  if (watch == nullptr || job.over()) return absl::ZeroDuration();
  const absl::Duration since = picture.now - watch->advanced;
  return since < kPause ? absl::ZeroDuration() : since;
}

std::vector<v1::WaitReason> ExplainJob(const SchedulerShell::Picture& picture,
                                       const TrainingJob& job) {
  return Explainer(picture, job).Explain();
}

}  // namespace ebb::scheduler
