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
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/client_shell.h"
#include "client/job_limits.h"
#include "common/plugin_file.h"
#include "common/program/daemon_flags.h"
#include "common/program/daemon_metrics.h"
#include "common/program/ignored_signals.h"
#include "common/program/size_flag.h"
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
#include "worker/worker_metrics.h"

namespace ebb::worker {
namespace {

constexpr char kExample[] = R"(
Example: a worker of the cluster whose scheduler is on this machine
  ebb-worker --scheduler localhost:7000 --name worker-0
On SIGTERM it finishes its batch, gives back its items and leaves; on a second
SIGTERM it leaves at once. Logs go to stderr.)";

constexpr absl::Duration kLookForNotices = absl::Seconds(1);

DaemonName Name() {
  return {"ebb-worker", "ebb-worker: computes the gradients of ebb's jobs.",
          EBB_VERSION};
}

struct Flags : DaemonFlags {
  std::string scheduler = "127.0.0.1:7000";
  std::string name;
  std::vector<std::string> plugin_folders;
  std::string python;
  models::BackendOptions backend;
  std::string device = "auto";
  int gpu = 0;
  std::string gpu_graphs = "on";
  uint64_t memory_bytes = 0;
  std::string shared_memory = "auto";
  std::string bulk = "auto";
  int bulk_streams = 1;
  size_t read_ahead = 2;
  int32_t held_items = 2;
  int32_t held_batches = 0;
  int32_t batches_in_flight = 2;
  int32_t batches_per_pull = 1;
  bool no_prefetch = false;
  bool look_ahead = false;
  absl::Duration grace = absl::Seconds(20);
  std::string notice_file;
  std::string notice_url;
  std::string data_cache;
  uint64_t data_cache_bytes = uint64_t{10} << 30;
  std::string data_sources;
  int64_t crash_at_example = -1;
  absl::Duration compute_delay = absl::ZeroDuration();
  absl::Duration batch_time = absl::ZeroDuration();
  int serve = -1;
  std::string job;
  std::string token_file;
};

void AddFlags(CLI::App* app, Flags* flags) {
  AddSchedulerFlag(app, &flags->scheduler);
  app->add_option("--name", flags->name,
                  "Its name in status and logs; default: worker-PID")
      ->envname("EBB_NAME")
      ->group("Identity");
  app->add_option(
         "--allow-plugins", flags->plugin_folders,
         "Folders, separated by commas, from which jobs may load models and "
         "algorithms; others must not be able to write to them")
      ->envname("EBB_ALLOW_PLUGINS")
      ->delimiter(',')
      ->check(CLI::ExistingDirectory)
      ->check([](const std::string& folder) {
        return std::string(CheckPluginFolder(folder).message());
      })
      ->group("Models");
  app->add_option("--python", flags->python,
                  "Python that computes models from modules in these folders "
                  "(model: {kind: python}); it needs PyTorch")
      ->envname("EBB_PYTHON")
      ->group("Models");
  app->add_option(
         "--backend", flags->backend.kind,
         "Back end that computes: eigen, or reference (slow, for comparison)")
      ->envname("EBB_BACKEND")
      ->capture_default_str()
      ->group("Models");
  app->add_option("--isa", flags->backend.isa,
                  "Instruction set of eigen: auto, baseline, avx2 or avx512")
      ->envname("EBB_ISA")
      ->capture_default_str()
      ->group("Models");
  app->add_option("--threads", flags->backend.threads,
                  "Threads that compute a batch together. Where each processor "
                  "has a worker, leave it at 1")
      ->envname("EBB_THREADS")
      ->capture_default_str()
      ->check(CLI::Range(1, models::kMostThreads))
      ->group("Models");
  app->add_option("--device", flags->device,
                  "auto: as each job says; cpu: no job gets a GPU; gpu: as "
                  "auto, but do not start without a GPU")
      ->envname("EBB_DEVICE")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "gpu"}))
      ->group("Models");
  app->add_option(
         "--gpu", flags->gpu,
         "Number of the GPU among those that CUDA shows (CUDA_VISIBLE_DEVICES)")
      ->envname("EBB_GPU")
      ->capture_default_str()
      ->check(CLI::Range(0, 1023))
      ->group("Models");
  app->add_option(
         "--gpu-graphs", flags->gpu_graphs,
         "on: give a GPU recurring steps as CUDA graphs; off: call by call")
      ->envname("EBB_GPU_GRAPHS")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}))
      ->group("Models");
  app->add_option("--data-cache", flags->data_cache,
                  "Folder for files ebb://NAME/PATH fetched from the "
                  "scheduler, and for parts of remote ones; several workers "
                  "of a machine may share it")
      ->envname("EBB_DATA_CACHE")
      ->group("Data");
  app->add_option("--data-cache-bytes", flags->data_cache_bytes,
                  "Most bytes in that folder, e.g. 50GiB; the worker removes "
                  "files used longest ago")
      ->envname("EBB_DATA_CACHE_BYTES")
      ->transform(SizeValue())
      ->default_str("10GiB")
      ->group("Data");
  app->add_option("--sources", flags->data_sources,
                  "Where jobs may read remote data, e.g. "
                  "s3://bucket/data/,https://host/; all: anywhere")
      ->envname("EBB_SOURCES")
      ->default_str("nowhere")
      ->check([](const std::string& text) {
        return std::string(data::ParseSources(text).status().message());
      })
      ->group("Data");
  AddMemoryFlag(app, &flags->memory_bytes);
  AddSharedMemoryFlag(app, &flags->shared_memory);
  AddBulkFlag(app, &flags->bulk);
  AddBulkStreamsFlag(app, rpc::kMostBulkStreams, &flags->bulk_streams);
  app->add_option("--read-ahead", flags->read_ahead,
                  "Batches to gather while another is computed")
      ->envname("EBB_READ_AHEAD")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024))
      ->group("Pipeline");
  app->add_option("--held-items", flags->held_items,
                  "Items to lease at a time: the current and the next ones")
      ->envname("EBB_HELD_ITEMS")
      ->capture_default_str()
      ->check(CLI::Range(1, 64))
      ->group("Pipeline");
  app->add_option("--batches-in-flight", flags->batches_in_flight,
                  "Most batches pushed and not yet acknowledged")
      ->envname("EBB_BATCHES_IN_FLIGHT")
      ->capture_default_str()
      ->check(CLI::Range(1, 32))
      ->group("Pipeline");
  app->add_option(
         "--batches-per-pull", flags->batches_per_pull,
         "Most batches computed from one pull, if pulls take much longer (asp)")
      ->envname("EBB_BATCHES_PER_PULL")
      ->capture_default_str()
      ->check(CLI::Range(1, 64))
      ->group("Pipeline");
  app->add_flag("--no-prefetch", flags->no_prefetch,
                "Pull only when a batch is done: slower, with values fresher "
                "by one batch")
      ->envname("EBB_NO_PREFETCH")
      ->group("Pipeline");
  AddDurationFlag(app, "--batch-time", "EBB_BATCH_TIME", &flags->batch_time,
                  "Least time of a batch, except the last before leaving: "
                  "emulates a slower machine")
      ->group("Pipeline");
  AddDurationFlag(app, "--grace", "EBB_GRACE", &flags->grace,
                  "How long it may take to leave")
      ->group("Process");
  app->add_option("--notice-file", flags->notice_file,
                  "Leave, as on SIGTERM, as soon as this file is not empty")
      ->envname("EBB_NOTICE_FILE")
      ->group("Process");
  app->add_option("--notice-url", flags->notice_url,
                  "Leave when the cloud announces the end of its machine: aws, "
                  "azure, gcp, or http://ADDRESS/PATH")
      ->envname("EBB_NOTICE_URL")
      ->check([](const std::string& text) {
        const auto question = ParseNoticeUrl(text);
        return question.ok() ? std::string()
                             : std::string(question.status().message());
      })
      ->group("Process");
  // Hidden: a program that computes by itself starts its engine with them.
  app->add_option("--serve", flags->serve)->group("");
  app->add_option("--job", flags->job)->group("");
  app->add_option("--token-file", flags->token_file)->group("");
  app->add_option("--held-batches", flags->held_batches)
      ->check(CLI::Range(0, 1024))
      ->group("");
  app->add_flag("--look-ahead", flags->look_ahead)->group("");
  // Hidden: for tests.
  app->add_option("--crash-at-example", flags->crash_at_example)
      ->envname("EBB_CRASH_AT_EXAMPLE")
      ->group("");
  AddDurationFlag(app, "--compute-delay", "EBB_COMPUTE_DELAY",
                  &flags->compute_delay, "")
      ->group("");
  AddDaemonFlags(app, flags);
  app->footer(kExample);
}

