#include "datasets/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/mutex.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "datasets/internal/files.h"
#include "glog/logging.h"

namespace ebb::datasets {

namespace fs = std::filesystem;
using internal::FileError;
using internal::Megabytes;
using internal::StillThere;

namespace {

constexpr absl::string_view kLockFile = "lock";
constexpr absl::string_view kManifest = ".ebb-manifest";
constexpr absl::string_view kChunkCached = "data-chunk-cached";
constexpr absl::Duration kLook = absl::Milliseconds(50);

// Names what the file holds, whatever it is called and in whichever set.
std::string ContentOf(const DataFile& file) {
  std::string all = absl::StrCat(file.bytes, ":");
  for (const Checksum& chunk : file.chunks) {
    absl::StrAppend(&all, chunk.ToHex());
  }
  return ChecksumOf(all).ToHex();
}

// The file used last is deleted last.
void Touch(int fd) {
  // Finer than the system's own idea of now.
  const timespec now = absl::ToTimespec(absl::Now());
  const timespec both[2] = {now, now};
  futimens(fd, both);  // Else it goes sooner.
}

int64_t Milliseconds(absl::Duration left) {
  return std::max<int64_t>(0, absl::ToInt64Milliseconds(left));
}

// By its name, which is that of a file, or of a manifest that is there or being
// written. A folder that was named by mistake holds other things.
bool IsOwn(const std::string& name) {
  return CheckSetId(name).ok() || absl::StrContains(name, kManifest);
}

// Like internal::LockFile; but the patience begins anew while the holder of the
// lock writes to the file: a large one may take hours to fetch.
absl::Status LockWritten(int fd, const std::string& path, bool shared,
                         int64_t patience_ms) {
  struct stat before = {};
  for (;;) {
    struct stat now;
    if (fstat(fd, &now) != 0) return FileError(path, "is lost");
    if (now.st_blocks == before.st_blocks && now.st_size == before.st_size &&
        now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == before.st_mtim.tv_nsec) {
      return absl::UnavailableError(absl::StrCat(
          path, ": another process has held it for ", patience_ms,
          " ms and written nothing; end that, or try again later"));
    }
    before = now;
    if (internal::LockFile(fd, path, shared, patience_ms).ok()) {
      return absl::OkStatus();
    }
  }
}

}  // namespace

std::span<const absl::string_view> CacheKillPoints() {
  static constexpr std::array<absl::string_view, 1> kPoints = {kChunkCached};
  return kPoints;
}

absl::StatusOr<std::unique_ptr<Cache>> Cache::Make(CacheOptions options,
                                                   Source* source) {
  EBB_RETURN_IF_ERROR(internal::MakeFolders(options.folder));
  auto cache = std::unique_ptr<Cache>(new Cache(std::move(options), source));
  EBB_RETURN_IF_ERROR(cache->LockAll().status());
  return cache;
}

absl::StatusOr<Fd> Cache::LockAll() const {
  const std::string path = absl::StrCat(options_.folder, "/", kLockFile);
  EBB_ASSIGN_OR_RETURN(Fd fd, internal::Open(path, O_RDWR | O_CREAT));
  EBB_RETURN_IF_ERROR(internal::LockFile(fd.get(), path, /*shared=*/false,
                                         Milliseconds(options_.patience)));
  return fd;
}

absl::StatusOr<Manifest> Cache::ManifestOf(const std::string& name) {
  const std::string path = absl::StrCat(options_.folder, "/", name, kManifest);
  auto bytes = source_.GetManifest(name);
  if (bytes.ok()) {
    auto manifest = Manifest::Decode(*bytes);
    if (!manifest.ok()) return manifest.status();
    const auto known = internal::ReadWhole(path, kMaxManifestBytes);
    if (!known.ok() || *known != *bytes) {
      EBB_ASSIGN_OR_RETURN(const Fd lock, LockAll());
      EBB_RETURN_IF_ERROR(internal::WriteWhole(path, *bytes));
    }
    return manifest;
  }
  if (!absl::IsUnavailable(bytes.status())) return bytes.status();
  const auto known = internal::ReadWhole(path, kMaxManifestBytes);
  if (!known.ok()) return bytes.status();
  auto manifest = Manifest::Decode(*known);
  if (!manifest.ok()) return bytes.status();
  LOG(WARNING) << "data_set=" << name << " id=" << manifest->id()
               << " is taken as it was here last, for it cannot be asked for: "
               << bytes.status().message();
  return manifest;
}

absl::StatusOr<bool> Cache::MakeRoom(const std::string& but_of,
                                     int64_t bytes) const {
  struct Entry {
    std::string path;
    int64_t bytes = 0;
    absl::Time used;
  };
  std::vector<Entry> entries;
  int64_t used = 0;
  std::error_code error;
  for (fs::directory_iterator it(options_.folder, error), end;
       !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    struct stat info;
    if (path == but_of || !IsOwn(it->path().filename().string()) ||
        lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
      continue;
    }
    used += info.st_size;
    entries.push_back(
        {path, info.st_size, absl::TimeFromTimespec(info.st_mtim)});
  }
  if (error) {
    errno = error.value();
    return FileError(options_.folder, "cannot be read");
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (used <= options_.max_bytes - bytes) return true;
    const auto fd = internal::Open(entry.path, O_RDONLY);
    // Another process reads or fetches it.
    if (!fd.ok() || !internal::TryLockFile(fd->get(), /*shared=*/false)) {
      continue;
    }
    if (unlink(entry.path.c_str()) != 0) {
      return FileError(entry.path, "cannot be removed");
    }
    VLOG(1) << "data_cache=" << options_.folder << " dropped=" << entry.path
            << " bytes=" << entry.bytes;
    used -= entry.bytes;
  }
  return used <= options_.max_bytes - bytes;
}

absl::Status Cache::Reserve(const std::string& path, int64_t bytes) {
  if (bytes > options_.max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a file of ", Megabytes(bytes), " does not fit in the cache ",
        options_.folder, " of ", Megabytes(options_.max_bytes),
        "; raise --data-cache-bytes"));
  }
  const absl::Time until = SteadyNow() + options_.patience;
  Mutex mu;
  CondVar nobody_signals;
  MutexLock wait(&mu);
  for (;;) {
    {
      EBB_ASSIGN_OR_RETURN(const Fd lock, LockAll());
      EBB_ASSIGN_OR_RETURN(const bool room, MakeRoom(path, bytes));
      if (room) {
        // Its size is what it will have, so others count it.
        EBB_ASSIGN_OR_RETURN(const Fd fd,
                             internal::Open(path, O_RDWR | O_CREAT));
        if (ftruncate(fd.get(), bytes) != 0) {
          return FileError(path, "cannot be made larger");
        }
        Touch(fd.get());
        return absl::OkStatus();
      }
    }
    if (SteadyNow() >= until) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "there is no room for ", Megabytes(bytes), " in the cache ",
          options_.folder, " of ", Megabytes(options_.max_bytes),
          ": other files in it are being read; raise --data-cache-bytes"));
    }
    nobody_signals.WaitFor(&mu, kLook);
  }
}

