#include "tools/ebb/advise/local_speed.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/files/files.h"
#include "tools/process/child_process.h"
#include "tools/process/temporary_folder.h"

namespace ebb::tools {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kLook = absl::Milliseconds(100);
// For the first example to count, and for the run to end in good order.
constexpr absl::Duration kStartLimit = absl::Minutes(10);
constexpr absl::Duration kEndLimit = absl::Minutes(1);
constexpr absl::Duration kShortest = absl::Seconds(1);
constexpr int kWindows = 5;
constexpr char kOtherwise[] =
    "; or say the speed yourself: --rate EXAMPLES_A_SECOND";

struct Sample {
  double seconds = 0;
  double applied = 0;
};

std::vector<Sample> SamplesOf(absl::string_view csv) {
  std::vector<Sample> samples;
  std::vector<absl::string_view> lines = absl::StrSplit(csv, '\n');
  if (lines.empty()) return samples;
  const std::vector<absl::string_view> header = absl::StrSplit(lines[0], ',');
  const auto column = [&](absl::string_view name) {
    return static_cast<size_t>(std::ranges::find(header, name) -
                               header.begin());
  };
  const size_t seconds = column("seconds"), applied = column("applied");
  for (const absl::string_view line : std::span(lines).subspan(1)) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ',');
    Sample sample;
    if (std::max(seconds, applied) < fields.size() &&
        absl::SimpleAtod(fields[seconds], &sample.seconds) &&
        absl::SimpleAtod(fields[applied], &sample.applied)) {
      samples.push_back(sample);
    }
  }
  return samples;
}

// Between the samples around it.
double AppliedAt(const std::vector<Sample>& samples, double seconds) {
  const auto after =
      std::ranges::lower_bound(samples, seconds, {}, &Sample::seconds);
  if (after == samples.begin()) return samples.front().applied;
  if (after == samples.end()) return samples.back().applied;
  const Sample& before = *std::prev(after);
  const double share =
      (seconds - before.seconds) / (after->seconds - before.seconds);
  return before.applied + share * (after->applied - before.applied);
}

// Processor time of the servers that `parent` started.
double ServerSeconds(pid_t parent) {
  double ticks = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    std::ifstream file(entry.path() / "stat");
    std::string text;
    std::getline(file, text);
    const size_t end = text.rfind(')');
    if (end == text.npos || !absl::StrContains(text, "(ebb-ps)")) continue;
    const std::vector<absl::string_view> fields =
        absl::StrSplit(absl::string_view(text).substr(end + 2), ' ');
    // proc(5): from the state on, the parent is the 2nd, user and system time
    // are the 12th and 13th.
    pid_t of = 0;
    double user = 0, system = 0;
    if (fields.size() > 12 && absl::SimpleAtoi(fields[1], &of) &&
        of == parent && absl::SimpleAtod(fields[11], &user) &&
        absl::SimpleAtod(fields[12], &system)) {
      ticks += user + system;
    }
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Returns the last words of the run, for a message.
std::string LastWords(const std::string& log) {
  constexpr size_t kMost = 2000;
  const std::string text = ReadFile(log).value_or("");
  return text.substr(text.size() > kMost ? text.size() - kMost : 0);
}

double AppliedOf(const std::string& metrics) {
  const std::vector<Sample> samples = SamplesOf(ReadFile(metrics).value_or(""));
  return samples.empty() ? 0 : samples.back().applied;
}

}  // namespace

absl::StatusOr<LocalSpeed> SpeedOfSamples(absl::string_view csv) {
  std::vector<Sample> samples = SamplesOf(csv);
  const auto begun = std::ranges::find_if(
      samples, [](const Sample& sample) { return sample.applied > 0; });
  samples.erase(samples.begin(), begun);
  if (samples.size() < 3 || samples.back().seconds - samples.front().seconds <
                                absl::ToDoubleSeconds(kShortest)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the job trained for less than a second: measure a longer one "
        "(--epochs)",
        kOtherwise));
  }
  const double first = samples.front().seconds;
  const double length = samples.back().seconds - first;
  LocalSpeed speed;
  speed.load = absl::Seconds(first);
  speed.measured = absl::Seconds(length);
  speed.rate = (samples.back().applied - samples.front().applied) / length;
  double squares = 0;
  for (int i = 0; i < kWindows; ++i) {
    const double from = first + length * i / kWindows;
    const double rate = (AppliedAt(samples, from + length / kWindows) -
                         AppliedAt(samples, from)) /
                        (length / kWindows);
    squares += (rate - speed.rate) * (rate - speed.rate);
  }
  if (!(speed.rate > 0)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the job did not advance while it was measured", kOtherwise));
  }
  speed.rate_error = std::sqrt(squares / (kWindows - 1)) / speed.rate;
  return speed;
}

absl::StatusOr<LocalSpeed> MeasureLocalSpeed(const LocalSpeedOptions& options,
                                             SignalWaiter* signals) {
  EBB_ASSIGN_OR_RETURN(
      const TemporaryFolder folder,
      TemporaryFolder::Make(FolderOfTemporaryFiles() + "/ebb-advise"));
  const std::string log = folder / "log", run = folder / "run";
  ProcessSpec spec = {.argv = {options.program_folder + "/ebb", "run"},
                      .log = log};
  spec.argv.insert(spec.argv.end(), options.job.begin(), options.job.end());
  spec.argv.insert(
      spec.argv.end(),
      {"--set", "workers.min=1", "--workers", "1", "--servers", "1", "--quiet",
       "--run-dir", run, "--leave-with-parent", absl::StrCat(getpid())});
  EBB_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(spec));
  const std::string metrics = run + "/metrics.csv";
  const absl::Time started = SteadyNow();
  absl::Time begun = absl::InfiniteFuture();
  double applied_before = 0, server_before = 0;
  double applied = 0, server = 0;
  bool interrupted = false;
  while (!child.Poll() && SteadyNow() - begun < options.length) {
    if (signals->Wait(kLook).interrupts > 0) {
      interrupted = true;
      break;
    }
    const double now = AppliedOf(metrics);
    const double cpu = ServerSeconds(child.pid());
    if (begun != absl::InfiniteFuture()) {
      if (cpu > 0) {
        applied = now;
        server = cpu;
      }
    } else if (now > 0) {
      begun = SteadyNow();
      applied_before = now;
      server_before = cpu;
    } else if (SteadyNow() - started > kStartLimit) {
      break;
    }
    if (options.progress != nullptr && begun != absl::InfiniteFuture()) {
      options.progress(std::min(SteadyNow() - begun, options.length));
    }
  }
  // Later samples show its end, and not its speed.
  const absl::StatusOr<std::string> csv = ReadFile(metrics);
  child.Signal(SIGINT);
  const absl::Time end = SteadyNow() + kEndLimit;
  while (!child.Poll() && SteadyNow() < end) {
    // Told a second time, the run ends at once.
    if (signals->Wait(kLook).interrupts == 0) continue;
    interrupted = true;
    child.Signal(SIGINT);
  }
  if (interrupted) return absl::AbortedError("interrupted");
  if (!csv.ok() || begun == absl::InfiniteFuture()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the run that measures did not train", kOtherwise,
                     ". It said:\n", LastWords(log)));
  }
  EBB_ASSIGN_OR_RETURN(LocalSpeed speed, SpeedOfSamples(*csv));
  if (applied > applied_before) {
    speed.server_seconds =
        std::max(0.0, server - server_before) / (applied - applied_before);
  }
  return speed;
}

}  // namespace ebb::tools
