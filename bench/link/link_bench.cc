#include "bench/link/link_bench.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/rows.h"
#include "bench/dense/dense_bench.h"
#include "bench/dense/dense_worker.h"
#include "bench/plane/emulated_link.h"
#include "bench/plane/one_server.h"
#include "bench/plane/raw_socket.h"
#include "bench/plane/transfer_loop.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "common/tls/role.h"
#include "rpc/grpc_transport.h"
#include "rpc/security.h"

namespace ebb::bench {

namespace {

constexpr int64_t kLinkMiB = 1 << 20;
constexpr int64_t kGbit = 1'000'000'000;
constexpr std::array kLinkInFlight = {1, 4};
constexpr int64_t kRawWriteBytes = kLinkMiB;  // The raw socket's.
constexpr int64_t kAckBytes = 64 << 10;
// A sample moves at least this, in seconds of the link.
constexpr double kLinkSampleSeconds = 0.5;
// A link that loses packets passes small ones, and no more than this of them.
constexpr int64_t kMostLossyBits = 2 * kGbit;
// Acknowledgements of a sample: as many as come in so long, but no fewer. So
// that Ctrl-C does not take minutes.
constexpr int64_t kPingNanoseconds = 2'000'000'000;
constexpr int64_t kFewestPings = 20;
constexpr int64_t kPageBytes = 4096;

double LinkP99(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const double rank = 0.99 * static_cast<double>(seconds.size() - 1);
  return seconds[static_cast<size_t>(std::llround(rank))];
}

int64_t ExpectedBits(const LinkShape& shape) {
  if (shape.loss == 0) return shape.bits_per_second;
  return std::min(shape.bits_per_second, kMostLossyBits);
}

int64_t PingsOf(const LinkShape& shape, int64_t most) {
  if (shape.round_trip_ns == 0) return most;
  return std::min(
      most, std::max(kFewestPings, kPingNanoseconds / shape.round_trip_ns));
}

// Several raw sockets, each of which moves its part of the bytes.
class RawGroup {
 public:
  // Starts each as RawSocket::Start does.
  static absl::StatusOr<std::unique_ptr<RawGroup>> Start(int count,
                                                         const Place& place) {
    auto group = std::make_unique<RawGroup>();
    for (int i = 0; i < count; ++i) {
      EBB_ASSIGN_OR_RETURN(std::unique_ptr<RawSocket> raw,
                           RawSocket::Start({}, {}, place));
      group->raws_.push_back(std::move(raw));
    }
    return group;
  }

  // Returns gigabits per second. A thread for each of them.
  absl::StatusOr<double> Run(Transfer transfer) {
    const auto count = static_cast<int64_t>(raws_.size());
    transfer.bytes = transfer.bytes / count / kPageBytes * kPageBytes;
    std::vector<absl::Status> statuses(raws_.size());
    const double seconds = SecondsOf([&] {
      std::vector<std::thread> threads;
      for (size_t i = 0; i < raws_.size(); ++i) {
        threads.emplace_back([&, i] {
          statuses[i] = raws_[i]->Run(transfer, kRawWriteBytes).status();
        });
      }
      for (std::thread& thread : threads) thread.join();
    });
    for (const absl::Status& status : statuses) EBB_RETURN_IF_ERROR(status);
    return 8 * transfer.gigabytes() * static_cast<double>(count) / seconds;
  }

 private:
  std::vector<std::unique_ptr<RawSocket>> raws_;
};

class LinkBench {
 public:
  explicit LinkBench(const LinkOptions& options)
      : options_(options),
        network_(WorkerNetwork(options.plane, options.streams)) {}

  absl::StatusOr<LinkReport> Measure() {
    report_.plane = options_.plane;
    report_.streams = options_.streams;
    report_.load_average = LoadAverage();
    report_.congestion_control = CongestionControl();
    // Before anything has threads.
    EBB_ASSIGN_OR_RETURN(link_, EmulatedLink::Make());
    if (options_.window_bytes > 0) {
      EBB_RETURN_IF_ERROR(link_->SetMostWindow(options_.window_bytes));
    }
    // A connection for each shape: it learns what the link is like.
    for (size_t i = 0; i < options_.shapes.size(); ++i) {
      EBB_ASSIGN_OR_RETURN(std::unique_ptr<RawSocket> raw,
                           RawSocket::Start({}, {}, link_->far()));
      raws_.push_back(std::move(raw));
      for (const int count : options_.raw_connections) {
        EBB_ASSIGN_OR_RETURN(std::unique_ptr<RawGroup> group,
                             RawGroup::Start(count, link_->far()));
        groups_[{i, count}] = std::move(group);
      }
    }
    ConfigureMalloc();
    SkipMutexChecks();
    EBB_ASSIGN_OR_RETURN(scheduler_, TransportOf(Role::kScheduler));
    EBB_RETURN_IF_ERROR(options_.watch.Tell("starting the server"));
    EBB_ASSIGN_OR_RETURN(server_,
                         OneServer::Start(scheduler_.get(), options_.programs,
                                          options_.folder, options_.plane, {},
                                          link_->far(), EmulatedLink::kNear));
    for (size_t i = 0; i < options_.shapes.size(); ++i) {
      EBB_RETURN_IF_ERROR(MeasureShape(options_.shapes[i], raws_[i].get()));
      for (const int count : options_.raw_connections) {
        EBB_RETURN_IF_ERROR(MeasureConnections(i, count));
      }
    }
    report_.dropped = link_->counts().dropped;
    return std::move(report_);
  }

