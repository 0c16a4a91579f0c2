#include "tools/ebb/advise/goodputs.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "tools/command/command.h"
#include "tools/files/files.h"
#include "tools/process/child_process.h"
#include "tools/process/temporary_folder.h"
#include "tools/text/read_json.h"

namespace ebb::tools {
namespace {

// The most that is simulated: losses and batches.
constexpr char kLosses[] = "20";
constexpr int64_t kBatches = 20'000;
// Rounds are counted whole, so there are many of them at least.
constexpr int64_t kRounds = 20;
// The simulator knows no longer runs. Longer rounds gain nothing more.
constexpr int64_t kMostPeriod = 10'000;
constexpr int64_t kMostRounds = 16;
constexpr absl::Duration kLookAtSimulators = absl::Milliseconds(20);
// Each simulator writes it into a folder of its own.
constexpr char kLog[] = "log";
// The simulator knows nothing shorter.
constexpr absl::Duration kLeastTime = absl::Milliseconds(1);
// The simulator takes its time for each batch. What is lost of a batch this
// long is next to nothing beside the loading, so shorter ones are not
// simulated.
constexpr absl::Duration kLeastBatch = absl::Milliseconds(20);

std::string SecondsFlag(absl::Duration duration) {
  return absl::StrFormat("%.6fs", absl::ToDoubleSeconds(duration));
}

std::vector<std::string> FlagsOf(const SimulatedCluster& cluster,
                                 uint64_t seed) {
  const absl::Duration batch = std::max(kLeastBatch, cluster.batch);
  // A run takes as long with longer batches.
  const int64_t period =
      cluster.period == 0
          ? 0
          : std::clamp<int64_t>(
                std::llround(absl::FDivDuration(
                    cluster.batch * static_cast<double>(cluster.period),
                    batch)),
                1, kMostPeriod);
  const int64_t rounds = std::min(cluster.rounds, kMostRounds);
  const int64_t batches =
      std::max(kBatches, kRounds * period * rounds * cluster.workers);
  return {"--seed",
          absl::StrCat(seed),
          "--workers",
          absl::StrCat(cluster.workers),
          "--hazard",
          absl::StrCat(cluster.rates.losses_per_worker_hour),
          "--bulk",
          absl::StrCat(cluster.rates.bulk),
          "--away",
          SecondsFlag(cluster.rates.away),
          "--batch-time",
          SecondsFlag(batch),
          "--item-time",
          SecondsFlag(rounds > 0 ? batch : std::max(batch, cluster.item)),
          "--load-time",
          SecondsFlag(std::max(kLeastTime, cluster.load)),
          "--period",
          absl::StrCat(period),
          "--rounds",
          absl::StrCat(rounds),
          "--losses",
          kLosses,
          "--most-batches",
          absl::StrCat(batches)};
}

// A simulator that runs, or has ended.
class Simulation {
 public:
  static absl::StatusOr<Simulation> Start(
      const std::string& program_folder,
      const std::vector<std::string>& flags) {
    EBB_ASSIGN_OR_RETURN(
        TemporaryFolder folder,
        TemporaryFolder::Make(FolderOfTemporaryFiles() + "/ebb-advise"));
    std::vector<std::string> argv = {program_folder + "/ebb-sim", "sim",
                                     "--report", "--json"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    auto child =
        ChildProcess::Start({.argv = std::move(argv), .log = folder / kLog});
    if (!child.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(child.status().message(), "\nhint: ", HowToGet("sim")));
    }
    return Simulation(std::move(folder), *std::move(child));
  }

  bool IsOver() { return child_.Poll().has_value(); }

  // It is over.
  absl::StatusOr<double> Goodput(absl::string_view name) {
    const std::string text = ReadFile(folder_ / kLog).value_or("");
    if (!child_.Poll()->clean()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " cannot be simulated: ", text));
    }
    EBB_ASSIGN_OR_RETURN(
        const google::protobuf::Struct report,
        ParseJsonObject(text, "what ebb sim --report printed"));
    const auto& rows = ListIn(report, "rows");
    if (rows.values_size() != 1) {
      return absl::InternalError("ebb sim --report printed no row");
    }
    const double goodput =
        NumberIn(rows.values(0).struct_value(), "goodput", 0);
    if (!(goodput > 0)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "on ", name,
          " nothing would be done: its machines are lost before they have "
          "loaded the data; compare its losses with the time to load"));
    }
    return std::min(goodput, 1.0);
  }

 private:
  Simulation(TemporaryFolder folder, ChildProcess child)
      : folder_(std::move(folder)), child_(std::move(child)) {}

  TemporaryFolder folder_;
  ChildProcess child_;
};

}  // namespace

absl::StatusOr<std::vector<double>> SimulateGoodputs(
    const std::vector<SimulatedCluster>& clusters,
    const GoodputOptions& options, SignalWaiter* signals) {
  // Each once, and which of them a cluster is.
  std::vector<std::vector<std::string>> different;
  std::vector<size_t> places;
  for (const SimulatedCluster& cluster : clusters) {
    std::vector<std::string> flags = FlagsOf(cluster, options.seed);
    const auto same = std::ranges::find(different, flags);
    places.push_back(static_cast<size_t>(same - different.begin()));
    if (same == different.end()) different.push_back(std::move(flags));
  }
  const size_t at_once = std::max(1U, std::thread::hardware_concurrency());
  std::vector<Simulation> simulations;
  simulations.reserve(different.size());
  for (;;) {
    const auto over = static_cast<size_t>(std::ranges::count_if(
        simulations, [](Simulation& one) { return one.IsOver(); }));
    if (options.progress != nullptr) options.progress(over, different.size());
    if (over == different.size()) break;
    if (simulations.size() < different.size() &&
        simulations.size() - over < at_once) {
      EBB_ASSIGN_OR_RETURN(Simulation next,
                           Simulation::Start(options.program_folder,
                                             different[simulations.size()]));
      simulations.push_back(std::move(next));
      continue;
    }
    if (signals->Wait(kLookAtSimulators).interrupts > 0) {
      return absl::AbortedError("interrupted");
    }
  }
  std::vector<double> goodputs;
  for (size_t i = 0; i < clusters.size(); ++i) {
    EBB_ASSIGN_OR_RETURN(const double goodput,
                         simulations[places[i]].Goodput(clusters[i].name));
    goodputs.push_back(goodput);
  }
  return goodputs;
}

}  // namespace ebb::tools
