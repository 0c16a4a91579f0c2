#include "tools/ebb/status/status_json.h"

#include <utility>

#include "absl/time/time.h"
#include "tools/ebb/status/event_text.h"
#include "tools/ebb/status/recovery_log.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/daemon_names.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/lateness.h"
#include "tools/text/progress_line.h"
#include "tools/text/traffic.h"
#include "tools/text/validation.h"

namespace ebb::tools {

namespace {

Json ReasonJson(const v1::WaitReason& reason) {
  Json json = Json::Object();
  json["kind"] = ReasonWord(reason.kind());
  json["subject"] = reason.subject();
  json["text"] = reason.text();
  json["for_ms"] = reason.for_ms();
  return json;
}

Json ReasonsJson(const WaitReasons& reasons) {
  Json list = Json::List();
  for (const auto& reason : reasons) list.Add(ReasonJson(reason));
  return list;
}

template <typename Troubles>
Json UnreachedJson(const Troubles& troubles) {
  Json list = Json::List();
  for (const v1::Unreached& one : troubles) {
    Json json = Json::Object();
    json["who"] = one.who();
    json["job"] = one.job();
    json["server"] = one.trouble().server();
    json["address"] = one.trouble().address();
    json["cause"] = CauseWord(one.trouble().cause());
    json["text"] = one.trouble().text();
    json["for_ms"] = one.trouble().lasts_ms();
    json["attempts"] = one.trouble().attempts();
    list.Add(std::move(json));
  }
  return list;
}

Json WorkerJson(const v1::WorkerStatus& worker) {
  Json json = Json::Object();
  json["role"] = "worker";
  json["name"] = worker.name();
  json["process_id"] = worker.process_id();
  json["session"] = worker.session();
  json["state"] = StateWord(worker.state());
  json["since_unix_ms"] = worker.since_unix_ms();
  json["job"] = worker.job();
  json["clock"] = worker.clock();
  json["examples"] = worker.examples();
  json["examples_per_second"] = worker.examples_per_second();
  json["unheard_ms"] = worker.unheard_ms();
  json["awaited_by"] = worker.awaited_by();
  json["unreached"] = UnreachedJson(worker.unreached());
  json["items"] = Json::List();
  for (const auto& item : worker.items()) {
    Json one = Json::Object();
    one["job"] = item.job();
    one["epoch"] = item.item().epoch();
    one["shard"] = item.item().shard();
    one["mark"] = item.position();
    one["size"] = item.size();
    one["backup"] = item.backup();
    one["lease_left_ms"] = item.lease_left_ms();
    json["items"].Add(std::move(one));
  }
  return json;
}

Json ServerJson(const v1::ServerStatus& server) {
  Json json = Json::Object();
  json["role"] = "server";
  json["name"] = ServerName(server.server());
  json["id"] = server.server();
  json["process_id"] = server.process_id();
  json["session"] = server.session();
  json["address"] = server.address();
  json["connected"] = server.connected();
  json["leaving"] = server.leaving();
  json["since_unix_ms"] = server.since_unix_ms();
  json["partitions"] = server.partitions();
  json["updates"] = server.updates();
  json["problem"] = server.problem();
  json["unreached_by"] = UnreachedJson(server.unreached_by());
  json["unreached"] = UnreachedJson(server.unreached());
  json["refused_pushes"] = server.refused_pushes();
  if (server.refused_pushes() > 0) json["refusal"] = server.refusal();
  if (server.has_store_damage()) {
    const v1::StoreDamage& damage = server.store_damage();
    Json& to = json["store_damage"];
    to["rescues"] = damage.rescues();
    to["found"] = damage.found();
    to["set_aside"] = damage.set_aside();
    to["versions_kept"] = damage.versions_kept();
    to["versions_lost"] = damage.versions_lost();
    to["last_lost"] = damage.last_lost();
    to["examples_computed_again"] = server.store_damage_cost();
  }
  return json;
}

// The members of a job's JSON stand in the order of the calls in JobJson.

Json PausesJson(const v1::JobStatus& job) {
  Json list = Json::List();
  for (const v1::MovePause& pause : job.move_pauses()) {
    Json one = Json::Object();
    one["partition"] = pause.partition();
    one["server"] = pause.server();
    one["paused_s"] = static_cast<double>(pause.paused_us()) * 1e-6;
    one["stored_s"] = static_cast<double>(pause.stored_us()) * 1e-6;
    list.Add(std::move(one));
  }
  return list;
}

void AddDaemons(const v1::JobStatus& job, Json* json) {
  Json& workers = (*json)["workers"];
  workers["has"] = job.workers();
  workers["wanted"] = job.workers_wanted();
  workers["min"] = job.min_workers();
  workers["max"] = job.max_workers();
  workers["to_spare"] = job.workers_to_spare();
  workers["scaled"] = job.workers_scaled();
  (*json)["paused_by_operator"] = job.paused_by_operator();
  Json& servers = (*json)["servers"];
  servers["max"] = job.max_servers();
  servers["moving"] = job.moving();
  servers["moved"] = job.moved();
  servers["taken_over"] = job.taken_over();
  servers["pauses"] = PausesJson(job);
}

// The work that was leased twice, and the work of each worker.
void AddLeases(const v1::JobStatus& job, Json* json) {
  Json& backups = (*json)["backups"];
  backups["leased"] = job.backups().leased();
  backups["won"] = job.backups().won();
  backups["lost"] = job.backups().lost();
  backups["moved"] = job.backups().moved();
  backups["computed_twice"] = job.backups().computed_twice();
  (*json)["leases_repeated"] = job.leases_repeated();
  Json& computed = (*json)["computed"] = Json::List();
  for (const auto& share : job.shares()) {
    Json one = Json::Object();
    one["worker"] = share.name();
    one["examples"] = share.examples();
    computed.Add(std::move(one));
  }
}

void AddProgress(const v1::JobStatus& job, Json* json) {
  (*json)["epochs"] = job.summary().epochs();
  (*json)["items"] = job.summary().items();
  (*json)["full_items"] = job.summary().full_items();
  (*json)["durable_items"] = job.summary().durable_items();
  (*json)["examples"] = job.examples();
  if (job.example_tokens() > 0) {
    (*json)["example_tokens"] = job.example_tokens();
  }
  // Below the marks of the partition that has the least, and the most.
  (*json)["marks"]["least"] = job.applied_min();
  (*json)["marks"]["most"] = job.applied_max();
  (*json)["examples_per_second"] = job.examples_per_second();
  v1::GetStatusResponse alone;
  *alone.add_jobs() = job;
  if (const Progress progress = ProgressOf(alone, 0, 0); progress.eta) {
    (*json)["eta_seconds"] = absl::ToDoubleSeconds(*progress.eta);
  }
}

Json PartitionsJson(const v1::Placement& placement) {
  Json list = Json::List();
  for (const auto& place : placement.partitions()) {
    Json one = Json::Object();
    one["partition"] = place.partition();
    one["server"] = place.server();
    one["term"] = place.term();
    list.Add(std::move(one));
  }
  return list;
}

// Losses and evaluations, and what follows from them.
void AddResults(const v1::JobStatus& job, Json* json) {
  if (job.has_recent_loss()) (*json)["recent_loss"] = job.recent_loss();
  if (job.has_inertia()) (*json)["inertia"] = job.inertia().sum();
  if (job.has_validation()) (*json)["validation"] = ValidationJson(job);
  (*json)["divergence"] = job.divergence();
  Json& losses = (*json)["losses"] = Json::List();
  for (const auto& loss : job.losses()) {
    Json one = Json::Object();
    one["epoch"] = loss.epoch() + 1;
    one["mean"] = loss.mean();
    one["examples"] = loss.examples();
    losses.Add(std::move(one));
  }
  if (!job.positive_class().empty()) {
    (*json)["positive_class"] = job.positive_class();
  }
  Json& evaluations = (*json)["evaluations"] = Json::List();
  for (const auto& evaluation : job.evaluations()) {
    evaluations.Add(EvaluationJson(job, evaluation));
  }
  if (job.has_best()) (*json)["best"] = BestJson(job);
  (*json)["ended"] = job.ended();
}

// The losses of daemons that were made up for, or are being: when, in the time
// of the scheduler; 0: not yet, or it was not seen.
Json RecoveriesJson(const v1::JobStatus& job) {
  Json list = Json::List();
  for (const v1::Recovery& recovery : job.recoveries()) {
    Json one = Json::Object();
    one["daemon"] = DaemonOf(recovery);
    one["lost_unix_us"] = recovery.lost_unix_us();
    one["resumed_unix_us"] = recovery.resumed_unix_us();
    one["counted_unix_us"] = recovery.counted_unix_us();
    list.Add(std::move(one));
  }
  return list;
}

Json QuarantinedJson(const v1::JobStatus& job) {
  Json list = Json::List();
  for (const auto& bad : job.quarantined()) {
    Json one = Json::Object();
    one["epoch"] = bad.item().epoch();
    one["shard"] = bad.item().shard();
    one["position"] = bad.position();
    one["failures"] = bad.failures();
    one["error"] = bad.error();
    one["skip_wanted"] = bad.skip_wanted();
    one["non_finite"] = bad.non_finite();
    one["applied_somewhere"] = bad.applied_somewhere();
    list.Add(std::move(one));
  }
  return list;
}

Json JobJson(const v1::JobStatus& job) {
  Json json = Json::Object();
  json["id"] = job.summary().job();
  json["name"] = job.summary().name();
  json["state"] = StateWord(job.summary().state());
  json["generation"] = job.summary().generation();
  json["rolled_back"] = job.rolled_back();
  json["rate_factor"] = job.rate_factor();
  json["nonfinite_rollbacks"] = job.nonfinite_rollbacks();
  json["priority"] = job.priority();
  AddDaemons(job, &json);
  AddLeases(job, &json);
  AddProgress(job, &json);
  json["lost_daemons"] = job.lost_daemons();
  json["recoveries"] = RecoveriesJson(job);
  json["updates"] = job.updates();
  AddLateness(job, &json);
  json["late_updates"] = job.late_updates();
  json["traffic"] = TrafficJson(job.traffic());
  json["partitions"] = PartitionsJson(job.placement());
  AddResults(job, &json);
  json["stored_where"] = job.stored_where();
  json["waiting"] = ReasonsJson(job.waiting());
  json["quarantined"] = QuarantinedJson(job);
  return json;
}

}  // namespace

Json StatusJson(const v1::GetStatusResponse& status,
                const std::string& scheduler_address) {
  Json json = Json::Object();
  json["now_unix_ms"] = status.now_unix_ms();
  Json& roles = json["roles"];
  Json scheduler = Json::Object();
  scheduler["role"] = "scheduler";
  scheduler["name"] = kSchedulerName;
  scheduler["process_id"] = status.process_id();
  scheduler["address"] = scheduler_address;
  scheduler["since_unix_ms"] = status.up_since_unix_ms();
  roles.Add(std::move(scheduler));
  for (const auto& server : status.servers()) roles.Add(ServerJson(server));
  for (const auto& worker : status.workers()) roles.Add(WorkerJson(worker));
  json["jobs"] = Json::List();
  for (const auto& job : status.jobs()) json["jobs"].Add(JobJson(job));
  json["events"] = EventsJson(status);
  return json;
}

Json ExplainJson(const v1::ExplainResponse& explanation, v1::JobState state) {
  Json json = Json::Object();
  json["state"] = StateWord(state);
  json["advancing"] = Advances(state, explanation.not_advancing_ms() == 0,
                               explanation.reasons());
  json["not_advancing_ms"] = explanation.not_advancing_ms();
  json["divergence"] = explanation.divergence();
  json["stored_where"] = explanation.stored_where();
  json["workers_to_spare"] = explanation.workers_to_spare();
  json["reasons"] = ReasonsJson(explanation.reasons());
  return json;
}

}  // namespace ebb::tools