 private:
  absl::StatusOr<std::unique_ptr<rpc::GrpcTransport>> TransportOf(
      Role role) const {
    EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                         rpc::Security::Create({.insecure = true}, {role}));
    return std::make_unique<rpc::GrpcTransport>(network_, /*received_bytes=*/0,
                                                security);
  }

  absl::StatusOr<std::unique_ptr<DenseWorker>> WorkerOf(
      rpc::GrpcTransport* transport, int64_t bytes) {
    EBB_ASSIGN_OR_RETURN(const JobRecordPtr record,
                         DenseJob(JobId(++last_job_), bytes));
    EBB_ASSIGN_OR_RETURN(const Placement placement, server_->Serve(record));
    return std::make_unique<DenseWorker>(transport, record, placement);
  }

  absl::Status MeasureShape(const LinkShape& shape, RawSocket* raw) {
    EBB_RETURN_IF_ERROR(link_->SetShape(shape));
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<rpc::GrpcTransport> transport,
                         TransportOf(Role::kWorker));
    // First, on both sides by a new connection: bbr remembers how fast one was.
    {
      EBB_ASSIGN_OR_RETURN(const std::unique_ptr<DenseWorker> worker,
                           WorkerOf(transport.get(), kAckBytes));
      EBB_RETURN_IF_ERROR(MeasureLatency(shape, raw, worker.get()));
    }
    const int64_t bytes = BytesOf(shape);
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<DenseWorker> worker,
                         WorkerOf(transport.get(), bytes));
    for (const Direction direction : {Direction::kPush, Direction::kPull}) {
      for (const int in_flight : kLinkInFlight) {
        EBB_RETURN_IF_ERROR(MeasureCell(
            shape, TransferOf(shape, direction, in_flight), raw, worker.get()));
      }
    }
    return absl::OkStatus();
  }

  int64_t BytesOf(const LinkShape& shape) const {
    if (options_.bytes != 0) return options_.bytes;
    return (ExpectedBits(shape) >= 10 * kGbit ? 100 : 16) * kLinkMiB;
  }

  Transfer TransferOf(const LinkShape& shape, Direction direction,
                      int in_flight) const {
    const int64_t bytes = BytesOf(shape);
    const double sample = kLinkSampleSeconds *
                          static_cast<double>(ExpectedBits(shape)) / 8 /
                          static_cast<double>(bytes);
    const int64_t operations = std::max<int64_t>(
        in_flight > 1 ? in_flight + in_flight / 2 : 2, std::llround(sample));
    return {.direction = direction,
            .bytes = bytes,
            .operations = operations,
            .in_flight = in_flight};
  }

  // The link has that shape already.
  absl::Status MeasureConnections(size_t i, int count) {
    const LinkShape& shape = options_.shapes[i];
    RawGroup& group = *groups_[{i, count}];
    for (const Direction direction : {Direction::kPush, Direction::kPull}) {
      const Transfer transfer =
          TransferOf(shape, direction, kLinkInFlight.back());
      const std::string what =
          absl::StrCat(LinkText(shape), ": ", TransferText(transfer), ", ",
                       count, " raw sockets");
      std::vector<double> several, one;
      for (int pair = -1; pair < options_.pairs; ++pair) {
        EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
        double of_one = 0, of_all = 0;
        for (const bool one_now : {pair % 2 == 0, pair % 2 != 0}) {
          if (one_now) {
            EBB_ASSIGN_OR_RETURN(const TransferSample sample,
                                 raws_[i]->Run(transfer, kRawWriteBytes));
            of_one = 8 * transfer.gigabytes() / sample.seconds;
          } else {
            EBB_ASSIGN_OR_RETURN(of_all, group.Run(transfer));
          }
        }
        if (pair < 0) continue;
        several.push_back(of_all);
        one.push_back(of_one);
      }
      report_.rows.push_back(
          MakeRow(what, "Gbit/s", several, one, std::nullopt));
    }
    return absl::OkStatus();
  }

  absl::Status MeasureCell(const LinkShape& shape, const Transfer& transfer,
                           RawSocket* raw, DenseWorker* worker) {
    const std::string what =
        absl::StrCat(LinkText(shape), ": ", TransferText(transfer));
    const double gigabits = 8 * transfer.gigabytes();
    std::vector<double> ours, limits;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      TransferSample bare, of_worker;
      for (const bool raw_now : {pair % 2 == 0, pair % 2 != 0}) {
        if (raw_now) {
          EBB_ASSIGN_OR_RETURN(bare, raw->Run(transfer, kRawWriteBytes));
        } else {
          EBB_ASSIGN_OR_RETURN(of_worker, worker->Run(transfer));
        }
      }
      if (pair < 0) continue;
      limits.push_back(gigabits / bare.seconds);
      ours.push_back(gigabits / of_worker.seconds);
    }
    report_.rows.push_back(MakeRow(what, "Gbit/s", ours, limits,
                                   LinkBound(shape, options_.plane)));
    return absl::OkStatus();
  }

  absl::Status MeasureLatency(const LinkShape& shape, RawSocket* raw,
                              DenseWorker* worker) {
    const Transfer transfer = {.bytes = kAckBytes,
                               .operations = PingsOf(shape, options_.pings)};
    const std::string what = absl::StrCat(
        LinkText(shape), ": push ", SizeText(kAckBytes), ", acknowledged, p99");
    std::vector<double> ours, limits;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      EBB_ASSIGN_OR_RETURN(std::vector<double> pings,
                           raw->PingPong(kAckBytes, transfer.operations));
      EBB_ASSIGN_OR_RETURN(TransferSample sample, worker->Run(transfer));
      if (pair < 0) continue;
      limits.push_back(LinkP99(std::move(pings)) * 1e3);
      ours.push_back(LinkP99(std::move(sample.latencies)) * 1e3);
    }
    report_.rows.push_back(MakeRow(what, "ms", ours, limits, std::nullopt));
    return absl::OkStatus();
  }

  const LinkOptions& options_;
  LinkReport report_;
  const rpc::TransportOptions network_;
  uint64_t last_job_ = 0;
  std::unique_ptr<EmulatedLink> link_;            // Outlives all that is on it.
  std::vector<std::unique_ptr<RawSocket>> raws_;  // By shape.
  // By shape, and number of sockets.
  std::map<std::pair<size_t, int>, std::unique_ptr<RawGroup>> groups_;
  std::unique_ptr<rpc::GrpcTransport> scheduler_;
  std::unique_ptr<OneServer> server_;
};

}  // namespace

