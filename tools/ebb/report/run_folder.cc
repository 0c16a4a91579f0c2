#include "tools/ebb/report/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/nearest.h"
#include "common/status_macros.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kRuns[] = "runs";
constexpr char kHeader[] =
    "seconds,epoch,applied,examples,examples_per_second,training_loss,"
    "test_accuracy,test_loss,staleness,workers,servers,test_auc,test_f1,"
    "test_rmse,test_mae,test_r2,update_scale,effective_staleness,"
    "bound_wait_seconds,test_calibration_error,test_epochs\n";
// Older ebbs had no more.
constexpr size_t kOldestCells = 11;
constexpr size_t kOldCells = 16;
constexpr size_t kCellsBeforeCalibration = 19;
constexpr size_t kCellsBeforeEpochs = 20;
constexpr size_t kCells = 21;

std::string NameOf(absl::string_view name, int number) {
  return absl::StrCat(kRuns, "/", name, "-", number);
}

// The highest N of which there is a runs/NAME-N; 0: none.
int HighestNumber(absl::string_view name) {
  int highest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kRuns, error)) {
    const std::string file = entry.path().filename().string();
    absl::string_view rest = file;
    int number = 0;
    if (absl::ConsumePrefix(&rest, absl::StrCat(name, "-")) &&
        absl::SimpleAtoi(rest, &number)) {
      highest = std::max(highest, number);
    }
  }
  return highest;
}

// Returns the folder of all runs; empty: it is not known.
std::string InWorkingFolder() {
  std::error_code error;
  const std::string here = fs::current_path(error).string();
  return error ? "" : absl::StrCat(" in ", here);
}

// A folder that cannot be one is for the person to mend, a full disk is not.
absl::Status FolderError(int error, const std::string& what) {
  absl::Status status = absl::ErrnoToStatus(error, what);
  return absl::IsResourceExhausted(status)
             ? status
             : absl::InvalidArgumentError(status.message());
}

std::string OptionalText(const std::optional<double>& value) {
  return value ? absl::StrCat(*value) : "";
}

std::optional<double> OptionalNumber(absl::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  return value;
}

std::optional<RunSample> ParseSample(absl::string_view line) {
  const std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
  RunSample sample;
  Progress& p = sample.progress;
  if ((cells.size() != kOldestCells && cells.size() != kOldCells &&
       cells.size() != kCellsBeforeCalibration &&
       cells.size() != kCellsBeforeEpochs && cells.size() != kCells) ||
      !absl::SimpleAtod(cells[0], &sample.seconds) ||
      !absl::SimpleAtoi(cells[1], &p.epoch) ||
      !absl::SimpleAtoi(cells[2], &p.applied) ||
      !absl::SimpleAtoi(cells[3], &p.examples) ||
      !absl::SimpleAtod(cells[4], &p.examples_per_second) ||
      !absl::SimpleAtoi(cells[9], &p.workers) ||
      !absl::SimpleAtoi(cells[10], &p.servers)) {
    return std::nullopt;
  }
  p.loss = OptionalNumber(cells[5]);
  p.test_accuracy = OptionalNumber(cells[6]);
  p.test_loss = OptionalNumber(cells[7]);
  p.staleness = OptionalNumber(cells[8]);
  if (cells.size() == kOldestCells) return sample;
  p.test_auc = OptionalNumber(cells[11]);
  p.test_f1 = OptionalNumber(cells[12]);
  p.test_rmse = OptionalNumber(cells[13]);
  p.test_mae = OptionalNumber(cells[14]);
  p.test_r2 = OptionalNumber(cells[15]);
  if (cells.size() == kOldCells) return sample;
  p.scale = OptionalNumber(cells[16]);
  p.effective_staleness = OptionalNumber(cells[17]);
  p.bound_wait = OptionalNumber(cells[18]);
  if (cells.size() == kCellsBeforeCalibration) return sample;
  p.test_calibration_error = OptionalNumber(cells[19]);
  if (cells.size() == kCellsBeforeEpochs) return sample;
  p.test_epochs = OptionalNumber(cells[20]);
  return sample;
}

std::string LineOf(const RunSample& sample) {
  const Progress& p = sample.progress;
  return absl::StrCat(
      sample.seconds, ",", p.epoch, ",", p.applied, ",", p.examples, ",",
      p.examples_per_second, ",", OptionalText(p.loss), ",",
      OptionalText(p.test_accuracy), ",", OptionalText(p.test_loss), ",",
      OptionalText(p.staleness), ",", p.workers, ",", p.servers, ",",
      absl::StrJoin({p.test_auc, p.test_f1, p.test_rmse, p.test_mae, p.test_r2,
                     p.scale, p.effective_staleness, p.bound_wait,
                     p.test_calibration_error, p.test_epochs},
                    ",",
                    [](std::string* text, const auto& figure) {
                      absl::StrAppend(text, OptionalText(figure));
                    }),
      "\n");
}

}  // namespace

