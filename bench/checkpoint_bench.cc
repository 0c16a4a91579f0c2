#include "bench/checkpoint_bench.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/dense_worker.h"
#include "bench/disk.h"
#include "bench/limits.h"
#include "bench/one_server.h"
#include "common/daemon.h"
#include "common/rpc/grpc_transport.h"
#include "common/status_macros.h"

namespace ebb::bench {

namespace {

constexpr Bound kThroughput{Bound::Kind::kAtLeast, 0.85};
constexpr Bound kLatency{Bound::Kind::kAtMost, 2};
constexpr Bound kAmplification{Bound::Kind::kAtMost, 1.3};
constexpr Bound kRestore{Bound::Kind::kAtLeast, 0.7};
constexpr Bound kMemory{Bound::Kind::kAtMost, 1.35};

// Weights and both moments.
constexpr int kAdamArrays = 3;
constexpr double kMega = 1e6, kGiga = 1e9;
// Of one sample of the memory bound.
constexpr int kPullers = 4;
constexpr int64_t kLargePushes = 4, kLargePulls = 2 * kPullers;

double Percentile99(std::vector<double> values) {
  std::ranges::sort(values);
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(std::ceil(0.99 * last))];
}

// A job on a server, and a worker of it.
struct Served {
  JobRecordPtr record;
  Placement placement;
  std::unique_ptr<DenseWorker> worker;
};

class CheckpointBench {
 public:
  explicit CheckpointBench(const CheckpointOptions& options)
      : options_(options) {}

  absl::StatusOr<std::vector<Row>> Measure() {
    ConfigureMalloc();
    SkipMutexChecks();
    EBB_RETURN_IF_ERROR(StartServer("small"));
    EBB_RETURN_IF_ERROR(MeasureDisturbance());
    EBB_RETURN_IF_ERROR(MeasureAmplification());
    EBB_RETURN_IF_ERROR(StartServer("large"));
    EBB_RETURN_IF_ERROR(MeasureLarge());
    return std::move(rows_);
  }

