// ebb-worker: the daemon that computes.

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/client_shell.h"
#include "client/job_limits.h"
#include "common/program/daemon_flags.h"
#include "common/program/daemon_metrics.h"
#include "common/program/ignored_signals.h"
#include "common/shm/shared_heap.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/remote_files.h"
#include "datasets/cache.h"
#include "glog/logging.h"
#include "models/backends.h"
#include "models/gpu/gpu_backend.h"
#include "rpc/grpc_transport.h"
#include "rpc/health.h"
#include "rpc/network_metrics.h"
#include "rpc/security_watch.h"
#include "worker/engine/engine.h"
#include "worker/fetched_data.h"
#include "worker/local_rules.h"
#include "worker/preemption_source.h"
#include "worker/python/python_program.h"
#include "worker/training_computer.h"
#include "worker/worker_flags.h"
#include "worker/worker_metrics.h"

namespace ebb::worker {
namespace {

constexpr absl::Duration kLookForNotices = absl::Seconds(1);

DaemonName Name() {
  return {"ebb-worker", "ebb-worker: computes the gradients of ebb's jobs.",
          EBB_VERSION};
}

std::vector<absl::string_view> WorkerKillPoints() {
  std::vector<absl::string_view> points;
  for (const auto some :
       {client::ClientKillPoints(), datasets::CacheKillPoints()}) {
    points.insert(points.end(), some.begin(), some.end());
  }
  return points;
}

using PreemptionSources = std::vector<std::unique_ptr<PreemptionSource>>;

absl::StatusOr<PreemptionSources> SourcesOf(const WorkerFlags& flags) {
  PreemptionSources sources;
  if (!flags.notice_file.empty()) {
    sources.push_back(WatchNoticeFile(flags.notice_file));
  }
  if (!flags.notice_url.empty()) {
    EBB_ASSIGN_OR_RETURN(NoticeQuestion question,
                         ParseNoticeUrl(flags.notice_url));
    sources.push_back(AskNoticeUrl(std::move(question)));
  }
  return sources;
}

// Why a worker is to leave: a signal, or, where that is 0, a notice.
struct End {
  int signal = 0;
  std::string notice;
};

End WaitForEnd(const StopSignal& stop, const PreemptionSources& sources) {
  if (sources.empty()) return {.signal = stop.Wait(), .notice = ""};
  while (true) {
    if (auto notice = LookAtAll(sources)) {
      return {.signal = 0, .notice = *std::move(notice)};
    }
    const int signal = stop.WaitFor(kLookForNotices);
    if (signal != 0) return {.signal = signal, .notice = ""};
  }
}

// A worker that has left by a notice may well be started again, on the same
// machine: it joins when the notice is gone. Returns the signal that came
// before that, or 0.
absl::StatusOr<int> WaitOutNotice(const WorkerFlags& flags,
                                  const StopSignal& stop,
                                  const PreemptionSources& sources) {
  const auto notice = LookAtAll(sources);
  if (!notice) return 0;
  LOG(WARNING) << "worker=" << flags.name << " does not join, for there is "
               << *notice << "; it waits until that is gone";
  // Alive, and not ready.
  EBB_ASSIGN_OR_RETURN(
      const auto health,
      rpc::HealthSocket::Start(flags.health_socket, [] { return false; }));
  while (LookAtAll(sources)) {
    const int signal = stop.WaitFor(kLookForNotices);
    if (signal != 0) return signal;
  }
  LOG(INFO) << "worker=" << flags.name << " joins: the notice is gone";
  return 0;
}

// `sources` outlive it. Empty: there is nothing to look at.
std::function<std::optional<std::string>()> NoticeIn(
    const PreemptionSources* sources) {
  if (sources->empty()) return nullptr;
  return [sources] { return LookAtAll(*sources); };
}

// From now on a signal to stop ends the process where it is; but the first
// `expected` of them only say what is known already.
void StopAtOnceOnNextSignal(int expected) {
  // Signals that the handler still expects.
  static volatile std::sig_atomic_t left = 0;
  left = expected;
  const auto end = [](int) {
    if (left == 0) std::_Exit(1);
    left = left - 1;
  };
  const sigset_t signals = NotIgnored({SIGTERM, SIGINT});
  for (const int signal : {SIGTERM, SIGINT}) {
    if (sigismember(&signals, signal) == 1) std::signal(signal, end);
  }
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// This process cannot give back the state of a lost device, and its results do
// not count. Others get its items, and its supervisor may start another worker.
void EndWithoutDevice(const absl::Status& status) {
  LOG(ERROR) << "this worker ends: " << status.message();
  std::_Exit(1);
}

// The bound of --memory; 0: none.
int64_t MemoryOf(const WorkerFlags& flags) {
  return static_cast<int64_t>(flags.memory_bytes);
}

absl::Status BoundMemory(WorkerFlags* flags) {
  const int64_t memory = MemoryOf(*flags);
  if (memory == 0) return absl::OkStatus();
  if (memory <= client::kProgramBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--memory is ", memory, " bytes; the program itself takes ",
        client::kProgramBytes, ", and the values of a job come beside"));
  }
  ShareHeap();
  // What it would map of a server's memory counts as its own, and is larger
  // than what it holds otherwise.
  flags->shared_memory = "off";
  return absl::OkStatus();
}

TrainingComputerOptions ComputingOf(const WorkerFlags& flags) {
  TrainingComputerOptions computing;
  computing.code.plugin_folders = flags.plugin_folders;
  if (!flags.python.empty()) {
    computing.code.python = PythonAt(flags.python);
    // PyTorch's threads, unless they are set apart.
    const std::string threads = absl::StrCat(flags.backend.threads);
    setenv("OMP_NUM_THREADS", threads.c_str(), /*overwrite=*/0);
  }
  computing.devices.cpu = flags.backend;
  computing.devices.use_gpu = flags.device != "cpu";
  computing.devices.gpu = flags.gpu;
  computing.devices.gpu_graphs = flags.gpu_graphs == "on";
  computing.devices.on_device_lost = EndWithoutDevice;
  computing.read_ahead_batches = flags.read_ahead;
  computing.data_bytes = MemoryOf(flags) / 4;
  computing.crash_at_example = flags.crash_at_example;
  computing.compute_delay = flags.compute_delay;
  computing.batch_time = flags.batch_time;
  return computing;
}

// Finds out what is wrong now, and not with the first job.
absl::Status CheckDevices(const WorkerFlags& flags) {
  EBB_RETURN_IF_ERROR(models::CreateBackend(flags.backend).status());
  if (flags.device != "gpu") return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(const models::gpu::GpuInfo gpu,
                       models::gpu::FindGpu(flags.gpu));
  LOG(INFO) << "gpu=" << flags.gpu << " name=\"" << gpu.name
            << "\" memory_bytes=" << gpu.memory_bytes;
  return absl::OkStatus();
}

absl::StatusOr<client::ClientShellOptions> ShellOptionsOf(
    const WorkerFlags& flags) {
  client::ClientShellOptions options;
  options.scheduler = flags.scheduler;
  options.core.session = NewSession();
  options.core.name = flags.name;
  options.core.process_id = getpid();
  options.core.memory_bytes = MemoryOf(flags);
  options.core.held_items = flags.held_items;
  options.core.held_batches = flags.held_batches;
  options.core.batches_in_flight = flags.batches_in_flight;
  options.core.batches_per_pull = flags.batches_per_pull;
  options.core.prefetch = !flags.no_prefetch;
  options.core.assembles_next =
      flags.device != "cpu" && models::gpu::FindGpu(flags.gpu).ok();
  options.core.pull_bytes = std::min(
      options.core.pull_bytes, static_cast<int64_t>(flags.message_bytes / 2));
  options.local_mathematics = LocalRulesFrom(
      flags.plugin_folders, rpc::TransportOptions().max_assembled_bytes);
  options.log = [](absl::string_view text) { LOG(INFO) << text; };
  EBB_ASSIGN_OR_RETURN(options.kill_points,
                       KillPoints::Parse(flags.kill_at, WorkerKillPoints()));
  return options;
}

absl::StatusOr<rpc::TransportOptions> NetworkOf(const WorkerFlags& flags) {
  rpc::TransportOptions network;
  network.max_message_bytes = static_cast<int64_t>(flags.message_bytes);
  network.shared_memory = flags.shared_memory == "auto";
  network.bulk_stream = flags.bulk == "auto";
  network.bulk_streams = flags.bulk_streams;
  if (network.shared_memory) {
    auto heap = shm::SharedHeap::Create(shm::SharedHeap::kMostBytes);
    if (!heap.ok()) {
      LOG(WARNING) << "gradients are copied to servers of this machine: "
                   << heap.status().message();
    } else {
      network.heap = *std::move(heap);
    }
  }
  EBB_RETURN_IF_ERROR(network.Validate());
  return network;
}

// Files that the scheduler has, and remote ones.
absl::StatusOr<data::OpenBytes> DataOf(const WorkerFlags& flags,
                                       const rpc::SecurityPtr& security,
                                       const KillPoints& kill_points) {
  data::RemoteFilesOptions remote;
  EBB_ASSIGN_OR_RETURN(remote.sources, data::ParseSources(flags.data_sources));
  uint64_t fetched_bytes = flags.data_cache_bytes;
  if (!flags.data_cache.empty() && !flags.data_sources.empty()) {
    remote.cache_folder = flags.data_cache + "/remote";
    remote.cache_bytes = flags.data_cache_bytes / 4;
    fetched_bytes -= remote.cache_bytes;
  }
  EBB_ASSIGN_OR_RETURN(
      data::OpenBytes open,
      OpenFetched({.address = flags.scheduler,
                   .security = security,
                   .folder = flags.data_cache,
                   .max_bytes = static_cast<int64_t>(fetched_bytes),
                   .kill_points = kill_points}));
  return data::WithRemoteFiles(std::move(open), std::move(remote));
}

void LogWork(const WorkerFlags& flags, const client::ClientShell::Status& did,
             const TrainingComputer::DeviceTime& device) {
  LOG(INFO) << "worker=" << flags.name << " left batches=" << did.batches
            << " local_batches=" << did.local_steps.batches
            << " shares_applied=" << did.local_steps.applied
            << " shares_refused=" << did.local_steps.refused
            << " taken_back=" << did.local_steps.taken_back
            << " rows_pulled=" << did.cached_rows.pulled
            << " rows_used_again=" << did.cached_rows.used
            << " examples=" << did.examples;
  if (device.busy_seconds > 0) {
    LOG(INFO) << "worker=" << flags.name
              << " device_busy_share=" << device.busy_share
              << " device_busy_seconds=" << device.busy_seconds;
  }
}

// Leaves in good order within --grace, after a signal or a notice.
void Leave(const WorkerFlags& flags, const End& end, TrainingComputer* computer,
           client::ClientShell* shell) {
  const bool noticed = end.signal == 0;
  LOG(INFO) << "worker=" << flags.name << " leaves: "
            << (noticed ? end.notice : absl::StrCat("signal ", end.signal));
  // After a notice comes the signal that it told of.
  StopAtOnceOnNextSignal(/*expected=*/noticed ? 1 : 0);
  computer->Hurry();
  const bool drained = shell->Drain(flags.grace);
  const auto did = shell->status();
  LogWork(flags, did, computer->device_time());
  if (!drained) {
    // Its batch goes on; the next holder of the item begins where the servers
    // say.
    LOG(WARNING) << "worker=" << flags.name << " was not done after "
                 << flags.grace << "; a longer --grace would lose no work";
  }
  // What it still loads, evaluates or computes is not needed.
  if (!drained || did.computing) std::_Exit(0);
}

// The options of a worker's parts.
struct Parts {
  TrainingComputerOptions computing;
  client::ClientShellOptions shell;
  rpc::TransportOptions network;
  rpc::SecurityPtr security;
};

// Computes for a program that computes by itself, until it ends.
absl::Status Serve(const WorkerFlags& flags, const PreemptionSources& sources,
                   const Parts& parts) {
  rpc::GrpcTransport transport(parts.network, /*received_bytes=*/0,
                               parts.security);
  return ServeProgram({.socket = flags.serve,
                       .version = EBB_VERSION,
                       .job = flags.job,
                       .token_file = flags.token_file,
                       .shell = parts.shell,
                       .grace = flags.grace,
                       .security = parts.security,
                       .look_ahead = flags.look_ahead,
                       .heap = parts.computing.heap,
                       .notice = NoticeIn(&sources)},
                      &transport);
}

// Trains until a signal or a notice, and leaves.
absl::Status Train(const WorkerFlags& flags, const StopSignal& stop,
                   const PreemptionSources& sources, Parts parts) {
  // A process of Python's that died is started again meanwhile.
  if (!flags.python.empty()) {
    parts.shell.core.batch_patience = absl::Minutes(1);
  }
  EBB_ASSIGN_OR_RETURN(parts.computing.open,
                       DataOf(flags, parts.security, parts.shell.kill_points));
  rpc::GrpcTransport transport(parts.network, /*received_bytes=*/0,
                               parts.security);
  TrainingComputer computer(parts.computing);
  client::ClientShell shell(parts.shell, &transport, &computer);

  EBB_ASSIGN_OR_RETURN(auto health,
                       rpc::HealthSocket::Start(flags.health_socket, [&] {
                         return shell.status().ready;
                       }));
  EBB_ASSIGN_OR_RETURN(
      const auto exported,
      ServeMetrics(flags, Name(), [&](metrics::OpenMetrics* text) {
        rpc::AddNetwork(*parts.security, text);
        AddWorker(shell.status(), computer.device_time().busy_seconds, text);
      }));
  Leave(flags, WaitForEnd(stop, sources), &computer, &shell);
  return absl::OkStatus();
}

absl::StatusOr<int> Run(WorkerFlags flags, const StopSignal& stop) {
  if (flags.name.empty()) flags.name = absl::StrCat("worker-", getpid());
  EBB_RETURN_IF_ERROR(BoundMemory(&flags));
  Parts parts;
  parts.computing = ComputingOf(flags);
  EBB_RETURN_IF_ERROR(CheckDevices(flags));
  EBB_ASSIGN_OR_RETURN(const PreemptionSources sources, SourcesOf(flags));
  EBB_ASSIGN_OR_RETURN(parts.shell, ShellOptionsOf(flags));
  if (MemoryOf(flags) > 0) {
    parts.computing.room_beside_values =
        [core = parts.shell.core](const JobPlan& plan) {
          return core.memory_bytes - client::kProgramBytes -
                 client::JobBytes(core, plan, client::MostLimits(core, plan));
        };
  }
  EBB_ASSIGN_OR_RETURN(parts.network, NetworkOf(flags));
  parts.computing.heap = parts.network.heap;
  const rpc::SecurityWatch watch(flags.tls.files, {Role::kWorker});
  EBB_ASSIGN_OR_RETURN(parts.security,
                       rpc::Security::Create(flags.tls, {Role::kWorker}));
  EBB_RETURN_IF_ERROR(rpc::MayConnect(parts.security.get(), flags.scheduler));
  LogFlags(flags, parts.shell.core.session);
  rpc::LogSecurity(*parts.security);
  rpc::CountHandshakes(*parts.security);
  if (flags.serve >= 0) {
    EBB_RETURN_IF_ERROR(Serve(flags, sources, parts));
    return 0;
  }
  EBB_ASSIGN_OR_RETURN(const int early, WaitOutNotice(flags, stop, sources));
  if (early != 0) {
    LOG(INFO) << "worker=" << flags.name << " leaves: signal " << early;
    return 0;
  }
  EBB_RETURN_IF_ERROR(Train(flags, stop, sources, std::move(parts)));
  return 0;
}

}  // namespace
}  // namespace ebb::worker

int main(int argc, char** argv) {
  ebb::worker::WorkerFlags flags;
  return ebb::DaemonMain(
      argc, argv, ebb::worker::Name(),
      [&](CLI::App* app) { ebb::worker::AddWorkerFlags(app, &flags); }, flags,
      [&](const ebb::StopSignal& stop) {
        return ebb::worker::Run(flags, stop);
      });
}
