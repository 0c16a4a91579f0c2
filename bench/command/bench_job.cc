#include "bench/command/bench_job.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

constexpr int kExamples = 2000;
constexpr int kFeatures = 16;

std::string Examples() {
  std::string csv;
  for (int i = 0; i < kExamples; ++i) {
    for (int f = 0; f < kFeatures; ++f) {
      absl::StrAppend(&csv, (i * (f + 3) + f) % 17, ",");
    }
    absl::StrAppend(&csv, i % 4, "\n");
  }
  return csv;
}

}  // namespace

absl::StatusOr<BenchJob> BenchJob::Make(const std::string& train,
                                        const std::string& model,
                                        int partitions) {
  std::error_code error;
  std::string pattern =
      (std::filesystem::temp_directory_path(error) / "ebb-bench-XXXXXX")
          .string();
  if (error || mkdtemp(pattern.data()) == nullptr) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make the folder ", pattern));
  }
  BenchJob job(pattern);
  EBB_RETURN_IF_ERROR(WriteFile(pattern + "/examples.csv", Examples()));
  EBB_RETURN_IF_ERROR(WriteFile(
      job.file(), absl::StrCat("name: bench\nmodel: ", model,
                               "\ndata: {train: {csv: \"", pattern,
                               "/examples.csv\"}}\n"
                               "train: {epochs: 20000, ",
                               train,
                               "}\noptimizer: {kind: sgd, rate: 0.001}\n"
                               "checkpoint: {every: 500ms}\n"
                               "partitions: ",
                               partitions, "\n")));
  return job;
}

BenchJob::~BenchJob() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace ebb::tools