 private:
  // With a folder of its own, so that what is read back is all of it.
  absl::Status StartServer(const std::string& name) {
    server_.reset();
    folder_ = absl::StrCat(options_.folder, "/", name);
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat(folder_, ": ", error.message()));
    }
    EBB_ASSIGN_OR_RETURN(
        server_, OneServer::Start(&transport_, options_.programs, folder_));
    return absl::OkStatus();
  }

  absl::StatusOr<Served> Serve(int64_t bytes, DenseJobOptions job) {
    Served served;
    EBB_ASSIGN_OR_RETURN(served.record,
                         DenseJob(JobId(++last_job_), bytes, std::move(job)));
    EBB_ASSIGN_OR_RETURN(served.placement, server_->Serve(served.record));
    served.worker = std::make_unique<DenseWorker>(&transport_, served.record,
                                                  served.placement);
    return served;
  }

  absl::Status Store(const Served& served) {
    return server_->Store(*served.record, served.worker->pushed());
  }

  // --- Pushes while checkpoints are written ----------------------------------
  absl::Status MeasureDisturbance() {
    const int64_t bytes = options_.pushed_bytes;
    EBB_ASSIGN_OR_RETURN(const Served quiet, Serve(bytes, {}));
    EBB_ASSIGN_OR_RETURN(
        const Served stores,
        Serve(bytes,
              {.checkpoint_every = absl::StrCat(
                   std::llround(options_.interval_seconds * 1000), "ms")}));
    // So many that each sample has a checkpoint's begin and end.
    Transfer transfer = {.bytes = bytes, .operations = 4};
    EBB_ASSIGN_OR_RETURN(const TransferSample first,
                         quiet.worker->Run(transfer));
    transfer.operations = std::max<int64_t>(
        transfer.operations,
        std::llround(1.5 * options_.interval_seconds *
                     static_cast<double>(transfer.operations) / first.seconds));
    EBB_RETURN_IF_ERROR(stores.worker->Run(transfer).status());
    EBB_RETURN_IF_ERROR(Store(stores));
    std::vector<double> speeds[2], latencies[2];
    for (int pair = 0; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell("pushes during checkpoints", pair,
                                              options_.pairs));
      for (const bool disturbed : {pair % 2 == 0, pair % 2 != 0}) {
        const Served& job = disturbed ? stores : quiet;
        EBB_ASSIGN_OR_RETURN(TransferSample sample, job.worker->Run(transfer));
        speeds[disturbed].push_back(transfer.gigabytes() / sample.seconds);
        latencies[disturbed].push_back(
            Percentile99(std::move(sample.latencies)) * 1e3);
        // What is still to be written must not disturb the other.
        if (disturbed) EBB_RETURN_IF_ERROR(Store(stores));
      }
    }
    const std::string what =
        absl::StrCat("push ", bytes >> 20, " MiB while it is checkpointed");
    rows_.push_back(MakeRow(what, "GB/s", speeds[1], speeds[0], kThroughput));
    rows_.push_back(
        MakeRow(what, "p99 ms", latencies[1], latencies[0], kLatency));
    return absl::OkStatus();
  }

  // --- What a version writes -------------------------------------------------
  // Until nothing more is written: compaction goes on after a version is there.
  absl::StatusOr<int64_t> BytesWhenQuiet() {
    constexpr absl::Duration kQuiet = absl::Seconds(1);
    EBB_ASSIGN_OR_RETURN(int64_t written, BytesWritten(server_->pid()));
    while (true) {
      absl::SleepFor(kQuiet);
      EBB_ASSIGN_OR_RETURN(const int64_t now, BytesWritten(server_->pid()));
      if (std::exchange(written, now) == now) return now;
    }
  }

  absl::Status MeasureAmplification() {
    const int64_t bytes = options_.written_bytes;
    EBB_ASSIGN_OR_RETURN(
        const Served adam,
        Serve(bytes, {.optimizer = "{kind: adam, rate: 0.001}"}));
    const double state = static_cast<double>(kAdamArrays * bytes) / kMega;
    // The first version of a term is written at once.
    EBB_RETURN_IF_ERROR(
        adam.worker->Run({.bytes = bytes, .operations = 1}).status());
    EBB_RETURN_IF_ERROR(Store(adam));
    std::vector<double> limits, durable, later;
    for (int pair = 0; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell("what a version writes", pair, options_.pairs));
      EBB_RETURN_IF_ERROR(
          adam.worker->Run({.bytes = bytes, .operations = 1}).status());
      EBB_ASSIGN_OR_RETURN(const int64_t before, BytesWhenQuiet());
      EBB_RETURN_IF_ERROR(Store(adam));
      EBB_ASSIGN_OR_RETURN(const int64_t stored, BytesWritten(server_->pid()));
      EBB_ASSIGN_OR_RETURN(const int64_t quiet, BytesWhenQuiet());
      limits.push_back(state);
      durable.push_back(static_cast<double>(stored - before) / kMega);
      later.push_back(static_cast<double>(quiet - stored) / kMega);
    }
    const std::string what =
        absl::StrCat("a version, ", bytes >> 20, " MiB under Adam, all dirty");
    rows_.push_back(
        MakeRow(what, "MB until durable", durable, limits, kAmplification));
    rows_.push_back(MakeRow(what, "MB later", later, limits, std::nullopt));
    return absl::OkStatus();
  }

  // --- Restores, and memory --------------------------------------------------
  absl::Status MeasureLarge() {
    const int64_t bytes = options_.large_bytes;
    EBB_ASSIGN_OR_RETURN(Served served, Serve(bytes, {}));
    EBB_RETURN_IF_ERROR(
        served.worker->Run({.bytes = bytes, .operations = 1}).status());
    EBB_RETURN_IF_ERROR(Store(served));
    std::vector<double> reads, restores, model, peaks;
    for (int pair = 0; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell("restores", pair, options_.pairs));
      EBB_RETURN_IF_ERROR(Restore(&served, &reads, &restores));
      EBB_RETURN_IF_ERROR(options_.watch.Tell(
          "memory under pushes, pulls and a checkpoint", pair, options_.pairs));
      EBB_RETURN_IF_ERROR(Burden(&served));
      EBB_ASSIGN_OR_RETURN(const int64_t peak,
                           PeakResidentBytes(server_->pid()));
      model.push_back(static_cast<double>(bytes) / kGiga);
      peaks.push_back(static_cast<double>(peak) / kGiga);
    }
    const std::string size = absl::StrCat(bytes >> 20, " MiB");
    rows_.push_back(MakeRow(absl::StrCat("restore of ", size, ", cold"), "GB/s",
                            restores, reads, kRestore));
    rows_.push_back(MakeRow(absl::StrCat("memory with ", size, ", ", kPullers,
                                         " pulls, pushes, ", "a checkpoint"),
                            "GB", peaks, model, kMemory));
    return absl::OkStatus();
  }

  absl::Status Restore(Served* served, std::vector<double>* reads,
                       std::vector<double>* restores) {
    const int64_t pushed = served->worker->pushed();
    server_->Kill();
    served->worker.reset();
    absl::StatusOr<int64_t> bytes = 0;
    EBB_RETURN_IF_ERROR(DropFromCache(folder_));
    const double read = SecondsOf([&] { bytes = ReadAll(folder_); });
    EBB_RETURN_IF_ERROR(bytes.status());
    EBB_RETURN_IF_ERROR(DropFromCache(folder_));
    EBB_RETURN_IF_ERROR(server_->Restart());
    absl::StatusOr<Placement> placement;
    const double restored =
        SecondsOf([&] { placement = server_->Serve(served->record); });
    EBB_RETURN_IF_ERROR(placement.status());
    served->placement = *placement;
    reads->push_back(static_cast<double>(*bytes) / kGiga / read);
    restores->push_back(static_cast<double>(*bytes) / kGiga / restored);
    served->worker = std::make_unique<DenseWorker>(&transport_, served->record,
                                                   served->placement, pushed);
    // What came back is what was pushed.
    return served->worker
        ->Run({.direction = Direction::kPull, .bytes = options_.large_bytes})
        .status();
  }

  // The server's memory while a worker pushes, another pulls, and what is
  // pushed is checkpointed.
  absl::Status Burden(Served* served) {
    DenseWorker puller(&transport_, served->record, served->placement);
    EBB_RETURN_IF_ERROR(ForgetPeak(server_->pid()));
    absl::StatusOr<TransferSample> pulled;
    std::thread pulls([&] {
      pulled = puller.Run({.direction = Direction::kPull,
                           .bytes = options_.large_bytes,
                           .operations = kLargePulls,
                           .in_flight = kPullers});
    });
    absl::Status status;
    for (int64_t i = 0; i < kLargePushes && status.ok(); ++i) {
      status = served->worker->Run({.bytes = options_.large_bytes}).status();
      // It is stored while the next is pushed.
      if (status.ok() && i == 0) server_->AskToStore(*served->record);
    }
    pulls.join();
    EBB_RETURN_IF_ERROR(status);
    EBB_RETURN_IF_ERROR(pulled.status());
    return Store(*served);
  }

  const CheckpointOptions& options_;
  rpc::GrpcTransport transport_;
  std::string folder_;
  std::unique_ptr<OneServer> server_;
  uint64_t last_job_ = 0;
  std::vector<Row> rows_;
};

}  // namespace

absl::StatusOr<std::vector<Row>> MeasureCheckpoints(
    const CheckpointOptions& options) {
  return CheckpointBench(options).Measure();
}

}  // namespace ebb::bench
