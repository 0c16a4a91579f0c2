#include "bench/sparse/sparse_bench.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "bench/plane/one_server.h"
#include "bench/plane/transfer_loop.h"
#include "bench/rows/bare_rows.h"
#include "bench/sparse/sparse_worker.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "rpc/grpc_transport.h"
#include "server/job_rule.h"

namespace ebb::bench {

namespace {

constexpr double kMillion = 1e6;

const char* WayOf(DataPlane plane) {
  switch (plane) {
    case DataPlane::kGrpc:
      return "over gRPC";
    case DataPlane::kBulk:
      return "over a bulk stream";
    case DataPlane::kShared:
      break;
  }
  return "through shared memory";
}

class SparseBench {
 public:
  explicit SparseBench(const SparseOptions& options)
      : options_(options),
        width_(static_cast<size_t>(options.width)),
        sampler_(options.rows, options.zipf, options.seed),
        network_(WorkerNetwork(options.plane)),
        transport_(network_) {
    report_.options = options;
  }

  absl::StatusOr<SparseReport> Measure() {
    report_.machine = MachineText();
    report_.load_average = LoadAverage();
    // Workers do so, too.
    ConfigureMalloc();
    SkipMutexChecks();
    EBB_RETURN_IF_ERROR(Start());
    EBB_RETURN_IF_ERROR(Fill());
    EBB_RETURN_IF_ERROR(MeasurePairs());
    return std::move(report_);
  }

 private:
  // Seconds of the same work; which of them came first is in turns.
  struct Pair {
    double ours = 0;
    double bare = 0;
    double bare_cpu = 0;
    double worker_cpu = 0;
    double server_cpu = 0;
  };

  absl::Status Start() {
    EBB_RETURN_IF_ERROR(options_.watch.Tell("starting the server"));
    EBB_ASSIGN_OR_RETURN(record_, SparseJob(JobId(1), options_.width));
    report_.partitions = record_->plan.partitions;
    EBB_ASSIGN_OR_RETURN(rule_, server::JobRule::Create(*record_));
    optimizer_ = rule_->RowOptimizer(0);
    // One example a batch, and a rate that stays.
    context_ = rule_->RowStep(0, {.item = {0, 0}, .begin = 0, .end = 1});
    bare_ = std::make_unique<BareRows>(1, options_.rows, options_.width,
                                       *optimizer_);
    EBB_ASSIGN_OR_RETURN(server_,
                         OneServer::Start(&transport_, options_.programs,
                                          options_.folder, options_.plane));
    EBB_ASSIGN_OR_RETURN(const Placement placement, server_->Serve(record_));
    worker_ = std::make_unique<SparseWorker>(&transport_, record_, placement,
                                             options_.message_rows,
                                             options_.seed, network_.heap);
    return absl::OkStatus();
  }

  // All rows, on both sides.
  absl::Status Fill() {
    return worker_->Fill(
        options_.rows, options_.in_flight,
        [&](const RowMessage& message, int64_t last) {
          for (const uint64_t key : message.keys) bare_->Create(0, key);
          bare_->Apply(
              0, message.keys,
              worker_->Gradient(static_cast<int64_t>(message.keys.size())),
              context_);
          return options_.watch.Tell(
              absl::StrCat("rows: ", last, " of ", options_.rows));
        });
  }

  std::vector<RowMessage> DrawMessages() {
    std::vector<RowMessage> messages;
    for (int64_t i = 0; i < options_.messages; ++i) {
      messages.push_back(
          worker_->DrawMessage(&sampler_, options_.message_rows));
    }
    return messages;
  }

  absl::StatusOr<Pair> Compare(bool bare_first,
                               const std::function<void()>& bare,
                               const std::function<absl::Status()>& ours) {
    Pair pair;
    for (const bool bare_now : {bare_first, !bare_first}) {
      const double worker = CpuSeconds(0);
      if (bare_now) {
        pair.bare = SecondsOf(bare);
        pair.bare_cpu = CpuSeconds(0) - worker;
        continue;
      }
      const double server = CpuSeconds(server_->pid());
      absl::Status status;
      pair.ours = SecondsOf([&] { status = ours(); });
      EBB_RETURN_IF_ERROR(status);
      pair.worker_cpu = CpuSeconds(0) - worker;
      pair.server_cpu = CpuSeconds(server_->pid()) - server;
    }
    return pair;
  }

