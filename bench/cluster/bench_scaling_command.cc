// `ebb bench scaling`.
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "bench/cluster/scaling_bench.h"
#include "bench/command/bench_job.h"
#include "bench/command/bench_machine.h"
#include "bench/command/bench_run.h"
#include "bench/common/paired.h"
#include "bench/common/rows.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/command/command.h"
#include "tools/ebb/run/local_run.h"
#include "tools/files/files.h"
#include "tools/process/most_processes.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

// Of the model of BenchJob: a perceptron of 16 features and 4 classes.
constexpr int kFloatsPerUnit = 21;

struct BenchScalingFlags {
  std::vector<int> workers = {1, 2, 4, 8};
  std::vector<int> servers = {1, 2, 4, 8};
  int model_kib = 1024;
  ScalingPoint::Options point = {.batch_time = absl::Milliseconds(100)};
  std::string json;
};

struct Point {
  int servers = 0;
  int workers = 0;
  double rate = 0;
  double bytes_per_second = 0;
  double busy = 0;
};

// Cancelled: somebody interrupted it.
absl::StatusOr<Point> Measure(const BenchScalingFlags& flags, int servers,
                              int workers) {
  const int units = std::max(1, flags.model_kib * 256 / kFloatsPerUnit);
  EBB_ASSIGN_OR_RETURN(
      BenchJob job,
      BenchJob::Make("batch: 8, item_examples: 80",
                     absl::StrFormat("{kind: mlp, layers: [16, %d, 4]}", units),
                     /*partitions=*/8));
  ScalingPoint point(flags.point, workers);
  RunOptions run;
  run.job.file = job.file();
  run.job.overrides = {"checkpoint.every=10s"};
  run.servers = servers;
  run.workers = workers;
  run.folder = job.run_folder();
  run.quiet = true;
  run.disturbance = &point;
  EBB_ASSIGN_OR_RETURN(const RunReport report, RunLocally(run));
  if (report.interrupted) return absl::CancelledError("interrupted");
  if (!report.problems.empty() || point.rate() == 0) {
    return absl::InternalError(
        absl::StrCat(report.problems.empty() ? "the job ended too early"
                                             : report.problems.front(),
                     "; its run is in ", job.Keep(), "/run"));
  }
  return Point{servers, workers, point.rate(), point.bytes_per_second(),
               point.busy()};
}

std::string Header(const BenchScalingFlags& flags) {
  std::string line = "servers";
  for (const int workers : flags.workers) {
    absl::StrAppendFormat(&line, "  %16s", Count(workers, "worker"));
  }
  return line + "\n";
}

// Beside what so many of the first's workers would do alone.
std::vector<bench::Row> RowsOf(const std::vector<Point>& points) {
  const double one = points.front().rate / points.front().workers;
  std::vector<bench::Row> rows;
  for (const Point& point : points) {
    const double alone = one * point.workers;
    rows.push_back(
        bench::MakeRow(absl::StrCat(Count(point.workers, "worker"), ", ",
                                    Count(point.servers, "server")),
                       "examples/s", {{point.rate}}, {{alone}}, {}));
  }
  return rows;
}

// By servers, then workers, as they were measured.
std::string Text(const BenchScalingFlags& flags,
                 const std::vector<Point>& points,
                 const std::vector<bench::Row>& rows) {
  std::string text = absl::StrFormat(
      "examples/s / (workers x those of the first); %% of the processors "
      "in use\n%s",
      Header(flags));
  for (size_t i = 0; i < points.size(); ++i) {
    const Point& point = points[i];
    if (i % flags.workers.size() == 0) {
      absl::StrAppendFormat(&text, "%7d", point.servers);
    }
    absl::StrAppendFormat(&text, "  %8.2f %5.0f %%", rows[i].ratio.median,
                          100 * point.busy);
    if ((i + 1) % flags.workers.size() == 0) text += "\n";
  }
  absl::StrAppendFormat(
      &text,
      "the first: %s examples/s, %.1f MB/s of values; the last: %s, "
      "%.1f\n",
      Short(points.front().rate), points.front().bytes_per_second * 1e-6,
      Short(points.back().rate), points.back().bytes_per_second * 1e-6);
  return text;
}

Json ToJson(const BenchScalingFlags& flags, const std::vector<Point>& points,
            const std::vector<bench::Row>& rows, double seconds) {
  Json json = WhereItRanJson();
  json["seconds"] = seconds;
  json["model_bytes"] = int64_t{flags.model_kib} * 1024;
  json["batch_s"] = absl::ToDoubleSeconds(flags.point.batch_time);
  Json list = Json::List();
  for (const Point& point : points) {
    Json one = Json::Object();
    one["servers"] = point.servers;
    one["workers"] = point.workers;
    one["examples_per_second"] = point.rate;
    one["bytes_per_second"] = point.bytes_per_second;
    one["busy"] = point.busy;
    list.Add(std::move(one));
  }
  json["points"] = std::move(list);
  bench::AddRows(rows, &json);
  return json;
}

int BenchScaling(const BenchScalingFlags& flags) {
  if (!flags.json.empty()) {
    const absl::Status writable = CheckWritable(flags.json);
    if (!writable.ok()) return Report(writable);
  }
  std::cerr << WhereItRan() << std::endl;
  const absl::Time begun = SteadyNow();
  std::vector<Point> points;
  for (const int servers : flags.servers) {
    for (const int workers : flags.workers) {
      ShowBenchProgress(
          absl::StrFormat("%d of %d: %s, %s", points.size() + 1,
                          flags.servers.size() * flags.workers.size(),
                          Count(servers, "server"), Count(workers, "worker")));
      const auto point = Measure(flags, servers, workers);
      if (absl::IsCancelled(point.status())) return kExitInterrupted;
      if (!point.ok()) return Report(point.status());
      points.push_back(*point);
    }
  }
  ShowBenchProgress("");
  const std::vector<bench::Row> rows = RowsOf(points);
  std::cout << Text(flags, points, rows);
  if (flags.json.empty()) return kExitGood;
  const Json json =
      ToJson(flags, points, rows, absl::ToDoubleSeconds(SteadyNow() - begun));
  const absl::Status written = WriteFile(flags.json, json.ToString());
  if (!written.ok()) return Report(written);
  return kExitGood;
}

}  // namespace

void AddBenchScalingCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "scaling", "Measures what more workers and servers bring");
  const auto flags = std::make_shared<BenchScalingFlags>();
  command
      ->add_option("--workers", flags->workers, "Numbers of workers to measure")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--servers", flags->servers, "Numbers of servers to measure")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostServers));
  command
      ->add_option("--model-kib", flags->model_kib, "Size of the model in KiB")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 18));
  AddDurationFlag(
      command, "--batch-time", &flags->point.batch_time,
      "Least time of a batch, as there are more workers than cores (100ms)");
  AddDurationFlag(command, "--seconds", &flags->point.length,
                  "How long to measure each pair (5s)");
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->footer(R"(
Each pair is a cluster of real daemons on this machine. With emulated computing,
n workers do n times the work of one until a processor, the network or a lock
does not keep up. The load of the processors tells which. docs/scaling.md
explains the result.
Example:
  ebb bench scaling --workers 1 4 --servers 1 --seconds 3)");
  command->callback([flags, exit_code] { *exit_code = BenchScaling(*flags); });
}

}  // namespace ebb::tools
