#include "bench/dense/dense_bench.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "bench/dense/dense_worker.h"
#include "bench/dense/move_loop.h"
#include "bench/plane/one_server.h"
#include "bench/plane/raw_socket.h"
#include "bench/plane/transfer_loop.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "common/tls/issue.h"
#include "common/tls/role.h"
#include "rpc/grpc_transport.h"

namespace ebb::bench {

namespace {

constexpr int64_t kKiB = 1 << 10, kMiB = 1 << 20;
constexpr int kInFlight[] = {1, 8};
constexpr std::array kWriteBytes = {64 * kKiB, 256 * kKiB, kMiB, 4 * kMiB};
// Latencies of a sample: enough for a median.
constexpr int64_t kPings = 300;
// The smallest partition whose move is measured, and the size of its answers
// (server/incoming_move.cc).
constexpr int64_t kLeastMove = 16 * kMiB;
constexpr int64_t kMoveMessage = 4 * kMiB;

// Returns what the transfer costs where worker and server are one: a push is
// copied once and applied, a pull is read where it lies.
double InProcessCpuSeconds(const Transfer& transfer) {
  const auto floats = static_cast<size_t>(transfer.bytes) / sizeof(float);
  AlignedFloats gradient(floats), received(floats), weights(floats);
  const auto once = [&] {
    if (transfer.direction == Direction::kPull) {
      return WordSum(std::as_bytes(weights.span()));
    }
    std::memcpy(received.bytes().data(), gradient.bytes().data(),
                gradient.bytes().size());
    PlainSgd(weights.span(), received.span(), kTransferRate);
    return uint32_t{0};
  };
  uint32_t sum = once();
  const double begun = CpuSeconds(0);
  for (int64_t i = 0; i < transfer.operations; ++i) sum += once();
  // Or the compiler may see that nobody looks.
  asm volatile("" : : "r"(sum), "r"(weights.bytes().data()) : "memory");
  return CpuSeconds(0) - begun;
}

class DenseBench {
 public:
  explicit DenseBench(const DenseOptions& options)
      : options_(options), network_(WorkerNetwork(options.plane)) {}

  absl::StatusOr<DenseReport> Measure() {
    report_.plane = options_.plane;
    report_.tls = options_.tls;
    report_.limits.load_average = LoadAverage();
    // Before anything has threads.
    if (options_.tls) EBB_RETURN_IF_ERROR(WriteAllRoles(options_.folder, {}));
    EBB_ASSIGN_OR_RETURN(
        raw_, RawSocket::Start(Files(Role::kServer), Files(Role::kWorker)));
    EBB_ASSIGN_OR_RETURN(scheduler_, TransportOf(Role::kScheduler));
    EBB_ASSIGN_OR_RETURN(worker_, TransportOf(Role::kWorker));
    EBB_ASSIGN_OR_RETURN(peer_, TransportOf(Role::kServer));
    // Workers do so, too.
    ConfigureMalloc();
    SkipMutexChecks();
    EBB_RETURN_IF_ERROR(MeasureLimits());
    EBB_RETURN_IF_ERROR(StartServer());
    for (const int64_t bytes : options_.sizes) {
      for (const Direction direction : {Direction::kPush, Direction::kPull}) {
        for (const int in_flight : kInFlight) {
          EBB_RETURN_IF_ERROR(MeasureCell(
              {.direction = direction,
               .bytes = bytes,
               .operations = OperationsOf(options_, bytes, in_flight),
               .in_flight = in_flight}));
        }
      }
      if (LatencyBound(bytes, options_.plane)) {
        EBB_RETURN_IF_ERROR(MeasureLatency(bytes));
      }
      if (bytes >= kLeastMove && options_.plane != DataPlane::kShared) {
        EBB_RETURN_IF_ERROR(MeasureMove(bytes));
      }
    }
    return std::move(report_);
  }

 private:
  absl::Status MeasureLimits() {
    EBB_RETURN_IF_ERROR(options_.watch.Tell("limits: memory"));
    DenseLimits& limits = report_.limits;
    limits.machine = MachineText();
    limits.congestion_control = CongestionControl();
    limits.triad_bytes_per_second = TriadBytesPerSecond(
        options_.array_bytes > 0 ? options_.array_bytes : UncachedArrayBytes());
    for (const int64_t bytes : options_.sizes) {
      EBB_RETURN_IF_ERROR(
          options_.watch.Tell(absl::StrCat("limits: ", SizeText(bytes))));
      const int64_t pings =
          std::min(kPings, OperationsOf(options_, bytes, /*in_flight=*/1));
      EBB_ASSIGN_OR_RETURN(std::vector<double> seconds,
                           raw_->PingPong(bytes, pings));
      limits.sizes.push_back(
          {.bytes = bytes,
           .copy_bytes_per_second = CopyBytesPerSecond(bytes),
           .ping_pong_seconds = Median(std::move(seconds))});
    }
    return absl::OkStatus();
  }

