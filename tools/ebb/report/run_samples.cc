#include "tools/ebb/report/run_samples.h"

#include <algorithm>
#include <span>

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

}  // namespace ebb::tools