absl::StatusOr<std::vector<int64_t>> Cache::FindBad(const Manifest& manifest,
                                                    int64_t file, int fd,
                                                    const std::string& path) {
  std::vector<int64_t> bad;
  const auto count = static_cast<int64_t>(manifest.files()[file].chunks.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t chunk = manifest.first_chunk(file) + i;
    const Manifest::Place place = manifest.PlaceOf(chunk);
    EBB_ASSIGN_OR_RETURN(const std::string bytes,
                         internal::ReadAt(fd, path, place.offset, place.size));
    if (!(ChecksumOf(bytes) == manifest.ChecksumOfChunk(chunk))) {
      bad.push_back(chunk);
    }
  }
  return bad;
}

absl::Status Cache::Fetch(const std::string& name, const Manifest& manifest,
                          const std::vector<int64_t>& chunks, int fd,
                          const std::string& path) {
  // Each chunk is taken once; nothing is read by it.
  std::atomic<size_t> next = 0;
  Mutex mu;
  absl::Status first_error;
  const auto fetch_one = [&](int64_t chunk) -> absl::Status {
    EBB_ASSIGN_OR_RETURN(const std::string bytes,
                         source_.GetChunk(name, manifest.id(), chunk));
    const Manifest::Place place = manifest.PlaceOf(chunk);
    if (!(ChecksumOf(bytes) == manifest.ChecksumOfChunk(chunk))) {
      return absl::DataLossError(
          absl::StrCat("chunk ", chunk, " of the data set ", name,
                       " arrived damaged: its checksum is another"));
    }
    EBB_RETURN_IF_ERROR(internal::WriteAt(fd, path, place.offset, bytes));
    options_.kill_points.Reached(kChunkCached);
    return absl::OkStatus();
  };
  const auto work = [&] {
    for (;;) {
      const size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= chunks.size()) return;
      const absl::Status status = fetch_one(chunks[i]);
      if (status.ok()) continue;
      next.store(chunks.size(), std::memory_order_relaxed);
      MutexLock lock(&mu);
      if (first_error.ok()) first_error = status;
      return;
    }
  };
  std::vector<std::thread> threads;
  const size_t count = std::min<size_t>(
      chunks.size(), static_cast<size_t>(std::max(options_.threads, 1)));
  for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(&mu);
  return first_error;
}

