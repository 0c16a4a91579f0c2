#include "data/pack/file_state.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::data::pack {

absl::StatusOr<FileState> FileState::Of(const Fd& file,
                                        const std::string& path) {
  struct stat facts;
  if (fstat(file.get(), &facts) != 0) {
    return absl::UnavailableError(absl::StrCat(path, ": ", strerror(errno)));
  }
  const auto nanoseconds = [](const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + int64_t{time.tv_nsec};
  };
  return FileState{.device = facts.st_dev,
                   .number = facts.st_ino,
                   .bytes = int64_t{facts.st_size},
                   .modified_ns = nanoseconds(facts.st_mtim),
                   .changed_ns = nanoseconds(facts.st_ctim)};
}

}  // namespace ebb::data::pack
