#include "tools/ebb/report/run_report.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/scores/figures.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/daemon_names.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/progress_line.h"
#include "tools/text/traffic.h"
#include "tools/text/validation.h"
#include "workloads/seam/rules/rules.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

Json StalenessJson(const std::vector<int64_t>& histogram) {
  Json json = Json::Object();
  const auto known = [&](int64_t value) {
    return histogram.empty() ? Json() : Json(value);
  };
  json["median"] = known(QuantileOfHistogram(histogram, 0.5));
  json["p99"] = known(QuantileOfHistogram(histogram, 0.99));
  json["max"] = known(static_cast<int64_t>(histogram.size()) - 1);
  const auto mean = MeanOfHistogram(histogram);
  json["mean"] = mean ? Json(*mean) : Json();
  json["histogram"] = Json::List();
  for (const int64_t count : histogram) json["histogram"].Add(count);
  return json;
}

Json OptionalJson(const std::optional<double>& value) {
  return value ? Json(*value) : Json();
}

Json EvaluationsJson(const v1::JobStatus& status) {
  Json list = Json::List();
  for (const auto& evaluation : status.evaluations()) {
    list.Add(EvaluationJson(status, evaluation));
  }
  return list;
}

// Adds what the servers and workers did.
void AddShares(const RunReport& report, Json* json) {
  const v1::JobStatus& status = report.status;
  (*json)["training_loss"] = Json::List();
  for (const auto& loss : status.losses()) {
    (*json)["training_loss"].Add(loss.mean());
  }
  if (report.figures && report.figures->inertia) {
    (*json)["inertia"] = *report.figures->inertia;
  } else if (status.has_inertia()) {
    (*json)["inertia"] = status.inertia().sum();
  }
  if (status.has_validation()) (*json)["validation"] = ValidationJson(status);
  (*json)["servers"] = Json::List();
  for (const auto& [name, partitions] : PartitionsByServer(report)) {
    Json one = Json::Object();
    one["name"] = name;
    one["partitions"] = partitions;
    (*json)["servers"].Add(std::move(one));
  }
  (*json)["workers"] = Json::List();
  for (const auto& share : status.shares()) {
    Json one = Json::Object();
    one["name"] = share.name();
    one["examples"] = share.examples();
    one["share"] = report.ShareOf(share);
    (*json)["workers"].Add(std::move(one));
  }
}

double Seconds(int64_t microseconds) {
  return static_cast<double>(microseconds) / 1e6;
}

Json TailsJson(const v1::JobStatus& status) {
  const v1::JobStatus::EpochTails& tails = status.epoch_tails();
  if (tails.epochs() == 0) return {};
  Json json = Json::Object();
  json["epochs"] = tails.epochs();
  json["mean_s"] = Seconds(tails.sum_us()) / tails.epochs();
  json["longest_s"] = Seconds(tails.longest_us());
  json["slowest_batch_s"] = Seconds(tails.slowest_batch_us());
  return json;
}

void AddChaos(const RunReport& report, Json* json) {
  (*json)["events"] = Json::List();
  for (const PlannedEvent& event : report.events) {
    Json one = Json::Object();
    one["seconds"] = event.seconds;
    one["what"] = event.what;
    one["ended_s"] = OptionalJson(event.ended_s);
    one["resumed_s"] = OptionalJson(event.resumed_s);
    one["recovery_s"] = OptionalJson(event.recovery_s);
    (*json)["events"].Add(std::move(one));
  }
  (*json)["batch_time"] = absl::ToDoubleSeconds(report.batch_time);
  if (!report.goodput) {
    (*json)["goodput"] = Json();
    return;
  }
  const chaos::Goodput& goodput = *report.goodput;
  Json figures = Json::Object();
  figures["value"] = goodput.value();
  figures["counted"] = goodput.counted;
  figures["possible"] = goodput.possible();
  figures["rate_of_one_worker"] = goodput.rate;
  figures["worker_seconds"] = absl::ToDoubleSeconds(goodput.worker_time);
  figures["from_seconds"] = absl::ToDoubleSeconds(goodput.begin);
  figures["to_seconds"] = absl::ToDoubleSeconds(goodput.end);
  (*json)["goodput"] = std::move(figures);
}

}  // namespace

std::vector<std::pair<std::string, int>> PartitionsByServer(
    const RunReport& report) {
  const auto& placement = report.status.placement();
  std::map<int32_t, int> owned;
  for (const auto& server : placement.servers()) owned[server.server()];
  if (report.audit) {
    for (const PartitionAudit& one : report.audit->partitions) {
      if (one.server >= 0) ++owned[one.server];
    }
  } else {
    for (const auto& place : placement.partitions()) ++owned[place.server()];
  }
  std::vector<std::pair<std::string, int>> servers;
  for (const auto& [server, partitions] : owned) {
    servers.emplace_back(ServerName(server), partitions);
  }
  return servers;
}

std::string AuditVerdict(const RunReport& report) {
  const AuditReport& audit = *report.audit;
  if (!report.complete()) {
    return audit.Problems(/*complete=*/false).empty() ? "" : "not exact";
  }
  return audit.exact() ? "exact" : "not exact";
}

std::string RunReport::unit() const { return workloads::FactsOf(job).unit; }
int64_t RunReport::tokens() const { return workloads::FactsOf(job).tokens; }

bool RunReport::has_trees() const {
  return workloads::ToolsOf(job.model()).Facts().trees;
}

std::optional<double> RunReport::accuracy() const {
  const auto* last = LastEvaluation(status);
  return last == nullptr ? std::nullopt : FigureOf(*last, kAccuracy);
}

