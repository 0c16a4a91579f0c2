#include "bench/data/packed_job_rows.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/common/bench_child.h"
#include "bench/data/data_files.h"
#include "bench/job/job_rows.h"
#include "common/status_macros.h"
#include "data/pack/packer.h"
#include "tools/files/files.h"
#include "tools/text/read_json.h"

namespace ebb::tools {

namespace {

constexpr bench::Bound kOfMemory{bench::Bound::Kind::kAtLeast, 0.95};
constexpr int64_t kWindow = 4096;
constexpr int64_t kAllInMemory = int64_t{4} << 30;

class PackedJobBench {
 public:
  explicit PackedJobBench(const PackedJobOptions& options)
      : options_(options) {}

  absl::StatusOr<std::vector<bench::Row>> Measure() {
    constexpr int64_t kDifferent = 60'000;
    EBB_RETURN_IF_ERROR(options_.watch.Tell("writing images, and packing"));
    EBB_ASSIGN_OR_RETURN(
        const bench::ImageSet images,
        bench::ReadImageSet(options_.fashion,
                            std::min(options_.images, kDifferent)));
    EBB_RETURN_IF_ERROR(
        bench::WriteIdx(images, options_.images, Path("images")));
    EBB_RETURN_IF_ERROR(
        data::pack::PackSources(
            {{"", {.kind = data::SourceKind::kIdx, .path = Path("images")}}},
            Path("set"), {.window = kWindow, .compress = false})
            .status());
    EBB_RETURN_IF_ERROR(WriteJob("memory", "idx", "images"));
    EBB_RETURN_IF_ERROR(WriteJob("packed", "packed", "set"));
    std::vector<double> packed, memory;
    for (int pair = 0; pair < options_.pairs; ++pair) {
      for (const bool ours : {pair % 2 == 0, pair % 2 != 0}) {
        EBB_RETURN_IF_ERROR(
            options_.watch.Tell(ours ? "job on a packed set" : "job in memory",
                                pair, options_.pairs));
        EBB_ASSIGN_OR_RETURN(const double speed, Run(ours));
        (ours ? packed : memory).push_back(speed);
      }
    }
    return std::vector<bench::Row>{
        bench::MakeRow("packed, 1/8 of the data in memory / all in memory",
                       "examples/s", packed, memory, kOfMemory)};
  }

 private:
  std::string Path(absl::string_view name) const {
    return absl::StrCat(options_.folder, "/", name);
  }

  absl::Status WriteJob(absl::string_view name, absl::string_view format,
                        absl::string_view data) const {
    return WriteFile(
        absl::StrCat(Path(name), ".yaml"),
        absl::StrCat("name: bench-", name, "\nmodel: softmax\ndata: {train: {",
                     format, ": ", Path(data),
                     ", scale: 1/255}}\ntrain: {epochs: ", options_.epochs,
                     ", batch: 512}\noptimizer: {kind: sgd, rate: 0.1}\n"));
  }

  // Examples a second of the training.
  absl::StatusOr<double> Run(bool packed) {
    const std::string name = packed ? "packed" : "memory";
    ProcessSpec spec = {
        .argv = {options_.programs + "/ebb", "run", Path(name + ".yaml"),
                 "--quiet", "--servers", "1", "--workers", "1", "--run-dir",
                 Path("run")},
        .log = Path(name + ".log")};
    // With --memory there is no shared memory, so both have it.
    const int64_t bytes = packed ? options_.memory_bytes : kAllInMemory;
    spec.argv.insert(spec.argv.end(),
                     {"--memory", absl::StrCat(bytes >> 20, "MiB")});
    EBB_ASSIGN_OR_RETURN(
        const ProcessEnd end,
        RunChild({.process = spec, .stop = options_.watch.stop}));
    if (!end.clean()) {
      return absl::FailedPreconditionError(
          absl::StrCat("ebb run ", name, ".yaml ", end.ToString(), ": ",
                       LastLine(spec.log)));
    }
    EBB_ASSIGN_OR_RETURN(const std::string text,
                         ReadFile(Path("run/report.json")));
    EBB_ASSIGN_OR_RETURN(const auto report,
                         ParseJsonObject(text, "report.json"));
    EBB_ASSIGN_OR_RETURN(const std::string metrics,
                         ReadFile(Path("run/metrics.csv")));
    const double whole = NumberIn(report, "examples_per_second", 0);
    const double speed =
        SteadySpeed(RunFolder::SamplesOf(metrics)).value_or(whole);
    if (speed <= 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("ebb run ", name, ".yaml counted no examples"));
    }
    std::error_code ignored;
    std::filesystem::remove_all(Path("run"), ignored);
    return speed;
  }

  const PackedJobOptions& options_;
};

}  // namespace

absl::StatusOr<std::vector<bench::Row>> MeasurePackedJob(
    const PackedJobOptions& options) {
  return PackedJobBench(options).Measure();
}

}  // namespace ebb::tools