std::string LinkText(const LinkShape& shape) {
  std::string text = absl::StrFormat(
      "%g Gbit/s, %g ms", static_cast<double>(shape.bits_per_second) / 1e9,
      static_cast<double>(shape.round_trip_ns) / 1e6);
  if (shape.loss > 0)
    absl::StrAppendFormat(&text, ", %g %% lost", 100 * shape.loss);
  return text;
}

std::optional<Bound> LinkBound(const LinkShape& shape, DataPlane plane) {
  if (plane != DataPlane::kBulk || shape.loss > 0) return std::nullopt;
  if (shape.bits_per_second != 10 * kGbit) return std::nullopt;
  if (shape.round_trip_ns != 1'000'000) return std::nullopt;
  return Bound{Bound::Kind::kAtLeast, 0.9};
}

absl::StatusOr<LinkReport> MeasureLink(const LinkOptions& options) {
  return LinkBench(options).Measure();
}

std::string LinkReportText(const LinkReport& report) {
  return absl::StrCat(
      absl::StrFormat("load %.2f; both under %s; %d packets dropped",
                      report.load_average, report.congestion_control,
                      report.dropped),
      report.streams > 1 ? absl::StrCat("; ", report.streams, " bulk streams")
                         : "",
      "\n\n", RowsText(report.rows, "RAW"),
      "\nRAW is a TCP socket that moves the same bytes over the same link with "
      "the same\narithmetic. The link is a process of this machine: where RAW "
      "is below the link's\nrate, the machine is the limit.\n");
}

void AddLink(const LinkReport& report, tools::Json* json) {
  (*json)["bulk_stream"] = report.plane == DataPlane::kBulk;
  (*json)["streams"] = report.streams;
  (*json)["congestion_control"] = report.congestion_control;
  (*json)["load_average"] = report.load_average;
  (*json)["dropped_packets"] = report.dropped;
  AddRows(report.rows, json);
}

}  // namespace ebb::bench
