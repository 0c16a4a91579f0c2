#include "sim/command.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <thread>

#include "common/steady_time.h"
#include "glog/logging.h"
#include "sim/simulator.h"

namespace ebb::sim {

namespace {

absl::string_view FlagOf(Subject subject) {
  switch (subject) {
    case Subject::kAny:
      break;
    case Subject::kRuns:
      return " --runs";
    case Subject::kGrowing:
      return " --growing";
  }
  return "";
}

int Print(const Result& result, absl::Duration took, std::ostream& out) {
  out << "seed " << result.seed << ": " << result.scenario << "\n"
      << result.events << " events, "
      << absl::FormatDuration(
             absl::Trunc(result.virtual_time, absl::Milliseconds(1)))
      << " of virtual time, "
      << absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1))) << "\n";
  if (result.ok) {
    out << "no violation\n";
    return 0;
  }
  out << "VIOLATION " << result.violation << "\n";
  return 1;
}

void ShowProgress(const Progress& progress, std::ostream& out) {
  const int64_t percent =
      progress.items == 0 ? 0 : 100 * progress.full_items / progress.items;
  out << "\r" << progress.events << " events, "
      << absl::FormatDuration(
             absl::Trunc(progress.virtual_time, absl::Milliseconds(1)))
      << " of virtual time, " << percent << " % of the items   " << std::flush;
}

int RunOne(const CommandOptions& options, std::ostream& out) {
  Options run;
  run.subject = options.subject;
  if (options.scale) UseHugePages();
  if (options.scale && options.progress != nullptr) {
    run.progress = [&](const Progress& progress) {
      ShowProgress(progress, *options.progress);
    };
  }
  if (options.trace) {
    run.trace = [&out](absl::string_view line) { out << line << "\n"; };
  }
  const absl::Time begin = SteadyNow();
  const Result result = options.scale
                            ? RunScenario(run,
                                          ScaleScenario(options.scale_workers,
                                                        options.scale_servers,
                                                        options.scale_batches),
                                          options.first)
                            : RunSeed(run, options.first);
  if (run.progress != nullptr) *options.progress << "\n";
  return Print(result, SteadyNow() - begin, out);
}

}  // namespace

// A large run walks through gigabytes of small objects, and spends a quarter of
// its time on misses of the TLB. So what malloc will hand out lies in huge
// pages: one large piece is marked, given back and never trimmed. Without the
// memory for it nothing changes.
void UseHugePages() {
  constexpr size_t kHeap = size_t{8} << 30;
  constexpr uintptr_t kHugePage = 2 << 20;
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  void* heap = std::malloc(kHeap);
  if (heap == nullptr) return;
  const uintptr_t begin =
      (reinterpret_cast<uintptr_t>(heap) + kHugePage - 1) & -kHugePage;
  madvise(reinterpret_cast<void*>(begin), kHeap - kHugePage, MADV_HUGEPAGE);
  std::free(heap);
}

void LogOnlyErrors() { FLAGS_minloglevel = google::GLOG_ERROR; }

int Main(const CommandOptions& options, std::ostream& out) {
  LogOnlyErrors();
  if (options.scale || options.first == options.last) {
    return RunOne(options, out);
  }
  const int threads =
      options.threads > 0
          ? options.threads
          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const absl::Time begin = SteadyNow();
  const Summary summary = RunSeeds(options.first, options.last, threads,
                                   /*stop_at_failure=*/false, options.subject);
  out << summary.seeds << " seeds, " << summary.events << " events, "
      << absl::FormatDuration(
             absl::Trunc(SteadyNow() - begin, absl::Milliseconds(1)))
      << " on " << threads << (threads == 1 ? " thread, " : " threads, ")
      << summary.failed << " with a violation\n"
      << CountsTable(summary.counts, options.subject);
  int exit_code = 0;
  if (options.require_probes) {
    for (const std::string& name :
         NeverCounted(summary.counts, options.subject)) {
      out << "NEVER " << name << ": these seeds prove nothing of it\n";
      exit_code = 1;
    }
  }
  if (summary.failed == 0) return exit_code;
  const Result& failure = summary.first_failure;
  out << "seed " << failure.seed << ": " << failure.scenario << "\nVIOLATION "
      << failure.violation << "\nreplay: ebb sim --seed " << failure.seed
      << FlagOf(options.subject) << " --trace\n";
  return 1;
}

}  // namespace ebb::sim
