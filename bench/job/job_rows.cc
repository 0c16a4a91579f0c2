#include "bench/job/job_rows.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "bench/common/bench_child.h"
#include "bench/common/rows.h"
#include "bench/job/one_process.h"
#include "common/status_macros.h"
#include "tools/files/files.h"
#include "tools/process/reserved_port.h"
#include "tools/text/console.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

using bench::Bound;
using bench::Row;
using google::protobuf::Struct;

constexpr char kJobPython[] = "/usr/bin/python3";
constexpr char kDebianFashion[] = "/usr/share/datasets/fashion-mnist";
constexpr char kSharedFashion[] = "../shared/data/fashion-mnist";

// At most 15 % slower.
constexpr Bound kOneProcess{Bound::Kind::kAtLeast, 0.85};
constexpr Bound kDistributed{Bound::Kind::kAtLeast, 3};
constexpr Bound kSingle{Bound::Kind::kAtLeast, 1.3};
// Half a point in a hundred is what seeds make of it.
constexpr Bound kAccuracy{Bound::Kind::kAtLeast, 0.995};

constexpr char kSpeed[] = "examples/s";

// The samples of one side, in the order of the pairs.
struct Side {
  std::string name;
  std::vector<double> speeds, cpus, accuracies;

  void Add(const Contestant& one) {
    speeds.push_back(one.examples_per_second);
    cpus.push_back(one.cpu_seconds_per_million);
    accuracies.push_back(one.accuracy);
  }
  Contestant Medians() const {
    return {.name = name,
            .examples_per_second = bench::Median(speeds),
            .cpu_seconds_per_million = bench::Median(cpus),
            .accuracy = bench::Median(accuracies)};
  }
};

class JobBench {
 public:
  explicit JobBench(const JobRowsOptions& options) : options_(options) {}

  absl::StatusOr<JobRows> AgainstOneProcess() {
    EBB_ASSIGN_OR_RETURN(const PreparedJob prepared, Prepare());
    Side cluster{.name = "ebb: 1 worker, 1 server"};
    Side loop{.name = "one process, no server"};
    for (int pair = 0; pair < options_.pairs; ++pair) {
      for (const bool ours : {pair % 2 == 0, pair % 2 != 0}) {
        EBB_RETURN_IF_ERROR(options_.watch.Tell((ours ? cluster : loop).name,
                                                pair, options_.pairs));
        if (ours) {
          EBB_ASSIGN_OR_RETURN(const Contestant one, RunCluster(1));
          cluster.Add(one);
        } else {
          EBB_ASSIGN_OR_RETURN(
              const bench::OneProcessRun run,
              bench::TrainInOneProcess(prepared.record, options_.watch.stop));
          loop.Add(
              {.examples_per_second = run.examples_per_second(),
               .cpu_seconds_per_million =
                   1e6 * run.cpu_seconds / static_cast<double>(run.examples),
               .accuracy = run.accuracy});
        }
      }
    }
    JobRows out;
    Compare("1 worker and 1 server / one process", cluster, loop, kOneProcess,
            &out);
    out.contestants = {cluster.Medians(), loop.Medians()};
    return out;
  }

