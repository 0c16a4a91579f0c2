#include "scheduler/answers/explain.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/reasons.h"

namespace ebb::scheduler {

namespace {

using Reason = v1::WaitReason;

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
    if (job_.parts().tables.over()) return ExplainOver();
    if (!picture_.hears()) {
      Store();
      Paused();
      return reasons_.Take();
    }
    Paused();
    said_ = ExplainServers(picture_, job_, &reasons_);
    ExplainUnreached(picture_, job_, &reasons_);
    if (job_.state().phase == JobPhase::kRunning && reasons_.empty()) Workers();
    Refusals();
    Problems();
    if (job_.state().phase != JobPhase::kRunning) return reasons_.Take();
    if (job_.marks().AllApplied()) {
      Ending();
    } else if (job_.parts().tables.started &&
               job_.placement().AllRegistered()) {
      AtOtherJobs();
      Judged();
      ParkedBySsp();
      RoundOpen();
      LeasesHeld();
      Silent();
    }
    Redone();
    Unknown();
    return reasons_.Take();
  }

 private:
  // A complete job is a model, which may have lost parts since.
  std::vector<Reason> ExplainOver() {
    if (job_.state().phase == JobPhase::kCompleted &&
        !job_.placement().AllRegistered() && picture_.hears()) {
      ExplainServers(picture_, job_, &reasons_);
    }
    return reasons_.Take();
  }

  void Add(Reason::Kind kind, std::string subject, absl::string_view text,
           absl::string_view to_do,
           absl::Duration lasts = absl::ZeroDuration()) {
    reasons_.Add(kind, std::move(subject), text, to_do, lasts);
  }

  void Store() {
    Add(Reason::KIND_DISK_FULL, "scheduler",
        absl::StrCat("the scheduler cannot write its state, so it decides "
                     "nothing: ",
                     picture_.store_problem),
        "make room in its --state-dir, and make it writable");
  }

  void Paused() {
    if (job_.state().phase != JobPhase::kPaused) return;
    for (const int64_t ordinal : job_.state().quarantined) {
      const ItemId item = plan_.ItemAt(ordinal);
      const auto failed_at =
          job_.parts().failures.poison().QuarantinedAt(ordinal);
      const std::string name = absl::StrCat("item ", ToString(item));
      const bool applied =
          job_.parts().failures.poison().AppliedSomewhere(ordinal);
      if (failed_at && !applied &&
          job_.parts().failures.poison().SkipWanted(ordinal)) {
        Add(Reason::KIND_QUARANTINED, name,
            absl::StrCat(name, ": its batch at example ", *failed_at,
                         " is left out once all partitions say, under new "
                         "terms, that they lack it"),
            "nothing while all servers are up: they say so within a moment");
        continue;
      }
      if (!failed_at) {
        Add(Reason::KIND_QUARANTINED, name,
            absl::StrCat(name,
                         " is quarantined, though no batch failed: no worker "
                         "could begin it"),
            "mend what the workers say (below) and `ebb resume`, or start "
            "another worker");
        continue;
      }
      Add(Reason::KIND_QUARANTINED, name,
          absl::StrCat(name, " is quarantined at example ", *failed_at, " of ",
                       plan_.ItemSize(item),
                       applied ? "; some partitions have its batch, so it "
                                 "cannot be skipped"
                               : ""),
          applied ? "`ebb resume` tries again, `ebb checkpoint rollback` goes "
                    "back"
                  : "`ebb resume` tries again, `ebb resume --skip` leaves its "
                    "batch out");
    }
    Add(Reason::KIND_PAUSED, absl::StrCat("job ", job_.record()->name),
        absl::StrCat("the job is paused: ", job_.state().reason),
        job_.parts().pauses.PausedForDivergence() ? WhenItDiverged()
        : job_.state().paused_by_operator
            ? "`ebb resume` lets it go on"
            : "mend what it is paused for, then `ebb resume` lets it go on");
  }

  // A lower rate is of use only from values that are good still.
  std::string WhenItDiverged() const {
    return absl::StrCat(
        "`ebb checkpoint rollback ", job_.record()->name,
        "` with --rate-factor goes back to earlier values and on at a lower "
        "rate; `ebb resume` ",
        job_.marks().Complete() ? "ends the job with the values that it has"
                                : "lets it go on as it is");
  }

