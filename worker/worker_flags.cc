#include "worker/worker_flags.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_join.h"
#include "common/plugin_file.h"
#include "common/program/size_flag.h"
#include "data/remote_files.h"
#include "glog/logging.h"
#include "rpc/transport.h"
#include "worker/preemption_source.h"

namespace ebb::worker {
namespace {

constexpr char kExample[] = R"(
Example: a worker of the cluster whose scheduler is on this machine
  ebb-worker --scheduler localhost:7000 --name worker-0
On SIGTERM it finishes its batch, gives back its items and leaves; on a second
SIGTERM it leaves at once. Logs go to stderr.)";

// The code that jobs may bring.
void AddCodeFlags(CLI::App* app, WorkerFlags* flags) {
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
}

void AddDeviceFlags(CLI::App* app, WorkerFlags* flags) {
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
}

void AddDataFlags(CLI::App* app, WorkerFlags* flags) {
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
}

void AddPipelineFlags(CLI::App* app, WorkerFlags* flags) {
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
}

void AddProcessFlags(CLI::App* app, WorkerFlags* flags) {
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
}

void AddHiddenFlags(CLI::App* app, WorkerFlags* flags) {
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
}

}  // namespace

void AddWorkerFlags(CLI::App* app, WorkerFlags* flags) {
  AddSchedulerFlag(app, &flags->scheduler);
  app->add_option("--name", flags->name,
                  "Its name in status and logs; default: worker-PID")
      ->envname("EBB_NAME")
      ->group("Identity");
  AddCodeFlags(app, flags);
  AddDeviceFlags(app, flags);
  AddDataFlags(app, flags);
  AddMemoryFlag(app, &flags->memory_bytes);
  AddSharedMemoryFlag(app, &flags->shared_memory);
  AddBulkFlag(app, &flags->bulk);
  AddBulkStreamsFlag(app, rpc::kMostBulkStreams, &flags->bulk_streams);
  AddPipelineFlags(app, flags);
  AddProcessFlags(app, flags);
  AddHiddenFlags(app, flags);
  AddDaemonFlags(app, flags);
  app->footer(kExample);
}

void LogFlags(const WorkerFlags& flags, SessionId session) {
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

}  // namespace ebb::worker
