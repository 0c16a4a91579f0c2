#include "common/storage/folder_owner.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/fd.h"
#include "common/status_macros.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

constexpr char kOwnerFile[] = "owner";
constexpr char kNewOwnerFile[] = "owner.new";
constexpr absl::string_view kScheduler = "scheduler";
constexpr absl::string_view kServer = "server ";

// Returns all that can be read of it.
std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

bool Exists(const fs::path& path) {
  std::error_code error;  // What cannot be looked at tells nothing.
  return fs::exists(path, error);
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// --- The file that says it ---------------------------------------------------

std::string Encode(const FolderOwner& owner) {
  return owner.server ? absl::StrCat(kServer, owner.server->value(), "\n")
                      : absl::StrCat(kScheduler, "\n");
}

// It ignores other lines, which a later ebb may add.
std::optional<FolderOwner> Decode(absl::string_view text) {
  text = text.substr(0, text.find('\n'));
  if (text == kScheduler) return FolderOwner{};
  int32_t id = -1;
  if (!absl::ConsumePrefix(&text, kServer) || !absl::SimpleAtoi(text, &id) ||
      id < 0) {
    return std::nullopt;
  }
  return FolderOwner{ServerId(id)};
}

// nullopt: it does not say.
std::optional<FolderOwner> ReadOwner(const fs::path& folder) {
  return Decode(Contents(folder / kOwnerFile));
}

absl::Status WriteNew(const std::string& path, absl::string_view text) {
  const Fd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd &&
      write(fd.get(), text.data(), text.size()) ==
          static_cast<ssize_t>(text.size()) &&
      fsync(fd.get()) == 0) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

absl::Status WriteOwner(const StoreFolder& folder, const FolderOwner& owner) {
  absl::Status status = WriteNew(folder.File(kNewOwnerFile), Encode(owner));
  if (status.ok()) status = folder.Rename(kNewOwnerFile, kOwnerFile);
  // What is left of it is written over the next time.
  if (!status.ok()) folder.Remove(kNewOwnerFile).IgnoreError();
  return status;
}

// --- What tells it without that file -----------------------------------------

// "a server", "a scheduler", or nothing. RocksDB writes down how a database
// was opened, and only servers keep values in blob files. Where the two
// disagree both have opened it, which says nothing.
std::string UserOf(const fs::path& database) {
  bool server = false, scheduler = false;
  for (const fs::path& file : EntriesOf(database)) {
    if (file.extension() == ".blob") server = true;
    if (!absl::StartsWith(file.filename().string(), "OPTIONS-")) continue;
    const std::string options = Contents(file);
    server = server || absl::StrContains(options, "enable_blob_files=true");
    scheduler =
        scheduler || absl::StrContains(options, "enable_blob_files=false");
  }
  if (server == scheduler) return "";
  return server ? "a server" : "a scheduler";
}

// The role alone is told by what was stored, not the id.
std::string UserOfStore(const fs::path& folder) {
  // Only servers rescue.
  for (const char* rescue : {"db.rescued", "db.scratch"}) {
    if (Exists(folder / rescue)) return "a server";
  }
  return UserOf(folder / "db");
}

bool IsOfARun(const fs::path& folder) {
  return IsFolder(folder / "state") && IsFolder(folder / "logs") &&
         Exists(folder / "metrics.csv");
}

// The names of folders below it in which daemons keep their state.
std::vector<std::string> StateFoldersIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& entry : EntriesOf(folder)) {
    if (Exists(entry / "db" / "CURRENT")) {
      names.push_back(entry.filename().string());
    }
  }
  return names;
}

// --- Refusals ----------------------------------------------------------------

absl::Status Refused(absl::string_view path, absl::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("the folder ", path, " ", what));
}

absl::Status IsOf(absl::string_view path, absl::string_view whose,
                  absl::string_view id_hint, const FolderOwner& owner) {
  const std::string me = owner.ToString();
  return Refused(path, absl::StrCat("is that of ", whose, ", and this is ", me,
                                    ": give ", id_hint,
                                    "another --state-dir. Nothing in it was "
                                    "changed. To begin anew in it as ",
                                    me, ", delete all that is in it first."));
}

absl::Status IsOf(absl::string_view path, const FolderOwner& found,
                  const FolderOwner& owner) {
  const bool other_id = found.server && owner.server;
  return IsOf(
      path, found.ToString(),
      other_id ? absl::StrCat("--id ", found.server->value(), ", or ") : "",
      owner);
}

// For a folder that does not name its owner.
absl::Status CheckContents(absl::string_view path, const FolderOwner& owner) {
  const fs::path folder{std::string(path)};
  const std::string user = UserOfStore(folder);
  const absl::string_view role = owner.server ? "a server" : "a scheduler";
  if (!user.empty() && user != role) return IsOf(path, user, "", owner);
  // One that has a database is in use as it is, whatever else is in it.
  if (!user.empty() || Exists(folder / "db")) return absl::OkStatus();
  if (IsOfARun(folder)) {
    return Refused(path,
                   absl::StrCat("is that of an `ebb run`, whose daemons have "
                                "theirs in ",
                                path,
                                "/state: give another --state-dir. Nothing "
                                "in it was changed."));
  }
  const std::vector<std::string> daemons = StateFoldersIn(folder);
  if (daemons.empty()) return absl::OkStatus();
  return Refused(path, absl::StrCat("holds those of other daemons (",
                                    absl::StrJoin(daemons, ", "),
                                    "): give one of these, or a new one, with "
                                    "--state-dir. Nothing in it was changed."));
}

}  // namespace

std::string FolderOwner::ToString() const {
  return server ? absl::StrCat("server ", server->value()) : "a scheduler";
}

absl::StatusOr<StoreFolder> LockFor(const FolderOwner& owner,
                                    absl::string_view path) {
  const std::string folder_path(path);
  // Locking makes what is missing, so look first.
  auto found = ReadOwner(folder_path);
  if (found && *found != owner) return IsOf(path, *found, owner);
  if (!found) EBB_RETURN_IF_ERROR(CheckContents(path, owner));
  EBB_ASSIGN_OR_RETURN(StoreFolder folder, StoreFolder::Lock(path));
  if (found) return folder;
  // Another may have come, and gone, in between.
  found = ReadOwner(folder_path);
  if (found && *found != owner) return IsOf(path, *found, owner);
  if (!found) {
    if (folder.Has(kOwnerFile)) {
      LOG(WARNING) << "event=owner_unreadable folder=" << folder_path
                   << ": it is written anew";
    }
    // A full disk must not cost what is stored on it.
    const absl::Status written = WriteOwner(folder, owner);
    if (!written.ok()) {
      LOG(WARNING) << "event=owner_not_written folder=" << folder_path << " "
                   << written.message();
    }
  }
  return folder;
}

}  // namespace ebb
