#include "datasets/set_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

constexpr absl::string_view kKept = ".ebb-data";
constexpr absl::string_view kManifestFile = ".ebb-manifest";
constexpr absl::string_view kPushing = ".pushing";
// Ends the name of a content that is being deleted. Such a name is looked for
// only to delete it.
constexpr absl::string_view kRemoved = ".removed";
// A manifest is 8 MiB at most, and mostly much less.
constexpr size_t kManifestsKept = 8;
constexpr size_t kPushesKept = 32;

constexpr absl::string_view kChunkStored = "data-chunk-stored";
constexpr absl::string_view kContentRenamed = "data-content-renamed";

// Says how a person makes room for what was to be pushed under this name.
absl::Status WithRemedy(const absl::Status& room, absl::string_view name) {
  if (!absl::IsResourceExhausted(room)) return room;
  return absl::ResourceExhaustedError(absl::StrCat(
      room.message(), "; it holds ",
      IsInitialSet(name)
          ? "the values that jobs begin with: `ebb forget` old jobs, whose "
            "values go a day later"
          : "data sets (what a set was before counts until its next push): "
            "remove others with `ebb data remove`"));
}

absl::Status GivenUp(absl::string_view name) {
  return absl::AbortedError(
      absl::StrCat("another push of ", name,
                   " has begun, or it was removed: this one was given up; "
                   "push again"));
}

absl::Status RemoveTree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return FileError(path, "cannot be removed");
}

// Returns what a content takes, whatever its disk says: a file has an inode and
// a part of a folder, also where it is empty.
int64_t RoomFor(const Manifest& manifest) {
  constexpr int64_t kOfAFile = 4096;
  return manifest.total_bytes() +
         static_cast<int64_t>(manifest.bytes().size()) +
         kOfAFile * static_cast<int64_t>(manifest.files().size());
}

