#include "tools/ebb/status/status_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "common/scores/figures.h"
#include "tools/ebb/status/event_text.h"
#include "tools/ebb/status/known_marks.h"
#include "tools/ebb/status/store_damage.h"
#include "tools/text/daemon_names.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/progress_line.h"
#include "tools/text/traffic.h"
#include "tools/text/validation.h"

namespace ebb::tools {

namespace {

std::string Word(absl::string_view name, absl::string_view prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

// How long ago, or nothing where it is not known.
std::string Since(const v1::GetStatusResponse& status, int64_t unix_ms) {
  if (unix_ms <= 0) return "";
  return AgeText(absl::Milliseconds(status.now_unix_ms() - unix_ms));
}

// "3/18@640": epoch and shard, from 1, and the place in it.
std::string ItemText(const v1::WorkerStatus::Item& item) {
  return absl::StrCat(ItemName(item.item().epoch(), item.item().shard()), "@",
                      item.position(), item.backup() ? " (backup)" : "");
}

std::string PidText(int64_t pid) { return pid > 0 ? absl::StrCat(pid) : ""; }

std::string StateText(const v1::ServerStatus& server, const Console& console) {
  if (!server.connected()) return Paint(console, Ink::kRed, "away");
  return server.leaving() ? Paint(console, Ink::kYellow, "leaving")
                          : Paint(console, Ink::kGreen, "up");
}

// A worker that has work and says nothing may be stopped, or hang; others may
// wait for it. Empty: it was heard of just now, or has nothing to say.
std::string SilenceText(const v1::WorkerStatus& worker) {
  constexpr absl::Duration kLong = absl::Seconds(1);
  const absl::Duration unheard = absl::Milliseconds(worker.unheard_ms());
  const bool silent = worker.state() == v1::WorkerStatus::STATE_SILENT;
  if (unheard < kLong || (worker.items().empty() && !silent)) return "";
  std::string text = absl::StrCat("said nothing for ", DurationText(unheard),
                                  silent ? ", and its lease ran out" : "");
  if (worker.awaited_by() > 0) {
    absl::StrAppend(&text, "; ", Count(worker.awaited_by(), "worker"),
                    worker.awaited_by() == 1 ? " waits" : " wait", " for it");
  }
  return text;
}

std::string UnreachedText(const v1::Unreached& one) {
  return absl::StrCat("cannot reach ", ServerName(one.trouble().server()),
                      " at ", one.trouble().address(), ": ",
                      one.trouble().text());
}

// The servers that the daemon does not reach, or the daemons that do not reach
// it, each once.
template <typename Troubles, typename Text>
void AddUnreached(const Troubles& troubles, Text text_of,
                  const Console& console, std::string* work) {
  std::set<std::string> told;
  for (const v1::Unreached& one : troubles) {
    const std::string text = text_of(one);
    if (!told.insert(text).second) continue;
    absl::StrAppend(work, work->empty() ? "" : ", ",
                    Paint(console, Ink::kRed, text));
  }
}

std::string DaemonTable(const v1::GetStatusResponse& status,
                        const std::string& scheduler_address,
                        const Console& console) {
  TextTable table({"ROLE", "STATE", "SINCE", "PID", "ADDRESS", "WORK"}, {3});
  table.Add({kSchedulerName, Paint(console, Ink::kGreen, "up"),
             Since(status, status.up_since_unix_ms()),
             PidText(status.process_id()), scheduler_address,
             Count(status.jobs_size(), "job")});
  for (const v1::ServerStatus& server : status.servers()) {
    std::string work =
        absl::StrCat(Count(server.partitions(), "partition"), ", ",
                     WithCommas(server.updates()), " updates");
    if (server.refused_pushes() > 0) {
      absl::StrAppend(&work, ", ",
                      Paint(console, Ink::kYellow,
                            absl::StrCat("pushes back: ", server.refusal())));
    }
    // It may be what it pushes back for.
    const bool told =
        server.refused_pushes() > 0 && server.problem() == server.refusal();
    if (!server.problem().empty() && !told) {
      absl::StrAppend(&work, ", ", Paint(console, Ink::kRed, server.problem()));
    }
    if (server.has_store_damage()) {
      absl::StrAppend(&work, ", ",
                      Paint(console, Ink::kYellow, "its store was damaged"));
    }
    AddUnreached(
        server.unreached_by(),
        [](const v1::Unreached& by) {
          return absl::StrCat(by.who(), " cannot reach it at ",
                              by.trouble().address(), ": ",
                              by.trouble().text());
        },
        console, &work);
    AddUnreached(server.unreached(), UnreachedText, console, &work);
    table.Add({ServerName(server.server()), StateText(server, console),
               Since(status, server.since_unix_ms()),
               PidText(server.process_id()), server.address(), work});
  }
  for (const v1::WorkerStatus& worker : status.workers()) {
    std::string work = absl::StrJoin(worker.items(), ", ",
                                     [](std::string* out, const auto& item) {
                                       absl::StrAppend(out, ItemText(item));
                                     });
    if (worker.examples_per_second() > 0) {
      absl::StrAppend(&work, work.empty() ? "" : "  ",
                      Short(worker.examples_per_second()), " ex/s");
    }
    const std::string silence = SilenceText(worker);
    if (!silence.empty()) {
      absl::StrAppend(&work, work.empty() ? "" : "  ",
                      Paint(console, Ink::kRed, silence));
    }
    AddUnreached(worker.unreached(), UnreachedText, console, &work);
    const bool busy = worker.state() == v1::WorkerStatus::STATE_WORKING ||
                      worker.state() == v1::WorkerStatus::STATE_EVALUATING;
    table.Add({worker.name(),
               Paint(console, busy ? Ink::kGreen : Ink::kYellow,
                     StateWord(worker.state())),
               Since(status, worker.since_unix_ms()),
               PidText(worker.process_id()), "", work});
  }
  return table.ToString();
}

// With its number where another has the same name.
std::string JobName(const v1::GetStatusResponse& status,
                    const v1::JobStatus& job) {
  const std::string& name = job.summary().name();
  const auto same = std::ranges::count_if(
      status.jobs(),
      [&](const v1::JobStatus& one) { return one.summary().name() == name; });
  return same < 2 ? name : absl::StrCat(name, " (", job.summary().job(), ")");
}

std::string SpeedText(const v1::JobStatus& job) {
  const double speed = job.examples_per_second();
  if (job.example_tokens() == 0) return absl::StrCat(Short(speed), "/s");
  const double tokens = speed * static_cast<double>(job.example_tokens());
  return absl::StrCat(Short(tokens), " tokens/s");
}

std::string JobTable(const v1::GetStatusResponse& status) {
  TextTable table({"JOB", "NUMBER", "STATE", "PRIORITY", "WORKERS", "ITEMS",
                   "DURABLE", "APPLIED", "SPEED", "ETA", "LOSS", "TEST"},
                  {1, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  for (const v1::JobStatus& job : status.jobs()) {
    v1::GetStatusResponse one;
    *one.add_jobs() = job;
    const Progress progress = ProgressOf(one, 0, 0);
    const auto figure = [](const std::optional<double>& value,
                           absl::string_view unit = "") {
      return value ? absl::StrCat(unit, FigureText(*value, 3)) : "";
    };
    table.Add(
        {job.summary().name(), absl::StrCat(job.summary().job()),
         StateWord(job.summary().state()), absl::StrCat(job.priority()),
         absl::StrCat(job.workers(), "/", job.workers_wanted()),
         absl::StrCat(job.summary().full_items(), "/", job.summary().items()),
         absl::StrCat(job.summary().durable_items()),
         // A scheduler in a new life has yet to hear of it.
         MarksKnown(job) || job.applied_min() > 0
             ? absl::StrFormat("%.1f%%", 100 * progress.fraction())
             : "",
         SpeedText(job), progress.eta ? AgeText(*progress.eta) : "",
         progress.inertia ? figure(progress.inertia, "inertia ")
         : progress.rmse  ? figure(progress.rmse, "rmse ")
                          : figure(progress.loss),
         progress.test_rmse       ? figure(progress.test_rmse, "rmse ")
         : progress.test_accuracy ? figure(progress.test_accuracy)
                                  : figure(progress.test_loss)});
  }
  return table.empty() ? "" : table.ToString();
}

constexpr size_t kEpochsShown = 8;
// Earlier epochs that are shown: the last that were evaluated. `evaluate` may
// name longer intervals.
constexpr size_t kEvaluatedShown = 3;

struct EpochRow {
  std::string loss;
  std::map<std::string, std::string> figures;  // Figures of the test, by title.
};

void KeepLatest(std::map<int32_t, EpochRow>* epochs) {
  size_t evaluated = 0;
  size_t seen = 0;
  std::map<int32_t, EpochRow> kept;
  for (auto it = epochs->rbegin(); it != epochs->rend(); ++it) {
    const bool has = !it->second.figures.empty();
    const bool latest = seen++ < kEpochsShown;
    if (has) ++evaluated;
    if (latest || (has && evaluated <= kEvaluatedShown)) kept.insert(*it);
  }
  *epochs = std::move(kept);
}

// Why the last evaluation was not made; empty: it was.
std::string NotEvaluated(const v1::JobStatus& job) {
  if (job.evaluations().empty()) return "";
  const auto& last = *job.evaluations().rbegin();
  if (last.error().empty()) return "";
  return absl::StrCat("epoch ", last.epoch() + 1,
                      " is not evaluated: ", last.error(), "\n");
}

std::string Line(const std::string& text) {
  return text.empty() ? text : text + "\n";
}

// Training and test figures of the last epochs of a job.
std::string EpochTable(const v1::GetStatusResponse& status,
                       const v1::JobStatus& job) {
  std::map<int32_t, EpochRow> epochs;
  std::vector<std::string> titles = {"EPOCH", job.has_inertia()      ? "INERTIA"
                                              : TrainingRmse(job, 0) ? "RMSE"
                                                                     : "LOSS"};
  for (const auto& loss : job.losses()) {
    if (std::isnan(loss.mean())) {
      epochs[loss.epoch()].loss = "not known";
      continue;
    }
    const double figure =
        job.has_inertia()
            ? loss.mean() * static_cast<double>(loss.examples())
            : TrainingRmse(job, loss.mean()).value_or(loss.mean());
    epochs[loss.epoch()].loss = FigureText(figure);
  }
  for (const auto& evaluation : job.evaluations()) {
    if (!evaluation.error().empty()) continue;
    for (const ShownFigure& figure : ShownFigures(evaluation)) {
      if (figure.name == kPrecision || figure.name == kRecall) continue;
      const std::string title =
          absl::AsciiStrToUpper(absl::StrCat("test ", figure.title));
      epochs[evaluation.epoch()].figures[title] = FigureText(figure.value);
      if (std::ranges::find(titles, title) == titles.end()) {
        titles.push_back(title);
      }
    }
  }
  // Which epochs the evaluated model had learned, if it had more than its own.
  for (const auto& evaluation : job.evaluations()) {
    if (!evaluation.error().empty() || HasOwnSnapshot(job, evaluation)) {
      continue;
    }
    const std::string of = "TEST OF EPOCH";
    if (titles.back() != of) titles.push_back(of);
    epochs[evaluation.epoch()].figures[of] = absl::StrFormat(
        "%.1f", evaluation.epoch() + 1 + EpochsFurther(job, evaluation));
  }
  std::string title = JobName(status, job);
  if (epochs.size() > kEpochsShown) {
    const size_t all = epochs.size();
    KeepLatest(&epochs);
    absl::StrAppend(
        &title, ", the last ", kEpochsShown, " of ", all, " epochs",
        epochs.size() > kEpochsShown ? " and the evaluations before them" : "");
  }
  std::vector<int> right(titles.size());
  std::iota(right.begin(), right.end(), 0);
  TextTable table(titles, right);
  for (auto& [epoch, row] : epochs) {
    std::vector<std::string> cells = {absl::StrCat(epoch + 1), row.loss};
    for (size_t i = cells.size(); i < titles.size(); ++i) {
      cells.push_back(row.figures[titles[i]]);
    }
    table.Add(cells);
  }
  if (table.empty()) return "";
  const bool of_one = std::ranges::find(titles, "TEST F1") != titles.end();
  const std::string of = of_one ? OfClass(kF1, job.positive_class()) : "";
  return absl::StrCat(
      "\n", title, "\n", table.ToString(),
      of.empty() ? "" : absl::StrCat("F1 and ECE are", of, "\n"));
}

bool IsOver(const v1::JobStatus& job) {
  return job.summary().state() == v1::JOB_STATE_COMPLETE ||
         job.summary().state() == v1::JOB_STATE_CANCELLED;
}

// Leaves out the jobs that are over, but for the newest few, and says how many
// those are. Empty: none.
std::string FoldJobs(v1::GetStatusResponse* status) {
  constexpr int64_t kOverShown = 3;
  auto& jobs = *status->mutable_jobs();
  // Jobs that are over and older than the newest few; jobs come by age.
  int64_t folded =
      std::max<int64_t>(0, std::ranges::count_if(jobs, IsOver) - kOverShown);
  if (folded == 0) return "";
  const int64_t all = folded;
  for (int i = 0; i < jobs.size() && folded > 0;) {
    if (IsOver(jobs[i])) {
      jobs.DeleteSubrange(i, 1);
      --folded;
    } else {
      ++i;
    }
  }
  return absl::StrCat(Count(all, "older job"), all == 1 ? " is" : " are",
                      " over: `ebb status --all` shows ",
                      all == 1 ? "it" : "them",
                      ", `ebb forget JOB` forgets one\n");
}

std::string ReasonLine(const v1::WaitReason& reason) {
  // Most sentences begin with their subject.
  const bool named = absl::StartsWith(reason.text(), reason.subject());
  return absl::StrCat(
      "  ", named ? "" : reason.subject(), named ? "" : ": ", reason.text(),
      reason.for_ms() > 0
          ? absl::StrCat(" (for ",
                         DurationText(absl::Milliseconds(reason.for_ms())), ")")
          : "",
      "\n");
}

// Says what a job leaves to others, and why; empty: nothing.
std::string SpareText(int64_t spare, const std::string& job) {
  if (spare <= 0) return "";
  return absl::StrCat(
      Count(spare, "more worker"),
      " could work on the job than it takes at once (workers.max); other jobs "
      "may have ",
      spare == 1 ? "it" : "them",
      ". With more at once, gradients come later, and the job learns less from "
      "each example; `ebb scale ",
      job, " --workers N` takes N.\n");
}

// Says what a job came to, and what it costs.
std::string DetailsText(const v1::GetStatusResponse& status,
                        const v1::JobStatus& job) {
  std::string out;
  const std::string name = JobName(status, job);
  const auto line = [&](absl::string_view before, const std::string& text) {
    if (!text.empty()) absl::StrAppend(&out, "\n", name, before, text, "\n");
  };
  if (Filtered(job.traffic())) line(" ", TrafficText(job.traffic()));
  line(" scales late updates ", ScaledText(job.scaled()));
  line(": ", BoundWaitText(job));
  line(" rolled back ", job.rolled_back());
  line(" keeps its best: ", BestText(job));
  line(" ", job.ended());
  line(" trains at ", RateText(job.rate_factor(), job.nonfinite_rollbacks()));
  return out;
}

// Returns what stands in front of the reasons to wait.
absl::string_view WaitsText(const v1::JobStatus& job) {
  if (job.summary().state() == v1::JOB_STATE_COMPLETE) {
    return " is complete, but its model is not whole now:\n";
  }
  return Advances(job.summary().state(), job.examples_per_second() > 0,
                  job.waiting())
             ? " advances; meanwhile:\n"
             : " waits:\n";
}

// Tells the owners of the jobs what to know, or to do something about.
std::string NewsText(const v1::GetStatusResponse& status) {
  std::string out;
  const auto each = [&](absl::string_view before, auto text_of) {
    for (const v1::JobStatus& job : status.jobs()) {
      const std::string text = text_of(job);
      if (text.empty()) continue;
      absl::StrAppend(&out, "\n", JobName(status, job), before, text);
    }
  };
  each(": ", NotEvaluated);
  each(": ", [](const v1::JobStatus& job) { return Line(job.divergence()); });
  each(": ", [](const v1::JobStatus& job) { return Line(job.late_updates()); });
  each("", [](const v1::JobStatus& job) {
    if (job.waiting().empty()) return std::string();
    std::string text(WaitsText(job));
    for (const auto& reason : job.waiting()) text += ReasonLine(reason);
    return text;
  });
  each(": ", [](const v1::JobStatus& job) {
    return job.stored_where().empty() ? "" : Line(job.stored_where() + ".");
  });
  each(": ", [](const v1::JobStatus& job) {
    return SpareText(job.workers_to_spare(), job.summary().name());
  });
  return out;
}

}  // namespace

std::string StateWord(v1::JobState state) {
  return Word(v1::JobState_Name(state), "JOB_STATE_");
}
std::string StateWord(v1::WorkerStatus::State state) {
  return Word(v1::WorkerStatus::State_Name(state), "STATE_");
}
std::string ReasonWord(v1::WaitReason::Kind kind) {
  return Word(v1::WaitReason::Kind_Name(kind), "KIND_");
}

std::string CauseWord(v1::PeerTrouble::Cause cause) {
  return Word(v1::PeerTrouble::Cause_Name(cause), "CAUSE_");
}

bool Advances(v1::JobState state, bool applied, const WaitReasons& reasons) {
  constexpr v1::WaitReason::Kind kAll[] = {
      v1::WaitReason::KIND_STARTING, v1::WaitReason::KIND_NO_SERVERS,
      v1::WaitReason::KIND_NO_WORKERS, v1::WaitReason::KIND_SERVER_AWAY,
      v1::WaitReason::KIND_PAUSED};
  return state == v1::JOB_STATE_RUNNING && applied &&
         std::ranges::none_of(reasons, [&](const v1::WaitReason& reason) {
           return std::ranges::count(kAll, reason.kind()) > 0;
         });
}

std::string StatusText(const v1::GetStatusResponse& status,
                       const std::string& scheduler_address,
                       const Console& console, bool all_jobs) {
  v1::GetStatusResponse shown = status;
  const std::string folded = all_jobs ? "" : FoldJobs(&shown);
  const std::string jobs = JobTable(shown) + NewsText(shown);
  std::string damages;
  for (const v1::ServerStatus& server : status.servers()) {
    if (!server.has_store_damage()) continue;
    absl::StrAppend(&damages, "\n", StoreDamageText(server), "; ",
                    StoreDamageCostText(server), "\n");
  }
  return absl::StrCat(
      DaemonTable(status, scheduler_address, console), damages,
      jobs.empty() ? "" : "\n", jobs, folded.empty() ? "" : "\n", folded,
      status.jobs().empty()
          ? ""
          : "\n`ebb status JOB` shows the epochs and events of a job\n");
}

std::string JobsText(const v1::GetStatusResponse& status) {
  constexpr int kEventsShown = 6;
  std::string out = JobTable(status);
  for (const v1::JobStatus& job : status.jobs()) {
    absl::StrAppend(&out, EpochTable(status, job), DetailsText(status, job));
  }
  const std::string events = EventsText(status, kEventsShown);
  return absl::StrCat(out, NewsText(status), events.empty() ? "" : "\n",
                      events);
}

std::string ExplainText(const v1::ExplainResponse& explanation,
                        v1::JobState state, const Console& console) {
  const absl::Duration stopped =
      absl::Milliseconds(explanation.not_advancing_ms());
  std::string out;
  Ink ink = Ink::kGreen;
  if (state == v1::JOB_STATE_COMPLETE && !explanation.reasons().empty()) {
    ink = Ink::kYellow;
    out = "It is complete, but its model is not whole now:";
  } else if (state == v1::JOB_STATE_COMPLETE ||
             state == v1::JOB_STATE_CANCELLED) {
    out = absl::StrCat("It is ", StateWord(state), "; nothing waits.");
  } else if (Advances(state, stopped == absl::ZeroDuration(),
                      explanation.reasons())) {
    out = explanation.reasons().empty() ? "It advances; nothing waits."
                                        : "It advances. Meanwhile:";
  } else if (state == v1::JOB_STATE_FLUSHING) {
    out = "All is applied, and not all is durable.";
  } else {
    ink = Ink::kYellow;
    out = stopped > absl::ZeroDuration()
              ? absl::StrCat("Not advancing for ", DurationText(stopped), ".")
              : "Not advancing.";
  }
  out = Paint(console, ink, out) + "\n";
  for (const auto& reason : explanation.reasons()) {
    absl::StrAppend(&out, ReasonLine(reason));
  }
  if (!explanation.stored_where().empty()) {
    absl::StrAppend(&out, "Where it is: ", explanation.stored_where(), ".\n");
  }
  if (!explanation.divergence().empty()) {
    absl::StrAppend(&out, Paint(console, Ink::kYellow, "Warning:"), " ",
                    explanation.divergence(), ".\n");
  }
  return out + SpareText(explanation.workers_to_spare(), "JOB");
}

}  // namespace ebb::tools
