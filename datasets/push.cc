#include "datasets/push.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "datasets/internal/files.h"

namespace ebb::datasets {

namespace fs = std::filesystem;
using internal::FileError;

namespace {

constexpr absl::string_view kChunkSent = "data-chunk-sent";
constexpr size_t kMistakesNamed = 5;
// How often what a target forgot (it was started anew) is looked for again.
constexpr int kRounds = 3;

absl::Status Cancelled() {
  return absl::CancelledError(
      "the push was interrupted; pushed again, it goes on from here");
}

absl::Status Changed(const std::string& path) {
  return absl::AbortedError(
      absl::StrCat(path,
                   " changed while it was pushed; nothing was published: "
                   "push again when nobody writes there"));
}

struct Found {
  std::string path;  // In the folder.
  int64_t bytes = 0;
};

// All files below `folder`.
absl::StatusOr<std::vector<Found>> FilesIn(absl::string_view name) {
  const std::string folder(name);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(
        folder, ": there is no such folder; name the one that holds the data"));
  }
  std::vector<Found> files;
  std::vector<std::string> mistakes;
  size_t wrong = 0;
  const auto mistake = [&](absl::string_view text) {
    if (++wrong <= kMistakesNamed) mistakes.emplace_back(text);
  };
  fs::recursive_directory_iterator it(folder, error);
  for (const fs::recursive_directory_iterator end; !error && it != end;
       it.increment(error)) {
    const fs::file_status what = it->symlink_status(error);
    if (error) break;
    const std::string path = it->path().string().substr(folder.size() + 1);
    if (fs::is_directory(what)) continue;
    if (fs::is_symlink(what)) {
      mistake(absl::StrCat(it->path().string(),
                           " is a symbolic link; put the file itself there"));
      continue;
    }
    if (!fs::is_regular_file(what)) {
      mistake(absl::StrCat(it->path().string(),
                           " is neither a file nor a folder; remove it"));
      continue;
    }
    const absl::Status good = CheckPath(path);
    if (!good.ok()) {
      mistake(good.message());
      continue;
    }
    const auto size = static_cast<int64_t>(it->file_size(error));
    if (error) break;
    files.push_back({path, size});
  }
  if (error) {
    errno = error.value();
    return FileError(folder, "cannot be read");
  }
  if (wrong > mistakes.size()) {
    mistakes.push_back(absl::StrCat("and ", wrong - mistakes.size(), " more"));
  }
  if (wrong > 0) {
    return absl::InvalidArgumentError(absl::StrJoin(mistakes, "\n"));
  }
  if (files.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": there is no file in it"));
  }
  return files;
}

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Sends chunks that are missing, several at once.
class Sender {
 public:
  Sender(absl::string_view name, const Manifest& manifest,
         const MakeChunk& make, Target* target, const PushOptions& options,
         PushProgress* progress)
      : name_(name),
        manifest_(manifest),
        make_(make),
        target_(*target),
        options_(options),
        progress_(*progress) {}

  absl::Status Send(const std::vector<int64_t>& chunks) {
    next_ = 0;
    std::vector<std::thread> threads;
    const size_t count = std::min<size_t>(
        chunks.size(), static_cast<size_t>(std::max(options_.threads, 1)));
    for (size_t i = 1; i < count; ++i) {
      threads.emplace_back([&] { Work(chunks); });
    }
    Work(chunks);
    for (std::thread& thread : threads) thread.join();
    MutexLock lock(&mu_);
    return status_;
  }

  // Counts a chunk that is known to be there.
  void Done(int64_t bytes, bool sent) {
    MutexLock lock(&mu_);
    progress_.done += bytes;
    if (sent) progress_.sent += bytes;
    if (options_.progress != nullptr) options_.progress(progress_);
  }

 private:
  void Work(const std::vector<int64_t>& chunks) {
    for (;;) {
      const size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= chunks.size()) return;
      const absl::Status status = SendOne(chunks[i]);
      if (status.ok()) continue;
      // The others stop, too.
      next_.store(chunks.size(), std::memory_order_relaxed);
      MutexLock lock(&mu_);
      if (status_.ok()) status_ = status;
      return;
    }
  }

  absl::Status SendOne(int64_t chunk) {
    if (options_.stop != nullptr && options_.stop()) return Cancelled();
    EBB_ASSIGN_OR_RETURN(const std::string bytes, make_(chunk));
    EBB_RETURN_IF_ERROR(target_.PutChunk(name_, manifest_.id(), chunk, bytes));
    options_.kill_points.Reached(kChunkSent);
    Done(manifest_.PlaceOf(chunk).size, /*sent=*/true);
    return absl::OkStatus();
  }

  const absl::string_view name_;
  const Manifest& manifest_;
  const MakeChunk& make_;
  Target& target_;
  const PushOptions& options_;
  // Counts the chunks of one Send; each is taken once. It orders no other data.
  std::atomic<size_t> next_ = 0;
  Mutex mu_;
  PushProgress& progress_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::span<const absl::string_view> PushKillPoints() {
  static constexpr std::array<absl::string_view, 1> kPoints = {kChunkSent};
  return kPoints;
}

