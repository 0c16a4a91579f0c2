#include "feed/file_source.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::feed {
namespace {

constexpr int64_t kFilePieceBytes = int64_t{1} << 20;
constexpr int64_t kMostPolledBytes = int64_t{4} << 20;
constexpr int64_t kMostFileLineBytes = int64_t{16} << 20;
constexpr int64_t kMostFingerprintBytes = int64_t{1} << 20;
// A file that no pattern names any more is closed after so long at its end.
constexpr absl::Duration kForget = absl::Seconds(60);

// Up to `bytes` of a file.
absl::StatusOr<std::string> ReadFront(const Fd& file, const std::string& path,
                                      int64_t offset, int64_t bytes) {
  std::string text(static_cast<size_t>(bytes), '\0');
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t n = pread(file.get(), text.data() + done,
                            static_cast<size_t>(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return absl::UnavailableError(
          absl::StrCat(path, " cannot be read: ", strerror(errno)));
    }
    if (n == 0) break;
    done += n;
  }
  text.resize(static_cast<size_t>(done));
  return text;
}

bool IsCompressed(absl::string_view front) {
  for (const absl::string_view magic : {"\x1f\x8b", "\x28\xb5\x2f\xfd",
                                        "\xfd"
                                        "7zXZ",
                                        "BZh", "\x04\x22\x4d\x18"}) {
    if (absl::StartsWith(front, magic)) return true;
  }
  return false;
}

absl::StatusOr<int64_t> SizeOf(const Fd& file, const std::string& path) {
  struct stat facts = {};
  if (fstat(file.get(), &facts) != 0) {
    return absl::UnavailableError(
        absl::StrCat(path, " cannot be read: ", strerror(errno)));
  }
  return static_cast<int64_t>(facts.st_size);
}

absl::Status WasCut(const std::string& path, int64_t size, int64_t position) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " has ", size, " bytes, and was read up to byte ", position,
      ": it was cut, as copytruncate of logrotate does, so lines may be lost. "
      "Rotate by renaming (create, not copytruncate), and move the cut file "
      "away"));
}

std::vector<std::string> PathsOf(const std::string& pattern) {
  glob_t found = {};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return paths;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::Make(
    FileSourceOptions options) {
  for (const std::string& pattern : options.patterns) {
    if (absl::StartsWith(pattern, "/")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("file:", pattern, " must be an absolute path or pattern"));
  }
  if (options.fingerprint_bytes < 1 ||
      options.fingerprint_bytes > kMostFingerprintBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a file is known by 1 to ", kMostFingerprintBytes,
                     " first bytes, not ", options.fingerprint_bytes));
  }
  std::ranges::sort(options.patterns);
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make an eventfd: ", strerror(errno)));
  }
  return std::unique_ptr<FileSource>(
      new FileSource(std::move(options), std::move(wake)));
}

absl::StatusOr<data::growing::SourceIdentity> FileSource::Identity() {
  return data::growing::SourceIdentity{
      .kind = data::growing::SourceIdentity::Kind::kFiles,
      .cluster = "",
      .streams = options_.patterns,
      .fingerprint_bytes = options_.fingerprint_bytes};
}

void FileSource::Wake() {
  const uint64_t one = 1;
  // It cannot fail: the counter is far from its end.
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));
}

void FileSource::WaitUntil(absl::Time until) const {
  pollfd file = {wake_.get(), POLLIN, 0};
  const absl::Duration left =
      std::max(until - SteadyNow(), absl::ZeroDuration());
  if (poll(&file, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) <=
      0) {
    return;
  }
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(wake_.get(), &count, sizeof(count));
}

void FileSource::Note(const std::string& text, PollResult* result) {
  if (notes_.insert(text).second) result->notes.push_back(text);
}

absl::Status FileSource::GoTo(File* file,
                              const data::growing::PartitionEnd& end) const {
  EBB_ASSIGN_OR_RETURN(const int64_t size, SizeOf(file->file, file->path));
  if (size < end.end) return WasCut(file->path, size, end.end);
  file->position = end.end;
  if (!end.anchor) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      std::string line,
      ReadFront(file->file, file->path, end.anchor->offset,
                std::min(end.end - end.anchor->offset, kMostFileLineBytes)));
  line.resize(std::min(line.find('\n'), line.size()));
  const absl::string_view value = absl::StripSuffix(line, "\r");
  if (XXH3_64bits(value.data(), value.size()) == end.anchor->hash) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      file->path, " is not the file that was fed: another line stands at byte ",
      end.anchor->offset,
      ". Move it away, or raise --fingerprint-bytes for a "
      "new set"));
}

absl::Status FileSource::Begin(const data::growing::Ends& ends) {
  ends_ = ends;
  for (auto& [inode, file] : files_) {
    if (file.partition.empty()) continue;
    const auto end = ends_.find(file.partition);
    EBB_RETURN_IF_ERROR(GoTo(&file, end == ends_.end()
                                        ? data::growing::PartitionEnd()
                                        : end->second));
  }
  return absl::OkStatus();
}

