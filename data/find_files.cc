#include "data/find_files.h"

#include <dirent.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/scheme.h"

namespace ebb::data {
namespace {

using Paths = std::vector<std::string>;

bool IsPattern(absl::string_view path) {
  return path.find_first_of("*?[") != absl::string_view::npos;
}

bool IsLeftOut(absl::string_view name) {
  return absl::StartsWith(name, ".") || absl::StartsWith(name, "_");
}

// True if a file says something about data, as its name shows. notice.csv and
// day0.log may well be data.
bool IsAboutData(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  absl::string_view stem = lower;
  for (const absl::string_view ending : {".txt", ".db"}) {
    if (absl::ConsumeSuffix(&stem, ending)) break;
  }
  for (const absl::string_view known :
       {"readme", "license", "licence", "copying", "changelog", "notice",
        "makefile", "sha256sums", "md5sums", "thumbs"}) {
    if (stem == known) return true;
  }
  for (const absl::string_view ending :
       {".md", ".rst", ".html", ".pdf", ".json", ".yaml", ".yml", ".py", ".sh",
        ".ipynb", ".sha256", ".md5", ".ini", ".docx"}) {
    if (absl::EndsWith(lower, ending)) return true;
  }
  return false;
}

absl::Status NoData(absl::string_view folder, absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat(
      folder, ": ", name,
      " in it looks like no data, but every file of a folder is read; move it "
      "away, or name the others by a pattern, as ",
      folder, "/*.csv"));
}

absl::Status NothingMatches(absl::string_view pattern) {
  return absl::NotFoundError(absl::StrCat(
      pattern,
      ": no file matches this pattern; * stands for any part of one "
      "name, ? for a character"));
}

absl::Status HasFolder(absl::string_view folder, absl::string_view name) {
  return absl::InvalidArgumentError(
      absl::StrCat(folder, ": ", name,
                   " in it is a folder itself; name the files by a "
                   "pattern, as ",
                   folder, "/*/*.csv for those of its folders, or ", folder,
                   "/*.csv for its own"));
}

// Returns what was found, in its order.
absl::StatusOr<Paths> Ordered(absl::string_view path, Paths found) {
  if (found.size() > kMaxFilesFound) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": these are ", found.size(), " files, more than ",
                     kMaxFilesFound, "; join some of them"));
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<Paths> OrderedFolder(absl::string_view folder, Paths found) {
  if (found.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder,
                     ": this folder has no files (those that begin "
                     "with . or _ are left out)"));
  }
  return Ordered(folder, std::move(found));
}

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::StatusOr<Paths> FilesIn(absl::string_view folder) {
  struct Close {
    void operator()(DIR* dir) const { closedir(dir); }
  };
  const std::unique_ptr<DIR, Close> dir(opendir(std::string(folder).c_str()));
  if (dir == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat(folder, ": cannot be read"));
  }
  Paths found;
  errno = 0;
  while (const dirent* const entry = readdir(dir.get())) {
    const absl::string_view name = entry->d_name;
    if (IsLeftOut(name)) continue;
    found.push_back(absl::StrCat(folder, "/", name));
    if (IsFolder(found.back())) return HasFolder(folder, name);
    if (IsAboutData(name)) return NoData(folder, name);
  }
  if (errno != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(folder, ": cannot be read"));
  }
  return OrderedFolder(folder, std::move(found));
}

// Says if a folder that cannot be read ends the search: a missing one has no
// match.
int StopsGlob(const char* /*folder*/, int error) {
  return error == ENOENT || error == ENOTDIR ? 0 : 1;
}

absl::StatusOr<Paths> Glob(absl::string_view pattern) {
  glob_t found = {};
  // Sorted by name, not as the language of the machine has it.
  const int result =
      glob(std::string(pattern).c_str(), GLOB_NOSORT, StopsGlob, &found);
  Paths paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (result == GLOB_NOMATCH) return NothingMatches(pattern);
  if (result != 0) {
    return absl::UnavailableError(
        absl::StrCat(pattern, ": a folder of this pattern cannot be read"));
  }
  return Ordered(pattern, std::move(paths));
}

absl::string_view WithoutSlashes(absl::string_view path) {
  while (path.size() > 1 && absl::ConsumeSuffix(&path, "/")) {
  }
  return path;
}

}  // namespace

absl::StatusOr<Paths> FindFiles(absl::string_view path) {
  EBB_RETURN_IF_ERROR(CheckLocal(path));
  struct stat info;
  const bool there = stat(std::string(path).c_str(), &info) == 0;
  if (there && S_ISDIR(info.st_mode)) return FilesIn(WithoutSlashes(path));
  if (!there && IsPattern(path)) return Glob(path);
  return Paths{std::string(path)};
}

absl::StatusOr<Paths> FindFilesAmong(absl::string_view path, const Paths& all) {
  Paths found;
  const absl::string_view folder = WithoutSlashes(path);
  const bool there =
      std::any_of(all.begin(), all.end(), [&](absl::string_view file) {
        return file == path || (absl::ConsumePrefix(&file, folder) &&
                                absl::StartsWith(file, "/"));
      });
  if (!there && IsPattern(path)) {
    const std::string pattern(path);
    for (const std::string& file : all) {
      if (fnmatch(pattern.c_str(), file.c_str(), FNM_PATHNAME | FNM_PERIOD) ==
          0) {
        found.push_back(file);
      }
    }
    if (found.empty()) return NothingMatches(path);
    return Ordered(path, std::move(found));
  }
  bool is_folder = false;
  for (const std::string& file : all) {
    absl::string_view name = file;
    if (!absl::ConsumePrefix(&name, folder) ||
        !absl::ConsumePrefix(&name, "/")) {
      continue;
    }
    is_folder = true;
    if (IsLeftOut(name)) continue;
    const size_t slash = name.find('/');
    if (slash != absl::string_view::npos) {
      return HasFolder(folder, name.substr(0, slash));
    }
    if (IsAboutData(name)) return NoData(folder, name);
    found.push_back(file);
  }
  if (is_folder) return OrderedFolder(folder, std::move(found));
  return Paths{std::string(path)};
}

}  // namespace ebb::data
