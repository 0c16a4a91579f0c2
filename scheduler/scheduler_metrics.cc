#include "scheduler/scheduler_metrics.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/scores/figures.h"
#include "protocol/effective_staleness.h"

namespace ebb::scheduler {

namespace {

using metrics::Labels;
using metrics::OpenMetrics;

// JOB_STATE_RUNNING: running.
std::string Word(absl::string_view enumerator, absl::string_view prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(enumerator, prefix));
}

bool Ended(const v1::JobStatus& job) {
  return job.summary().state() == v1::JOB_STATE_COMPLETE ||
         job.summary().state() == v1::JOB_STATE_CANCELLED;
}

void AddCluster(const v1::GetStatusResponse& status, OpenMetrics* text) {
  auto up = text->Gauge("ebb_scheduler_server_up",
                        "1: the server is connected to the scheduler");
  auto add = [&](OpenMetrics::Family* family, const v1::ServerStatus& server,
                 double value) {
    family->Add(value, {{"server", absl::StrCat(server.server())}});
  };
  for (const auto& server : status.servers()) {
    add(&up, server, server.connected() ? 1 : 0);
  }
  auto problem = text->Gauge("ebb_scheduler_server_problem",
                             "1: the server has one, which ebb status names");
  for (const auto& server : status.servers()) {
    add(&problem, server, server.problem().empty() ? 0 : 1);
  }
  auto unreached = text->Gauge(
      "ebb_scheduler_server_unreached_by",
      "Daemons that cannot reach the server though it may be up: ebb status "
      "names them, and ebb explain says what to do");
  for (const auto& server : status.servers()) {
    std::set<std::string> who;
    for (const auto& one : server.unreached_by()) who.insert(one.who());
    add(&unreached, server, static_cast<double>(who.size()));
  }
  auto partitions = text->Gauge("ebb_scheduler_server_partitions",
                                "Partitions that the server serves");
  for (const auto& server : status.servers()) {
    add(&partitions, server, server.partitions());
  }
  std::map<std::string, int64_t> workers;
  for (int i = v1::WorkerStatus::State_MIN; i <= v1::WorkerStatus::State_MAX;
       ++i) {
    if (!v1::WorkerStatus::State_IsValid(i) || i == 0) continue;
    workers[Word(
        v1::WorkerStatus::State_Name(static_cast<v1::WorkerStatus::State>(i)),
        "STATE_")] = 0;
  }
  for (const auto& worker : status.workers()) {
    ++workers[Word(v1::WorkerStatus::State_Name(worker.state()), "STATE_")];
  }
  auto family = text->Gauge("ebb_scheduler_workers",
                            "Workers that are connected, by what they do");
  for (const auto& [state, count] : workers) {
    family.Add(static_cast<double>(count), {{"state", state}});
  }
}

void AddJobStates(const v1::GetStatusResponse& status, OpenMetrics* text) {
  std::map<std::string, int64_t> states;
  for (int i = v1::JobState_MIN; i <= v1::JobState_MAX; ++i) {
    if (!v1::JobState_IsValid(i) || i == 0) continue;
    states[Word(v1::JobState_Name(static_cast<v1::JobState>(i)),
                "JOB_STATE_")] = 0;
  }
  for (const auto& job : status.jobs()) {
    ++states[Word(v1::JobState_Name(job.summary().state()), "JOB_STATE_")];
  }
  auto family = text->Gauge("ebb_scheduler_jobs", "Jobs, by their state");
  for (const auto& [state, count] : states) {
    family.Add(static_cast<double>(count), {{"state", state}});
  }
}

// One metric of jobs.
struct JobMetric {
  absl::string_view name;
  absl::string_view help;
  // Nothing: it is not known, and the job has no series.
  std::function<std::optional<double>(const v1::JobStatus&)> value;
};

std::vector<JobMetric> JobGauges() {
  using Job = v1::JobStatus;
  const auto number = [](auto get) {
    return [get](const Job& job) { return static_cast<double>(get(job)); };
  };
  return {
      {"ebb_scheduler_job_examples",
       "Examples that the job is to apply to each partition",
       number([](const Job& job) { return job.examples(); })},
      {"ebb_scheduler_job_applied_examples",
       "Examples applied to the partition that has the least",
       number([](const Job& job) { return job.applied_min(); })},
      {"ebb_scheduler_job_most_applied_examples",
       "Examples applied to the partition that has the most",
       number([](const Job& job) { return job.applied_max(); })},
      {"ebb_scheduler_job_items", "Work items of the job",
       number([](const Job& job) { return job.summary().items(); })},
      {"ebb_scheduler_job_durable_items",
       "Work items that are stored on every partition",
       number([](const Job& job) { return job.summary().durable_items(); })},
      {"ebb_scheduler_job_examples_per_second", "Examples applied a second",
       number([](const Job& job) { return job.examples_per_second(); })},
      {"ebb_scheduler_job_loss",
       "Mean loss of the examples of the latest pushes; NaN: none came",
       number([](const Job& job) {
         return job.has_recent_loss()
                    ? job.recent_loss()
                    : std::numeric_limits<double>::quiet_NaN();
       })},
      {"ebb_scheduler_job_diverges",
       "1: the training loss rose far above its best, or stays above that of "
       "guessing; ebb explain says more",
       number([](const Job& job) { return job.divergence().empty() ? 0 : 1; })},
      {"ebb_scheduler_job_generation", "Grows with every rollback of the job",
       number([](const Job& job) { return job.summary().generation(); })},
      {"ebb_scheduler_job_workers", "Workers that the job has",
       number([](const Job& job) { return job.workers(); })},
      {"ebb_scheduler_job_wanted_workers", "Workers that the job could use now",
       number([](const Job& job) { return job.workers_wanted(); })},
      {"ebb_scheduler_job_spare_workers",
       "Workers that could work on the job beyond those that it takes at once",
       number([](const Job& job) { return job.workers_to_spare(); })},
      {"ebb_scheduler_job_moving_partitions",
       "Partitions on their way to another server",
       number([](const Job& job) { return job.moving(); })},
      {"ebb_scheduler_job_quarantined_items",
       "Work items that are given to no worker, as they fail",
       number([](const Job& job) { return job.quarantined_size(); })},
      {"ebb_scheduler_job_effective_staleness",
       "Mean staleness in updates, where each update counts by what its rate "
       "was multiplied by for being late",
       [](const Job& job) -> std::optional<double> {
         return EffectiveStaleness(job.scaled().factor_sum(),
                                   job.scaled().scaled_staleness());
       }},
      {"ebb_scheduler_job_waiting_reasons",
       "Why the job waits: how many reasons ebb status names",
       number([](const Job& job) { return job.waiting_size(); })},
  };
}

std::vector<JobMetric> JobCounters() {
  using Job = v1::JobStatus;
  const auto number = [](auto get) {
    return [get](const Job& job) { return static_cast<double>(get(job)); };
  };
  // Absent where no server said how updates were scaled.
  const auto of_scaled = [](auto get) {
    return [get](const Job& job) -> std::optional<double> {
      if (job.scaled().updates() == 0) return std::nullopt;
      return static_cast<double>(get(job.scaled()));
    };
  };
  const auto seconds = [](auto has, auto us) {
    return [has, us](const Job& job) -> std::optional<double> {
      if (!(job.*has)()) return std::nullopt;
      return static_cast<double>((job.*us)()) / 1e6;
    };
  };
  return {
      {"ebb_scheduler_job_updates", "Pushes applied, one for each partition",
       number([](const Job& job) { return job.updates(); })},
      {"ebb_scheduler_job_repeated_leases",
       "Work items that another worker was leased after a lease that ended "
       "before they were done",
       number([](const Job& job) { return job.leases_repeated(); })},
      {"ebb_scheduler_job_losses",
       "Workers, servers and schedulers that were lost with work of the job, "
       "each once",
       number([](const Job& job) { return job.lost_daemons(); })},
      {"ebb_scheduler_job_moved_partitions",
       "Partitions that moved from a server that was there",
       number([](const Job& job) { return job.moved(); })},
      {"ebb_scheduler_job_taken_over_partitions",
       "Partitions taken over from a server that was gone",
       number([](const Job& job) { return job.taken_over(); })},
      {"ebb_scheduler_job_scaled_updates",
       "Updates whose rate was multiplied by less than 1, as they were late",
       of_scaled([](const v1::ScaledUpdates& all) { return all.scaled(); })},
      {"ebb_scheduler_job_updates_scaled_to_nothing",
       "Those whose rate was multiplied by less than 0.01; more than one in a "
       "hundred: the job has too many workers",
       of_scaled(
           [](const v1::ScaledUpdates& all) { return all.to_nothing(); })},
      {"ebb_scheduler_job_update_factors",
       "The sum of what the rates of updates were multiplied by for being late",
       of_scaled(
           [](const v1::ScaledUpdates& all) { return all.factor_sum(); })},
      {"ebb_scheduler_job_bound_wait_seconds",
       "Time that workers with nothing else to do waited for others, as ssp or "
       "bsp bounds them, all workers together; much beside the workers' time: "
       "one is slow, or the bound is narrow",
       seconds(&Job::has_bound_wait_us, &Job::bound_wait_us)},
      {"ebb_scheduler_job_worker_seconds",
       "Time that the job had workers, all of them together",
       seconds(&Job::has_worker_us, &Job::worker_us)},
  };
}

// The last evaluation that has results; null: there is none.
const v1::JobStatus::Evaluation* LastEvaluation(const v1::JobStatus& job) {
  const auto& all = job.evaluations();
  const auto last = std::find_if(all.rbegin(), all.rend(), [](const auto& one) {
    return one.error().empty();
  });
  return last == all.rend() ? nullptr : &*last;
}

// At most kMostFigures and the loss for each job.
void AddEvaluations(const std::vector<const v1::JobStatus*>& jobs,
                    const std::function<Labels(const v1::JobStatus&)>& labels,
                    OpenMetrics* text) {
  auto figures = text->Gauge(
      "ebb_scheduler_job_test_figure",
      "What the last evaluation of the job on its test data found, by figure");
  for (const v1::JobStatus* job : jobs) {
    const v1::JobStatus::Evaluation* last = LastEvaluation(*job);
    if (last == nullptr) continue;
    const auto add = [&](absl::string_view figure, double value) {
      Labels all = labels(*job);
      all.push_back({"figure", std::string(figure)});
      figures.Add(value, all);
    };
    add("loss", last->loss());
    std::set<std::string> named = {"loss"};
    for (const v1::Figures::Named& figure : last->figures().named()) {
      if (named.insert(figure.name()).second) {
        add(figure.name(), figure.value());
      }
    }
    // Models that have no figures may count what is right.
    if (last->accuracy() >= 0 && named.insert(std::string(kAccuracy)).second) {
      add(kAccuracy, last->accuracy());
    }
  }
  auto epochs = text->Gauge("ebb_scheduler_job_test_epoch",
                            "Epochs before the last evaluation of the job");
  for (const v1::JobStatus* job : jobs) {
    const v1::JobStatus::Evaluation* last = LastEvaluation(*job);
    if (last != nullptr) epochs.Add(last->epoch() + 1, labels(*job));
  }
}

}  // namespace

