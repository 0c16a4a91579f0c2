// ebb-scheduler: the scheduler's daemon.

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/program/daemon_flags.h"
#include "common/program/daemon_metrics.h"
#include "common/program/size_flag.h"
#include "common/status_macros.h"
#include "datasets/set_store.h"
#include "glog/logging.h"
#include "job/specification.h"
#include "job/training.h"
#include "rpc/grpc_transport.h"
#include "rpc/health.h"
#include "rpc/network_metrics.h"
#include "rpc/security_watch.h"
#include "scheduler/answers/scheduler_admin.h"
#include "scheduler/initial_values.h"
#include "scheduler/scheduler_metrics.h"
#include "scheduler/scheduler_shell.h"
#include "scheduler/store/rocksdb_store.h"
#include "workloads/seam/server/server.h"

namespace ebb::scheduler {
namespace {

constexpr char kExample[] = R"(
Example: the scheduler of a cluster with two servers
  ebb-scheduler --state-dir /var/lib/ebb/scheduler --listen 0.0.0.0:7000 \
                --min-servers 2 --tls-cert scheduler.pem \
                --tls-key scheduler.key --tls-ca ca.pem
While it is away, training goes on. SIGTERM ends it. Logs go to stderr.)";

DaemonName Name() {
  return {"ebb-scheduler", "ebb-scheduler: the scheduler of an ebb cluster.",
          EBB_VERSION};
}

struct Flags : DaemonFlags {
  std::string state_dir;
  std::string listen = "127.0.0.1:7000";
  std::string address_file;
  int32_t min_servers = 1;
  absl::Duration lease_ttl = absl::Seconds(3);
  absl::Duration server_ttl = absl::Seconds(5);
  absl::Duration takeover_after = absl::Seconds(60);
  absl::Duration confirm_timeout = absl::Seconds(1);
  absl::Duration evaluation_timeout = absl::Seconds(60);
  absl::Duration backup_gain = SchedulerOptions().backup_gain;
  std::string data_folder;
  uint64_t data_bytes = uint64_t{10} << 30;
  bool of_a_run = false;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("--state-dir", flags->state_dir,
                  "Folder for its state; made if missing")
      ->envname("EBB_STATE_DIR")
      ->required()
      ->group("Identity");
  AddListenFlag(app, &flags->listen);
  AddAddressFileFlag(app, &flags->address_file);
  app->add_option("--min-servers", flags->min_servers,
                  "Servers that must be there before a job is placed")
      ->envname("EBB_MIN_SERVERS")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536))
      ->group("Cluster");
  app->add_option("--data-folder", flags->data_folder,
                  "Folder for data sets that `ebb data push` sends and workers "
                  "with --data-cache fetch; made if missing")
      ->envname("EBB_DATA_FOLDER")
      ->group("Data");
  app->add_option(
         "--data-bytes", flags->data_bytes,
         "Most bytes of all data sets, and as many again of the values that "
         "jobs begin with, e.g. 500GiB; 0: no limit but the disk")
      ->envname("EBB_DATA_BYTES")
      ->transform(SizeValue())
      ->default_str("10GiB")
      ->group("Data");
  const auto duration = [app](const char* name, const char* variable,
                              absl::Duration* value, const char* help) {
    AddDurationFlag(app, name, variable, value, help)->group("Timing");
  };
  duration("--lease-ttl", "EBB_LEASE_TTL", &flags->lease_ttl,
           "A worker loses its item after this long without progress");
  duration("--server-ttl", "EBB_SERVER_TTL", &flags->server_ttl,
           "After this long without a word, another server may take its id");
  duration("--takeover-after", "EBB_TAKEOVER_AFTER", &flags->takeover_after,
           "How long a starting scheduler waits for servers that it knows");
  duration("--confirm-timeout", "EBB_CONFIRM_TIMEOUT", &flags->confirm_timeout,
           "When to lease a finished item again that marks do not confirm");
  duration("--evaluation-timeout", "EBB_EVALUATION_TIMEOUT",
           &flags->evaluation_timeout,
           "When to begin an evaluation without a result again");
  duration("--backup-gain", "EBB_BACKUP_GAIN", &flags->backup_gain,
           "An idle worker helps another if that ends the work earlier by this "
           "much; a large value: never");
  app->add_flag("--of-a-run", flags->of_a_run)
      ->group("");  // Hidden: for `ebb run`.
  AddDaemonFlags(app, flags);
  app->footer(kExample);
}

void LogOptions(const Flags& flags, SessionId session) {
  LOG(INFO) << "ebb-scheduler " << EBB_VERSION << " starts: session=" << session
            << " pid=" << getpid() << " state_dir=" << flags.state_dir
            << " listen=" << flags.listen
            << " min_servers=" << flags.min_servers
            << " lease_ttl=" << flags.lease_ttl
            << " server_ttl=" << flags.server_ttl
            << " takeover_after=" << flags.takeover_after
            << " confirm_timeout=" << flags.confirm_timeout
            << " evaluation_timeout=" << flags.evaluation_timeout
            << " backup_gain=" << flags.backup_gain
            << " data_folder=" << flags.data_folder
            << " data_bytes=" << flags.data_bytes
            << " message_limit=" << flags.message_bytes
            << " kill_at=" << flags.kill_at;
}

