// ebb-ps: the parameter server's daemon.

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/objects/s3_objects.h"
#include "common/plant.h"
#include "common/program/daemon_flags.h"
#include "common/program/daemon_metrics.h"
#include "common/program/size_flag.h"
#include "common/status_macros.h"
#include "glog/logging.h"
#include "rpc/data_sets.h"
#include "rpc/grpc_transport.h"
#include "rpc/health.h"
#include "rpc/network_metrics.h"
#include "rpc/security_watch.h"
#include "server/memory_budget.h"
#include "server/server_admin.h"
#include "server/server_metrics.h"
#include "server/server_shell.h"
#include "server/store/copied_store.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/object_checkpoints.h"
#include "server/store/rocksdb_store.h"

namespace ebb::server {
namespace {

constexpr int kExitNotDrained = 3;
constexpr int kExitDisplaced = 4;
constexpr absl::Duration kFetchPatience = absl::Seconds(2);
constexpr absl::Duration kFetchCall = absl::Seconds(5);

constexpr char kExample[] = R"(
Example: a server of the cluster whose scheduler is on this machine
  ebb-ps --id 0 --state-dir /var/lib/ebb/ps-0 --scheduler localhost:7000
On SIGTERM it stores what is not durable yet and leaves. Logs go to stderr.)";

DaemonName Name() {
  return {"ebb-ps", "ebb-ps: a parameter server of ebb.", EBB_VERSION};
}

struct Flags : DaemonFlags {
  int32_t id = -1;
  std::string state_dir;
  std::string shared_checkpoints;
  std::string scheduler = "127.0.0.1:7000";
  std::string listen = "127.0.0.1:0";
  std::string advertise;
  std::string address_file;
  std::string shared_memory = "auto";
  std::string bulk = "auto";
  int bulk_port = 0;
  int bulk_streams = 1;
  int compute_threads = 0;
  uint64_t memory_bytes = 0;
  uint64_t checkpoint_rate = 0;
  absl::Duration pull_park = absl::Seconds(1);
  absl::Duration report_interval = absl::Milliseconds(50);
  absl::Duration drain_timeout = absl::Seconds(20);
  std::string plant;  // Only where bugs can be planted.
};

// Returns "3" for "ebb-ps-3", the name of a StatefulSet's pod.
std::string NumberOf(std::string name) {
  const size_t dash = name.rfind('-');
  const bool named = dash != std::string::npos && dash > 0;
  return named ? name.substr(dash + 1) : name;
}

void AddFlags(CLI::App* app, Flags* flags) {
  app->add_option("--id", flags->id,
                  "Its lasting number, from 0; or a name that ends with it, "
                  "e.g. ebb-ps-3")
      ->envname("EBB_ID")
      ->transform(&NumberOf, "", "")
      ->required()
      ->check(CLI::Range(0, 65535))
      ->group("Identity");
  app->add_option("--state-dir", flags->state_dir,
                  "Folder for its checkpoints; made if missing")
      ->envname("EBB_STATE_DIR")
      ->required()
      ->group("Identity");
  app->add_option(
         "--shared-checkpoints", flags->shared_checkpoints,
         "Where copies of its checkpoints go that all servers share: a "
         "folder on a network volume, or s3://BUCKET/PREFIX")
      ->envname("EBB_SHARED_CHECKPOINTS")
      ->group("Identity");
  AddSchedulerFlag(app, &flags->scheduler);
  AddListenFlag(app, &flags->listen);
  app->add_option("--advertise", flags->advertise,
                  "HOST or HOST:PORT where workers reach it; default: --listen")
      ->envname("EBB_ADVERTISE")
      ->transform(WithBrackets, "", "")
      ->check([](const std::string& text) { return CheckFlagAdvertise(text); })
      ->group("Network");
  AddAddressFileFlag(app, &flags->address_file);
  AddSharedMemoryFlag(app, &flags->shared_memory);
  AddBulkFlag(app, &flags->bulk);
  AddBulkStreamsFlag(app, rpc::kMostBulkStreams, &flags->bulk_streams);
  app->add_option(
         "--bulk-port", flags->bulk_port,
         "Port for --bulk, at the host of --listen; 0 picks a free one")
      ->envname("EBB_BULK_PORT")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535))
      ->group("Network");
  app->add_option("--compute-threads", flags->compute_threads,
                  "Threads for updates; 0: one per core")
      ->envname("EBB_COMPUTE_THREADS")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024))
      ->group("Resources");
  AddMemoryFlag(app, &flags->memory_bytes);
  app->add_option("--checkpoint-rate", flags->checkpoint_rate,
                  "Most bytes of checkpoints to write a second, on average, "
                  "e.g. 64MiB; fewer bytes make fewer versions; 0: no limit")
      ->envname("EBB_CHECKPOINT_RATE")
      ->transform(SizeValue())
      ->default_str("0")
      ->group("Resources");
  const auto duration = [app](const char* name, const char* variable,
                              absl::Duration* value, const char* help) {
    AddDurationFlag(app, name, variable, value, help)->group("Timing");
  };
  duration("--pull-park", "EBB_PULL_PARK", &flags->pull_park,
           "How long a pull may wait before it must ask again");
  duration("--report-interval", "EBB_REPORT_INTERVAL", &flags->report_interval,
           "How often it reports marks to the scheduler");
  duration("--drain-timeout", "EBB_DRAIN_TIMEOUT", &flags->drain_timeout,
           "How long it may take to leave");
  AddDaemonFlags(app, flags);
