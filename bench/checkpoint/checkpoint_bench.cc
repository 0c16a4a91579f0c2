#include "bench/checkpoint/checkpoint_bench.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/common/disk.h"
#include "bench/common/limits.h"
#include "bench/dense/dense_worker.h"
#include "bench/plane/one_server.h"
#include "bench/rows/bare_rows.h"
#include "bench/sparse/sparse_worker.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "rpc/grpc_transport.h"

namespace ebb::bench {

namespace {

constexpr Bound kThroughput{Bound::Kind::kAtLeast, 0.85};
constexpr Bound kLatency{Bound::Kind::kAtMost, 2};
constexpr Bound kAmplification{Bound::Kind::kAtMost, 1.3};
constexpr Bound kRestore{Bound::Kind::kAtLeast, 0.7};
constexpr Bound kMemory{Bound::Kind::kAtMost, 1.35};
constexpr Bound kOfRows{Bound::Kind::kAtMost, 0.03};

// Weights and both moments.
constexpr int kAdamArrays = 3;
constexpr double kMega = 1e6, kGiga = 1e9;
// Of one sample of the memory bound.
constexpr int kPullers = 4;
constexpr int64_t kLargePushes = 4, kLargePulls = 2 * kPullers;
// Of a table of rows: floats, rows of a push, and of how many one is touched.
constexpr int64_t kRowWidth = 16, kMessageRows = 1000, kOneIn = 100;
// Versions that are written, or not, while rows are pushed.
constexpr int64_t kVersions = 3;

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
    EBB_RETURN_IF_ERROR(StartServer("rows"));
    EBB_RETURN_IF_ERROR(MeasureRows());
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

  std::string Interval() const {
    return absl::StrCat(std::llround(options_.interval_seconds * 1000), "ms");
  }
  absl::Status Store(const Served& served) {
    return server_->Store(*served.record, served.worker->pushed());
  }

  // --- Pushes while checkpoints are written ----------------------------------
  absl::Status MeasureDisturbance() {
    const int64_t bytes = options_.pushed_bytes;
    EBB_ASSIGN_OR_RETURN(const Served quiet, Serve(bytes, {}));
    EBB_ASSIGN_OR_RETURN(const Served stores,
                         Serve(bytes, {.checkpoint_every = Interval()}));
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

  // Of versions, one after the other, in MB: what they may write, what they
  // did until they were durable, and afterwards.
  struct Written {
    std::vector<double> limits, durable, later;
  };
  // What `store` makes durable is one more.
  absl::Status MeasureVersion(double limit,
                              absl::FunctionRef<absl::Status()> store,
                              Written* written) {
    EBB_ASSIGN_OR_RETURN(const int64_t before, BytesWhenQuiet());
    EBB_RETURN_IF_ERROR(store());
    EBB_ASSIGN_OR_RETURN(const int64_t stored, BytesWritten(server_->pid()));
    EBB_ASSIGN_OR_RETURN(const int64_t quiet, BytesWhenQuiet());
    written->limits.push_back(limit);
    written->durable.push_back(static_cast<double>(stored - before) / kMega);
    written->later.push_back(static_cast<double>(quiet - stored) / kMega);
    return absl::OkStatus();
  }
  void AddWritten(const std::string& what, const Written& written,
                  Bound bound) {
    rows_.push_back(MakeRow(what, "MB until durable", written.durable,
                            written.limits, bound));
    rows_.push_back(
        MakeRow(what, "MB later", written.later, written.limits, std::nullopt));
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
    Written written;
    for (int pair = 0; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell("what a version writes", pair, options_.pairs));
      EBB_RETURN_IF_ERROR(
          adam.worker->Run({.bytes = bytes, .operations = 1}).status());
      EBB_RETURN_IF_ERROR(MeasureVersion(
          state, [&] { return Store(adam); }, &written));
    }
    AddWritten(
        absl::StrCat("a version, ", bytes >> 20, " MiB under Adam, all dirty"),
        written, kAmplification);
    return absl::OkStatus();
  }