// Returns what the files below a folder take of its disk.
int64_t BytesOnDisk(const std::string& folder) {
  int64_t bytes = 0;
  struct stat info;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<int64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

// Writes the manifest, unless it lies there already. An earlier look is not a
// proof: another process may have removed it.
absl::Status KeepManifest(const std::string& content, absl::string_view bytes) {
  const std::string path = absl::StrCat(content, "/", kManifestFile);
  const auto kept = internal::ReadWhole(path, kMaxManifestBytes);
  if (kept.ok() && *kept == bytes) return absl::OkStatus();
  return internal::WriteWhole(path, bytes);
}

// Adds the folders that the file is in, from below `top` on, and `top`.
void AddFoldersOf(const std::string& file, const std::string& top,
                  std::set<std::string>* folders) {
  folders->insert(top);
  for (fs::path folder = fs::path(file).parent_path(); folder != fs::path(top);
       folder = folder.parent_path()) {
    folders->insert(folder.string());
  }
}

absl::Status SyncAll(const std::set<std::string>& paths) {
  for (const std::string& path : paths) {
    EBB_RETURN_IF_ERROR(internal::Sync(path));
  }
  return absl::OkStatus();
}

// Returns the names in a folder; none if it is not there.
std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::span<const absl::string_view> StoreKillPoints() {
  static constexpr std::array<absl::string_view, 2> kPoints = {kChunkStored,
                                                               kContentRenamed};
  return kPoints;
}

struct SetStore::Push {
  ManifestPtr manifest;
  std::string folder;
  // The open folder. If a process removed it and made it anew, the new one has
  // none of the chunks seen here.
  Fd at;
  // Publishing is all that is left to do, or not even that.
  bool published = false;

  Mutex mu;
  // Chunks that were seen to be whole, by number.
  std::vector<bool> whole ABSL_GUARDED_BY(mu);
  int64_t left ABSL_GUARDED_BY(mu) = 0;

  void Saw(int64_t chunk) {
    MutexLock lock(&mu);
    if (!whole[chunk]) --left;
    whole[chunk] = true;
  }
  bool Whole(int64_t chunk) {
    MutexLock lock(&mu);
    return whole[chunk];
  }
  int64_t Left() {
    MutexLock lock(&mu);
    return left;
  }
  bool IsThere() const { return StillThere(at.get(), folder); }
  std::string PathOf(int64_t file) const {
    return absl::StrCat(folder, "/", manifest->files()[file].path);
  }
};

SetStore::SetStore(SetStoreOptions options) : options_(std::move(options)) {}
SetStore::~SetStore() = default;

absl::StatusOr<std::unique_ptr<SetStore>> SetStore::Open(
    SetStoreOptions options) {
  if (!options.make &&
      !internal::Exists(absl::StrCat(options.folder, "/", kKept))) {
    return absl::NotFoundError(absl::StrCat("nothing was pushed to the folder ",
                                            options.folder, " yet"));
  }
  auto store = std::unique_ptr<SetStore>(new SetStore(std::move(options)));
  if (!store->options_.make) return store;  // Reading needs no right to write.
  EBB_RETURN_IF_ERROR(
      internal::MakeFolders(absl::StrCat(store->folder(), "/", kKept)));
  // Better now than with the first push: whether this may write there.
  EBB_RETURN_IF_ERROR(
      internal::Open(store->LockFile(), O_RDWR | O_CREAT).status());
  return store;
}

std::string SetStore::SetFolder(absl::string_view name) const {
  return absl::StrCat(options_.folder, "/", kKept, "/", name);
}
std::string SetStore::Published(absl::string_view name,
                                absl::string_view id) const {
  return absl::StrCat(SetFolder(name), "/", id);
}
std::string SetStore::Pushing(absl::string_view name,
                              absl::string_view id) const {
  return absl::StrCat(SetFolder(name), "/", id, kPushing);
}
std::string SetStore::Link(absl::string_view name) const {
  return absl::StrCat(options_.folder, "/", name);
}

absl::StatusOr<std::string> SetStore::Current(absl::string_view name) const {
  const std::string link = Link(name);
  std::error_code error;
  const fs::file_status what = fs::symlink_status(link, error);
  if (what.type() == fs::file_type::not_found) return "";
  const std::string to =
      fs::is_symlink(what) ? fs::read_symlink(link, error).string() : "";
  absl::string_view id = to;
  if (absl::ConsumePrefix(&id, absl::StrCat(kKept, "/", name, "/")) &&
      CheckSetId(id).ok()) {
    return std::string(id);
  }
  return absl::FailedPreconditionError(
      absl::StrCat(link,
                   " was not made by `ebb data push`; move it away, or "
                   "choose another --name"));
}

std::string SetStore::LockFile() const {
  return absl::StrCat(options_.folder, "/", kKept, "/.lock");
}

absl::StatusOr<Fd> SetStore::LockAll() const {
  const std::string path = LockFile();
  const absl::Time until = SteadyNow() + options_.lock_patience;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(Fd fd, internal::Open(path, O_RDWR | O_CREAT));
    const int64_t left_ms = absl::ToInt64Milliseconds(
        std::max(until - SteadyNow(), absl::ZeroDuration()));
    if (!internal::LockFile(fd.get(), path, /*shared=*/false, left_ms).ok()) {
      return absl::UnavailableError(
          absl::StrCat(options_.folder,
                       ": another push or removal is being done; try again "
                       "later"));
    }
    // Else another process deleted it, and a third may hold the present one.
    if (StillThere(fd.get(), path)) return fd;
  }
}

absl::StatusOr<SetStore::ManifestPtr> SetStore::ManifestIn(
    const std::string& content) {
  {
    MutexLock lock(&mu_);
    const auto known = manifests_.find(content);
    if (known != manifests_.end()) return known->second;
  }
  EBB_ASSIGN_OR_RETURN(
      const std::string bytes,
      internal::ReadWhole(absl::StrCat(content, "/", kManifestFile),
                          kMaxManifestBytes));
  auto manifest = Manifest::Decode(bytes);
  if (!manifest.ok()) {
    return absl::Status(
        manifest.status().code(),
        absl::StrCat(content, ": ", manifest.status().message()));
  }
  auto read = std::make_shared<const Manifest>(*std::move(manifest));
  // The folder is named after it.
  const std::string folder = fs::path(content).filename().string();
  if (absl::StripSuffix(folder, kPushing) != read->id()) {
    return absl::DataLossError(
        absl::StrCat(content,
                     ": its manifest is another's; remove it, and "
                     "push the data again"));
  }
  MutexLock lock(&mu_);
  if (manifests_.size() >= kManifestsKept) manifests_.clear();
  manifests_[content] = read;
  return read;
}