#ifdef EBB_PLANTED_BUGS
  app->add_option("--plant", flags->plant)->envname("EBB_PLANT");
#endif
  app->footer(kExample);
}

// Returns the port behind the last colon; empty: the address has none.
std::string PortIn(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool has_port = colon != std::string::npos &&
                        address.find(']', colon) == std::string::npos;
  return has_port ? address.substr(colon + 1) : "";
}

// True if workers reach it by way of something that passes on a port: then they
// would not find another port there.
bool AdvertisesOtherPort(const Flags& flags) {
  const std::string advertised = PortIn(flags.advertise);
  return !advertised.empty() && advertised != PortIn(flags.listen);
}

// A server that listens everywhere is reached by its machine's name.
std::string AdvertisedHost(const Flags& flags) {
  const bool everywhere = absl::StartsWith(flags.listen, "0.0.0.0:") ||
                          absl::StartsWith(flags.listen, "[::]:");
  char host[256] = {};
  if (!flags.advertise.empty() || !everywhere ||
      gethostname(host, sizeof(host) - 1) != 0) {
    return flags.advertise;
  }
  return host;
}

void LogOptions(const Flags& flags, SessionId session) {
  LOG(INFO) << "ebb-ps " << EBB_VERSION << " starts: id=" << flags.id
            << " session=" << session << " pid=" << getpid()
            << " state_dir=" << flags.state_dir
            << " shared_checkpoints=" << flags.shared_checkpoints
            << " scheduler=" << flags.scheduler << " listen=" << flags.listen
            << " advertise=" << flags.advertise
            << " shared_memory=" << flags.shared_memory
            << " bulk=" << flags.bulk << " bulk_port=" << flags.bulk_port
            << " bulk_streams=" << flags.bulk_streams
            << " compute_threads=" << flags.compute_threads
            << " memory=" << flags.memory_bytes
            << " checkpoint_rate=" << flags.checkpoint_rate
            << " message_limit=" << flags.message_bytes
            << " pull_park=" << flags.pull_park
            << " report_interval=" << flags.report_interval
            << " drain_timeout=" << flags.drain_timeout
            << " kill_at=" << flags.kill_at;
}

// Why another process has this one's place, if one has.
class Displaced {
 public:
  // Wakes the main thread as a signal from outside does.
  void Set(const std::string& why) {
    {
      MutexLock lock(&mu_);
      why_ = why;
    }
    kill(getpid(), SIGTERM);
  }
  std::string why() {
    MutexLock lock(&mu_);
    return why_;
  }