  absl::StatusOr<JobRows> AgainstPeers() {
    JobRows out;
    EBB_ASSIGN_OR_RETURN(out.skipped, WhyNoPeers());
    if (!out.skipped.empty()) return out;
    EBB_ASSIGN_OR_RETURN(const PreparedJob prepared, Prepare());
    epochs_ = prepared.job.train().epochs();
    Side ours{.name = "ebb: 2 workers, 1 server"};
    Side distributed{.name = "PyTorch DDP, 2 processes"};
    Side single{.name = "PyTorch, 1 process"};
    for (int pair = 0; pair < options_.pairs; ++pair) {
      // Each is first, second and third in turn.
      for (int i = 0; i < 3; ++i) {
        const int who = (i + pair) % 3;
        Side& side = who == 0 ? ours : who == 1 ? distributed : single;
        EBB_RETURN_IF_ERROR(
            options_.watch.Tell(side.name, pair, options_.pairs));
        absl::StatusOr<Contestant> one = who == 0 ? RunCluster(2)
                                         : who == 1
                                             ? RunPeer("torch_ddp", epochs_)
                                             : RunPeer("torch_single", epochs_);
        EBB_RETURN_IF_ERROR(one.status());
        side.Add(*one);
      }
    }
    Compare("main job / PyTorch DDP, 2 processes", ours, distributed,
            kDistributed, &out);
    Compare("main job / PyTorch, 1 process", ours, single, kSingle, &out);
    out.contestants = {ours.Medians(), distributed.Medians(), single.Medians()};
    if (options_.all_peers) EBB_RETURN_IF_ERROR(MeasureOthers(&out));
    return out;
  }

 private:
  // The model is tested once, at the end: the peers' training is not
  // interrupted for it, either.
  absl::StatusOr<PreparedJob> Prepare() {
    EBB_ASSIGN_OR_RETURN(PreparedJob prepared, PrepareJob(options_.job));
    overrides_ = options_.job.overrides;
    if (prepared.job.has_evaluate()) {
      overrides_.push_back(absl::StrCat(
          "evaluate.every=", Count(prepared.job.train().epochs(), "epoch")));
    }
    return prepared;
  }

  std::string Path(const std::string& name) const {
    return absl::StrCat(options_.folder, "/", name);
  }

