#include "tools/ebb/report/run_samples.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

RunSamples::RunSamples(const RunFolder* folder)
    : folder_(folder),
      all_(folder->ReadSamples()),
      written_(static_cast<int64_t>(all_.size())),
      seconds_before_(all_.empty() ? 0 : all_.back().seconds) {}

absl::Status RunSamples::Take(const Progress& progress, absl::Duration after) {
  constexpr absl::Duration kShortest = absl::Milliseconds(200);
  // The share of the run so far that lies between two.
  constexpr int kParts = 500;
  if (after - taken_ < std::max(kShortest, after / kParts)) {
    return absl::OkStatus();
  }
  taken_ = after;
  return TakeLast(progress, after);
}

absl::Status RunSamples::TakeLast(const Progress& progress,
                                  absl::Duration after) {
  all_.push_back({seconds_before_ + absl::ToDoubleSeconds(after), progress});
  return WriteRest();
}

absl::Status RunSamples::WriteRest() {
  if (unwritten() == 0) return absl::OkStatus();
  absl::Status written =
      folder_->AppendSamples(std::span(all_).subspan(written_));
  if (written.ok()) written_ = static_cast<int64_t>(all_.size());
  return written;
}

absl::StatusOr<std::string> SetAsideOtherSamples(const RunFolder& folder) {
  namespace fs = std::filesystem;
  // Every metrics.csv of a job file began with them.
  constexpr absl::string_view kFirst =
      "seconds,epoch,applied,examples,examples_per_second,training_loss,"
      "test_accuracy";
  const std::string path = folder.File("metrics.csv");
  std::ifstream in(path);
  std::string first;
  std::getline(in, first);
  if (first.empty() || absl::StartsWith(first, kFirst)) return "";
  std::string name = "metrics-old.csv";
  std::error_code error;
  for (int i = 2; fs::exists(folder.File(name), error); ++i) {
    name = absl::StrCat("metrics-old-", i, ".csv");
  }
  fs::rename(path, folder.File(name), error);
  if (!error) return name;
  return absl::ErrnoToStatus(error.value(),
                             absl::StrCat("cannot rename ", path));
}

}  // namespace ebb::tools
