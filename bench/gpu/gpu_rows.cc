#include "bench/gpu/gpu_rows.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bench/common/bench_child.h"
#include "common/status_macros.h"
#include "tools/files/files.h"
#include "tools/text/read_json.h"

namespace ebb::tools {
namespace {

constexpr char kPython[] = "/usr/bin/python3";
constexpr bench::Bound kBusy{bench::Bound::Kind::kAtLeast, 0.85};
// Labels of IDX files are bytes.
constexpr int64_t kMostClasses = 256;

// A number of IDX's header.
std::string BigEndian(int64_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return bytes;
}

// A pair of IDX files with `examples` images, and every class among them.
absl::Status WriteExamples(const std::string& prefix, int64_t examples,
                           int64_t features, int64_t classes) {
  std::string images = absl::StrCat(BigEndian(0x803), BigEndian(examples),
                                    BigEndian(features), BigEndian(1));
  std::string labels = absl::StrCat(BigEndian(0x801), BigEndian(examples));
  images.reserve(images.size() + examples * features);
  for (int64_t i = 0; i < examples; ++i) {
    for (int64_t f = 0; f < features; ++f) {
      images.push_back(static_cast<char>((i * 7 + f * 37 + i * f % 11) & 0xff));
    }
    labels.push_back(static_cast<char>(i % classes));
  }
  EBB_RETURN_IF_ERROR(WriteFile(prefix + "-images-idx3-ubyte", images));
  return WriteFile(prefix + "-labels-idx1-ubyte", labels);
}

// Two batches an epoch, so that a small file does.
std::string JobText(const GpuRowsOptions& options, int64_t classes) {
  std::vector<int64_t> layers = options.layers;
  layers.back() = classes;
  return absl::StrCat(
      "name: gpu-bench\ndevice: {kind: ", options.device,
      options.precision.empty() ? "" : ", precision: ", options.precision,
      "}\nmodel: {kind: mlp, layers: [", absl::StrJoin(layers, ", "),
      "]}\ndata: {train: {idx: ", options.folder,
      "/busy, scale: 1/255}}\ntrain: {epochs: ",
      std::max<int64_t>(options.steps / 2, 1), ", batch: ", options.rows,
      ", item_examples: ", 2 * options.rows,
      "}\noptimizer: {kind: sgd, rate: 1e-6}\ncheckpoint: {every: 24h}\n");
}

}  // namespace

absl::StatusOr<double> BusyShareIn(absl::string_view log) {
  constexpr absl::string_view kKey = " device_busy_share=";
  const size_t at = log.rfind(kKey);
  double share = 0;
  if (at != absl::string_view::npos) {
    absl::string_view text = log.substr(at + kKey.size());
    text = text.substr(0, text.find_first_of(" \n"));
    if (absl::SimpleAtod(text, &share)) return share;
  }
  return absl::NotFoundError("the worker's log names no device_busy_share");
}

absl::StatusOr<bench::Row> MeasureBusyShare(const GpuRowsOptions& options) {
  const std::string what = "end to end, 1 server and 1 worker";
  EBB_RETURN_IF_ERROR(options.watch.Tell(what));
  const int64_t classes =
      std::min({options.layers.back(), kMostClasses, 2 * options.rows});
  EBB_RETURN_IF_ERROR(WriteExamples(options.folder + "/busy", 2 * options.rows,
                                    options.layers.front(), classes));
  const std::string job = options.folder + "/busy.yaml";
  EBB_RETURN_IF_ERROR(WriteFile(job, JobText(options, classes)));
  const std::string run = options.folder + "/busy-run";
  const std::string log = options.folder + "/busy.log";
  EBB_ASSIGN_OR_RETURN(
      const ProcessEnd end,
      RunChild({.process = {.argv = {"/usr/bin/env",
                                     absl::StrCat("EBB_GPU=", options.gpu),
                                     options.programs + "/ebb", "run", job,
                                     "--quiet", "--servers", "1", "--workers",
                                     "1", "--run-dir", run},
                            .log = log},
                .stop = options.watch.stop}));
  if (!end.clean()) {
    return absl::FailedPreconditionError(
        absl::StrCat("ebb run ", end.ToString(), ": ", LastLine(log)));
  }
  EBB_ASSIGN_OR_RETURN(const std::string words,
                       ReadFile(run + "/logs/worker-0.log"));
  const auto share = BusyShareIn(words);
  if (!share.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": ", share.status().message(),
                     "; it computed on the processor"));
  }
  const double all = 1;
  return bench::MakeRow(absl::StrCat(what, ", device busy"), "of the time",
                        {&*share, 1}, {&all, 1}, kBusy);
}

absl::StatusOr<bench::Row> CompareWithTorch(const GpuRowsOptions& options,
                                            double examples_per_second) {
  const std::string what = "gradient beside PyTorch's";
  EBB_RETURN_IF_ERROR(options.watch.Tell(what));
  const auto none = [&](absl::string_view why) {
    return absl::NotFoundError(
        absl::StrCat("no comparison with PyTorch: ", why));
  };
  const std::string script = options.peers + "/torch_gpu.py";
  if (!std::filesystem::exists(script)) {
    return none(absl::StrCat("there is no ", script,
                             "; start it in the folder of ebb's sources"));
  }
  if (!std::filesystem::exists(kPython)) {
    return none(absl::StrCat("there is no ", kPython));
  }
  const std::string log = options.folder + "/torch.log";
  EBB_ASSIGN_OR_RETURN(
      const ProcessEnd end,
      RunChild({.process = {.argv = {kPython, "-B", script, "--layers",
                                     absl::StrJoin(options.layers, ","),
                                     "--batch", absl::StrCat(options.rows),
                                     "--precision", options.precision,
                                     "--device", absl::StrCat(options.gpu)},
                            .log = log},
                .limit = absl::Minutes(5),
                .stop = options.watch.stop}));
  if (!end.clean()) return none(LastLine(log));
  EBB_ASSIGN_OR_RETURN(const auto peer,
                       ParseJsonObject(LastLine(log), "torch_gpu.py"));
  const double theirs = NumberIn(peer, "examples_per_s", 0);
  if (theirs <= 0) return none(LastLine(log));
  return bench::MakeRow(what, "examples/s", {&examples_per_second, 1},
                        {&theirs, 1}, std::nullopt);
}

}  // namespace ebb::tools