void AddScheduler(const v1::GetStatusResponse& status, OpenMetrics* text) {
  AddCluster(status, text);
  AddJobStates(status, text);
  std::vector<const v1::JobStatus*> jobs;
  for (const v1::JobStatus& job : status.jobs()) {
    if (!Ended(job)) jobs.push_back(&job);
  }
  const auto labels = [](const v1::JobStatus& job) {
    return Labels{{"job", absl::StrCat(job.summary().job())},
                  {"name", job.summary().name()}};
  };
  const auto add = [&](OpenMetrics::Family family, const JobMetric& metric) {
    for (const v1::JobStatus* job : jobs) {
      const std::optional<double> value = metric.value(*job);
      if (value) family.Add(*value, labels(*job));
    }
  };
  for (const JobMetric& metric : JobGauges()) {
    add(text->Gauge(metric.name, metric.help), metric);
  }
  for (const JobMetric& metric : JobCounters()) {
    add(text->Counter(metric.name, metric.help), metric);
  }
  auto staleness = text->Histogram(
      "ebb_scheduler_job_staleness",
      "Updates of a partition between a pull and the push computed from it");
  for (const v1::JobStatus* job : jobs) {
    staleness.Add(metrics::HistogramOfCounts(
                      {job->staleness().begin(), job->staleness().end()}),
                  labels(*job));
  }
  AddEvaluations(jobs, labels, text);
}

}  // namespace ebb::scheduler
