#include "server/server_metrics.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/server_core.h"

namespace ebb::server {

namespace {

// The figures of this server's part of a job.
struct JobFigures {
  std::string job;
  int64_t serving = 0;
  int64_t loading = 0;
  int64_t updates = 0;
  bool durable = true;
};

JobFigures FiguresOf(JobId id, const HostedJob& job) {
  JobFigures figures;
  figures.job = absl::StrCat(id.value());
  figures.durable = job.AllDurable();
  const JobPlan& plan = job.stored().record->plan;
  for (int32_t i = 0; i < plan.partitions; ++i) {
    const PartitionId partition(i);
    if (job.term(partition) == Term()) continue;
    if (const Partition* values = job.partition(partition)) {
      ++figures.serving;
      figures.updates += values->tally().updates();
    } else {
      ++figures.loading;
    }
  }
  return figures;
}

void AddJobs(ServerShell* shell, metrics::OpenMetrics* text) {
  std::vector<JobFigures> jobs;
  shell->Inspect([&](const ServerCore& core) {
    for (const auto& [id, job] : core.jobs()) {
      jobs.push_back(FiguresOf(id, job));
    }
  });
  auto partitions = text->Gauge("ebb_server_partitions",
                                "Partitions that it owns, by what they do");
  for (const JobFigures& job : jobs) {
    partitions
        .Add(static_cast<double>(job.serving),
             {{"job", job.job}, {"state", "serving"}})
        .Add(static_cast<double>(job.loading),
             {{"job", job.job}, {"state", "loading"}});
  }
  auto updates = text->Gauge(
      "ebb_server_updates",
      "Pushes applied to the partitions that it serves, in the job's life");
  for (const JobFigures& job : jobs) {
    updates.Add(static_cast<double>(job.updates), {{"job", job.job}});
  }
  auto durable = text->Gauge("ebb_server_durable",
                             "1: all that it applied of the job is stored");
  for (const JobFigures& job : jobs) {
    durable.Add(job.durable ? 1 : 0, {{"job", job.job}});
  }
}

void AddStoreDamage(ServerShell* shell, metrics::OpenMetrics* text) {
  StoreDamage damage;
  shell->Inspect([&](const ServerCore& core) { damage = core.store_damage(); });
  text->Counter("ebb_server_store_rescues",
                "Times that its store was found damaged, set aside, and made "
                "anew of what was sound of it")
      .Add(static_cast<double>(damage.rescues));
  text->Counter("ebb_server_versions_lost",
                "Stored versions that could not be used, so that older ones "
                "or copies stood in")
      .Add(static_cast<double>(damage.versions_lost));
}

}  // namespace

void AddServer(ServerShell* shell, metrics::OpenMetrics* text) {
  text->Gauge("ebb_server_ready",
              "1: the scheduler knows it, and it does not leave")
      .Add(shell->Ready() ? 1 : 0);
  AddJobs(shell, text);
  shell->calls().AddTo(text);
  const ServerShell::Figures figures = shell->figures();
  const auto gauge = [text](absl::string_view name, absl::string_view help,
                            int64_t value) {
    text->Gauge(name, help).Add(static_cast<double>(value));
  };
  gauge("ebb_server_waiting_pushes", "Pushes not answered yet", figures.pushes);
  gauge("ebb_server_waiting_push_bytes",
        "Bytes of pushes not answered yet, and of applying their rows",
        figures.push_bytes);
  gauge("ebb_server_waiting_pulls",
        "Pulls not answered yet, those that wait for others among them",
        figures.pulls);
  gauge("ebb_server_value_used_bytes",
        "Memory in which values, slots and what is written of them lie",
        figures.used_bytes);
  gauge("ebb_server_value_free_bytes",
        "Memory that was used for such and will be again", figures.free_bytes);
  gauge("ebb_server_value_most_bytes", "The most that values may take",
        figures.most_bytes);
  text->Counter("ebb_server_versions",
                "Versions of partitions, by whether they could be written")
      .Add(static_cast<double>(figures.versions), {{"result", "written"}})
      .Add(static_cast<double>(figures.versions_failed),
           {{"result", "failed"}});
  text->Counter("ebb_server_version_bytes", "What was new in written versions")
      .Add(static_cast<double>(figures.version_bytes));
  AddStoreDamage(shell, text);
  text->Gauge("ebb_server_last_version_timestamp_seconds",
              "When the latest version was durable, in Unix time; 0: none was")
      .Add(figures.last_version == absl::InfinitePast()
               ? 0
               : absl::ToDoubleSeconds(figures.last_version -
                                       absl::UnixEpoch()));
}

}  // namespace ebb::server