 private:
  Mutex mu_;
  std::string why_ ABSL_GUARDED_BY(mu_);
};

// The place that it shares with other servers, and its identity.
absl::StatusOr<std::unique_ptr<SharedCheckpointStore>> OpenShared(
    const Flags& flags, std::string* identity) {
  const std::string& place = flags.shared_checkpoints;
  const ServerId server(flags.id);
  if (absl::StartsWith(place, "s3://")) {
    EBB_ASSIGN_OR_RETURN(auto objects, S3Objects::OpenUrl(place));
    EBB_ASSIGN_OR_RETURN(
        auto store,
        ObjectCheckpoints::Open(std::move(objects), {.server = server}));
    *identity = store->folder_id();
    return store;
  }
  if (absl::StrContains(place, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shared-checkpoints ", place,
                     " must be a folder, or s3://BUCKET/PREFIX"));
  }
  EBB_ASSIGN_OR_RETURN(
      auto store, OpenFolderCheckpoints({.folder = place, .server = server}));
  *identity = store->folder_id();
  return store;
}

// Its own disk, and the shared place if there is one. Tells the identity of the
// latter.
absl::StatusOr<std::unique_ptr<CheckpointStore>> OpenStore(
    const Flags& flags, const RocksDbStoreOptions& storage,
    std::string* shared_folder) {
  EBB_ASSIGN_OR_RETURN(auto own, RocksDbStore::Open(storage));
  if (flags.shared_checkpoints.empty()) return own;
  EBB_ASSIGN_OR_RETURN(auto shared, OpenShared(flags, shared_folder));
  LOG(INFO) << "server=" << flags.id << " shares its checkpoints in "
            << flags.shared_checkpoints << " folder=" << *shared_folder;
  return std::make_unique<CopiedStore>(std::move(own), std::move(shared));
}

// Divides --memory among the parts of the process.
absl::Status BoundMemory(const Flags& flags, ServerShellOptions* server,
                         int64_t* received_bytes,
                         RocksDbStoreOptions* storage) {
  if (flags.memory_bytes == 0) return absl::OkStatus();
  ShareHeap();
  EBB_ASSIGN_OR_RETURN(const MemoryBudget budget,
                       DivideMemory(static_cast<int64_t>(flags.memory_bytes)));
  server->value_bytes = budget.value_bytes;
  server->push_bytes = budget.push_bytes;
  *received_bytes = budget.received_bytes;
  storage->write_buffer_bytes = budget.write_buffer_bytes;
  LOG(INFO) << "server=" << flags.id << " memory=" << flags.memory_bytes
            << " of which values=" << budget.value_bytes
            << " pushes=" << budget.push_bytes
            << " received=" << budget.received_bytes
            << " write_buffer=" << budget.write_buffer_bytes;
  return absl::OkStatus();
}