  TlsFiles Files(Role role) const {
    if (!options_.tls) return {};
    return FilesIn(options_.folder, std::string(RoleName(role)));
  }

  absl::StatusOr<std::unique_ptr<rpc::GrpcTransport>> TransportOf(
      Role role) const {
    EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                         rpc::Security::Create({.files = Files(role)}, {role}));
    return std::make_unique<rpc::GrpcTransport>(network_, /*received_bytes=*/0,
                                                security);
  }

  absl::Status StartServer() {
    EBB_RETURN_IF_ERROR(options_.watch.Tell("starting the server"));
    EBB_ASSIGN_OR_RETURN(
        server_,
        OneServer::Start(scheduler_.get(), options_.programs, options_.folder,
                         options_.plane, Files(Role::kServer)));
    for (const int64_t bytes : options_.sizes) {
      EBB_ASSIGN_OR_RETURN(
          const JobRecordPtr record,
          DenseJob(JobId(static_cast<uint64_t>(bytes)), bytes));
      EBB_ASSIGN_OR_RETURN(const Placement placement, server_->Serve(record));
      workers_[bytes] =
          std::make_unique<DenseWorker>(worker_.get(), record, placement,
                                        /*pushed=*/0, network_.heap);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TransferSample> RunOurs(const Transfer& transfer) {
    const double cpu = CpuSeconds(server_->pid());
    EBB_ASSIGN_OR_RETURN(TransferSample sample,
                         workers_.at(transfer.bytes)->Run(transfer));
    sample.server_cpu_seconds = CpuSeconds(server_->pid()) - cpu;
    return sample;
  }

  // The write size with which the raw socket is fastest.
  absl::StatusOr<int64_t> BestWrite(Transfer transfer) {
    // All its messages are alike: fewer will do.
    transfer.operations = std::max<int64_t>(1, transfer.operations / 4);
    double best = 0;
    int64_t best_bytes = 0;
    for (const int64_t write : kWriteBytes) {
      if (write > transfer.bytes && best_bytes != 0) break;
      std::vector<double> speeds;
      for (int i = 0; i < options_.write_tries; ++i) {
        EBB_ASSIGN_OR_RETURN(const TransferSample sample,
                             raw_->Run(transfer, write));
        speeds.push_back(transfer.gigabytes() / sample.seconds);
      }
      if (const double speed = Median(speeds); speed > best) {
        best = speed;
        best_bytes = write;
      }
    }
    return best_bytes;
  }

  absl::Status MeasureCell(const Transfer& transfer) {
    const std::string what = TransferText(transfer);
    EBB_RETURN_IF_ERROR(options_.watch.Tell(
        absl::StrCat(what, ": the raw socket's best writes")));
    DenseReport::Cell cell = {.transfer = transfer};
    EBB_ASSIGN_OR_RETURN(cell.raw_write_bytes, BestWrite(transfer));
    std::vector<double> speeds, raw_speeds, cpus, raw_cpus, worker, server;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      TransferSample raw, ours;
      // First the one, then the other: what comes second is not favored.
      for (const bool raw_now : {pair % 2 == 0, pair % 2 != 0}) {
        if (raw_now) {
          EBB_ASSIGN_OR_RETURN(raw, raw_->Run(transfer, cell.raw_write_bytes));
        } else {
          EBB_ASSIGN_OR_RETURN(ours, RunOurs(transfer));
        }
      }
      if (pair < 0) continue;  // Warms up.
      const double gigabytes = transfer.gigabytes();
      // A socket is no measure of what needs none.
      const double least_cpu = options_.plane == DataPlane::kShared
                                   ? InProcessCpuSeconds(transfer)
                                   : raw.cpu_seconds();
      raw_speeds.push_back(gigabytes / raw.seconds);
      speeds.push_back(gigabytes / ours.seconds);
      raw_cpus.push_back(least_cpu / gigabytes);
      cpus.push_back(ours.cpu_seconds() / gigabytes);
      worker.push_back(ours.worker_cpu_seconds / gigabytes);
      server.push_back(ours.server_cpu_seconds / gigabytes);
    }
    report_.rows.push_back(
        MakeRow(what, "GB/s", speeds, raw_speeds,
                ThroughputBound(transfer.bytes, options_.plane)));
    report_.rows.push_back(MakeRow(what, "CPU s/GB", cpus, raw_cpus,
                                   CpuBound(transfer.bytes, options_.tls)));
    cell.worker_cpu_seconds = Median(worker);
    cell.server_cpu_seconds = Median(server);
    report_.cells.push_back(cell);
    return absl::OkStatus();
  }

  absl::Status MeasureLatency(int64_t bytes) {
    const Transfer transfer = {
        .bytes = bytes, .operations = std::min(kPings, options_.operations)};
    const std::string what =
        absl::StrCat("push ", SizeText(bytes), ", acknowledged, p50");
    std::vector<double> ours, raw;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      EBB_ASSIGN_OR_RETURN(std::vector<double> pings,
                           raw_->PingPong(bytes, transfer.operations));
      EBB_ASSIGN_OR_RETURN(TransferSample sample, RunOurs(transfer));
      if (pair < 0) continue;
      raw.push_back(Median(std::move(pings)) * 1e6);
      ours.push_back(Median(std::move(sample.latencies)) * 1e6);
    }
    report_.rows.push_back(
        MakeRow(what, "us", ours, raw, LatencyBound(bytes, options_.plane)));
    return absl::OkStatus();
  }

