#include "sim/simulator.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/mutex.h"
#include "sim/faults.h"
#include "sim/world.h"

namespace ebb::sim {

namespace {

using scheduler::JobPhase;

constexpr absl::Duration kOperatorLooks = absl::Milliseconds(250);

// Does what a person would do: start everything, submit, look now and then.
class Run {
 public:
  Run(const Scenario& scenario, uint64_t seed, const Options& options)
      : options_(options),
        world_(scenario, seed, options.trace),
        faults_(&world_, Rng(seed).Fork(2)) {}

  void Everything() {
    Begin();
    Drive([this] { return world_.calm && Settled(); });
    total_ = WorkSoFar();
    if (world_.ok() && world_.scenario().damage_after_completion) {
      faults_.DamageAfterCompletion();
      Drive([this] { return Settled(); });
      if (world_.ok() && faults_.AgeScheduler()) {
        Drive([this] { return Settled(); });
      }
    }
    if (!world_.ok()) return;
    // A load of any partition right after completion gives full marks.
    for (const auto& server : world_.servers()) {
      server->Kill();
      server->Start();
    }
    Drive([this] { return Settled(); });
    if (world_.ok()) world_.checker().CheckAllExact();
  }

  World& world() { return world_; }
  const Work& work() const { return work_; }
  const Work& total() const { return total_; }

 private:
  void Begin() {
    world_.scheduler().Start();
    const int late = world_.scenario().late_servers;
    for (const auto& server : world_.servers()) {
      if (server->id().value() < world_.scenario().servers - late) {
        server->Start();
      }
    }
    const int present =
        world_.scenario().workers - world_.scenario().absent_workers;
    for (int i = 0; i < present; ++i) {
      const absl::Duration late =
          world_.rng().Between(absl::ZeroDuration(), absl::Milliseconds(50));
      world_.queue().At(world_.now() + late,
                        [node = world_.workers()[i].get()] { node->Start(); });
    }
    world_.queue().At(world_.now() + absl::Milliseconds(5),
                      [this] { world_.scheduler().Submit(); });
    if (world_.scenario().faults > 0) {
      faults_.Schedule();
    } else if (world_.scenario().measured_until > absl::ZeroDuration()) {
      ScheduleChurn();
    } else {
      world_.calm = true;
    }
  }

  void ScheduleChurn() {
    const Scenario& s = world_.scenario();
    for (const WorkerEvent& event : s.churn) {
      world_.queue().At(world_.now() + event.at, [this, event] {
        WorkerNode& worker = *world_.workers()[event.worker];
        event.comes ? worker.Start() : worker.Kill();
      });
    }
    world_.queue().At(world_.now() + s.measured_from,
                      [this] { work_ = WorkSoFar(); });
    world_.queue().At(world_.now() + s.measured_until, [this] {
      work_ = WorkSoFar() - work_;
      world_.calm = true;
    });
  }

  // Asks the scheduler, which is a little behind.
  int64_t Applied(const scheduler::TrainingJob& job, PartitionId p) {
    const scheduler::Ownership& owner = job.placement().at(p);
    if (owner.owner != scheduler::Ownership::kNobody) {
      const server::HostedJob* hosted = world_.ServerOf(owner).job();
      const server::Partition* partition =
          hosted == nullptr ? nullptr : hosted->partition(p);
      if (partition != nullptr) return partition->marks().examples();
    }
    return job.marks().marks(p).examples();
  }

  Work WorkSoFar() {
    Work work = world_.meter().sums;
    for (const auto& worker : world_.workers()) {
      work.computed += worker->Underway();
    }
    work.elapsed = world_.elapsed();
    work.alive = world_.meter().AliveUntil(world_.now());
    const scheduler::TrainingJob* job = world_.scheduler().job();
    if (job == nullptr) return work;
    work.counted = std::numeric_limits<int64_t>::max();
    for (int32_t p = 0; p < job->plan().partitions; ++p) {
      work.counted = std::min(work.counted, Applied(*job, PartitionId(p)));
    }
    return work;
  }

  // The job is complete with all its epochs, and every partition is served
  // whole by its owner.
  bool Settled() {
    const scheduler::TrainingJob* job = world_.scheduler().job();
    if (job == nullptr || job->state().phase != JobPhase::kCompleted ||
        (job->plan().epochs < world_.scenario().plan.epochs &&
         !world_.scenario().Judged() && !world_.scenario().growth) ||
        !job->placement().AllRegistered()) {
      return false;
    }
    for (int32_t p = 0; p < job->plan().partitions; ++p) {
      const scheduler::Ownership& owner = job->placement().at(PartitionId(p));
      const ServerNode& server = world_.ServerOf(owner);
      if (server.job() == nullptr || server.session() != owner.session ||
          server.job()->term(PartitionId(p)) != owner.drawn) {
        return false;
      }
    }
    return true;
  }

  // A round's value depends on what is skipped, so a batch that only happened
  // to be in work when its workers were killed must not be skipped.
  bool MaySkip(const scheduler::TrainingJob& job) {
    const auto& poison = world_.scenario().poison;
    const auto& quarantined = job.state().quarantined;
    return !job.plan().rounds() ||
           std::all_of(quarantined.begin(), quarantined.end(), [&](int64_t o) {
             return poison && job.plan().ItemAt(o) == poison->range.item &&
                    job.state().failed_at.at(o) == poison->range.begin;
           });
  }

  void Report(const scheduler::TrainingJob* job) {
    Progress progress;
    progress.events = world_.queue().tasks_run();
    progress.virtual_time = world_.elapsed();
    if (job != nullptr) {
      progress.items = job->plan().items();
      progress.full_items = job->marks().marks(PartitionId(0)).full_items();
    }
    options_.progress(progress);
  }