absl::StatusOr<Manifest> ReadFolder(const std::string& named,
                                    const PushOptions& options) {
  std::string folder = named;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  EBB_ASSIGN_OR_RETURN(const std::vector<Found> found, FilesIn(folder));
  PushProgress progress;
  for (const Found& file : found) progress.total += file.bytes;
  std::vector<DataFile> files;
  for (const Found& one : found) {
    const std::string path = absl::StrCat(folder, "/", one.path);
    EBB_ASSIGN_OR_RETURN(const Fd fd, internal::Open(path, O_RDONLY));
    struct stat before;
    struct stat after;
    if (fstat(fd.get(), &before) != 0) return FileError(path, "is lost");
    DataFile file = {one.path, one.bytes, {}};
    for (int64_t at = 0; at < file.bytes; at += kChunkBytes) {
      if (options.stop != nullptr && options.stop()) return Cancelled();
      const int64_t size = std::min(kChunkBytes, file.bytes - at);
      EBB_ASSIGN_OR_RETURN(const std::string bytes,
                           internal::ReadAt(fd.get(), path, at, size));
      if (static_cast<int64_t>(bytes.size()) != size) return Changed(path);
      file.chunks.push_back(ChecksumOf(bytes));
      progress.done += size;
      if (options.progress != nullptr) options.progress(progress);
    }
    if (fstat(fd.get(), &after) != 0) return FileError(path, "is lost");
    if (after.st_size != file.bytes ||
        !SameTime(before.st_mtim, after.st_mtim)) {
      return Changed(path);
    }
    files.push_back(std::move(file));
  }
  return Manifest::Make(std::move(files));
}

absl::StatusOr<PushResult> PushFolder(const std::string& folder,
                                      absl::string_view name, Target* target,
                                      const PushOptions& options) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  EBB_ASSIGN_OR_RETURN(const Manifest manifest, ReadFolder(folder, options));
  const auto read = [&](int64_t chunk) -> absl::StatusOr<std::string> {
    const Manifest::Place place = manifest.PlaceOf(chunk);
    const std::string path =
        absl::StrCat(folder, "/", manifest.files()[place.file].path);
    auto fd = internal::Open(path, O_RDONLY);
    if (absl::IsNotFound(fd.status())) return Changed(path);
    if (!fd.ok()) return fd.status();
    EBB_ASSIGN_OR_RETURN(
        std::string bytes,
        internal::ReadAt(fd->get(), path, place.offset, place.size));
    if (!(ChecksumOf(bytes) == manifest.ChecksumOfChunk(chunk))) {
      return Changed(path);
    }
    return bytes;
  };
  return PushContent(manifest, read, name, target, options);
}

absl::StatusOr<PushResult> PushContent(const Manifest& manifest,
                                       const MakeChunk& make,
                                       absl::string_view name, Target* target,
                                       const PushOptions& options) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  PushResult result = {manifest.id(),
                       static_cast<int64_t>(manifest.files().size()),
                       manifest.total_bytes(),
                       manifest.chunks(),
                       0,
                       false};
  EBB_ASSIGN_OR_RETURN(
      const Target::Begun begun,
      target->BeginPush(name, manifest.bytes(), options.verify));
  if (begun.id != manifest.id()) {
    return absl::InternalError(
        "the manifest was read as another; use the same "
        "version of ebb at both ends");
  }
  if (begun.published) {
    result.was_there = true;
    return result;
  }
  for (int round = 1;; ++round) {
    PushProgress progress = {true, 0, manifest.total_bytes(), 0};
    Sender sender(name, manifest, make, target, options, &progress);
    for (int64_t first = 0; first < manifest.chunks(); first += kMaxFound) {
      if (options.stop != nullptr && options.stop()) return Cancelled();
      const int64_t count = std::min(kMaxFound, manifest.chunks() - first);
      EBB_ASSIGN_OR_RETURN(
          const std::vector<int64_t> missing,
          target->FindMissing(name, manifest.id(), first, count));
      int64_t there = 0;
      size_t next = 0;
      for (int64_t chunk = first; chunk < first + count; ++chunk) {
        if (next < missing.size() && missing[next] == chunk) {
          ++next;
        } else {
          there += manifest.PlaceOf(chunk).size;
        }
      }
      if (next != missing.size()) {
        return absl::InternalError(
            "chunks are said to be missing that were not asked about");
      }
      sender.Done(there, /*sent=*/false);
      EBB_RETURN_IF_ERROR(sender.Send(missing));
      result.chunks_sent += static_cast<int64_t>(missing.size());
    }
    const absl::Status published = target->Publish(name, manifest.id());
    if (published.ok()) return result;
    if (!absl::IsFailedPrecondition(published) || round == kRounds) {
      return published;
    }
  }
}

}  // namespace ebb::datasets