  absl::StatusOr<Pair> ComparePushes(bool bare_first) {
    std::vector<RowMessage> messages = DrawMessages();
    const Payload gradient = worker_->MakeGradient(options_.message_rows);
    for (RowMessage& message : messages) {
      message.push.rows = message.order->Pushes(record_->plan, gradient);
    }
    return Compare(
        bare_first,
        [&] {
          for (const RowMessage& message : messages) {
            bare_->Apply(0, message.keys,
                         worker_->Gradient(options_.message_rows), context_);
          }
        },
        [&] {
          return worker_->loop().Push(
              options_.messages, options_.in_flight,
              [&](int64_t i) { return &messages[i].push; });
        });
  }

  absl::StatusOr<Pair> ComparePulls(bool bare_first) {
    std::vector<RowMessage> messages = DrawMessages();
    for (RowMessage& message : messages) {
      auto rows = std::make_shared<client::BatchRows>();
      rows->partitions = message.order->Pulls(record_->plan);
      message.pull = std::move(rows);
    }
    const size_t floats = static_cast<size_t>(options_.message_rows) * width_;
    std::vector<float> bare(floats), ours(floats);
    EBB_ASSIGN_OR_RETURN(
        const Pair pair,
        Compare(
            bare_first,
            [&] {
              for (const RowMessage& message : messages) {
                bare_->Pull(0, message.keys, bare);
              }
            },
            [&] {
              return worker_->loop().Pull(
                  options_.messages, options_.in_flight,
                  [&](int64_t i) { return messages[i].pull; },
                  [&](int64_t i, const client::PulledValues& values) {
                    return messages[i].order->Assemble(record_->plan, values,
                                                       ours);
                  });
            }));
    // Of the last message. Both did the same pushes.
    if (ours != bare) {
      return absl::InternalError(
          "the server and the bare work came to different weights");
    }
    return pair;
  }

  absl::Status MeasurePairs() {
    std::vector<Pair> pushes, pulls;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell("pushes and pulls", pair, options_.pairs));
      const bool bare_first = pair % 2 == 0;
      EBB_ASSIGN_OR_RETURN(const Pair push, ComparePushes(bare_first));
      EBB_ASSIGN_OR_RETURN(const Pair pull, ComparePulls(bare_first));
      if (pair < 0) continue;  // Warms up.
      pushes.push_back(push);
      pulls.push_back(pull);
    }
    report_.push = AddPairs("push", pushes);
    report_.pull = AddPairs("pull", pulls);
    return absl::OkStatus();
  }

  SparseReport::Cpu AddPairs(const std::string& what,
                             const std::vector<Pair>& pairs) {
    const double rows = static_cast<double>(options_.message_rows) *
                        static_cast<double>(options_.messages) / kMillion;
    std::vector<double> ours, bare, bare_cpu, worker, server;
    for (const Pair& pair : pairs) {
      ours.push_back(rows / pair.ours);
      bare.push_back(rows / pair.bare);
      bare_cpu.push_back(pair.bare_cpu / rows);
      worker.push_back(pair.worker_cpu / rows);
      server.push_back(pair.server_cpu / rows);
    }
    report_.rows.push_back(
        MakeRow(absl::StrCat(what, ", ", options_.in_flight, " in flight"),
                "M rows/s", ours, bare, RowsBound(options_.plane)));
    return {Median(bare_cpu), Median(worker), Median(server)};
  }

  const SparseOptions& options_;
  const size_t width_;
  RowSampler sampler_;
  SparseReport report_;
  JobRecordPtr record_;
  std::unique_ptr<server::JobRule> rule_;
  std::shared_ptr<const Optimizer> optimizer_;
  StepContext context_;
  std::unique_ptr<BareRows> bare_;
  const rpc::TransportOptions network_;
  rpc::GrpcTransport transport_;
  std::unique_ptr<OneServer> server_;
  std::unique_ptr<SparseWorker> worker_;
};

}  // namespace