  void Drive(const std::function<bool()>& done) {
    int64_t progress = -1;
    absl::Time since = world_.now();
    while (world_.ok() && !done()) {
      world_.RunUntil(world_.now() + kOperatorLooks, done);
      faults_.FinishJob();
      const scheduler::TrainingJob* job = world_.scheduler().job();
      if (options_.progress != nullptr) Report(job);
      if (job != nullptr && job->state().phase == JobPhase::kPaused) {
        world_.scheduler().ResumeJob(MaySkip(*job));
      }
      if (job != nullptr && job->state().phase == JobPhase::kCompleted) {
        faults_.AddEpochs();
      }
      if (!world_.calm || world_.checker().progress() != progress) {
        progress = world_.checker().progress();
        since = world_.now();
      } else if (world_.now() - since > world_.scenario().patience) {
        world_.Violate(
            absl::StrCat("I8: nothing advances any more. ", Explain()));
      }
      if (world_.elapsed() > world_.scenario().longest) {
        world_.Violate(absl::StrCat("I8: no end. ", Explain()));
      }
    }
  }

  std::string Explain() {
    const scheduler::TrainingJob* job = world_.scheduler().job();
    if (job == nullptr) return "The scheduler does not know the job.";
    std::string text = absl::StrCat(
        "The job is ", scheduler::JobPhaseName(job->state().phase), ", ",
        job->marks().full_everywhere(), " of ", job->plan().items(),
        " items are full, ", job->marks().durable_everywhere(), " durable, ",
        job->placement().registered(), " of ", job->plan().partitions,
        " partitions registered, ",
        job->parts().evaluations.underway() ? "evaluating, " : "", "leases:");
    for (const auto& [ordinal, lease] : job->leases().held()) {
      for (const SessionId worker : job->leases().HoldersOf(ordinal)) {
        absl::StrAppend(&text, " ", ToString(job->plan().ItemAt(ordinal)),
                        " by ", worker.value());
      }
    }
    return text;
  }

  const Options& options_;
  World world_;
  FaultPlan faults_;
  Work work_;  // Until the end of what is measured: when it began.
  Work total_;
};

}  // namespace

Result RunScenario(const Options& options, const Scenario& scenario,
                   uint64_t seed) {
  Run run(scenario, seed, options);
  run.Everything();
  Result result;
  result.seed = seed;
  result.ok = run.world().ok();
  result.violation = run.world().violation();
  result.scenario = scenario.Describe();
  result.counts = run.world().counts();
  result.work = run.work();
  result.total = run.total();
  result.events = run.world().queue().tasks_run();
  result.virtual_time = run.world().elapsed();
  return result;
}

Result RunSeed(const Options& options, uint64_t seed) {
  switch (options.subject) {
    case Subject::kAny:
      break;
    case Subject::kRuns:
      return RunScenario(options, DrawRuns(seed), seed);
    case Subject::kGrowing:
      return RunScenario(options, DrawGrowing(seed), seed);
  }
  return RunScenario(options, DrawScenario(seed), seed);
}

Summary RunSeeds(uint64_t first, uint64_t last, int threads,
                 bool stop_at_failure, Subject subject) {
  Summary summary;
  Mutex mu;
  std::atomic<uint64_t> next{first};  // Only hands out numbers.
  std::atomic<bool> stop{false};      // A hint; nothing depends on it.
  const auto work = [&] {
    while (!stop) {
      const uint64_t seed = next++;
      if (seed > last) return;
      const Result result = RunSeed({.subject = subject}, seed);
      MutexLock lock(&mu);
      ++summary.seeds;
      summary.counts += result.counts;
      summary.events += result.events;
      if (result.ok) continue;
      ++summary.failed;
      if (summary.failed == 1 || seed < summary.first_failure.seed) {
        summary.first_failure = result;
      }
      if (stop_at_failure) stop = true;
    }
  };
  std::vector<std::thread> pool;
  for (int i = 1; i < threads; ++i) pool.emplace_back(work);
  work();
  for (std::thread& thread : pool) thread.join();
  return summary;
}

std::vector<std::string> NeverCounted(const Counts& counts, Subject subject) {
  std::vector<std::string> names;
  for (size_t i = 0; i < counts.faults.size(); ++i) {
    if (counts.faults[i] > 0) continue;
    // Jobs without an end have no epochs that could be added.
    if (static_cast<Fault>(i) == Fault::kEpochsAdded &&
        subject == Subject::kGrowing) {
      continue;
    }
    names.emplace_back(FaultName(static_cast<Fault>(i)));
  }
  for (size_t i = 0; i < counts.probes.size(); ++i) {
    if (counts.probes[i] > 0 || SubjectOf(static_cast<Probe>(i)) != subject) {
      continue;
    }
    names.emplace_back(ProbeName(static_cast<Probe>(i)));
  }
  return names;
}

std::string CountsTable(const Counts& counts, Subject subject) {
  std::string text = "faults\n";
  for (size_t i = 0; i < counts.faults.size(); ++i) {
    absl::StrAppendFormat(&text, "  %-44s %10d\n",
                          FaultName(static_cast<Fault>(i)), counts.faults[i]);
  }
  absl::StrAppend(&text, "probes\n");
  for (size_t i = 0; i < counts.probes.size(); ++i) {
    const Subject of = SubjectOf(static_cast<Probe>(i));
    if (of != Subject::kAny && of != subject) continue;
    absl::StrAppendFormat(&text, "  %-44s %10d\n",
                          ProbeName(static_cast<Probe>(i)), counts.probes[i]);
  }
  return text;
}

}  // namespace ebb::sim