absl::StatusOr<RunFolder> RunFolder::Lock(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return FolderError(errno, absl::StrCat("cannot open ", folder));
  }
  std::error_code error;
  const fs::path path = fs::canonical(folder, error);
  RunFolder run(error ? folder : path.string(), folder, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("another ebb runs in ", folder,
                     ". Wait for it, or choose another --run-dir."));
  }
  return run;
}

absl::StatusOr<RunFolder> RunFolder::Make(absl::string_view name,
                                          const std::string& folder) {
  std::error_code error;
  std::string chosen = folder;
  if (chosen.empty()) {
    chosen = kRuns;  // Errors name this.
    fs::create_directories(kRuns, error);
    // Making it is what takes the number: two runs may start at once.
    for (int n = HighestNumber(name) + 1; !error; ++n) {
      chosen = NameOf(name, n);
      if (fs::create_directory(chosen, error)) break;
    }
  } else {
    fs::create_directories(chosen, error);
    if (!error && !fs::is_empty(chosen, error)) {
      return absl::AlreadyExistsError(
          absl::StrCat(chosen,
                       " is not empty. Choose another --run-dir, or go "
                       "on with the run in it: --resume."));
    }
  }
  if (error) {
    return FolderError(error.value(),
                       absl::StrCat("cannot make the folder ", chosen,
                                    folder.empty() ? InWorkingFolder() : ""));
  }
  EBB_ASSIGN_OR_RETURN(RunFolder run, Lock(chosen));
  for (const char* below : {"logs", "state", "tmp"}) {
    fs::create_directory(run.File(below), error);
    if (error) {
      return absl::ErrnoToStatus(error.value(),
                                 absl::StrCat("cannot make ", run.File(below)));
    }
  }
  EBB_RETURN_IF_ERROR(WriteFile(run.File("metrics.csv"), kHeader));
  return run;
}

absl::StatusOr<RunFolder> RunFolder::Open(absl::string_view name,
                                          const std::string& folder) {
  std::string chosen = folder;
  if (chosen.empty()) {
    const int number = HighestNumber(name);
    if (number == 0) {
      return absl::NotFoundError(
          absl::StrCat("no run of ", name, " is in ", kRuns,
                       "/. Start one without --resume, or name its folder "
                       "with --run-dir."));
    }
    chosen = NameOf(name, number);
  }
  std::error_code error;
  if (!fs::exists(chosen, error)) {
    return absl::NotFoundError(
        absl::StrCat("there is no folder ", chosen, " with a run to go on with",
                     IsItPath(chosen),
                     "\nhint: --run-dir names the "
                     "folder of a run; without --resume a new one begins"));
  }
  EBB_ASSIGN_OR_RETURN(RunFolder run, Lock(chosen));
  if (!fs::is_directory(run.File("state"), error)) {
    return absl::NotFoundError(
        absl::StrCat(chosen, " holds no run: it has no state/"));
  }
  return run;
}

RunFolder::~RunFolder() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string RunFolder::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

std::string RunFolder::Log(absl::string_view daemon) const {
  return absl::StrCat(path_, "/logs/", daemon, ".log");
}

std::string RunFolder::State(absl::string_view daemon) const {
  return absl::StrCat(path_, "/state/", daemon);
}

std::vector<std::string> RunFolder::Stores() const {
  std::vector<std::string> stores;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(File("state"), error)) {
    stores.push_back(entry.path().filename().string());
  }
  std::ranges::sort(stores);
  return stores;
}

absl::Status RunFolder::AppendSamples(
    std::span<const RunSample> samples) const {
  const std::string path = File("metrics.csv");
  std::error_code error;
  const auto before = fs::file_size(path, error);
  errno = 0;
  std::ofstream out(path, std::ios::app);
  if (error || before == 0) out << kHeader;
  for (const RunSample& sample : samples) out << LineOf(sample);
  out.close();
  if (out) return absl::OkStatus();
  const int why = errno != 0 ? errno : EIO;
  // A part of a line would be taken for a line.
  if (!error) fs::resize_file(path, before, error);
  return absl::ErrnoToStatus(why, "cannot write " + path);
}

std::vector<RunSample> RunFolder::ReadSamples() const {
  return SamplesOf(ReadFile(File("metrics.csv")).value_or(""));
}

std::vector<RunSample> RunFolder::SamplesOf(absl::string_view text) {
  std::vector<RunSample> samples;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (auto sample = ParseSample(line)) samples.push_back(*std::move(sample));
  }
  return samples;
}

}  // namespace ebb::tools