  // Why the workers that are there do not work on the job, by their number.
  std::string WhyNone() const {
    int64_t others = 0, daemons = 0, refuse = 0, leave = 0;
    for (const auto& [session, worker] : cluster_.workers) {
      if (worker.unfit_for.contains(job_.id())) {
        ++refuse;
      } else if (ForPrograms() && worker.only_job == JobId()) {
        ++daemons;
      } else if (!cluster_.workers.MayWorkOn(worker, job_.id())) {
        ++others;
      } else if (worker.draining) {
        ++leave;
      }
    }
    std::string why;
    const auto say = [&why](int64_t n, absl::string_view what) {
      if (n == 0) return;
      absl::StrAppend(&why, why.empty() ? "" : ", ", n, what);
    };
    say(daemons, " that compute only models of ebb's own and of plugins");
    say(others, " for another job only");
    say(refuse, " that could not begin it (below)");
    say(leave, " about to leave");
    return why;
  }

  // Programs that join the job compute it, and no other worker.
  bool ForPrograms() const { return cluster_.workers.IsForPrograms(job_.id()); }

  // Says what makes more workers for the job.
  std::string StartMore(absl::string_view which) const {
    return ForPrograms()
               ? absl::StrCat("start ",
                              which == "more" ? "more copies" : "a copy",
                              " of the program that computes it: "
                              "docs/python.md, docs/programs.md")
               : absl::StrCat("start ", which, " with ebb-worker");
  }