std::vector<absl::string_view> AllKillPoints() {
  std::vector<absl::string_view> points;
  for (const auto some : {SchedulerKillPoints(), datasets::StoreKillPoints()}) {
    points.insert(points.end(), some.begin(), some.end());
  }
  return points;
}

absl::StatusOr<int> Run(const Flags& flags, const StopSignal& stop) {
  SchedulerShellOptions options;
  options.core.session = NewSession();
  options.core.lease_ttl = flags.lease_ttl;
  options.core.server_ttl = flags.server_ttl;
  options.core.takeover_after = flags.takeover_after;
  options.core.confirm_timeout = flags.confirm_timeout;
  options.core.evaluation_timeout = flags.evaluation_timeout;
  options.core.backup_gain = flags.backup_gain;
  options.core.min_servers = flags.min_servers;
  options.core.coordinator = workloads::CoordinatorOf;
  options.core.shortened = job::WithEnd;
  options.core.training_facts = job::TrainingFactsOf;
  options.listen = flags.listen;
  options.of_a_run = flags.of_a_run;
  EBB_ASSIGN_OR_RETURN(options.kill_points,
                       KillPoints::Parse(flags.kill_at, AllKillPoints()));
  rpc::TransportOptions network;
  network.max_message_bytes = static_cast<int64_t>(flags.message_bytes);
  EBB_RETURN_IF_ERROR(options.Validate());
  EBB_RETURN_IF_ERROR(network.Validate());
  const rpc::SecurityWatch watch(flags.tls.files, {Role::kScheduler});
  EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                       rpc::Security::Create(flags.tls, {Role::kScheduler}));
  EBB_RETURN_IF_ERROR(rpc::MayListen(security.get(), flags.listen));
  LogOptions(flags, options.core.session);
  rpc::LogSecurity(*security);
  rpc::CountHandshakes(*security);

  EBB_ASSIGN_OR_RETURN(auto store,
                       RocksDbStore::Open({.folder = flags.state_dir}));
  std::unique_ptr<datasets::SetStore> data;
  if (!flags.data_folder.empty()) {
    EBB_ASSIGN_OR_RETURN(
        data, datasets::SetStore::Open(
                  {.folder = flags.data_folder,
                   .max_bytes = static_cast<int64_t>(flags.data_bytes),
                   // Few threads serve all; a client that pushes asks again.
                   .lock_patience = absl::ZeroDuration(),
                   .kill_points = options.kill_points}));
  }
  EBB_ASSIGN_OR_RETURN(
      const auto initial,
      InitialValues::Open({.folder = flags.state_dir + "/initial",
                           .max_bytes = static_cast<int64_t>(flags.data_bytes),
                           .kill_points = options.kill_points}));
  rpc::GrpcTransport transport(network, /*received_bytes=*/0, security);
  transport.ServeData({data.get(), initial->store()});
  SchedulerShell shell(options, &transport, std::move(store));
  const auto admin = std::make_shared<SchedulerAdmin>(&shell, initial.get());
  EBB_RETURN_IF_ERROR(shell.Start(admin));
  if (!flags.address_file.empty()) {
    EBB_RETURN_IF_ERROR(WriteAddressFile(flags.address_file, shell.address()));
  }
  LOG(INFO) << "scheduler serves at " << shell.address();
  const InitialValuesSweeper sweeper(
      initial.get(), [admin] { return admin->InitialValuesOfJobs(); });

  EBB_ASSIGN_OR_RETURN(
      auto health,
      rpc::HealthSocket::Start(flags.health_socket, [] { return true; }));
  EBB_ASSIGN_OR_RETURN(
      const auto exported,
      ServeMetrics(flags, Name(),
                   [admin, security](metrics::OpenMetrics* text) {
                     rpc::AddNetwork(*security, text);
                     v1::GetStatusResponse status;
                     if (admin->GetStatus({}, &status).ok())
                       AddScheduler(status, text);
                   }));

  const int signal = stop.Wait();
  LOG(INFO) << "scheduler leaves: signal " << signal;
  return 0;
}

}  // namespace
}  // namespace ebb::scheduler

int main(int argc, char** argv) {
  ebb::scheduler::Flags flags;
  return ebb::DaemonMain(
      argc, argv, ebb::scheduler::Name(),
      [&](CLI::App* app) { ebb::scheduler::AddFlags(app, &flags); }, flags,
      [&](const ebb::StopSignal& stop) {
        return ebb::scheduler::Run(flags, stop);
      });
}