absl::StatusOr<CachedFile> Cache::Open(absl::string_view uri) {
  const auto parts = ParseUri(uri);
  if (!parts) {
    return absl::InvalidArgumentError(
        absl::StrCat(uri, ": a file of a data set is ebb://NAME/PATH"));
  }
  // The error tells a user whose set is replaced all the time.
  constexpr int kTries = 3;
  for (int tried = 1;; ++tried) {
    auto file = OpenOnce(*parts);
    if (!absl::IsAborted(file.status()) || tried == kTries) return file;
  }
}

absl::StatusOr<std::vector<std::string>> Cache::FilesOf(
    const std::string& set) {
  EBB_ASSIGN_OR_RETURN(const Manifest manifest, ManifestOf(set));
  std::vector<std::string> uris;
  for (const DataFile& file : manifest.files()) {
    uris.push_back(UriOf(set, file.path));
  }
  return uris;
}

absl::StatusOr<CachedFile> Cache::OpenOnce(const DataUri& uri) {
  EBB_ASSIGN_OR_RETURN(const Manifest manifest, ManifestOf(uri.set));
  const auto file = manifest.Find(uri.path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("the data set ", uri.set, " has no file ", uri.path));
  }
  const DataFile& wanted = manifest.files()[*file];
  const std::string path =
      absl::StrCat(options_.folder, "/", ContentOf(wanted));
  const int64_t patience_ms = Milliseconds(options_.patience);
  const absl::Time start = SteadyNow();
  size_t fetched = 0;
  // Each turn finds the file whole, fetches, or has lost it to another process
  // that made room. The patience is for the last case alone, however long
  // fetching takes.
  absl::Time until = absl::InfiniteFuture();
  while (true) {
    auto fd = internal::Open(path, O_RDWR);
    if (absl::IsNotFound(fd.status())) {
      if (SteadyNow() > until) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "the cache ", options_.folder, " of ",
            Megabytes(options_.max_bytes),
            " is too small for all that is read on this machine at once; "
            "raise --data-cache-bytes"));
      }
      EBB_RETURN_IF_ERROR(Reserve(path, wanted.bytes));
      until = std::min(until, SteadyNow() + options_.patience);
      continue;
    }
    if (!fd.ok()) return fd.status();
    // Many read, one writes.
    EBB_RETURN_IF_ERROR(
        LockWritten(fd->get(), path, /*shared=*/true, patience_ms));
    // Then it is looked for again, and is not found.
    if (!StillThere(fd->get(), path)) continue;
    EBB_ASSIGN_OR_RETURN(std::vector<int64_t> bad,
                         FindBad(manifest, *file, fd->get(), path));
    struct stat info;
    if (fstat(fd->get(), &info) != 0) return FileError(path, "is lost");
    if (bad.empty() && info.st_size == wanted.bytes) {
      Touch(fd->get());
      if (fetched > 0) {
        LOG(INFO) << "data_set=" << uri.set << " file=" << uri.path
                  << " id=" << manifest.id() << " fetched_chunks=" << fetched
                  << " of_chunks=" << wanted.chunks.size()
                  << " seconds=" << absl::ToDoubleSeconds(SteadyNow() - start);
      }
      return CachedFile{path, *std::move(fd)};
    }
    // Gives up the shared lock first, so that two threads that want this do not
    // wait for each other.
    internal::Unlock(fd->get());
    EBB_RETURN_IF_ERROR(
        LockWritten(fd->get(), path, /*shared=*/false, patience_ms));
    if (!StillThere(fd->get(), path)) continue;
    // Another may have fetched it meanwhile.
    EBB_ASSIGN_OR_RETURN(bad, FindBad(manifest, *file, fd->get(), path));
    if (ftruncate(fd->get(), wanted.bytes) != 0) {
      return FileError(path, "cannot be made of its size");
    }
    EBB_RETURN_IF_ERROR(Fetch(uri.set, manifest, bad, fd->get(), path));
    fetched += bad.size();
    until = absl::InfiniteFuture();
  }
}

}  // namespace ebb::datasets
