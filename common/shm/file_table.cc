#include "common/shm/file_table.h"

#include <fcntl.h>

#include <utility>

namespace ebb::shm {

bool FileTable::Add(int fd, std::span<const std::byte> mapping,
                    std::function<int64_t()> spare) {
  if (fd < 0 || !SealedAgainstWriters(fd)) return false;
  Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return false;
  MutexLock lock(&mu_);
  files_.push_back({std::move(own), mapping, std::move(spare)});
  return true;
}

std::optional<FileTable::File> FileTable::Get(uint32_t number) const {
  MutexLock lock(&mu_);
  if (number >= files_.size()) return std::nullopt;
  const Entry& entry = files_[number];
  return File{entry.fd.get(), static_cast<int64_t>(entry.mapping.size())};
}

std::vector<Run> FileTable::Find(const Payload& values) const {
  std::vector<Run> runs;
  uint64_t nowhere = 0;
  MutexLock lock(&mu_);
  for (const Payload::Slice& slice : values.slices()) {
    const std::byte* const begin = slice.bytes.data();
    size_t file = 0;
    for (; file < files_.size(); ++file) {
      const auto& mapping = files_[file].mapping;
      if (begin >= mapping.data() &&
          begin + slice.bytes.size() <= mapping.data() + mapping.size()) {
        break;
      }
    }
    Run run = {kNoFile, nowhere, slice.bytes.size()};
    if (file == files_.size()) {
      nowhere += run.bytes;
    } else {
      run.file = static_cast<uint32_t>(file);
      run.offset = static_cast<uint64_t>(begin - files_[file].mapping.data());
    }
    if (!runs.empty() && runs.back().file == run.file &&
        runs.back().offset + runs.back().bytes == run.offset) {
      runs.back().bytes += run.bytes;
    } else {
      runs.push_back(run);
    }
  }
  return runs;
}

bool FileTable::Pin(const std::vector<Run>& runs) {
  MutexLock lock(&mu_);
  std::vector<int64_t> wanted(files_.size());
  for (const Run& run : runs) {
    if (run.file == kNoFile) continue;
    wanted[run.file] += static_cast<int64_t>(run.bytes);
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    if (wanted[i] > 0 && files_[i].pinned + wanted[i] > files_[i].spare()) {
      return false;
    }
  }
  for (size_t i = 0; i < files_.size(); ++i) files_[i].pinned += wanted[i];
  return true;
}

void FileTable::Unpin(const std::vector<Run>& runs) {
  MutexLock lock(&mu_);
  for (const Run& run : runs) {
    if (run.file == kNoFile) continue;
    files_[run.file].pinned -= static_cast<int64_t>(run.bytes);
  }
}

int64_t FileTable::pinned_bytes() const {
  MutexLock lock(&mu_);
  int64_t bytes = 0;
  for (const Entry& entry : files_) bytes += entry.pinned;
  return bytes;
}

void FileTable::Keep(std::vector<Payload> values) {
  MutexLock lock(&mu_);
  for (Payload& one : values) kept_.push_back(std::move(one));
}

}  // namespace ebb::shm
