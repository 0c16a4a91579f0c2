// Servers that are awaited, away, silent or loading; see explain.h.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scheduler/answers/job_progress.h"
#include "scheduler/answers/reasons.h"

namespace ebb::scheduler {

namespace {

using Reason = v1::WaitReason;

constexpr absl::string_view kStartServers =
    "start more with `ebb-ps --id N --state-dir DIR --scheduler HOST:PORT`";

std::string ServerCount(int64_t n) {
  return absl::StrCat(n, n == 1 ? " server" : " servers");
}

std::string ThereAre(int64_t n) {
  return absl::StrCat(n == 1 ? "; there is " : "; there are ", n);
}

class ServersExplainer {
 public:
  ServersExplainer(const SchedulerShell::Picture& picture,
                   const TrainingJob& job, Reasons* reasons)
      : picture_(picture),
        core_(picture.core),
        cluster_(picture.core.cluster()),
        job_(job),
        plan_(job.plan()),
        reasons_(*reasons) {}

  SaidOfServers Explain() {
    Owners();
    return std::move(said_);
  }

 private:
  void Owners() {
    if (!job_.parts().tables.started) {
      std::vector<std::string> awaited;
      for (const auto& [id, server] : cluster_.servers) {
        if (server.connected) continue;
        awaited.push_back(absl::StrCat("ps ", id.value(), Refused(server)));
      }
      reasons_.Add(
          Reason::KIND_STARTING, "scheduler",
          awaited.empty()
              ? absl::StrCat("the scheduler waits for ",
                             ServerCount(core_.options().min_servers),
                             ThereAre(cluster_.servers.size()))
              : absl::StrCat(
                    "the scheduler started and waits, at most ",
                    absl::FormatDuration(core_.options().takeover_after),
                    ", for the servers it knows of; missing: ",
                    absl::StrJoin(awaited, ", ")),
          ToStart(picture_, "servers",
                  awaited.empty()
                      ? kStartServers
                      : "start `ebb-ps --id` with each of these numbers, "
                        "and its --state-dir"),
          picture_.now - picture_.watch.since());
      return;
    }
    const auto connected =
        std::count_if(cluster_.servers.begin(), cluster_.servers.end(),
                      [](const auto& one) { return one.second.connected; });
    const absl::Duration stopped = NotAdvancing(picture_, job_);
    // By owner, and by the folder that has their copies.
    std::map<std::pair<ServerId, std::string>, int> away;
    for (int32_t p = 0; p < plan_.partitions; ++p) {
      const Ownership& one = job_.placement().at(PartitionId(p));
      if (one.owner == Ownership::kNobody) {
        if (connected >= core_.options().min_servers) return NobodyTakes();
        reasons_.Add(
            Reason::KIND_NO_SERVERS, "servers",
            absl::StrCat("partitions wait to be placed until ",
                         ServerCount(core_.options().min_servers),
                         core_.options().min_servers == 1 ? " is" : " are",
                         " there", ThereAre(connected)),
            ToStart(picture_, "servers", kStartServers));
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
            stopped > absl::ZeroDuration() ? std::min(since, stopped) : since);
        continue;
      }
      reasons_.Add(
          Reason::KIND_SERVER_AWAY, absl::StrCat("ps ", id.value()),
          absl::StrCat(
              "ps ", id.value(), ", which owns ", partitions, " of ",
              plan_.partitions,
              " partitions, is away: its process has ended or stands still, or "
              "it does not reach the scheduler",
              it == cluster_.servers.end()
                  ? ""
                  : Refused(it->second) + WhatTakesOver(folder, since)),
          ToStart(picture_, "it", HowToBringBack(id, folder)) +
              WithoutCopies(folder),
          since);
    }
    Quiet();
  }

  // Returns what a person does to have a server back whose copies are in
  // `folder`.
  static std::string HowToBringBack(ServerId id, const std::string& folder) {
    return absl::StrCat("start `ebb-ps --id ", id.value(),
                        "` with its --state-dir, or, if that is lost, with an "
                        "empty one",
                        folder.empty()
                            ? ": workers then compute again what was on it"
                            : " and the same --shared-checkpoints, which has "
                              "copies",
                        "; if it runs, its log says what it does not reach");
  }

  // A server that has neither its own folder nor that of its copies is refused.
  std::string WithoutCopies(const std::string& folder) const {
    if (folder.empty()) return "";
    const absl::string_view order =
        job_.state().phase == JobPhase::kCompleted ? "forget" : "cancel";
    return absl::StrCat(
        ". If its folder and that of --shared-checkpoints are both lost, so is "
        "what it had: ",
        picture_.of_a_run
            ? "stop the run, and begin another"
            : absl::StrCat("`ebb ", order, " ", job_.record()->name,
                           "`, and submit the job anew"));
  }

  // Another process that wants its place; empty: there is none.
  std::string Refused(const ServerInfo& server) const {
    if (picture_.now - server.refused_at >= kUnheard) return "";
    return absl::StrCat(" (", server.refusal, ")");
  }

  // There are enough servers, and none may have partitions without an owner.
  void NobodyTakes() {
    reasons_.Add(
        Reason::KIND_NO_SERVERS, "servers",
        "partitions wait to be placed, and every server that is there is "
        "leaving",
        ToStart(picture_, "servers", kStartServers));
  }

  // Owners that are connected and say nothing: what waits for them looks like a
  // worker that hangs.
  void Quiet() {
    for (const auto& [id, server] : cluster_.servers) {
      const absl::Duration unheard = picture_.now - server.last_heard;
      if (!server.connected || unheard <= kUnheard ||
          job_.parts().owners.Owned(id) == 0) {
        continue;
      }
      said_.quiet = true;
      reasons_.Add(
          Reason::KIND_SERVER_AWAY, absl::StrCat("ps ", id.value()),
          absl::StrCat("ps ", id.value(),
                       " is connected and has said nothing "
                       "for ",
                       Seconds(unheard),
                       ": its process stands still, or its machine is "
                       "overloaded or gone"),
          "look at its machine; if the process is stopped, continue it (kill "
          "-CONT)",
          unheard);
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
    std::string to_do = absl::StrCat(
        "nothing: it serves them when they are loaded. If it lasts, look at "
        "the log of ",
        name);
    const auto report = server.reports.find(job_.id());
    if (report != server.reports.end() && !report->second.problem.empty()) {
      absl::StrAppend(&text, ": ", report->second.problem);
      if (report->second.problem_kind != ServerProblem::kOther) {
        kind = ReasonOf(report->second.problem_kind);
      }
      to_do = ToDoAbout(report->second.problem_kind, name);
      said_.problems.insert(id);
    }
    reasons_.Add(kind, name, text, to_do, lasts);
  }

  std::string WhatTakesOver(const std::string& folder,
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

  const SchedulerShell::Picture& picture_;
  const SchedulerCore& core_;
  const Cluster& cluster_;
  const TrainingJob& job_;
  const JobPlan& plan_;
  Reasons& reasons_;
  SaidOfServers said_;
};

}  // namespace

SaidOfServers ExplainServers(const SchedulerShell::Picture& picture,
                             const TrainingJob& job, Reasons* reasons) {
  return ServersExplainer(picture, job, reasons).Explain();
}

}  // namespace ebb::scheduler