  // --- Rows under keys -------------------------------------------------------
  absl::Status MeasureRows() {
    EBB_ASSIGN_OR_RETURN(const JobRecordPtr record,
                         SparseJob(JobId(++last_job_), kRowWidth, Interval()));
    EBB_ASSIGN_OR_RETURN(const Placement placement, server_->Serve(record));
    SparseWorker worker(&transport_, record, placement, kMessageRows,
                        /*seed=*/1);
    EBB_RETURN_IF_ERROR(worker.Fill(options_.table_rows, /*in_flight=*/8,
                                    [&](const RowMessage&, int64_t last) {
                                      return options_.watch.Tell(
                                          absl::StrCat("rows: ", last, " of ",
                                                       options_.table_rows));
                                    }));
    EBB_RETURN_IF_ERROR(StoreRows(&worker));
    // Rows, slots and keys.
    const double state =
        static_cast<double>(options_.table_rows *
                            (2 * kRowWidth * int64_t{sizeof(float)} +
                             int64_t{sizeof(uint64_t)})) /
        kMega;
    Written written;
    std::vector<double> quiet, disturbed;
    RowSampler sampler(options_.table_rows, /*zipf=*/0, /*seed=*/1);
    for (int pair = 0; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell("rows of a version", pair, options_.pairs));
      EBB_RETURN_IF_ERROR(MeasureVersion(
          state,
          [&]() -> absl::Status {
            EBB_RETURN_IF_ERROR(TouchOneIn(pair, &worker));
            return StoreRows(&worker);
          },
          &written));
      for (const bool storing : {pair % 2 == 0, pair % 2 != 0}) {
        EBB_ASSIGN_OR_RETURN(const double p99,
                             PushRows(storing, &sampler, &worker));
        (storing ? disturbed : quiet).push_back(p99 * 1e3);
      }
    }
    const std::string table = absl::StrCat(options_.table_rows, " rows");
    AddWritten(absl::StrCat("a version, 1 % of ", table), written, kOfRows);
    rows_.push_back(MakeRow(
        absl::StrCat("push of 1,000 of ", table, " while it is checkpointed"),
        "p99 ms", disturbed, quiet, kLatency));
    return absl::OkStatus();
  }

  absl::Status StoreRows(SparseWorker* worker) {
    return server_->Store(worker->record(), worker->loop().pushed());
  }

  // Pushes to rows that lie strewn over all blocks.
  absl::Status TouchOneIn(int first, SparseWorker* worker) {
    const Payload gradient = worker->MakeGradient(kMessageRows);
    client::ComputeResult push;
    const int64_t messages = options_.table_rows / kOneIn / kMessageRows;
    return worker->loop().Push(messages, /*in_flight=*/8, [&](int64_t m) {
      std::vector<uint64_t> ids;
      for (int64_t i = m * kMessageRows; i < (m + 1) * kMessageRows; ++i) {
        ids.push_back(static_cast<uint64_t>(first % kOneIn + i * kOneIn));
      }
      push.rows =
          worker->MessageOf(ids).order->Pushes(worker->record().plan, gradient);
      return &push;
    });
  }

  // The seconds within which 99 of 100 pushes are acknowledged, one at a time:
  // while versions are written that the job's interval brings, or as usual.
  absl::StatusOr<double> PushRows(bool storing, RowSampler* sampler,
                                  SparseWorker* worker) {
    const Payload gradient = worker->MakeGradient(kMessageRows);
    // While a version is written, they come again and again.
    std::vector<client::ComputeResult> pushes(
        static_cast<size_t>(options_.row_pushes));
    for (client::ComputeResult& push : pushes) {
      push.rows = worker->DrawMessage(sampler, kMessageRows)
                      .order->Pushes(worker->record().plan, gradient);
    }
    std::vector<double> latencies;
    for (int64_t version = 0; version < kVersions;) {
      EBB_RETURN_IF_ERROR(TouchOneIn(static_cast<int>(version), worker));
      EBB_ASSIGN_OR_RETURN(int64_t written, BytesWritten(server_->pid()));
      worker->loop().TakeLatencies();
      EBB_RETURN_IF_ERROR(storing ? PushWhileOneIsWritten(&pushes, worker)
                                  : PushAll(&pushes, worker));
      const std::vector<double> these = worker->loop().TakeLatencies();
      EBB_ASSIGN_OR_RETURN(const int64_t now, BytesWritten(server_->pid()));
      written = now - written;
      // What is still to be written must not disturb the next.
      EBB_RETURN_IF_ERROR(StoreRows(worker));
      if (!storing && written > 0) continue;  // The interval was over.
      latencies.insert(latencies.end(), these.begin(), these.end());
      ++version;
    }
    return Percentile99(std::move(latencies));
  }

  static absl::Status PushAll(std::vector<client::ComputeResult>* pushes,
                              SparseWorker* worker) {
    return worker->loop().Push(
        static_cast<int64_t>(pushes->size()), /*in_flight=*/1,
        [&](int64_t i) { return &(*pushes)[static_cast<size_t>(i)]; });
  }

  // From the first byte that is written of what was pushed until all of that is
  // durable.
  absl::Status PushWhileOneIsWritten(std::vector<client::ComputeResult>* pushes,
                                     SparseWorker* worker) {
    EBB_ASSIGN_OR_RETURN(const int64_t before, BytesWritten(server_->pid()));
    absl::Status stored;
    std::atomic<bool> writing = true;
    std::thread waits([&, pushed = worker->loop().pushed()] {
      stored = server_->AwaitStored(worker->record(), pushed);
      writing = false;
    });
    absl::StatusOr<int64_t> written = before;
    while (writing && written.ok() && *written == before) {
      absl::SleepFor(absl::Milliseconds(1));
      written = BytesWritten(server_->pid());
    }
    absl::Status pushed = written.status();
    for (size_t i = 0; writing && pushed.ok(); ++i) {
      pushed = worker->loop().Push(1, /*in_flight=*/1, [&](int64_t) {
        return &(*pushes)[i % pushes->size()];
      });
    }
    waits.join();
    EBB_RETURN_IF_ERROR(pushed);
    return stored;
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