  // A partition of this size goes to another server, which is this process. The
  // raw socket sends as much in messages of the same size.
  absl::Status MeasureMove(int64_t bytes) {
    // Its job is another one, though of the same size.
    EBB_ASSIGN_OR_RETURN(const JobRecordPtr record,
                         DenseJob(JobId(static_cast<uint64_t>(bytes) + 1),
                                  bytes, {.partitions = 1}));
    EBB_ASSIGN_OR_RETURN(const Placement placement, server_->Serve(record));
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<MoveLoop> move,
                         MoveLoop::Create(peer_.get(), record, placement));
    const Transfer transfer = {.direction = Direction::kPull,
                               .bytes = kMoveMessage,
                               .operations = bytes / kMoveMessage};
    EBB_ASSIGN_OR_RETURN(const int64_t write_bytes, BestWrite(transfer));
    const std::string what = absl::StrCat("move ", SizeText(bytes));
    std::vector<double> moves, loads, raws;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      TransferSample raw;
      MoveSample ours;
      for (const bool raw_now : {pair % 2 == 0, pair % 2 != 0}) {
        if (raw_now) {
          EBB_ASSIGN_OR_RETURN(raw, raw_->Run(transfer, write_bytes));
        } else {
          EBB_ASSIGN_OR_RETURN(ours, move->Run());
        }
      }
      if (pair < 0) continue;
      const double gigabytes = transfer.gigabytes();
      raws.push_back(gigabytes / raw.seconds);
      moves.push_back(gigabytes / ours.seconds);
      loads.push_back(gigabytes / ours.blocks_seconds);
    }
    report_.rows.push_back(MakeRow(absl::StrCat(what, ", values alone"), "GB/s",
                                   loads, raws, MoveBound(options_.plane)));
    report_.rows.push_back(MakeRow(absl::StrCat(what, ", with the first cut"),
                                   "GB/s", moves, raws,
                                   MoveBound(options_.plane)));
    return absl::OkStatus();
  }

  const DenseOptions& options_;
  DenseReport report_;
  std::unique_ptr<RawSocket> raw_;
  const rpc::TransportOptions network_;
  std::unique_ptr<rpc::GrpcTransport> scheduler_, worker_, peer_;
  std::unique_ptr<OneServer> server_;
  std::map<int64_t, std::unique_ptr<DenseWorker>> workers_;
};

}  // namespace

std::optional<Bound> ThroughputBound(int64_t bytes, DataPlane plane) {
  if (plane == DataPlane::kShared) {
    if (bytes >= kMiB) return Bound{Bound::Kind::kAtLeast, 2};
    if (bytes >= 64 * kKiB) return Bound{Bound::Kind::kAtLeast, 1.3};
    return std::nullopt;
  }
  if (bytes >= 4 * kMiB) return Bound{Bound::Kind::kAtLeast, 0.8};
  if (bytes >= kMiB) {
    return Bound{Bound::Kind::kAtLeast, plane == DataPlane::kBulk ? 0.7 : 0.5};
  }
  return std::nullopt;
}

std::optional<Bound> CpuBound(int64_t bytes, bool tls) {
  if (bytes >= 4 * kMiB) return Bound{Bound::Kind::kAtMost, tls ? 1.4 : 1.5};
  return std::nullopt;
}

