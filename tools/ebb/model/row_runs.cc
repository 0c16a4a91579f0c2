#include "tools/ebb/model/row_runs.h"

#include <glog/logging.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/mapped_file.h"
#include "common/status_macros.h"

namespace ebb::tools {

namespace {

uint64_t KeyAt(const char* record) {
  uint64_t key;
  std::memcpy(&key, record, sizeof(key));
  return key;
}

}  // namespace

absl::StatusOr<RowRuns> RowRuns::Create(const std::string& folder,
                                        std::vector<int64_t> widths) {
  RowRuns runs;
  runs.folder_ = folder;
  runs.widths_ = std::move(widths);
  for (const int64_t width : runs.widths_) runs.floats_ += width;
  std::string name = absl::StrCat(folder, "/.ebb-rows-XXXXXX");
  errno = 0;
  const int fd = mkstemp(name.data());
  if (fd >= 0) {
    unlink(name.c_str());
    runs.file_.reset(fdopen(fd, "w+b"));
    if (runs.file_ == nullptr) close(fd);
  }
  if (runs.file_ == nullptr) return runs.CannotWrite();
  return runs;
}

size_t RowRuns::record_bytes() const {
  return sizeof(uint64_t) + floats_ * sizeof(float);
}

absl::Status RowRuns::CannotWrite() const {
  return absl::ErrnoToStatus(
      errno != 0 ? errno : EIO,
      absl::StrCat("cannot write rows to a file in ", folder_));
}

absl::Status RowRuns::Add(std::span<const uint64_t> keys,
                          const std::vector<std::span<const float>>& arrays) {
  CHECK_EQ(arrays.size(), widths_.size());
  for (size_t a = 0; a < arrays.size(); ++a) {
    CHECK_EQ(arrays[a].size(), keys.size() * widths_[a]);
  }
  errno = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0 && keys[i] <= keys[i - 1]) {
      return absl::DataLossError(absl::StrCat("key ", keys[i], " comes after ",
                                              keys[i - 1], " in a partition"));
    }
    bool whole = std::fwrite(&keys[i], sizeof(keys[i]), 1, file_.get()) == 1;
    for (size_t a = 0; a < arrays.size(); ++a) {
      const auto row = arrays[a].subspan(i * widths_[a], widths_[a]);
      whole = whole && std::fwrite(row.data(), sizeof(float), row.size(),
                                   file_.get()) == row.size();
      if (a > 0) continue;
      const auto zeros = std::ranges::count(row, 0.0f);
      zero_floats_ += zeros;
      if (zeros == widths_[a]) ++zero_rows_;
    }
    if (!whole) return CannotWrite();
  }
  const auto added = static_cast<int64_t>(keys.size());
  if (added > 0) runs_.push_back({rows_, rows_ + added});
  rows_ += added;
  return absl::OkStatus();
}

absl::Status RowRuns::Merge(
    absl::FunctionRef<absl::Status(uint64_t, std::span<const float>)> visit)
    const {
  errno = 0;
  if (std::fflush(file_.get()) != 0) return CannotWrite();
  EBB_ASSIGN_OR_RETURN(const MappedFile file,
                       MappedFile::Of(fileno(file_.get()), folder_));
  const auto record_at = [&](int64_t row) {
    return file.bytes().data() + row * record_bytes();
  };
  // The smallest key first; runs by number.
  using Head = std::pair<uint64_t, size_t>;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  std::vector<int64_t> next;
  for (const Run& run : runs_) {
    heads.emplace(KeyAt(record_at(run.first)), next.size());
    next.push_back(run.first);
  }
  std::vector<float> floats(floats_);
  while (!heads.empty()) {
    const auto [key, r] = heads.top();
    heads.pop();
    std::memcpy(floats.data(), record_at(next[r]) + sizeof(key),
                floats.size() * sizeof(float));
    EBB_RETURN_IF_ERROR(visit(key, floats));
    if (++next[r] < runs_[r].last) heads.emplace(KeyAt(record_at(next[r])), r);
    if (!heads.empty() && heads.top().first == key) {
      return absl::DataLossError(
          absl::StrCat("key ", key, " has rows in several partitions"));
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