void LogOptions(const Flags& flags, SessionId session) {
  LOG(INFO) << "ebb-worker " << EBB_VERSION << " starts: name=" << flags.name
            << " session=" << session << " pid=" << getpid()
            << " scheduler=" << flags.scheduler
            << " message_limit=" << flags.message_bytes
            << " allow_plugins=" << absl::StrJoin(flags.plugin_folders, ",")
            << " python=" << flags.python << " backend=" << flags.backend.kind
            << " isa=" << flags.backend.isa << " device=" << flags.device
            << " gpu=" << flags.gpu << " gpu_graphs=" << flags.gpu_graphs
            << " memory=" << flags.memory_bytes
            << " shared_memory=" << flags.shared_memory
            << " bulk=" << flags.bulk << " bulk_streams=" << flags.bulk_streams
            << " data_cache=" << flags.data_cache
            << " data_cache_bytes=" << flags.data_cache_bytes
            << " sources=" << flags.data_sources
            << " read_ahead=" << flags.read_ahead
            << " held_items=" << flags.held_items
            << " batches_in_flight=" << flags.batches_in_flight
            << " batches_per_pull=" << flags.batches_per_pull
            << " prefetch=" << !flags.no_prefetch << " grace=" << flags.grace
            << " notice_file=" << flags.notice_file
            << " notice_url=" << flags.notice_url
            << " batch_time=" << flags.batch_time
            << " crash_at_example=" << flags.crash_at_example
            << " compute_delay=" << flags.compute_delay
            << " kill_at=" << flags.kill_at;
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

absl::StatusOr<PreemptionSources> SourcesOf(const Flags& flags) {
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
absl::StatusOr<int> WaitOutNotice(const Flags& flags, const StopSignal& stop,
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

absl::StatusOr<int> Run(Flags flags, const StopSignal& stop) {
  if (flags.name.empty()) flags.name = absl::StrCat("worker-", getpid());
  const auto memory = static_cast<int64_t>(flags.memory_bytes);
  if (memory > 0 && memory <= client::kProgramBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--memory is ", memory, " bytes; the program itself takes ",
        client::kProgramBytes, ", and the values of a job come beside"));
  }

  if (memory > 0) ShareHeap();

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
  computing.data_bytes = memory / 4;
  computing.crash_at_example = flags.crash_at_example;
  computing.compute_delay = flags.compute_delay;
  computing.batch_time = flags.batch_time;
  // Better now than with the first job.
  EBB_RETURN_IF_ERROR(models::CreateBackend(flags.backend).status());
  if (flags.device == "gpu") {
    EBB_ASSIGN_OR_RETURN(const models::gpu::GpuInfo gpu,
                         models::gpu::FindGpu(flags.gpu));
    LOG(INFO) << "gpu=" << flags.gpu << " name=\"" << gpu.name
              << "\" memory_bytes=" << gpu.memory_bytes;
  }
  EBB_ASSIGN_OR_RETURN(const PreemptionSources sources, SourcesOf(flags));

  client::ClientShellOptions options;
  options.scheduler = flags.scheduler;
  options.core.session = NewSession();
  options.core.name = flags.name;
  options.core.process_id = getpid();
  options.core.memory_bytes = memory;
  options.core.held_items = flags.held_items;
  options.core.held_batches = flags.held_batches;
  options.core.batches_in_flight = flags.batches_in_flight;
  options.core.batches_per_pull = flags.batches_per_pull;
  options.core.prefetch = !flags.no_prefetch;
  options.core.assembles_next =
      computing.devices.use_gpu && models::gpu::FindGpu(flags.gpu).ok();
  options.core.pull_bytes = std::min(
      options.core.pull_bytes, static_cast<int64_t>(flags.message_bytes / 2));
  if (memory > 0) {
    computing.room_beside_values = [core = options.core](const JobPlan& plan) {
      return core.memory_bytes - client::kProgramBytes -
             client::JobBytes(core, plan, client::MostLimits(core, plan));
    };
  }
  options.local_mathematics = LocalRulesFrom(
      flags.plugin_folders, rpc::TransportOptions().max_assembled_bytes);
  options.log = [](absl::string_view text) { LOG(INFO) << text; };

  EBB_ASSIGN_OR_RETURN(options.kill_points,
                       KillPoints::Parse(flags.kill_at, WorkerKillPoints()));

  rpc::TransportOptions network;
  network.max_message_bytes = static_cast<int64_t>(flags.message_bytes);
  // What it would map of a server's memory counts as its own, and is larger
  // than what it holds otherwise.
  if (memory > 0) flags.shared_memory = "off";
  network.shared_memory = flags.shared_memory == "auto";
  network.bulk_stream = flags.bulk == "auto";
  network.bulk_streams = flags.bulk_streams;
  if (network.shared_memory) {
    auto heap = shm::SharedHeap::Create(shm::SharedHeap::kMostBytes);
    if (!heap.ok()) {
      LOG(WARNING) << "gradients are copied to servers of this machine: "
                   << heap.status().message();
    } else {
      network.heap = computing.heap = *std::move(heap);
    }
  }
  EBB_RETURN_IF_ERROR(network.Validate());
  const rpc::SecurityWatch watch(flags.tls.files, {Role::kWorker});
  EBB_ASSIGN_OR_RETURN(const rpc::SecurityPtr security,
                       rpc::Security::Create(flags.tls, {Role::kWorker}));
  EBB_RETURN_IF_ERROR(rpc::MayConnect(security.get(), flags.scheduler));
  LogOptions(flags, options.core.session);
  rpc::LogSecurity(*security);
  rpc::CountHandshakes(*security);
  if (flags.serve >= 0) {
    rpc::GrpcTransport transport(network, /*received_bytes=*/0, security);
    EBB_RETURN_IF_ERROR(ServeProgram({.socket = flags.serve,
                                      .version = EBB_VERSION,
                                      .job = flags.job,
                                      .token_file = flags.token_file,
                                      .shell = options,
                                      .grace = flags.grace,
                                      .security = security,
                                      .look_ahead = flags.look_ahead,
                                      .heap = computing.heap,
                                      .notice = NoticeIn(&sources)},
                                     &transport));
    return 0;
  }

  EBB_ASSIGN_OR_RETURN(const int early, WaitOutNotice(flags, stop, sources));
  if (early != 0) {
    LOG(INFO) << "worker=" << flags.name << " leaves: signal " << early;
    return 0;
  }
  // A process of Python's that died is started again meanwhile.
  if (!flags.python.empty()) options.core.batch_patience = absl::Minutes(1);
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
                   .kill_points = options.kill_points}));
  computing.open = data::WithRemoteFiles(std::move(open), std::move(remote));
  rpc::GrpcTransport transport(network, /*received_bytes=*/0, security);
  TrainingComputer computer(computing);
  client::ClientShell shell(options, &transport, &computer);

  EBB_ASSIGN_OR_RETURN(auto health,
                       rpc::HealthSocket::Start(flags.health_socket, [&] {
                         return shell.status().ready;
                       }));
  EBB_ASSIGN_OR_RETURN(
      const auto exported,
      ServeMetrics(flags, Name(), [&](metrics::OpenMetrics* text) {
        rpc::AddNetwork(*security, text);
        AddWorker(shell.status(), computer.device_time().busy_seconds, text);
      }));

  const End end = WaitForEnd(stop, sources);
  const bool noticed = end.signal == 0;
  LOG(INFO) << "worker=" << flags.name << " leaves: "
            << (noticed ? end.notice : absl::StrCat("signal ", end.signal));
  // After a notice comes the signal that it told of.
  StopAtOnceOnNextSignal(/*expected=*/noticed ? 1 : 0);
  computer.Hurry();
  const bool drained = shell.Drain(flags.grace);
  const auto did = shell.status();
  LOG(INFO) << "worker=" << flags.name << " left batches=" << did.batches
            << " local_batches=" << did.local_steps.batches
            << " shares_applied=" << did.local_steps.applied
            << " shares_refused=" << did.local_steps.refused
            << " taken_back=" << did.local_steps.taken_back
            << " rows_pulled=" << did.cached_rows.pulled
            << " rows_used_again=" << did.cached_rows.used
            << " examples=" << did.examples;
  const auto device = computer.device_time();
  if (device.busy_seconds > 0) {
    LOG(INFO) << "worker=" << flags.name
              << " device_busy_share=" << device.busy_share
              << " device_busy_seconds=" << device.busy_seconds;
  }
  if (!drained) {
    // Its batch goes on; the next holder of the item begins where the servers
    // say.
    LOG(WARNING) << "worker=" << flags.name << " was not done after "
                 << flags.grace << "; a longer --grace would lose no work";
  }
  // What it still loads, evaluates or computes is not needed.
  if (!drained || did.computing) std::_Exit(0);
  return 0;
}

}  // namespace
}  // namespace ebb::worker

int main(int argc, char** argv) {
  ebb::worker::Flags flags;
  return ebb::DaemonMain(
      argc, argv, ebb::worker::Name(),
      [&](CLI::App* app) { ebb::worker::AddFlags(app, &flags); }, flags,
      [&](const ebb::StopSignal& stop) {
        return ebb::worker::Run(flags, stop);
      });
}
