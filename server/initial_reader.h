// Reads what partitions begin with, where a job begins with the values of a
// file: the part of each partition, on a thread of its own. A chunk that does
// not come is asked for again, so what was read of the part stays.
#ifndef EBB_SERVER_INITIAL_READER_H_
#define EBB_SERVER_INITIAL_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mutex.h"
#include "datasets/manifest.h"
#include "datasets/target.h"
#include "protocol/initial_rows.h"
#include "server/actions.h"
#include "server/initial_partition.h"
#include "server/task_threads.h"

namespace ebb::server {

// Thread-safe. The core bounds the tasks under way: one for each partition that
// waits. Beside the values it holds one chunk of the weights, one of each slot
// and one of the rows.
class InitialReader {
 public:
  // Called on the reader's thread, once for each task unless it is stopped.
  using Done = std::function<void(const FetchInitialValues& task,
                                  absl::StatusOr<InitialPartition> values)>;

  // `source` is not owned and outlives the reader; null: there is none, and
  // each task fails. After `first_pause` a chunk is asked for again, and after
  // twice the pause the next time, until it is asked for kTries times.
  InitialReader(datasets::Source* source, Done done,
                absl::Duration first_pause = absl::Milliseconds(100));
  ~InitialReader() { Stop(); }

  static constexpr int kTries = 6;

  void Add(FetchInitialValues task);
  // Waits for what runs, which soon fails; what waits is dropped.
  void Stop();

 private:
  // Used by the thread alone. Errors: those of the source; DataLoss: what came
  // is not what was named; ResourceExhausted: the pool has no room.
  absl::StatusOr<InitialPartition> Read(const FetchInitialValues& task);
  // The partition's part of an array of the file: 0 is the weights, 1 the first
  // slot. Behind the last slot the rows count as one more array.
  absl::StatusOr<Blocks> ReadArray(const FetchInitialValues& task,
                                   int32_t array);
  // The partition's rows: a table for each of the plan.
  absl::StatusOr<std::vector<std::unique_ptr<RowTable>>> ReadRows(
      const FetchInitialValues& task);
  // Puts the rows from byte `*at` of the file on into the table, and moves
  // `*at` behind them.
  absl::Status ReadTable(const FetchInitialValues& task,
                         const InitialRowRun& run, int64_t* at,
                         RowTable* table);
  // The bytes of the file from `at` on, by chunks that are held as those of the
  // array.
  absl::Status ReadBytes(int32_t array, int64_t at, std::span<std::byte> out);
  absl::Status Open(const InitialFile& file);
  // The bytes are valid until the next call. `array` reads the chunk.
  absl::StatusOr<absl::string_view> ReadChunk(int32_t array, int64_t chunk);
  absl::Status TryChunk(int32_t array, int64_t chunk);
  // False: the reader stops.
  bool Pause(absl::Duration pause);

  datasets::Source* const source_;
  const Done done_;
  const absl::Duration first_pause_;
  Mutex mu_;
  CondVar stops_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  struct Held {
    int64_t chunk = -1;
    std::string bytes;
  };
  // The set that was opened last, and by array its chunk that was read last:
  // partitions are mostly smaller than chunks. Used by the thread alone.
  std::string set_;
  datasets::Manifest manifest_;
  std::vector<Held> held_;
  TaskThreads thread_;  // Last: it ends first.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_INITIAL_READER_H_
