#include "tools/ebb/status/status_watcher.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/ebb/status/store_damage.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"
#include "tools/text/evaluation_text.h"

namespace ebb::tools {

namespace {

using Kind = Notice::Kind;

// How long servers and workers take to come back to a scheduler, at most.
constexpr absl::Duration kSettling = absl::Seconds(5);

std::string ItemText(int32_t epoch, int32_t shard) {
  return absl::StrCat("item ", ItemName(epoch, shard));
}

// Snapshots are taken while training goes on, and the model of the figures may
// have learned more than the epoch; empty: hardly more.
std::string FurtherText(const v1::JobStatus& job,
                        const v1::JobStatus::Evaluation& evaluation) {
  constexpr double kHardly = 0.1;
  const double further = EpochsFurther(job, evaluation);
  if (further <= kHardly) return "";
  return absl::StrFormat(" (model %.1f epochs further)", further);
}

// A disk that is full or cannot be written names another file every second, a
// full table other numbers.
bool SameProblem(absl::string_view a, absl::string_view b) {
  const auto kind = [](absl::string_view problem) {
    for (const absl::string_view disk : {"disk full:", "cannot write:"}) {
      if (absl::StartsWith(problem, disk)) problem = disk;
    }
    std::string text(problem);
    if (absl::StartsWith(problem, "table '")) {
      std::erase_if(text, absl::ascii_isdigit);
    }
    return text;
  };
  return kind(a) == kind(b);
}

}  // namespace

std::string AfterFailures(int32_t failures) {
  if (failures <= 0) return "";
  return absl::StrCat(" after ", Count(failures, "failure"),
                      failures > 1 ? " in a row" : "");
}

std::vector<Notice> StatusWatcher::Update(const v1::GetStatusResponse& status,
                                          absl::Time now) {
  std::vector<Notice> notices;
  WatchScheduler(status, now, &notices);
  WatchServers(status, now, &notices);
  WatchWorkers(status, now, &notices);
  if (!status.jobs().empty()) WatchJob(status.jobs(0), &notices);
  first_ = false;
  return notices;
}

void StatusWatcher::LetGo(const std::string& daemon) {
  let_go_.insert(daemon);
  lives_.erase(daemon);
  std::erase_if(servers_, [&](const auto& server) {
    return ServerName(server.first) == daemon;
  });
}

void StatusWatcher::WatchScheduler(const v1::GetStatusResponse& status,
                                   absl::Time now,
                                   std::vector<Notice>* notices) {
  if (!first_ && status.process_id() != scheduler_) {
    settled_ = now + kSettling;
    servers_heard_.clear();
    workers_heard_.clear();
    notices->push_back({Kind::kRelief, "the scheduler is back"});
  }
  scheduler_ = status.process_id();
}

void StatusWatcher::WatchServers(const v1::GetStatusResponse& status,
                                 absl::Time now, std::vector<Notice>* notices) {
  for (const v1::ServerStatus& server : status.servers()) {
    const std::string name = ServerName(server.server());
    if (let_go_.contains(name)) {
      servers_.erase(server.server());
      continue;
    }
    const auto known = servers_.find(server.server());
    const bool was_there = known != servers_.end() && known->second.connected;
    if (server.connected()) servers_heard_.insert(server.server());
    if (was_there && !server.connected() && now < settled_ &&
        !servers_heard_.contains(server.server())) {
      continue;
    }
    if (!first_ && known != servers_.end()) WatchServer(server, name, notices);
    Server& now_known = servers_[server.server()];
    now_known.connected = server.connected();
    if (server.connected()) {
      now_known.session = server.session();
      now_known.process = server.process_id();
      now_known.leaving = server.leaving();
    }
    // One that loads has none yet; one that leaves hands them over.
    if (server.partitions() > 0 || server.leaving()) {
      partitions_[server.server()] = server.partitions();
    }
    std::string& problem = problems_[server.server()];
    if (!server.problem().empty() && !SameProblem(problem, server.problem())) {
      notices->push_back(
          {Kind::kTrouble, absl::StrCat(name, ": ", server.problem())});
    }
    problem = server.problem();
    WatchStore(server, now, notices);
  }
}

void StatusWatcher::WatchStore(const v1::ServerStatus& server, absl::Time now,
                               std::vector<Notice>* notices) {
  if (!server.has_store_damage()) return;
  Damage& damage = damage_[server.server()];
  if (damage.session != server.session()) {
    damage = {server.session(), "", absl::InfiniteFuture()};
  }
  const std::string text = StoreDamageText(server);
  if (text == damage.told) return;
  damage.since = std::min(damage.since, now);
  // Others may have taken its partitions.
  const bool serves = server.partitions() > 0;
  if (!serves && now - damage.since < 2 * kSettling) return;
  damage.told = text;
  damage.since = absl::InfiniteFuture();
  notices->push_back(
      {Kind::kTrouble,
       serves ? absl::StrCat(text, "; ", StoreDamageCostText(server)) : text,
       /*lasting=*/true});
}

void StatusWatcher::WatchServer(const v1::ServerStatus& server,
                                const std::string& name,
                                std::vector<Notice>* notices) {
  const Server& known = servers_[server.server()];
  const bool in_order = known.leaving || left_.contains(name);
  const int partitions = partitions_[server.server()];
  std::string wait;
  if (partitions > 0) {
    wait = absl::StrCat("; its ", Count(partitions, "partition"),
                        partitions == 1 ? " waits for it" : " wait for it");
  }
  if (!server.connected()) {
    if (!known.connected) return;
    if (!in_order) {
      notices->push_back(
          {Kind::kTrouble,
           absl::StrCat(name, " lost", wait, WhyLost(name, known.process))});
    } else if (partitions > 0) {
      notices->push_back(
          {Kind::kTrouble, absl::StrCat(name, " has left", wait)});
    }
    return;
  }
  const bool another = known.connected && known.session != server.session();
  if (known.connected && !another) return;
  left_.erase(name);
  // The connection of one life may break, long after it found its folder empty.
  const bool empty = server.lost_store() && known.session != server.session();
  // In another life: its return was not watched.
  notices->push_back(
      {Kind::kRelief, absl::StrCat(name,
                                   !another   ? " is back"
                                   : in_order ? " left, and is back"
                                              : " was lost, and is back",
                                   empty ? " with an empty folder" : "")});
}

std::string StatusWatcher::WhyLost(const std::string& name,
                                   int64_t process) const {
  const bool runs =
      process_of_ != nullptr && process != 0 && process_of_(name) == process;
  return runs ? " (its process runs: it was not heard in time)" : "";
}

void StatusWatcher::WatchWorkers(const v1::GetStatusResponse& status,
                                 absl::Time now, std::vector<Notice>* notices) {
  std::map<uint64_t, std::string> workers;
  std::map<Item, Held> held;
  for (const v1::WorkerStatus& worker : status.workers()) {
    workers[worker.session()] = worker.name();
    workers_heard_.insert(worker.session());
    processes_[worker.session()] = worker.process_id();
    if (worker.state() == v1::WorkerStatus::STATE_DRAINING) {
      draining_.insert(worker.session());
    }
    for (const auto& item : worker.items()) {
      held[{item.item().epoch(), item.item().shard()}] = {worker.name(),
                                                          item.position(), now};
    }
  }
  if (now < settled_) KeepUnheard(&workers, &held);
  for (const auto& [session, name] : workers_) {
    if (workers.contains(session) || let_go_.contains(name)) continue;
    const bool in_order = draining_.erase(session) > 0 || left_.contains(name);
    left_.erase(name);
    if (in_order) continue;
    std::string had;
    for (const auto& [item, held_then] : held_) {
      if (held_then.worker != name) continue;
      orphans_[item] = {name, held_then.position, now};
      absl::StrAppend(&had, had.empty() ? ", with " : ", ",
                      ItemText(item.epoch, item.shard), " from example ",
                      WithCommas(held_then.position));
    }
    notices->push_back(
        {Kind::kTrouble,
         absl::StrCat(name, " lost", had, WhyLost(name, processes_[session]))});
  }
  for (const auto& [session, name] : workers) {
    if (workers_.contains(session)) continue;
    left_.erase(name);
    const bool again = lives_[name]++ > 0;
    if (again)
      notices->push_back({Kind::kRelief, absl::StrCat(name, " is back")});
  }
  for (const auto& [item, now_held] : held) {
    const auto orphan = orphans_.find(item);
    if (orphan == orphans_.end()) continue;
    notices->push_back(
        {Kind::kRelief,
         absl::StrCat(ItemText(item.epoch, item.shard), " of ",
                      orphan->second.worker, " went to ", now_held.worker,
                      " after ", DurationText(now - orphan->second.since))});
    orphans_.erase(orphan);
  }
  workers_ = std::move(workers);
  held_ = std::move(held);
  std::erase_if(processes_, [this](const auto& one) {
    return !workers_.contains(one.first);
  });
}

void StatusWatcher::KeepUnheard(std::map<uint64_t, std::string>* workers,
                                std::map<Item, Held>* held) const {
  std::set<std::string> heard;
  for (const auto& [session, name] : *workers) heard.insert(name);
  std::set<std::string> unheard;
  for (const auto& [session, name] : workers_) {
    if (heard.contains(name) || workers_heard_.contains(session)) continue;
    (*workers)[session] = name;
    unheard.insert(name);
  }
  for (const auto& [item, held_then] : held_) {
    if (unheard.contains(held_then.worker)) held->try_emplace(item, held_then);
  }
}

void StatusWatcher::WatchJob(const v1::JobStatus& job,
                             std::vector<Notice>* notices) {
  // A rollback takes some back, and they are made again. The scheduler keeps
  // fewer of the older ones, so their number tells nothing.
  const int newest =
      job.evaluations().empty() ? -1 : job.evaluations().rbegin()->epoch();
  const int told = std::min(evaluated_, newest);
  evaluated_ = newest;
  for (const auto& evaluation : job.evaluations()) {
    if (evaluation.epoch() <= told) continue;
    const std::string epoch = absl::StrCat("epoch ", evaluation.epoch() + 1);
    if (!evaluation.error().empty()) {
      notices->push_back(
          {Kind::kTrouble,
           absl::StrCat(epoch, ": not evaluated: ", evaluation.error())});
      continue;
    }
    notices->push_back(
        {Kind::kResult,
         absl::StrCat(epoch, ": test ",
                      FiguresText(evaluation, job.positive_class()),
                      FurtherText(job, evaluation))});
  }
  WatchQuarantined(job, notices);
  WatchSkipped(job, notices);
  WatchCourse(job, notices);
}

// If values have gone astray, every worker meets them at once: what is said
// of one batch without a finite gradient holds for the others.
void StatusWatcher::WatchQuarantined(const v1::JobStatus& job,
                                     std::vector<Notice>* notices) {
  // It may fall: a server came back with less, an item was resolved.
  if (job.quarantined().empty()) non_finite_told_ = false;
  for (; quarantined_ < job.quarantined_size(); ++quarantined_) {
    const auto& bad = job.quarantined(quarantined_);
    if (bad.skip_wanted()) continue;  // It was told, and decided about.
    if (bad.non_finite() && std::exchange(non_finite_told_, true)) continue;
    notices->push_back(
        {Kind::kTrouble,
         absl::StrCat(ItemText(bad.item().epoch(), bad.item().shard()),
                      " is quarantined", AfterFailures(bad.failures()), ": ",
                      bad.error())});
  }
  quarantined_ = job.quarantined_size();
}

// The first few one by one, then how many there are each time that they are ten
// times as many: where values have gone astray every batch may be skipped.
void StatusWatcher::WatchSkipped(const v1::JobStatus& job,
                                 std::vector<Notice>* notices) {
  constexpr int kOneByOne = 3;
  // A rollback may take some back.
  skipped_ = std::min(skipped_, job.skipped_size());
  for (; skipped_ < std::min(job.skipped_size(), kOneByOne); ++skipped_) {
    const v1::SkippedRange& range = job.skipped(skipped_);
    notices->push_back(
        {Kind::kTrouble,
         absl::StrCat("examples [", WithCommas(range.begin()), ", ",
                      WithCommas(range.end()), ") of ",
                      ItemText(range.item().epoch(), range.item().shard()),
                      " are skipped: their batch failed")});
  }
  int due = 10;
  while (due <= skipped_) due *= 10;
  skipped_ = job.skipped_size();
  if (skipped_ < due) return;
  int64_t examples = 0;
  for (const v1::SkippedRange& range : job.skipped()) {
    examples += range.end() - range.begin();
  }
  notices->push_back(
      {Kind::kTrouble,
       absl::StrCat(WithCommas(skipped_), " batches are skipped by now, ",
                    Count(examples, "example"))});
}

// Tells whether it goes on, and from where.
void StatusWatcher::WatchCourse(const v1::JobStatus& job,
                                std::vector<Notice>* notices) {
  const uint64_t generation = job.summary().generation();
  const bool back = generation_ != 0 && generation != generation_;
  generation_ = generation;
  const int32_t had_epochs = std::exchange(epochs_, job.summary().epochs());
  const int32_t best = job.has_best() ? job.best().epoch() : -1;
  const bool keeps = std::exchange(best_, best) != best && best >= 0;
  if (back && epochs_ < had_epochs) {
    notices->push_back(
        {Kind::kResult,
         job.ended().empty()
             ? absl::StrCat("converged after ", Count(epochs_, "round"))
             : job.ended()});
  } else if (back && !keeps) {
    notices->push_back({Kind::kTrouble, absl::StrCat("the job rolled back ",
                                                     job.rolled_back())});
  }
  const bool diverges = !job.divergence().empty();
  if (diverges && !diverges_) {
    notices->push_back({Kind::kTrouble, job.divergence()});
  } else if (diverges_ && !diverges && !back &&
             job.summary().state() == v1::JOB_STATE_RUNNING) {
    notices->push_back({Kind::kRelief, "the training loss is back"});
  }
  diverges_ = diverges;
  if (!job.late_updates().empty() && !late_updates_) {
    late_updates_ = true;
    notices->push_back({Kind::kTrouble, job.late_updates()});
  }
  const v1::JobState state = job.summary().state();
  if (state != state_ && state == v1::JOB_STATE_PAUSED) {
    notices->push_back({Kind::kTrouble, "the job is paused"});
  } else if (state_ == v1::JOB_STATE_PAUSED && state == v1::JOB_STATE_RUNNING) {
    notices->push_back({Kind::kRelief, "the job goes on"});
  } else if (!back && state_ == v1::JOB_STATE_COMPLETE &&
             state != v1::JOB_STATE_COMPLETE) {
    notices->push_back({Kind::kTrouble,
                        "the job was complete, and is open again: a server "
                        "came back with less"});
  }
  state_ = state;
}

}  // namespace ebb::tools