  void Workers() {
    if (cluster_.workers.empty() && ForPrograms()) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          "the job waits for a program that computes it",
          ToStart(picture_, "programs", StartMore("one")));
      return;
    }
    if (cluster_.workers.empty()) {
      Add(Reason::KIND_NO_WORKERS, "workers", "no worker is connected",
          ToStart(picture_, "workers",
                  "start some with `ebb-worker --scheduler HOST:PORT`; a "
                  "worker that runs says in its log what it does not reach"));
      return;
    }
    const int64_t able = std::count_if(
        cluster_.workers.begin(), cluster_.workers.end(),
        [this](const auto& one) {
          return cluster_.workers.MayWorkOn(one.second, job_.id()) &&
                 !one.second.draining;
        });
    if (able == 0) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          absl::StrCat(ForPrograms()
                           ? "the job waits for a program that computes it; "
                           : "",
                       "none of the ", cluster_.workers.size(),
                       " workers can work on this job: ", WhyNone()),
          StartMore(ForPrograms() ? "one" : "others"));
    } else if (!job_.parts().demand.HasBegun() && able < plan_.min_workers) {
      Add(Reason::KIND_NO_WORKERS, "workers",
          absl::StrCat("the job begins with ", plan_.min_workers,
                       " workers (workers.min); there are ", able),
          StartMore("more"));
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
      const WorkerInfo::Unfit& unfit = why->second;
      Add(unfit.over_limit ? Reason::KIND_MESSAGE_LIMIT
                           : Reason::KIND_WORKER_REFUSES,
          NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session),
                       unfit.over_limit ? " cannot go on with this job: "
                                        : " refuses this job: ",
                       unfit.why),
          absl::StrCat("mend that; the worker is asked again when it is "
                       "started anew",
                       job_.state().phase == JobPhase::kPaused
                           ? ", or when the job is resumed (`ebb resume`)"
                           : ""));
    }
  }

  // Which other jobs have the workers, if it has none, or fewer than it takes
  // at least.
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
        absl::StrCat(text, "; its own priority is ", plan_.priority),
        "start more workers, or wait");
  }

  // Explains what servers complain of.
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
                         " ago: ", report.refusal, "; workers try again"),
            ToDoAbout(ServerProblem::kMemory, name));
      }
      if (report.problem.empty() || said_.problems.contains(id) ||
          (refuses && report.problem == report.refusal &&
           report.problem_kind == ServerProblem::kMemory)) {
        continue;
      }
      Add(ReasonOf(report.problem_kind), name,
          absl::StrCat(name, ": ", report.problem),
          ToDoAbout(report.problem_kind, name));
    }
  }

  void Ending() {
    const bool programs = ForPrograms();
    const bool nobody =
        std::ranges::none_of(cluster_.workers, [this](const auto& one) {
          return cluster_.workers.MayWorkOn(one.second, job_.id()) &&
                 !one.second.no_evaluations;
        });
    if (job_.parts().evaluations.underway() && programs && nobody) {
      Add(Reason::KIND_EVALUATION, absl::StrCat("job ", job_.record()->name),
          absl::StrCat("every example is applied; the last evaluation waits "
                       "for a program that evaluates",
                       cluster_.workers.NoneEvaluates(job_.id())
                           ? ". If none comes, the job soon ends without it"
                           : ""),
          "start a program of the job that evaluates: docs/programs.md");
    } else if (job_.parts().evaluations.underway()) {
      Add(Reason::KIND_EVALUATION, absl::StrCat("job ", job_.record()->name),
          absl::StrCat("every example is applied; the last evaluation is under "
                       "way",
                       cluster_.workers.empty()
                           ? ", and no worker is connected to make it"
                           : ""),
          cluster_.workers.empty()
              ? ToStart(picture_, "workers", "start one with ebb-worker")
              : "nothing: the job ends with it. If it lasts, look at the logs "
                "of the workers");
    }
    if (!job_.marks().Complete()) {
      Add(Reason::KIND_NOT_DURABLE, absl::StrCat("job ", job_.record()->name),
          absl::StrCat("every example is applied; the servers write the last "
                       "versions: ",
                       job_.marks().durable_everywhere(), " of ", plan_.items(),
                       " items are durable"),
          "nothing: the job ends when all are. If it lasts, look at the disks "
          "and the logs of the servers");
    }
  }

  void ParkedBySsp() {
    if (!plan_.clocked()) return;
    const SessionId slowest = job_.parts().view.view().Slowest();
    for (const auto& [session, worker] : cluster_.workers) {
      if (!worker.parked || session == slowest ||
          !job_.parts().view.view().Contains(session)) {
        continue;
      }
      const WorkerWatch* watch = picture_.watch.worker(session);
      const bool since_known =
          watch != nullptr && watch->parked_since != absl::InfiniteFuture();
      Add(Reason::KIND_PARKED_BY_SSP, NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session), " is at clock ", worker.clock,
                       " and parked, waiting for ", NameOf(cluster_, slowest),
                       " at clock ", job_.parts().view.view().MinClock(),
                       Unheard(slowest), " (bound ", plan_.LeastClockBound(),
                       ")"),
          AboutSlowest(slowest),
          since_known ? picture_.now - watch->parked_since
                      : absl::ZeroDuration());
    }
  }

  // The slowest worker may do well, be cut off, or stand still.
  std::string AboutSlowest(SessionId slowest) const {
    const std::string name = NameOf(cluster_, slowest);
    if (!cluster_.workers.contains(slowest)) {
      return "nothing: it goes on when the servers know that the other is gone";
    }
    if (SaysWhy(slowest)) return "mend what the other does not reach (above)";
    if (!Unheard(slowest).empty()) {
      return absl::StrCat("look at the log and the machine of ", name,
                          ", or end it: the others then go on without it");
    }
    return absl::StrCat(
        "nothing: it goes on when ", name,
        " does. If that one is always behind, end it or move it to a faster "
        "machine, or submit the job with a larger bound of ssp");
  }

  // Says where a worker that is waited for may be stopped or hang.
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
                       plan_.consistency.rounds_in_memory, ")"),
          "nothing: the servers write it now. If that is so in every round, "
          "raise rounds_in_memory in the next job, or give the servers faster "
          "disks");
      return;
    }
    RoundOperations::Phase phase;
    if (plan_.algorithm.operated) {
      phase = job_.parts().rounds.OperationPhase(round);
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
    if (const auto known = job_.parts().rounds.LatestValidation()) {
      absl::StrAppend(&text, "; ", known->text, ", and training ends after ",
                      known->left, " more without a smaller one");
    }
    Add(Reason::KIND_ROUND_OPEN, absl::StrCat("round ", round), text,
        full == last - first
            ? "nothing: it closes when the servers have made its operation"
        : holders.empty()
            ? "nothing if a worker asks for work soon; else look at "
              "`ebb status` for what the workers do"
            : "nothing: it closes when these workers are done. If it lasts, "
              "look at their logs, or end them: others get the items");
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
    Add(Reason::KIND_ROUND_OPEN, absl::StrCat("round ", round), text,
        phase.made ? "nothing: the round closes when they have done it. If it "
                     "lasts, look at the logs of these servers"
        : phase.problem.empty()
            ? "nothing: the scheduler makes it"
            : "look at the log of the scheduler; `ebb checkpoint rollback` "
              "goes back to an earlier round");
  }

  // All items of its epochs so far are applied.
  void Judged() {
    const bool judged = job_.parts().tables.training_facts.judged();
    if (!judged || !job_.leases().held().empty()) return;
    const int32_t full = job_.marks().EpochsFull();
    if (full == 0 || job_.parts().best.MayLease(full)) return;
    const std::string name = absl::StrCat("job ", job_.record()->name);
    if (job_.parts().evaluations.underway()) {
      Add(Reason::KIND_EVALUATION, name,
          absl::StrCat("epoch ", full + 1, " begins when epoch ", full,
                       " is evaluated (stop, keep_best), which is under way"),
          "nothing: it goes on with the evaluation. If it lasts, look at the "
          "logs of the workers");
      return;
    }
    Add(Reason::KIND_NOT_DURABLE, name,
        absl::StrCat("epoch ", full + 1, " begins when epoch ", full,
                     " is stored and evaluated (stop, keep_best); the servers "
                     "write it"),
        "nothing: the servers write it now");
  }

  void LeasesHeld() {
    if (!stopped_) return;
    int64_t listed = 0;
    std::set<SessionId> begin;
    for (const auto& [ordinal, first] : job_.leases().held()) {
      for (const SessionId worker : job_.leases().HoldersOf(ordinal)) {
        if (begin.contains(worker) || SaysWhy(worker)) continue;
        if (++listed > kMostListed) return;
        if (!Begins(worker)) {
          LeaseHeld(ordinal, *job_.leases().Find(ordinal, worker));
          continue;
        }
        begin.insert(worker);
        Add(Reason::KIND_LEASE_HELD, NameOf(cluster_, worker),
            absl::StrCat(NameOf(cluster_, worker),
                         " loads the data, or computes its first batch"),
            "nothing while it reads or computes. If it does neither, look at "
            "its log and its machine, or end it");
      }
    }
  }

  // It is told already what the worker does not reach.
  bool SaysWhy(SessionId worker) const {
    const auto it = cluster_.workers.find(worker);
    return it != cluster_.workers.end() &&
           it->second.unreached.contains(job_.id());
  }

  // Loading renews a lease; the end of a lease is not a sign of trouble then.
  bool Begins(SessionId worker) const {
    const auto it = cluster_.workers.find(worker);
    if (it == cluster_.workers.end() || it->second.examples > 0) return false;
    return !job_.parts().held.examples_by_worker().contains(it->second.name);
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
                     two ? "has the item alone" : "gets the item"),
        "nothing: the lease ends by itself. If this worker is told of again "
        "and again, look at its log and its machine");
  }

  // Their items are given to others, which may come to hang as well.
  void Silent() {
    int64_t listed = 0;
    for (const auto& [session, worker] : cluster_.workers) {
      if (!worker.silent || worker.silent_in != job_.id()) continue;
      if (++listed > kMostListed) return;
      const absl::Duration unheard = picture_.now - worker.last_heard;
      Add(Reason::KIND_LEASE_HELD, NameOf(cluster_, session),
          absl::StrCat(NameOf(cluster_, session), " said nothing for ",
                       Seconds(unheard), ", and its lease ran out",
                       // It may wait for the server that says nothing either.
                       said_.quiet
                           ? ""
                           : ": it hangs in a batch or stands still, or its "
                             "machine is overloaded",
                       "; others get the item, if there are any"),
          said_.quiet ? "first what is said of the server (above)"
                      : "look at its log and its machine, or end it",
          unheard);
    }
  }

  // Something is wrong, and none of the above: says what is known.
  void Unknown() {
    if (!stopped_ || !reasons_.empty()) return;
    Add(Reason::KIND_UNKNOWN, absl::StrCat("job ", job_.record()->name),
        absl::StrCat(
            "nothing was applied, and neither servers nor workers say why: ",
            job_.leases().Holders().size(), " of ", cluster_.workers.size(),
            " workers hold work items, and all ", cluster_.servers.size(),
            " servers are heard"),
        "look at the logs of the workers", NotAdvancing(picture_, job_));
  }

  void Redone() {
    for (const Fallback& fallback : job_.parts().registrar.fallbacks().told()) {
      if (fallback.MadeUpFor(job_.marks())) continue;
      Add(Reason::KIND_REDONE, absl::StrCat("ps ", fallback.server.value()),
          fallback.Text(job_.marks()),
          "nothing: the workers compute them again. A smaller "
          "checkpoint.every, and a server that keeps its --state-dir, lose "
          "less");
    }
  }

  const SchedulerShell::Picture& picture_;
  const SchedulerCore& core_;
  const Cluster& cluster_;
  const TrainingJob& job_;
  const JobPlan& plan_;
  const bool stopped_;
  SaidOfServers said_;
  Reasons reasons_;
};

}  // namespace

std::vector<v1::WaitReason> ExplainJob(const SchedulerShell::Picture& picture,
                                       const TrainingJob& job) {
  return Explainer(picture, job).Explain();
}

}  // namespace ebb::scheduler