  absl::StatusOr<Contestant> RunCluster(int workers) {
    const std::string name = absl::StrCat("run-", ++runs_);
    ProcessSpec spec = {
        .argv = {options_.programs + "/ebb", "run", options_.job.file,
                 "--quiet", "--servers", "1", "--workers",
                 absl::StrCat(workers), "--run-dir", Path(name)},
        .log = Path(name + ".log")};
    for (const std::string& set : overrides_) {
      spec.argv.insert(spec.argv.end(), {"--set", set});
    }
    for (const std::string& folder : options_.job.plugin_folders) {
      spec.argv.insert(spec.argv.end(), {"--allow-plugins", folder});
    }
    EBB_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunChild({.process = spec, .stop = options_.watch.stop}));
    if (!end.clean()) {
      return absl::FailedPreconditionError(
          absl::StrCat("ebb run ", options_.job.file, " ", end.ToString(), ": ",
                       LastLine(spec.log)));
    }
    EBB_ASSIGN_OR_RETURN(const std::string text,
                         ReadFile(Path(name + "/report.json")));
    EBB_ASSIGN_OR_RETURN(const Struct report,
                         ParseJsonObject(text, "report.json"));
    EBB_ASSIGN_OR_RETURN(const std::string metrics,
                         ReadFile(Path(name + "/metrics.csv")));
    const std::vector<RunSample> samples = RunFolder::SamplesOf(metrics);
    const double examples =
        samples.empty() ? 0
                        : static_cast<double>(samples.back().progress.applied);
    if (examples <= 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("ebb run ", options_.job.file, " counted no examples"));
    }
    std::error_code ignored;
    std::filesystem::remove_all(Path(name), ignored);
    return Contestant{.examples_per_second = SteadySpeed(samples).value_or(
                          NumberIn(report, "examples_per_second", 0)),
                      .cpu_seconds_per_million =
                          1e6 * NumberIn(report, "cpu_seconds", 0) / examples,
                      .accuracy = NumberIn(report, "accuracy", -1)};
  }

  absl::StatusOr<Contestant> RunPeer(const std::string& script,
                                     int64_t epochs) {
    const std::string log = Path(absl::StrCat(script, "-", ++runs_, ".log"));
    ProcessSpec spec = {
        .argv = {kJobPython, "-B",
                 absl::StrCat(options_.peers, "/", script, ".py"), "--data",
                 options_.data, "--epochs", absl::StrCat(epochs)},
        .log = log};
    if (script == "torch_ddp" || script == "torch_rpc") {
      EBB_ASSIGN_OR_RETURN(const ReservedPort port, ReservedPort::Reserve());
      const std::string& address = port.address();
      spec.argv.insert(spec.argv.end(),
                       {"--port", address.substr(address.rfind(':') + 1)});
    }
    EBB_ASSIGN_OR_RETURN(const ProcessEnd end,
                         RunChild({.process = spec,
                                   .limit = absl::Minutes(5),
                                   .stop = options_.watch.stop}));
    if (!end.clean()) {
      return absl::FailedPreconditionError(
          absl::StrCat(script, " ", end.ToString(), ": ", LastLine(log)));
    }
    EBB_ASSIGN_OR_RETURN(const std::string printed, ReadFile(log));
    return ReadPeer(printed);
  }

  // Empty: they can be run.
  absl::StatusOr<std::string> WhyNoPeers() {
    if (options_.data.empty()) {
      return "no Fashion-MNIST here: apt-get install dataset-fashion-mnist";
    }
    if (!std::filesystem::exists(options_.peers + "/torch_ddp.py")) {
      return absl::StrCat("no peers in ", options_.peers,
                          ": start it in the folder of ebb's sources");
    }
    const std::string missing =
        "PyTorch is not installed: apt-get install python3-torch "
        "libopenblas0-pthread";
    if (!std::filesystem::exists(kJobPython)) return missing;
    EBB_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunChild({.process = {.argv = {kJobPython, "-c", "import torch"},
                              .log = Path("torch.log")},
                  .stop = options_.watch.stop}));
    return end.clean() ? "" : missing;
  }

  static void Compare(const std::string& what, const Side& ours,
                      const Side& theirs, Bound bound, JobRows* out) {
    out->rows.push_back(
        bench::MakeRow(what, kSpeed, ours.speeds, theirs.speeds, bound));
    const auto known = [](const Side& side) {
      return std::ranges::all_of(side.accuracies,
                                 [](double one) { return one > 0; });
    };
    if (!known(ours) || !known(theirs)) return;
    out->rows.push_back(bench::MakeRow(what, "accuracy", ours.accuracies,
                                       theirs.accuracies, kAccuracy));
  }

  // Asynchronous, as ebb is, but nothing is required.
  absl::Status MeasureOthers(JobRows* out) {
    struct Other {
      const char* script;
      const char* name;
      int64_t epochs;  // 0: as many as all.
    };
    // Floats one by one are slow: one epoch says how fast, not how good.
    constexpr std::array kOthers = {
        Other{"torch_rpc", "torch.distributed.rpc, 2", 0},
        Other{"grpc_naive", "naive gRPC, 2 workers", 1}};
    for (const Other& other : kOthers) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(other.name));
      const bool short_run = other.epochs > 0 && other.epochs < epochs_;
      absl::StatusOr<Contestant> one =
          RunPeer(other.script, short_run ? other.epochs : epochs_);
      if (absl::IsCancelled(one.status())) return one.status();
      if (!one.ok()) {
        out->notes.push_back(std::string(one.status().message()));
        continue;
      }
      one->name = other.name;
      if (short_run) one->accuracy = -1;
      out->contestants.push_back(*std::move(one));
    }
    return absl::OkStatus();
  }

  const JobRowsOptions& options_;
  std::vector<std::string> overrides_;
  int64_t epochs_ = 1;
  int runs_ = 0;
};

// A table of them; empty: there are none.
std::string ContestantsText(const std::vector<Contestant>& contestants) {
  if (contestants.empty()) return "";
  TextTable table({"", "EXAMPLES/S", "CPU S/MILLION", "ACCURACY"}, {1, 2, 3});
  for (const Contestant& one : contestants) {
    table.Add({one.name, absl::StrFormat("%.0f", one.examples_per_second),
               absl::StrFormat("%.1f", one.cpu_seconds_per_million),
               one.accuracy < 0 ? "" : absl::StrFormat("%.4f", one.accuracy)});
  }
  return table.ToString();
}

}  // namespace

