#include "bench/dense/tls_bench.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/common/limits.h"
#include "bench/common/paired.h"
#include "bench/common/rows.h"
#include "bench/dense/dense_worker.h"
#include "bench/plane/one_server.h"
#include "common/program/daemon.h"
#include "common/status_macros.h"
#include "common/tls/issue.h"
#include "rpc/grpc_transport.h"

namespace ebb::bench {

namespace {

constexpr int kTlsInFlight[] = {1, 8};

// A server, and the workers of each size that speak to it.
class Side {
 public:
  // `transport` is not owned, and outlives this.
  static absl::StatusOr<std::unique_ptr<Side>> Start(
      const DenseOptions& options, const std::string& name,
      rpc::Transport* scheduler, rpc::Transport* worker, const TlsFiles& tls) {
    const std::string folder = absl::StrCat(options.folder, "/", name);
    std::error_code error;
    std::filesystem::create_directory(folder, error);
    if (error) {
      return absl::ErrnoToStatus(error.value(), "cannot make " + folder);
    }
    auto side = std::make_unique<Side>();
    EBB_ASSIGN_OR_RETURN(side->server_,
                         OneServer::Start(scheduler, options.programs, folder,
                                          DataPlane::kGrpc, tls));
    for (const int64_t bytes : options.sizes) {
      EBB_ASSIGN_OR_RETURN(
          const JobRecordPtr record,
          DenseJob(JobId(static_cast<uint64_t>(bytes)), bytes));
      EBB_ASSIGN_OR_RETURN(const Placement placement,
                           side->server_->Serve(record));
      side->workers_[bytes] =
          std::make_unique<DenseWorker>(worker, record, placement);
    }
    return side;
  }

  absl::StatusOr<TransferSample> Run(const Transfer& transfer) {
    const double cpu = CpuSeconds(server_->pid());
    EBB_ASSIGN_OR_RETURN(TransferSample sample,
                         workers_.at(transfer.bytes)->Run(transfer));
    sample.server_cpu_seconds = CpuSeconds(server_->pid()) - cpu;
    return sample;
  }

 private:
  std::unique_ptr<OneServer> server_;
  std::map<int64_t, std::unique_ptr<DenseWorker>> workers_;
};

class TlsBench {
 public:
  explicit TlsBench(const DenseOptions& options) : options_(options) {}

  absl::StatusOr<TlsReport> Measure() {
    report_.machine = MachineText();
    report_.load_average = LoadAverage();
    ConfigureMalloc();
    SkipMutexChecks();
    EBB_RETURN_IF_ERROR(Start());
    for (const int64_t bytes : options_.sizes) {
      for (const Direction direction : {Direction::kPush, Direction::kPull}) {
        for (const int in_flight : kTlsInFlight) {
          EBB_RETURN_IF_ERROR(MeasureCell(
              {.direction = direction,
               .bytes = bytes,
               .operations = OperationsOf(options_, bytes, in_flight),
               .in_flight = in_flight}));
        }
      }
    }
    return std::move(report_);
  }

 private:
  absl::StatusOr<std::unique_ptr<rpc::GrpcTransport>> TransportOf(
      Role role) const {
    EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                         rpc::Security::Create({.files = Files(role)}, {role}));
    return std::make_unique<rpc::GrpcTransport>(rpc::TransportOptions(),
                                                /*received_bytes=*/0, security);
  }

  TlsFiles Files(Role role) const {
    return FilesIn(options_.folder, std::string(RoleName(role)));
  }

  absl::Status Start() {
    EBB_RETURN_IF_ERROR(options_.watch.Tell("starting the servers"));
    EBB_RETURN_IF_ERROR(WriteAllRoles(options_.folder, {}));
    EBB_ASSIGN_OR_RETURN(scheduler_, TransportOf(Role::kScheduler));
    EBB_ASSIGN_OR_RETURN(worker_, TransportOf(Role::kWorker));
    EBB_ASSIGN_OR_RETURN(
        plain_, Side::Start(options_, "plain", &plain_text_, &plain_text_, {}));
    EBB_ASSIGN_OR_RETURN(
        tls_, Side::Start(options_, "tls", scheduler_.get(), worker_.get(),
                          Files(Role::kServer)));
    return absl::OkStatus();
  }

  absl::Status MeasureCell(const Transfer& transfer) {
    const std::string what = TransferText(transfer);
    std::vector<double> speeds, plain_speeds, cpus, plain_cpus;
    for (int pair = -1; pair < options_.pairs; ++pair) {
      EBB_RETURN_IF_ERROR(options_.watch.Tell(what, pair, options_.pairs));
      TransferSample plain, tls;
      // First the one, then the other: what comes second is not favored.
      for (const bool plain_now : {pair % 2 == 0, pair % 2 != 0}) {
        if (plain_now) {
          EBB_ASSIGN_OR_RETURN(plain, plain_->Run(transfer));
        } else {
          EBB_ASSIGN_OR_RETURN(tls, tls_->Run(transfer));
        }
      }
      if (pair < 0) continue;  // Warms up.
      const double gigabytes = transfer.gigabytes();
      plain_speeds.push_back(gigabytes / plain.seconds);
      speeds.push_back(gigabytes / tls.seconds);
      plain_cpus.push_back(plain.cpu_seconds() / gigabytes);
      cpus.push_back(tls.cpu_seconds() / gigabytes);
    }
    report_.rows.push_back(
        MakeRow(what, "GB/s", speeds, plain_speeds, std::nullopt));
    report_.rows.push_back(MakeRow(what, "CPU s/GB", cpus, plain_cpus,
                                   TlsCpuBound(transfer.bytes)));
    return absl::OkStatus();
  }

  const DenseOptions& options_;
  TlsReport report_;
  rpc::GrpcTransport plain_text_;
  std::unique_ptr<rpc::GrpcTransport> scheduler_, worker_;
  std::unique_ptr<Side> plain_, tls_;
};

}  // namespace

std::optional<Bound> TlsCpuBound(int64_t bytes) {
  constexpr int64_t kLarge = int64_t{4} << 20;
  if (bytes < kLarge) return std::nullopt;
  return Bound{Bound::Kind::kAtMost, 2.5};
}

absl::StatusOr<TlsReport> MeasureTls(const DenseOptions& options) {
  return TlsBench(options).Measure();
}

std::string TlsText(const TlsReport& report) {
  const int pairs = report.rows.empty() ? 0 : report.rows.front().ratio.pairs;
  return absl::StrFormat(
      "%s; load %.2f; loopback\n\n%s\nPLAIN is the same over gRPC in plain "
      "text; EBB is mutual TLS; ratios are medians of %d pairs.\n",
      report.machine, report.load_average, RowsText(report.rows, "PLAIN"),
      pairs);
}

void AddTlsReport(const TlsReport& report, tools::Json* json) {
  (*json)["tls"] = true;
  (*json)["load_average"] = report.load_average;
  AddRows(report.rows, json);
}

}  // namespace ebb::bench
