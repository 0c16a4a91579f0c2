// The options of how a worker computes.
#ifndef EBB_WORKER_TRAINING_OPTIONS_H_
#define EBB_WORKER_TRAINING_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "common/shm/shared_heap.h"
#include "data/byte_source.h"
#include "protocol/plan.h"
#include "worker/device_choice.h"
#include "worker/job_data.h"

namespace ebb::worker {

struct TrainingComputerOptions {
  // The code of users that may run. Default: none.
  UserCode code;
  DeviceOptions devices;
  // Batches gathered while another is computed. Default 2; more take memory
  // and help where gathering is slower than computing now and then.
  size_t read_ahead_batches = 2;
  // Test examples evaluated at once. Default 1024; more take memory between the
  // layers of a model and are hardly faster.
  int64_t evaluation_batch = 1024;
  // Jobs whose data is held in memory; the one unused longest goes. Default 2;
  // give as many as share the worker, or data is loaded again at each change.
  size_t jobs_in_memory = 2;
  // Most bytes of data, except for a single job's: data of other jobs is
  // dropped before jobs_in_memory is reached. Jobs share what data leaves for
  // what models keep of it. With a bound, evaluations take
  // batches of the size that training does, so that they need no more memory
  // between the model's layers. Default 0: no bound.
  int64_t data_bytes = 0;
  // Within data_bytes, the memory for data and for what a model keeps of it, so
  // that values and gradients have room. Default: data_bytes.
  std::function<int64_t(const JobPlan& plan)> room_beside_values;
  // How long a batch waits for data that is away when it is needed: in a
  // bucket, or in files that are not there or cannot be read. Default 10 min,
  // as a job waits that is loaded at first.
  absl::Duration data_patience = absl::Minutes(10);
  // Least time of a batch, as on a slower machine. Default: as long as it
  // takes.
  absl::Duration batch_time = absl::ZeroDuration();

  // How what a job names as its data is opened. Default: as files.
  data::OpenBytes open = data::OpenFile;

  // The heap for gradients, as soon as a server reads there. Default: none.
  std::shared_ptr<shm::SharedHeap> heap;

  // For tests: a batch with the training example of this number kills the
  // process; -1: none does. compute_delay is added to each batch.
  int64_t crash_at_example = -1;
  absl::Duration compute_delay = absl::ZeroDuration();
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_TRAINING_OPTIONS_H_