absl::StatusOr<JobRows> MeasureAgainstOneProcess(
    const JobRowsOptions& options) {
  return JobBench(options).AgainstOneProcess();
}

absl::StatusOr<JobRows> MeasureAgainstPeers(const JobRowsOptions& options) {
  return JobBench(options).AgainstPeers();
}

std::string JobRowsText(const JobRows& measured) {
  if (!measured.skipped.empty()) {
    return absl::StrCat("skipped: ", measured.skipped, "\n");
  }
  std::string text = absl::StrCat(bench::RowsText(measured.rows, "OTHER"), "\n",
                                  ContestantsText(measured.contestants));
  for (const std::string& note : measured.notes) {
    absl::StrAppend(&text, "not measured: ", note, "\n");
  }
  absl::StrAppend(
      &text, "\nRatios are medians of ", measured.rows.front().ratio.pairs,
      " pairs; examples/s are those of the training alone. CPU seconds of ebb "
      "count\nits whole run, with its start and the evaluation.\n");
  return text;
}

void AddJobRows(const JobRows& measured, Json* json) {
  if (!measured.skipped.empty()) (*json)["skipped"] = measured.skipped;
  (*json)["contestants"] = Json::List();
  for (const Contestant& one : measured.contestants) {
    Json side = Json::Object();
    side["name"] = one.name;
    side["examples_per_second"] = one.examples_per_second;
    side["cpu_s_per_million_examples"] = one.cpu_seconds_per_million;
    side["accuracy"] = one.accuracy < 0 ? Json() : Json(one.accuracy);
    (*json)["contestants"].Add(std::move(side));
  }
  (*json)["notes"] = Json::List();
  for (const std::string& note : measured.notes) (*json)["notes"].Add(note);
  bench::AddRows(measured.rows, json);
}

std::string FashionFolder() {
  for (const char* folder : {kDebianFashion, kSharedFashion}) {
    std::error_code error;
    if (std::filesystem::exists(
            absl::StrCat(folder, "/train-images-idx3-ubyte.gz"), error)) {
      return folder;
    }
  }
  return "";
}

std::optional<double> SteadySpeed(const std::vector<RunSample>& samples) {
  const auto first = std::ranges::find_if(
      samples, [](const RunSample& one) { return one.progress.applied > 0; });
  const auto end = std::find_if(first, samples.end(), [](const RunSample& one) {
    return one.progress.applied >= one.progress.examples;
  });
  if (std::distance(first, end) < 2) return std::nullopt;
  const RunSample& last = *std::prev(end);
  const auto examples =
      static_cast<double>(last.progress.applied - first->progress.applied);
  // With less it cannot be told.
  if (examples < 0.25 * static_cast<double>(last.progress.examples)) {
    return std::nullopt;
  }
  return examples / (last.seconds - first->seconds);
}

absl::StatusOr<Contestant> ReadPeer(absl::string_view printed) {
  const std::vector<absl::string_view> lines =
      absl::StrSplit(absl::StripAsciiWhitespace(printed), '\n');
  EBB_ASSIGN_OR_RETURN(
      const Struct json,
      ParseJsonObject(lines.back(), "what the peer printed last"));
  const Contestant one = {
      .examples_per_second = NumberIn(json, "examples_per_s", 0),
      .cpu_seconds_per_million =
          NumberIn(json, "cpu_s_per_million_examples", 0),
      .accuracy = NumberIn(json, "accuracy", -1)};
  if (one.examples_per_second <= 0) {
    return absl::DataLossError("the peer printed no examples_per_s");
  }
  return one;
}

}  // namespace ebb::tools
