// A job for benchmarks of the cluster: made up, small, and endless.
#ifndef EBB_BENCH_COMMAND_BENCH_JOB_H_
#define EBB_BENCH_COMMAND_BENCH_JOB_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace ebb::tools {

// In a temporary folder, which the destructor removes.
class BenchJob {
 public:
  // A classifier of 16 features into 4 classes, on examples that are functions
  // of their number; `train` and `model` are what stands below the keys.
  static absl::StatusOr<BenchJob> Make(const std::string& train,
                                       const std::string& model = "softmax",
                                       int partitions = 4);

  BenchJob(BenchJob&& other) noexcept
      : folder_(std::exchange(other.folder_, "")) {}
  BenchJob& operator=(BenchJob&&) = delete;
  ~BenchJob();

  std::string file() const { return folder_ + "/job.yaml"; }
  // For a run of it.
  std::string run_folder() const { return folder_ + "/run"; }
  // Keeps the folder for inspection instead of removing it. Returns the folder.
  std::string Keep() { return std::exchange(folder_, ""); }

 private:
  explicit BenchJob(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
};

}  // namespace ebb::tools

#endif  // EBB_BENCH_COMMAND_BENCH_JOB_H_