int64_t SetStore::BytesOf(const std::string& content) {
  const auto manifest = ManifestIn(content);
  // It was killed before it had one, or is damaged: that must not refuse
  // others.
  return manifest.ok() ? RoomFor(**manifest) : BytesOnDisk(content);
}

absl::Status SetStore::CheckSets() const {
  int64_t sets = 0;
  for (const std::string& name :
       NamesIn(absl::StrCat(options_.folder, "/", kKept))) {
    sets += CheckSetName(name).ok() ? 1 : 0;
  }
  if (sets < options_.max_sets) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      options_.folder, " has ", sets,
      " data sets, and may have no more; remove others with `ebb data remove`, "
      "or push several folders as one"));
}

absl::Status SetStore::CheckRoom(int64_t bytes, const std::string& pushing,
                                 const std::set<std::string>& dropped) {
  struct statvfs disk;
  if (statvfs(options_.folder.c_str(), &disk) != 0) {
    return FileError(options_.folder, "cannot be looked at");
  }
  const auto free = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  // What is there of this push takes no more room.
  int64_t there = BytesOnDisk(pushing);
  for (const std::string& path : dropped) there += BytesOnDisk(path);
  if (bytes - there > free) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "there is no room for ", Megabytes(bytes - there), " in ",
        options_.folder, ", whose disk has ", Megabytes(free), " free"));
  }
  if (options_.max_bytes == 0) return absl::OkStatus();
  int64_t used = 0;
  const std::string kept = absl::StrCat(options_.folder, "/", kKept);
  for (const std::string& name : NamesIn(kept)) {
    for (const std::string& content : NamesIn(absl::StrCat(kept, "/", name))) {
      const std::string path = absl::StrCat(kept, "/", name, "/", content);
      if (path == pushing || dropped.contains(path)) continue;
      used += BytesOf(path);
    }
  }
  if (bytes <= options_.max_bytes - used) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(Megabytes(bytes), " are too much for ", options_.folder,
                   ": ", Megabytes(used), " of ", Megabytes(options_.max_bytes),
                   " (--data-bytes) are taken"));
}

std::vector<std::string> SetStore::OthersOf(absl::string_view name,
                                            absl::string_view current,
                                            absl::string_view keep) const {
  std::vector<std::string> others;
  for (const std::string& content : NamesIn(SetFolder(name))) {
    const absl::string_view id =
        absl::StripSuffix(absl::string_view(content), kPushing);
    const bool pushing = id.size() != content.size();
    const bool kept = id == keep || id == current;
    // A published content is not being pushed.
    if (kept && !(pushing && internal::Exists(Published(name, id)))) continue;
    others.push_back(content);
  }
  return others;
}

absl::Status SetStore::Drop(absl::string_view name,
                            const std::vector<std::string>& contents) {
  for (const std::string& content : contents) {
    const std::string path = absl::StrCat(SetFolder(name), "/", content);
    {
      MutexLock lock(&mu_);
      manifests_.erase(path);
      pushes_.erase({std::string(name),
                     std::string(absl::StripSuffix(content, kPushing))});
    }
    if (CheckSetId(content).ok()) {
      EBB_RETURN_IF_ERROR(RemovePublished(name, content));
    } else {
      EBB_RETURN_IF_ERROR(RemoveTree(path));
    }
  }
  return absl::OkStatus();
}

absl::Status SetStore::RemovePublished(absl::string_view name,
                                       absl::string_view id) {
  // A content is believed to be whole under its name. So it loses the name
  // before it loses a file: the deleting process may be killed.
  const std::string removed = absl::StrCat(Published(name, id), kRemoved);
  EBB_RETURN_IF_ERROR(RemoveTree(removed));
  if (rename(Published(name, id).c_str(), removed.c_str()) != 0) {
    return FileError(Published(name, id), "cannot be removed");
  }
  EBB_RETURN_IF_ERROR(internal::Sync(SetFolder(name)));
  return RemoveTree(removed);
}