std::optional<double> RunReport::test_loss() const {
  const auto* last = LastEvaluation(status);
  if (last == nullptr) return std::nullopt;
  return last->loss();
}

int64_t RunReport::recomputed() const {
  int64_t computed = 0;
  for (const auto& share : status.shares()) computed += share.examples();
  return std::max<int64_t>(0,
                           computed - (status.applied_min() - applied_before));
}

std::vector<int64_t> RunReport::staleness() const {
  std::vector<int64_t> histogram(status.staleness().begin(),
                                 status.staleness().end());
  while (!histogram.empty() && histogram.back() == 0) histogram.pop_back();
  return histogram;
}

double RunReport::ShareOf(const v1::JobStatus::WorkerShare& share) const {
  int64_t all = 0;
  for (const auto& one : status.shares()) all += one.examples();
  return all > 0
             ? static_cast<double>(share.examples()) / static_cast<double>(all)
             : 0;
}

std::optional<int64_t> RunReport::clock_bound() const {
  switch (job.consistency().kind()) {
    case v1::Consistency::KIND_SSP:
      return job.consistency().bound();
    case v1::Consistency::KIND_BSP:
      return 0;
    default:
      return std::nullopt;
  }
}

std::string RunReport::ClassText(size_t label) const {
  return label < classes.size() ? classes[label] : absl::StrCat(label);
}

Json ReportJson(const RunReport& report) {
  const v1::JobStatus& status = report.status;
  Json json = Json::Object();
  json["name"] = report.job.name();
  if (!report.script.empty()) json["script"] = report.script;
  json["passed"] = report.problems.empty() && !report.interrupted;
  json["complete"] = report.complete();
  json["interrupted"] = report.interrupted;
  json["cancelled"] = status.summary().state() == v1::JOB_STATE_CANCELLED;
  json["accuracy"] = OptionalJson(report.accuracy());
  json["loss"] = OptionalJson(report.test_loss());
  if (const auto* last = LastEvaluation(status)) {
    json["test"] = EvaluationJson(status, *last);
    if (!report.classes.empty()) json["test"]["classes"] = Json::List();
    for (const std::string& text : report.classes) {
      json["test"]["classes"].Add(text);
    }
    if (!status.positive_class().empty()) {
      json["test"]["positive_class"] = status.positive_class();
    }
  }
  json["seconds"] = report.seconds;
  json["examples_before"] = report.applied_before;
  json["total_seconds"] = report.total_seconds;
  json["cpu_seconds"] = report.cpu_seconds;
  json["examples_per_second"] = report.examples_per_second();
  if (report.tokens() > 0) json["example_tokens"] = report.tokens();
  json["epochs"] = report.job.train().epochs();
  if (report.converged) json["converged"] = true;
  json["seed"] = report.job.seed();
  json["updates"] = status.updates();
  json["audit"] =
      report.audit ? AuditJson(*report.audit, report.complete()) : Json();
  json["staleness"] = StalenessJson(report.staleness());
  AddLateness(status, &json);
  json["traffic"] = TrafficJson(status.traffic());
  json["clock_lead"] =
      report.clock_bound() ? Json(status.clock_lead()) : Json();
  json["restarts"]["total"] = report.restarts.total();
  json["restarts"]["scheduler"] = report.restarts.scheduler;
  json["restarts"]["servers"] = report.restarts.servers;
  json["restarts"]["workers"] = report.restarts.workers;
  json["kills"] = Json::List();
  for (const std::string& daemon : report.kills) json["kills"].Add(daemon);
  if (report.planned || report.batch_time > absl::ZeroDuration()) {
    AddChaos(report, &json);
  }
  json["generation"] = status.summary().generation();
  json["rollbacks"] = report.rollbacks;
  json["rolled_back"] = status.rolled_back();
  json["rate_factor"] = status.rate_factor();
  json["nonfinite_rollbacks"] = status.nonfinite_rollbacks();
  json["leases_repeated"] = status.leases_repeated();
  json["examples_recomputed"] = report.recomputed();
  const v1::JobStatus::Backups& backups = status.backups();
  json["backups"]["leased"] = backups.leased();
  json["backups"]["won"] = backups.won();
  json["backups"]["lost"] = backups.lost();
  json["backups"]["moved"] = backups.moved();
  json["backups"]["computed_twice"] = backups.computed_twice();
  json["epoch_ends"] = TailsJson(status);
  json["evaluations"] = EvaluationsJson(status);
  json["best"] = status.has_best() ? BestJson(status) : Json();
  json["ended"] = status.ended();
  if (report.figures) json[report.figures->key] = report.figures->json;
  AddShares(report, &json);
  json["expectations"] = Json::List();
  for (const Expectation& expectation : report.expectations) {
    Json one = Json::Object();
    one["figure"] = expectation.figure;
    one["wanted"] = expectation.wanted;
    one["found"] = OptionalJson(expectation.found);
    one["met"] = expectation.met;
    json["expectations"].Add(std::move(one));
  }
  if (!report.script.empty()) {
    json["jobs"] = Json::List();
    for (const JobVerdict& verdict : report.jobs) {
      Json one = Json::Object();
      one["name"] = verdict.name;
      one["state"] = StateWord(verdict.state);
      one["exact"] = verdict.exact;
      json["jobs"].Add(std::move(one));
    }
  }
  json["folder"] = report.folder;
  json["problems"] = Json::List();
  for (const std::string& problem : report.problems) {
    json["problems"].Add(problem);
  }
  json["warnings"] = Json::List();
  for (const std::string& warning : report.warnings) {
    json["warnings"].Add(warning);
  }
  return json;
}

}  // namespace ebb::tools