std::optional<Bound> MoveBound(DataPlane plane) {
  if (plane == DataPlane::kBulk) return Bound{Bound::Kind::kAtLeast, 0.8};
  return std::nullopt;
}

std::optional<Bound> LatencyBound(int64_t bytes, DataPlane plane) {
  if (plane == DataPlane::kShared) {
    if (bytes == 4 * kKiB) return Bound{Bound::Kind::kAtMost, 1.2};
    return std::nullopt;
  }
  const bool bulk = plane == DataPlane::kBulk;
  if (bytes == 4 * kKiB) return Bound{Bound::Kind::kAtMost, bulk ? 3.0 : 9.0};
  if (bytes == 64 * kKiB) return Bound{Bound::Kind::kAtMost, bulk ? 2.5 : 7.0};
  return std::nullopt;
}

int64_t OperationsOf(const DenseOptions& options, int64_t bytes,
                     int in_flight) {
  // So many that most of them are sent while others are under way.
  const int64_t least = in_flight > 1 ? in_flight + in_flight / 2 : 2;
  return std::max(least,
                  std::min(options.operations, options.sample_bytes / bytes));
}

std::string SizeText(int64_t bytes) {
  return bytes >= kMiB ? absl::StrCat(bytes / kMiB, " MiB")
                       : absl::StrCat(bytes / kKiB, " KiB");
}

std::string TransferText(const Transfer& transfer) {
  return absl::StrCat(
      transfer.direction == Direction::kPush ? "push " : "pull ",
      SizeText(transfer.bytes), ", ", transfer.in_flight, " in flight");
}

absl::StatusOr<DenseReport> MeasureDense(const DenseOptions& options) {
  return DenseBench(options).Measure();
}

std::string DenseText(const DenseReport& report) {
  const DenseLimits& limits = report.limits;
  std::string text = absl::StrFormat(
      "%s; load %.2f; loopback under %s\nlimits: triad %.1f GB/s",
      limits.machine, limits.load_average, limits.congestion_control,
      limits.triad_bytes_per_second / 1e9);
  for (const DenseLimits::OfSize& size : limits.sizes) {
    absl::StrAppendFormat(
        &text, "; %s: copy %.1f GB/s, ping-pong %.0f us", SizeText(size.bytes),
        size.copy_bytes_per_second / 1e9, size.ping_pong_seconds * 1e6);
  }
  absl::StrAppend(&text, "\n\n", RowsText(report.rows, "RAW"), "\n");
  const int pairs = report.rows.empty() ? 0 : report.rows.front().ratio.pairs;
  absl::StrAppend(&text,
                  "RAW is a TCP socket that moves the same bytes with "
                  "the same arithmetic; ratios are medians of ",
                  pairs, " pairs.\n");
  if (report.tls) {
    absl::StrAppend(&text, "Both have mutual TLS 1.3; RAW by ", kRawCipher,
                    ".\n");
  }
  if (report.plane == DataPlane::kShared) {
    absl::StrAppend(&text,
                    "CPU time is compared with one process that copies and "
                    "computes the same.\n");
  }
  return text;
}

void AddDense(const DenseReport& report, tools::Json* json) {
  const DenseLimits& limits = report.limits;
  (*json)["shared_memory"] = report.plane == DataPlane::kShared;
  (*json)["bulk_stream"] = report.plane == DataPlane::kBulk;
  (*json)["tls"] = report.tls;
  (*json)["congestion_control"] = limits.congestion_control;
  (*json)["load_average"] = limits.load_average;
  tools::Json& of = (*json)["limits"];
  of["triad_bytes_per_second"] = limits.triad_bytes_per_second;
  of["sizes"] = tools::Json::List();
  for (const DenseLimits::OfSize& size : limits.sizes) {
    tools::Json one = tools::Json::Object();
    one["bytes"] = size.bytes;
    one["copy_bytes_per_second"] = size.copy_bytes_per_second;
    one["ping_pong_us"] = size.ping_pong_seconds * 1e6;
    of["sizes"].Add(std::move(one));
  }
  tools::Json& cells = (*json)["cells"] = tools::Json::List();
  for (const DenseReport::Cell& cell : report.cells) {
    tools::Json one = tools::Json::Object();
    one["what"] = TransferText(cell.transfer);
    one["raw_write_bytes"] = cell.raw_write_bytes;
    one["worker_cpu_seconds_per_gb"] = cell.worker_cpu_seconds;
    one["server_cpu_seconds_per_gb"] = cell.server_cpu_seconds;
    cells.Add(std::move(one));
  }
  AddRows(report.rows, json);
}

}  // namespace ebb::bench