absl::StatusOr<Target::Begun> SetStore::BeginPush(absl::string_view name,
                                                  absl::string_view bytes,
                                                  bool verify) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  EBB_ASSIGN_OR_RETURN(const Manifest manifest, Manifest::Decode(bytes));
  EBB_ASSIGN_OR_RETURN(const Fd lock, LockAll());
  EBB_ASSIGN_OR_RETURN(const std::string current, Current(name));
  Begun begun = {manifest.id(), false};
  const std::vector<std::string> others =
      OthersOf(name, current, manifest.id());
  const std::string published = Published(name, manifest.id());
  const std::string pushing = Pushing(name, manifest.id());
  if (internal::Exists(published)) {
    EBB_RETURN_IF_ERROR(Drop(name, others));
    EBB_RETURN_IF_ERROR(KeepManifest(published, bytes));
    // Or killed between its last two steps: then all but the link is done.
    if (current != manifest.id()) {
      EBB_RETURN_IF_ERROR(LinkTo(name, manifest.id()));
    }
    begun.published = !verify;
    MutexLock guard(&mu_);
    // Looked at anew.
    pushes_.erase({std::string(name), manifest.id()});
    return begun;
  }
  std::set<std::string> dropped;
  for (const std::string& content : others) {
    dropped.insert(absl::StrCat(SetFolder(name), "/", content));
  }
  // Before anything is lost.
  if (!internal::Exists(SetFolder(name))) EBB_RETURN_IF_ERROR(CheckSets());
  EBB_RETURN_IF_ERROR(
      WithRemedy(CheckRoom(RoomFor(manifest), pushing, dropped), name));
  EBB_RETURN_IF_ERROR(Drop(name, others));
  EBB_RETURN_IF_ERROR(internal::MakeFolders(pushing));
  EBB_RETURN_IF_ERROR(KeepManifest(pushing, bytes));
  LOG(INFO) << "data_set=" << name << " id=" << manifest.id()
            << " push begins: files=" << manifest.files().size()
            << " bytes=" << manifest.total_bytes();
  return begun;
}

absl::StatusOr<SetStore::PushPtr> SetStore::FindPush(absl::string_view name,
                                                     absl::string_view id) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  EBB_RETURN_IF_ERROR(CheckSetId(id));
  const std::pair<std::string, std::string> key = {std::string(name),
                                                   std::string(id)};
  {
    MutexLock lock(&mu_);
    const auto known = pushes_.find(key);
    if (known != pushes_.end()) {
      // Else another pushed the same and has published it, or removed it.
      if (known->second->IsThere()) return known->second;
      pushes_.erase(known);
    }
  }
  auto push = std::make_shared<Push>();
  push->folder = Published(name, id);
  push->published = internal::Exists(push->folder);
  if (!push->published) push->folder = Pushing(name, id);
  auto at = internal::Open(push->folder, O_RDONLY | O_DIRECTORY);
  if (absl::IsNotFound(at.status())) return GivenUp(name);
  if (!at.ok()) return at.status();
  push->at = *std::move(at);
  const auto manifest = ManifestIn(push->folder);
  if (absl::IsNotFound(manifest.status())) return GivenUp(name);
  if (!manifest.ok()) return manifest.status();
  push->manifest = *manifest;
  {
    MutexLock lock(&push->mu);
    push->left = push->manifest->chunks();
    push->whole.resize(static_cast<size_t>(push->left));
  }
  MutexLock lock(&mu_);
  // These are abandoned; a push that goes on is looked at again.
  if (pushes_.size() >= kPushesKept) pushes_.clear();
  return pushes_.emplace(key, std::move(push)).first->second;
}

