#include "tools/ebb/status/full_disk.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"

namespace ebb::tools {

std::string FullDisk::Update(const v1::JobStatus& job, absl::Time now) {
  const auto full =
      std::ranges::find(job.waiting(), v1::WaitReason::KIND_DISK_FULL,
                        [](const v1::WaitReason& one) { return one.kind(); });
  if (full == job.waiting().end() || job.examples_per_second() > 0) {
    since_ = absl::InfiniteFuture();
    return "";
  }
  since_ = std::min(since_, now);
  if (now - since_ < kPatience) return "";
  return absl::StrCat("nothing went on for ", DurationText(kPatience), ": ",
                      full->text(), ". Make room, and go on with --resume");
}

}  // namespace ebb::tools