absl::Status FileSource::Recognise(File* file, PollResult* result) {
  EBB_ASSIGN_OR_RETURN(
      const std::string front,
      ReadFront(file->file, file->path, 0, options_.fingerprint_bytes));
  // A file that was renamed gets no first bytes any more.
  const bool whole = std::ssize(front) == options_.fingerprint_bytes;
  if (!whole && file->listed) {
    if (!front.empty()) {
      Note(absl::StrCat(file->path, " is not read before it has ",
                        options_.fingerprint_bytes,
                        " bytes (--fingerprint-bytes)"),
           result);
    }
    return absl::OkStatus();
  }
  if (front.empty()) return absl::OkStatus();
  const std::string partition =
      absl::StrFormat("file-%016x", XXH3_64bits(front.data(), front.size()));
  for (const auto& [inode, other] : files_) {
    if (other.partition != partition) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        file->path, " and ", other.path, " have the same first ", front.size(),
        " bytes, so they cannot be told apart; remove the copy, or raise "
        "--fingerprint-bytes for a new set"));
  }
  file->partition = partition;
  const auto end = ends_.find(partition);
  if (end == ends_.end()) return absl::OkStatus();
  return GoTo(file, end->second);
}

absl::Status FileSource::Meet(const std::string& path, PollResult* result) {
  Fd opened(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!opened) {
    if (errno == ENOENT) return absl::OkStatus();  // It was just renamed.
    Note(absl::StrCat(path, " cannot be opened: ", strerror(errno)), result);
    return absl::OkStatus();
  }
  struct stat facts = {};
  if (fstat(opened.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return absl::OkStatus();
  }
  const auto [it, is_new] = files_.try_emplace({facts.st_dev, facts.st_ino});
  File& file = it->second;
  file.path = path;
  file.listed = true;
  if (!is_new) return absl::OkStatus();
  file.idle_since = SteadyNow();
  file.file = std::move(opened);
  EBB_ASSIGN_OR_RETURN(const std::string front,
                       ReadFront(file.file, path, 0, 8));
  if (IsCompressed(front)) {
    Note(absl::StrCat(path, " is compressed, and is not read"), result);
    files_.erase(it);
  }
  return absl::OkStatus();
}

absl::Status FileSource::Scan(PollResult* result) {
  for (auto& [inode, file] : files_) file.listed = false;
  for (const std::string& pattern : options_.patterns) {
    for (const std::string& path : PathsOf(pattern)) {
      EBB_RETURN_IF_ERROR(Meet(path, result));
    }
  }
  for (auto& [inode, file] : files_) {
    if (file.partition.empty()) EBB_RETURN_IF_ERROR(Recognise(&file, result));
  }
  std::erase_if(files_, [](const auto& one) {
    return !one.second.listed && SteadyNow() - one.second.idle_since > kForget;
  });
  return absl::OkStatus();
}

absl::Status FileSource::Read(File* file, PollResult* result) {
  EBB_ASSIGN_OR_RETURN(const int64_t size, SizeOf(file->file, file->path));
  if (size < file->position) return WasCut(file->path, size, file->position);
  if (size == file->position) return absl::OkStatus();
  std::string text;
  size_t end = std::string::npos;
  for (int64_t bytes = kFilePieceBytes; end == std::string::npos; bytes *= 2) {
    EBB_ASSIGN_OR_RETURN(
        text, ReadFront(file->file, file->path, file->position, bytes));
    end = text.rfind('\n');
    if (end != std::string::npos) break;
    if (std::ssize(text) < bytes) return absl::OkStatus();  // Not whole yet.
    if (bytes > kMostFileLineBytes) {
      return absl::FailedPreconditionError(absl::StrCat(
          file->path, ": the line at byte ", file->position, " has more than ",
          kMostFileLineBytes, " bytes; is it a text file?"));
    }
  }
  file->idle_since = SteadyNow();
  const int64_t now = absl::ToUnixMillis(file->idle_since);
  Slice slice = {.partition = file->partition, .begin = file->position};
  for (size_t begin = 0; begin <= end;) {
    const size_t stop = text.find('\n', begin);
    const absl::string_view line =
        absl::string_view(text).substr(begin, stop - begin);
    slice.messages.push_back(
        {.offset = file->position + static_cast<int64_t>(begin),
         .value = std::string(absl::StripSuffix(line, "\r")),
         .absent = false,
         .unix_ms = now});
    begin = stop + 1;
  }
  file->position += static_cast<int64_t>(end) + 1;
  slice.end = file->position;
  result->slices.push_back(std::move(slice));
  return absl::OkStatus();
}

absl::Status FileSource::ReadAll(const std::set<std::string>& full,
                                 PollResult* result) {
  int64_t bytes = 0;
  for (auto& [inode, file] : files_) {
    if (file.partition.empty() || full.contains(file.partition)) continue;
    EBB_RETURN_IF_ERROR(Read(&file, result));
    if (!result->slices.empty()) {
      const Slice& last = result->slices.back();
      if (last.partition == file.partition) bytes += last.end - last.begin;
    }
    if (bytes >= kMostPolledBytes) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<PollResult> FileSource::Poll(const std::set<std::string>& full,
                                            absl::Time until) {
  PollResult result;
  EBB_RETURN_IF_ERROR(Scan(&result));
  EBB_RETURN_IF_ERROR(ReadAll(full, &result));
  if (result.slices.empty() && result.notes.empty()) {
    WaitUntil(std::min(until, SteadyNow() + options_.look));
  }
  return result;
}

}  // namespace ebb::feed