absl::StatusOr<std::vector<int64_t>> SetStore::FindMissing(
    absl::string_view name, absl::string_view id, int64_t first,
    int64_t count) {
  EBB_ASSIGN_OR_RETURN(const PushPtr push, FindPush(name, id));
  const Manifest& manifest = *push->manifest;
  if (first < 0 || count < 0 || count > kMaxFound ||
      first > manifest.chunks() - count) {
    return absl::InvalidArgumentError(
        absl::StrCat(count, " chunks from ", first, ": at most ", kMaxFound,
                     " can be asked for, of ", manifest.chunks()));
  }
  std::vector<int64_t> missing;
  Fd fd;
  int64_t open = -1;  // The file of `fd`.
  for (int64_t chunk = first; chunk < first + count; ++chunk) {
    if (push->Whole(chunk)) continue;
    const Manifest::Place place = manifest.PlaceOf(chunk);
    const std::string path = push->PathOf(place.file);
    if (open != place.file) {
      auto opened = internal::Open(path, O_RDONLY);
      if (!opened.ok() && !absl::IsNotFound(opened.status())) {
        return opened.status();
      }
      fd = opened.ok() ? *std::move(opened) : Fd();
      open = place.file;
    }
    if (fd) {
      EBB_ASSIGN_OR_RETURN(
          const std::string bytes,
          internal::ReadAt(fd.get(), path, place.offset, place.size));
      if (ChecksumOf(bytes) == manifest.ChecksumOfChunk(chunk)) {
        push->Saw(chunk);
        continue;
      }
    }
    missing.push_back(chunk);
  }
  return missing;
}

absl::Status SetStore::PutChunk(absl::string_view name, absl::string_view id,
                                int64_t chunk, absl::string_view bytes) {
  EBB_ASSIGN_OR_RETURN(const PushPtr push, FindPush(name, id));
  const Manifest& manifest = *push->manifest;
  if (chunk < 0 || chunk >= manifest.chunks()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk, " of ", manifest.chunks()));
  }
  const Manifest::Place place = manifest.PlaceOf(chunk);
  if (static_cast<int64_t>(bytes.size()) != place.size ||
      !(ChecksumOf(bytes) == manifest.ChecksumOfChunk(chunk))) {
    return absl::DataLossError(
        absl::StrCat("chunk ", chunk, " of ", name, ", of the file ",
                     manifest.files()[place.file].path,
                     ", arrived damaged: its checksum is another; push again"));
  }
  const std::string path = push->PathOf(place.file);
  auto fd = internal::Open(path, O_WRONLY);
  if (absl::IsNotFound(fd.status())) {
    // Only below a push that is there. One that was published meanwhile is
    // whole.
    if (!internal::Exists(push->folder)) {
      return internal::Exists(Published(name, id)) ? absl::OkStatus()
                                                   : GivenUp(name);
    }
    EBB_RETURN_IF_ERROR(
        internal::MakeFolders(fs::path(path).parent_path().string()));
    fd = internal::Open(path, O_WRONLY | O_CREAT);
  }
  if (!fd.ok()) return fd.status();
  EBB_RETURN_IF_ERROR(internal::WriteAt(fd->get(), path, place.offset, bytes));
  push->Saw(chunk);
  options_.kill_points.Reached(kChunkStored);
  return absl::OkStatus();
}

absl::Status SetStore::LinkTo(absl::string_view name, absl::string_view id) {
  const std::string link = Link(name);
  const std::string beside = absl::StrCat(SetFolder(name), "/link");
  // The link will lead there.
  const std::string to = absl::StrCat(kKept, "/", name, "/", id);
  unlink(beside.c_str());
  if (symlink(to.c_str(), beside.c_str()) != 0) {
    return FileError(beside,
                     "cannot be made (the folder must be on a file "
                     "system with symbolic links)");
  }
  // The folder of the set was made there with its first push.
  EBB_RETURN_IF_ERROR(
      internal::Sync(absl::StrCat(options_.folder, "/", kKept)));
  if (rename(beside.c_str(), link.c_str()) != 0) {
    return FileError(link, "cannot be replaced");
  }
  return internal::Sync(options_.folder);
}

void SetStore::Forget(const Push& push, absl::string_view name) {
  MutexLock lock(&mu_);
  pushes_.erase({std::string(name), push.manifest->id()});
}