absl::Status SparseOptions::Validate() const {
  const auto wrong = [](const char* what, auto value, const char* must) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " is ", value, "; it must be ", must));
  };
  if (rows < 1000 || rows > int64_t{1} << 30) {
    return wrong("--rows", rows, "from 1000 to 2^30");
  }
  if (width < 1 || width > kMaxRowWidth) {
    return wrong("--width", width, "from 1 to 4096");
  }
  // Drawing many of few, all different, takes long.
  if (message_rows < 1 || message_rows > rows / 10 || message_rows > 65536) {
    return wrong("--message-rows", message_rows,
                 "from 1 to a tenth of --rows, 65536 at most");
  }
  if (!(zipf >= 0 && zipf <= 2)) return wrong("--zipf", zipf, "from 0 to 2");
  if (pairs < 1) return wrong("--pairs", pairs, "1 at least");
  if (in_flight < 1) return wrong("--in-flight", in_flight, "1 at least");
  return absl::OkStatus();
}

Bound RowsBound(DataPlane plane) {
  switch (plane) {
    case DataPlane::kShared:
      return {Bound::Kind::kAtLeast, 0.7};
    case DataPlane::kBulk:
      return {Bound::Kind::kAtLeast, 0.6};
    case DataPlane::kGrpc:
      break;
  }
  return {Bound::Kind::kAtLeast, 0.35};
}

absl::StatusOr<SparseReport> MeasureSparse(const SparseOptions& options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  return SparseBench(options).Measure();
}

std::string SparseText(const SparseReport& report) {
  const SparseOptions& options = report.options;
  std::string text = absl::StrFormat(
      "%s; load %.2f\n%d rows of %d floats with Adagrad in %d partitions, %s; "
      "%d rows a message, %s\n\n",
      report.machine, report.load_average, options.rows, options.width,
      report.partitions,
      options.zipf == 0 ? "all alike" : absl::StrCat("Zipf ", options.zipf),
      options.message_rows, WayOf(options.plane));
  absl::StrAppend(&text, RowsText(report.rows, "BARE"));
  absl::StrAppendFormat(
      &text,
      "\nBARE is a hash map into arrays in one thread, with the same keys and "
      "arithmetic; ratios are medians of %d pairs.\n",
      options.pairs);
  const auto add = [&](const char* what, const SparseReport::Cpu& cpu) {
    absl::StrAppendFormat(&text,
                          "CPU seconds per million rows, %s: bare %.2f, worker "
                          "%.2f, server %.2f\n",
                          what, cpu.bare_seconds, cpu.worker_seconds,
                          cpu.server_seconds);
  };
  add("push", report.push);
  add("pull", report.pull);
  return text;
}

void AddSparse(const SparseReport& report, tools::Json* json) {
  const SparseOptions& options = report.options;
  (*json)["shared_memory"] = options.plane == DataPlane::kShared;
  (*json)["bulk_stream"] = options.plane == DataPlane::kBulk;
  (*json)["load_average"] = report.load_average;
  (*json)["rows_in_table"] = options.rows;
  (*json)["width"] = options.width;
  (*json)["message_rows"] = options.message_rows;
  (*json)["zipf"] = options.zipf;
  (*json)["in_flight"] = options.in_flight;
  (*json)["partitions"] = report.partitions;
  const auto add = [&](const char* name, const SparseReport::Cpu& cpu) {
    tools::Json& of = (*json)[name];
    of = tools::Json::Object();
    of["bare_cpu_seconds_per_million_rows"] = cpu.bare_seconds;
    of["worker_cpu_seconds_per_million_rows"] = cpu.worker_seconds;
    of["server_cpu_seconds_per_million_rows"] = cpu.server_seconds;
  };
  add("push", report.push);
  add("pull", report.pull);
  AddRows(report.rows, json);
}

}  // namespace ebb::bench
