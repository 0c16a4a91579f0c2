// ebb-scheduler: the scheduler's daemon.

#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "common/daemon.h"
#include "common/rpc/grpc_transport.h"
#include "glog/logging.h"
#include "scheduler/scheduler_admin.h"
#include "scheduler/scheduler_shell.h"
#include "scheduler/store/rocksdb_store.h"

namespace ebb::scheduler {
namespace {

// Whatever must be changed by a person before another start makes sense.
constexpr int kExitUsage = 2;

constexpr char kExample[] = R"(
Example: the scheduler of a cluster with two servers
  ebb-scheduler --state-dir /var/lib/ebb/scheduler --listen 0.0.0.0:7000 \
                --min-servers 2
While it is away, training goes on. SIGTERM ends it. Logs go to stderr.)";

struct Flags {
  std::string state_dir;
  std::string listen = "127.0.0.1:7000";
  std::string address_file;
  int32_t min_servers = 1;
  absl::Duration lease_ttl = absl::Seconds(3);
  absl::Duration takeover_after = absl::Seconds(60);
  absl::Duration confirm_timeout = absl::Seconds(1);
  absl::Duration evaluation_timeout = absl::Seconds(60);
  uint64_t message_bytes = uint64_t{512} << 20;
  bool die_with_parent = false;
  std::string kill_at;
};

void AddFlags(CLI::App* app, Flags* flags) {
  app->set_version_flag("--version", EBB_VERSION);
  app->add_option("--state-dir", flags->state_dir,
                  "Folder for its state, made if missing")
      ->envname("EBB_STATE_DIR")
      ->required()
      ->group("Identity");
  app->add_option("--listen", flags->listen,
                  "HOST:PORT to serve at; port 0 picks one")
      ->envname("EBB_LISTEN")
      ->capture_default_str()
      ->group("Network");
  app->add_option("--address-file", flags->address_file,
                  "File to write the address to once it serves")
      ->envname("EBB_ADDRESS_FILE")
      ->group("Network");
  app->add_option("--message-limit", flags->message_bytes,
                  "Size of a message at most; the same on all daemons")
      ->envname("EBB_MESSAGE_LIMIT")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("512MiB")
      ->group("Network");
  app->add_option("--min-servers", flags->min_servers,
                  "Servers a job waits for before it is placed")
      ->envname("EBB_MIN_SERVERS")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536))
      ->group("Cluster");
  const auto duration = [app](const char* name, const char* variable,
                              absl::Duration* value, const char* help) {
    app->add_option_function<std::string>(
           name,
           [value, name](const std::string& text) {
             const std::string wrong = ParseFlagDuration(text, value);
             if (!wrong.empty()) throw CLI::ValidationError(name, wrong);
           },
           help)
        ->envname(variable)
        ->default_str(absl::FormatDuration(*value))
        ->group("Timing");
  };
  duration("--lease-ttl", "EBB_LEASE_TTL", &flags->lease_ttl,
           "A worker without progress for so long loses its item");
  duration("--takeover-after", "EBB_TAKEOVER_AFTER", &flags->takeover_after,
           "How long a starting scheduler waits for servers it knows of");
  duration("--confirm-timeout", "EBB_CONFIRM_TIMEOUT", &flags->confirm_timeout,
           "A finished item that marks do not confirm is leased again");
  duration("--evaluation-timeout", "EBB_EVALUATION_TIMEOUT",
           &flags->evaluation_timeout,
           "An evaluation without a result is begun again");
  app->add_flag("--die-with-parent", flags->die_with_parent,
                "Die when the process that started it dies")
      ->envname("EBB_DIE_WITH_PARENT")
      ->group("Process");
  app->add_option("--kill-at", flags->kill_at)
      ->envname("EBB_KILL_AT")
      ->group("");  // Hidden: for tests.
  app->footer(kExample);
}

int Fail(const absl::Status& status) {
  std::cerr << "ebb-scheduler: " << status.message() << std::endl;
  return kExitUsage;
}

void LogOptions(const Flags& flags, SessionId session) {
  LOG(INFO) << "ebb-scheduler " << EBB_VERSION << " starts: session=" << session
            << " pid=" << getpid() << " state_dir=" << flags.state_dir
            << " listen=" << flags.listen
            << " min_servers=" << flags.min_servers
            << " lease_ttl=" << flags.lease_ttl
            << " takeover_after=" << flags.takeover_after
            << " confirm_timeout=" << flags.confirm_timeout
            << " evaluation_timeout=" << flags.evaluation_timeout
            << " message_limit=" << flags.message_bytes
            << " kill_at=" << flags.kill_at;
}

int Run(const Flags& flags) {
  if (flags.die_with_parent) {
    const absl::Status alive = DieWithParent(getppid());
    if (!alive.ok()) return Fail(alive);
  }
  const StopSignal stop;  // Before the first thread.
  SchedulerShellOptions options;
  options.core.session = NewSession();
  options.core.lease_ttl = flags.lease_ttl;
  options.core.takeover_after = flags.takeover_after;
  options.core.confirm_timeout = flags.confirm_timeout;
  options.core.evaluation_timeout = flags.evaluation_timeout;
  options.core.min_servers = flags.min_servers;
  options.listen = flags.listen;
  auto kill_points = KillPoints::Parse(flags.kill_at, SchedulerKillPoints());
  if (!kill_points.ok()) return Fail(kill_points.status());
  options.kill_points = *kill_points;
  rpc::TransportOptions network;
  network.max_message_bytes = static_cast<int64_t>(flags.message_bytes);
  for (const absl::Status& valid : {options.Validate(), network.Validate()}) {
    if (!valid.ok()) return Fail(valid);
  }
  LogOptions(flags, options.core.session);

  auto store = RocksDbStore::Open({.folder = flags.state_dir});
  if (!store.ok()) return Fail(store.status());
  rpc::GrpcTransport transport(network);
  SchedulerShell shell(options, &transport, *std::move(store));
  const absl::Status started =
      shell.Start(std::make_shared<SchedulerAdmin>(&shell));
  if (!started.ok()) return Fail(started);
  if (!flags.address_file.empty()) {
    const absl::Status written =
        WriteAddressFile(flags.address_file, shell.address());
    if (!written.ok()) return Fail(written);
  }
  LOG(INFO) << "scheduler serves at " << shell.address();

  const int signal = stop.Wait();
  LOG(INFO) << "scheduler leaves: signal " << signal;
  return 0;
}

}  // namespace
}  // namespace ebb::scheduler

int main(int argc, char** argv) {
  ebb::ConfigureMalloc();
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);
  CLI::App app("ebb-scheduler: the scheduler of an ebb cluster.",
               "ebb-scheduler");
  ebb::scheduler::Flags flags;
  ebb::scheduler::AddFlags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : ebb::scheduler::kExitUsage;
  }
  return ebb::scheduler::Run(flags);
}