absl::Status SetStore::Lost(const Push& push, absl::string_view name,
                            const std::string& path) {
  const absl::Status why = FileError(path, "cannot be stored");
  // The system says so once. What is read after that may be of its memory, and
  // not be on the disk: it is sent again.
  if (!push.published) unlink(path.c_str());
  Forget(push, name);
  return absl::DataLossError(
      absl::StrCat(why.message(), "; push again, to a disk that is sound"));
}

absl::Status SetStore::Publish(absl::string_view name, absl::string_view id) {
  EBB_ASSIGN_OR_RETURN(const PushPtr push, FindPush(name, id));
  const int64_t left = push->Left();
  if (left > 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(left, " chunks of ", name,
                     " are missing, or were not looked at; push again"));
  }
  // Slow work comes before the lock for which others wait.
  std::set<std::string> folders = {push->folder};
  for (const DataFile& file : push->manifest->files()) {
    const std::string path = absl::StrCat(push->folder, "/", file.path);
    const auto fd = internal::Open(path, O_RDONLY);
    // Empty ones have no chunk that would have made them.
    if (absl::IsNotFound(fd.status())) continue;
    if (!fd.ok()) return fd.status();
    if (fsync(fd->get()) != 0) return Lost(*push, name, path);
    AddFoldersOf(path, push->folder, &folders);
  }
  absl::Status synced = SyncAll(folders);
  // Or another process has published it meanwhile, which is seen below.
  if (!synced.ok() && (push->IsThere() || !absl::IsNotFound(synced))) {
    return synced;
  }
  EBB_ASSIGN_OR_RETURN(const Fd lock, LockAll());
  // Before anything is renamed: another thing of that name is left alone.
  EBB_ASSIGN_OR_RETURN(const std::string current, Current(name));
  if (!push->IsThere()) {
    // Another process has published the same, or another content.
    return current == id ? absl::OkStatus() : GivenUp(name);
  }
  // A later push was published while this one looked at what was there.
  if (push->published && current != id) return GivenUp(name);
  folders.clear();
  for (const DataFile& file : push->manifest->files()) {
    const std::string path = absl::StrCat(push->folder, "/", file.path);
    struct stat info;
    const bool there = lstat(path.c_str(), &info) == 0;
    if (there && info.st_size == file.bytes) continue;
    if ((there ? info.st_size : 0) < file.bytes) {
      // Seen here, and lost since, or another found that it cannot be stored.
      Forget(*push, name);
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is not what it was; push again"));
    }
    EBB_RETURN_IF_ERROR(
        internal::MakeFolders(fs::path(path).parent_path().string()));
    EBB_ASSIGN_OR_RETURN(const Fd fd, internal::Open(path, O_WRONLY | O_CREAT));
    // What lies behind its end was of no push.
    if (ftruncate(fd.get(), file.bytes) != 0) {
      return FileError(path, "cannot be made of its size");
    }
    if (fsync(fd.get()) != 0) return Lost(*push, name, path);
    if (!there) AddFoldersOf(path, push->folder, &folders);
  }
  EBB_RETURN_IF_ERROR(SyncAll(folders));
  if (!push->published) {
    const std::string published = Published(name, id);
    if (rename(push->folder.c_str(), published.c_str()) != 0) {
      return FileError(published, "cannot be made");
    }
    options_.kill_points.Reached(kContentRenamed);
    {
      MutexLock guard(&mu_);
      manifests_.erase(push->folder);
      pushes_.erase({std::string(name), std::string(id)});
    }
    EBB_RETURN_IF_ERROR(internal::Sync(SetFolder(name)));
  }
  EBB_RETURN_IF_ERROR(LinkTo(name, id));
  LOG(INFO) << "data_set=" << name << " id=" << id
            << " published: files=" << push->manifest->files().size()
            << " bytes=" << push->manifest->total_bytes();
  return absl::OkStatus();
}

absl::StatusOr<std::string> SetStore::GetManifest(absl::string_view name) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  const auto current = Current(name);
  if (!current.ok() || current->empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no data set ", name,
                     "; `ebb data list` has those that are there"));
  }
  EBB_ASSIGN_OR_RETURN(const ManifestPtr manifest,
                       ManifestIn(Published(name, *current)));
  return manifest->bytes();
}