absl::StatusOr<int> Run(const Flags& flags, const StopSignal& stop) {
  ServerShellOptions options;
  options.core.id = ServerId(flags.id);
  options.core.session = NewSession();
  options.core.process_id = getpid();
  options.core.pull_park = flags.pull_park;
  options.core.checkpoint_rate = static_cast<int64_t>(flags.checkpoint_rate);
  options.core.report_interval = flags.report_interval;
  options.listen = flags.listen;
  options.advertise = AdvertisedHost(flags);
  options.scheduler.address = flags.scheduler;
  options.scheduler.seed = options.core.session.value();
  options.compute_threads = flags.compute_threads;
  EBB_ASSIGN_OR_RETURN(options.kill_points,
                       KillPoints::Parse(flags.kill_at, ServerKillPoints()));
  Displaced displaced;  // Outlives the shell.
  options.displaced = [&](const std::string& why) { displaced.Set(why); };
  rpc::TransportOptions network;
  network.max_message_bytes = static_cast<int64_t>(flags.message_bytes);
  network.shared_memory = flags.shared_memory == "auto";
  network.bulk_stream = flags.bulk == "auto" && !AdvertisesOtherPort(flags);
  network.bulk_port = flags.bulk_port;
  network.bulk_streams = flags.bulk_streams;
  RocksDbStoreOptions storage{.folder = flags.state_dir,
                              .server = ServerId(flags.id)};
  int64_t received_bytes = 0;
  EBB_RETURN_IF_ERROR(BoundMemory(flags, &options, &received_bytes, &storage));
  EBB_RETURN_IF_ERROR(options.Validate());
  EBB_RETURN_IF_ERROR(network.Validate());
#ifdef EBB_PLANTED_BUGS
  EBB_RETURN_IF_ERROR(PlantBug(flags.plant));
#endif
  const rpc::SecurityWatch watch(flags.tls.files, {Role::kServer});
  EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                       rpc::Security::Create(flags.tls, {Role::kServer}));
  EBB_RETURN_IF_ERROR(rpc::MayListen(security.get(), flags.listen));
  EBB_RETURN_IF_ERROR(rpc::MayConnect(security.get(), flags.scheduler));
  LogOptions(flags, options.core.session);
  rpc::LogSecurity(*security);
  rpc::CountHandshakes(*security);

  const auto open_to_look = [storage] {
    return RocksDbStore::OpenReadOnly(storage);
  };
  static constexpr absl::string_view kMiddle =
      "version-values-written-not-manifest";
  if (options.kill_points.armed(kMiddle)) {
    storage.before_manifest = [kill_points = options.kill_points] {
      kill_points.Reached(kMiddle);
    };
  }
  EBB_ASSIGN_OR_RETURN(auto store,
                       OpenStore(flags, storage, &options.core.shared_folder));
  rpc::GrpcTransport transport(network, received_bytes, security);
  // Soon, so that what is wrong is told; the server tries again for ever.
  rpc::DataSetsClient initial_values(flags.scheduler, security,
                                     {.patience = kFetchPatience,
                                      .first_patience = kFetchPatience,
                                      .call_limit = kFetchCall});
  options.initial_values = &initial_values;
  ServerShell shell(options, &transport, std::move(store));
  EBB_RETURN_IF_ERROR(shell.Start(std::make_shared<ServerAdmin>(
      options.core.id, options.core.session, &shell, open_to_look)));
  if (!flags.address_file.empty()) {
    EBB_RETURN_IF_ERROR(WriteAddressFile(flags.address_file, shell.address()));
  }
  LOG(INFO) << "server=" << flags.id << " listens at " << shell.address()
            << " and tells others to reach it at " << shell.advertised();

  EBB_ASSIGN_OR_RETURN(auto health,
                       rpc::HealthSocket::Start(flags.health_socket,
                                                [&] { return shell.Ready(); }));
  EBB_ASSIGN_OR_RETURN(
      const auto exported,
      ServeMetrics(flags, Name(), [&](metrics::OpenMetrics* text) {
        rpc::AddNetwork(*security, text);
        AddServer(&shell, text);
      }));

  const int signal = stop.Wait();
  if (const std::string why = displaced.why(); !why.empty()) {
    LOG(ERROR) << "server=" << flags.id << " ends: " << why;
    return kExitDisplaced;
  }
  LOG(INFO) << "server=" << flags.id << " leaves: signal " << signal;
  const absl::Status drained = shell.Drain(flags.drain_timeout);
  if (!drained.ok()) {
    LOG(WARNING) << "server=" << flags.id << " " << drained.message();
    return kExitNotDrained;
  }
  LOG(INFO) << "server=" << flags.id << " left: everything is durable";
  return 0;
}

}  // namespace
}  // namespace ebb::server

int main(int argc, char** argv) {
  ebb::server::Flags flags;
  return ebb::DaemonMain(
      argc, argv, ebb::server::Name(),
      [&](CLI::App* app) { ebb::server::AddFlags(app, &flags); }, flags,
      [&](const ebb::StopSignal& stop) {
        return ebb::server::Run(flags, stop);
      });
}
