#include "tools/ebb/cluster/token_files.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/job_token.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

std::string FileOf(const std::string& folder, JobId job) {
  return absl::StrCat(folder, "/", job.value(), ".token");
}

// Returns the file for the token of a job that has no number yet.
std::string FileOfRequest(const std::string& folder,
                          absl::string_view request_id) {
  constexpr size_t kCharacters = 32;
  // The request may be named by anything.
  return absl::StrCat(
      folder, "/submitted-",
      absl::BytesToHexString(JobTokenHash(request_id)).substr(0, kCharacters),
      ".token");
}

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the folder of this user's tokens, ", folder, ", cannot be made: ",
      error.message(), "; name a file for the job's token by --token-file"));
}

}  // namespace

std::string TokenFolder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const std::string state = variable("XDG_STATE_HOME");
  if (!state.empty()) return absl::StrCat(state, "/ebb/tokens");
  const std::string home = variable("HOME");
  return home.empty() ? "" : absl::StrCat(home, "/.local/state/ebb/tokens");
}

std::string KnownToken(const std::string& folder, JobId job) {
  if (folder.empty() || job == JobId()) return "";
  const auto token = ReadJobToken(FileOf(folder, job));
  return token.ok() ? *token : "";
}

std::string TokenFileWarning(const std::string& file) {
  struct stat info = {};
  if (stat(file.c_str(), &info) != 0 || (info.st_mode & S_IRWXO) == 0)
    return "";
  return absl::StrCat("--token-file ", file,
                      " is open to all users of this machine, who can do with "
                      "its job what its owner can: chmod 600 it");
}

absl::StatusOr<TokenToSubmit> TokenToSubmit::Take(
    const std::string& file, const std::string& folder,
    absl::string_view request_id) {
  TokenToSubmit taken;
  taken.file_ = file;
  if (file.empty()) {
    if (folder.empty()) {
      return absl::InvalidArgumentError(
          "there is no place for the job's token: neither HOME nor "
          "XDG_STATE_HOME is set; name a file by --token-file");
    }
    EBB_RETURN_IF_ERROR(MakeFolder(folder));
    taken.folder_ = folder;
    taken.file_ = FileOfRequest(folder, request_id);
  }
  const auto known = ReadJobToken(taken.file_);
  if (known.ok()) {
    taken.token_ = *known;
  } else if (absl::IsNotFound(known.status())) {
    taken.token_ = NewJobToken();
    EBB_RETURN_IF_ERROR(WriteJobToken(taken.file_, taken.token_));
    taken.is_new_ = true;
  } else {
    return known.status();
  }
  return taken;
}

absl::StatusOr<std::string> TokenToSubmit::Keep(JobId job) const {
  if (folder_.empty()) return file_;
  const std::string kept = FileOf(folder_, job);
  std::error_code error;
  if (fs::exists(kept, error)) {
    fs::remove(file_, error);
    return kept;
  }
  fs::rename(file_, kept, error);
  if (!error) return kept;
  return absl::InvalidArgumentError(absl::StrCat("the job's token stays in ",
                                                 file_, ": ", error.message(),
                                                 "; name it by --token-file"));
}

absl::Status TokenToSubmit::KeepAnswered(const std::string& folder,
                                         absl::string_view request_id,
                                         JobId job) {
  TokenToSubmit taken;
  taken.file_ = FileOfRequest(folder, request_id);
  taken.folder_ = folder;
  std::error_code error;
  if (!fs::exists(taken.file_, error)) return absl::OkStatus();
  return taken.Keep(job).status();
}

void TokenToSubmit::Drop() const {
  std::error_code error;
  if (!folder_.empty() && is_new_) fs::remove(file_, error);
}

}  // namespace ebb::tools
