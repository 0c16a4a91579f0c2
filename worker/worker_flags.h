// The command line of ebb-worker.
#ifndef EBB_WORKER_WORKER_FLAGS_H_
#define EBB_WORKER_WORKER_FLAGS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "common/program/daemon_flags.h"
#include "models/backends.h"

namespace ebb::worker {

struct WorkerFlags : DaemonFlags {
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

// In the order of --help.
void AddWorkerFlags(CLI::App* app, WorkerFlags* flags);

void LogFlags(const WorkerFlags& flags, SessionId session);

}  // namespace ebb::worker

#endif  // EBB_WORKER_WORKER_FLAGS_H_