absl::StatusOr<std::string> SetStore::GetChunk(absl::string_view name,
                                               absl::string_view id,
                                               int64_t chunk) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  EBB_RETURN_IF_ERROR(CheckSetId(id));
  const std::string content = Published(name, id);
  const auto replaced = [&] {
    return absl::AbortedError(absl::StrCat(
        "the data set ", name, " was replaced or removed; ask again"));
  };
  const auto manifest = ManifestIn(content);
  if (absl::IsNotFound(manifest.status())) return replaced();
  if (!manifest.ok()) return manifest.status();
  if (chunk < 0 || chunk >= (*manifest)->chunks()) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk, " of ", (*manifest)->chunks()));
  }
  const Manifest::Place place = (*manifest)->PlaceOf(chunk);
  const std::string path =
      absl::StrCat(content, "/", (*manifest)->files()[place.file].path);
  auto fd = internal::Open(path, O_RDONLY);
  if (absl::IsNotFound(fd.status())) return replaced();
  if (!fd.ok()) return fd.status();
  EBB_ASSIGN_OR_RETURN(
      std::string bytes,
      internal::ReadAt(fd->get(), path, place.offset, place.size));
  if (!(ChecksumOf(bytes) == (*manifest)->ChecksumOfChunk(chunk))) {
    return absl::DataLossError(
        absl::StrCat(path, ": damaged at byte ", place.offset,
                     "; `ebb data push --verify` of the same folder mends it"));
  }
  return bytes;
}

absl::StatusOr<std::vector<SetSummary>> SetStore::List() {
  std::vector<SetSummary> sets;
  // `made` was made when it was.
  const auto add = [&](const std::string& name, const std::string& content,
                       const std::string& made, bool pushing) {
    const auto manifest = ManifestIn(content);
    // Begun just now, or published.
    if (pushing && absl::IsNotFound(manifest.status())) return;
    if (!manifest.ok()) {
      // A request for it reports this; the others are as good as before.
      LOG(ERROR) << "data_set=" << name
                 << " is not listed: " << manifest.status().message();
      return;
    }
    struct stat info;
    if (lstat(made.c_str(), &info) != 0) return;
    sets.push_back({name, (*manifest)->id(),
                    static_cast<int64_t>((*manifest)->files().size()),
                    (*manifest)->total_bytes(),
                    absl::TimeFromTimespec(info.st_mtim), pushing});
  };
  for (const std::string& name :
       NamesIn(absl::StrCat(options_.folder, "/", kKept))) {
    if (!CheckSetName(name).ok()) continue;
    const auto current = Current(name);
    if (current.ok() && !current->empty()) {
      add(name, Published(name, *current), Link(name), /*pushing=*/false);
    }
    for (const std::string& content : NamesIn(SetFolder(name))) {
      if (!absl::EndsWith(content, kPushing)) continue;
      const std::string path = absl::StrCat(SetFolder(name), "/", content);
      add(name, path, absl::StrCat(path, "/", kManifestFile),
          /*pushing=*/true);
    }
  }
  return sets;
}

absl::Status SetStore::Remove(absl::string_view name) {
  EBB_RETURN_IF_ERROR(CheckSetName(name));
  EBB_ASSIGN_OR_RETURN(const Fd lock, LockAll());
  EBB_ASSIGN_OR_RETURN(const std::string current, Current(name));
  if (current.empty() && !internal::Exists(SetFolder(name))) {
    return absl::NotFoundError(
        absl::StrCat("there is no data set ", name, " in ", options_.folder));
  }
  if (!current.empty() && unlink(Link(name).c_str()) != 0) {
    return FileError(Link(name), "cannot be removed");
  }
  EBB_RETURN_IF_ERROR(Drop(name, OthersOf(name, /*current=*/"", /*keep=*/"")));
  LOG(INFO) << "data_set=" << name << " removed";
  return RemoveTree(SetFolder(name));
}

}  // namespace ebb::datasets
