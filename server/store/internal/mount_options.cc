#include "server/store/internal/mount_options.h"

#include <glog/logging.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace ebb::server {

namespace {

struct Mount {
  std::string point;
  std::string type;
  std::vector<std::string> options;
};

// proc(5): "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE
// OPTIONS"; blanks in names are octal.
std::vector<Mount> ParseMounts(absl::string_view mounts) {
  std::vector<Mount> parsed;
  for (const absl::string_view line : absl::StrSplit(mounts, '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    parsed.push_back(
        {.point = absl::StrReplaceAll(fields[4], {{"\\040", " "},
                                                  {"\\011", "\t"},
                                                  {"\\012", "\n"},
                                                  {"\\134", "\\"}}),
         .type = dash[1],
         .options = absl::StrSplit(dash[3], ',')});
  }
  return parsed;
}

bool IsAtOrBelow(absl::string_view path, absl::string_view point) {
  return point == "/" || path == point ||
         absl::StartsWith(path, absl::StrCat(point, "/"));
}

// The mount that has the path; nullopt: none does.
std::optional<Mount> MountOf(absl::string_view mounts, absl::string_view path) {
  std::optional<Mount> mount;
  for (Mount& one : ParseMounts(mounts)) {
    // The later one of two at one point hides the other.
    if (IsAtOrBelow(path, one.point) &&
        (!mount || one.point.size() >= mount->point.size())) {
      mount = std::move(one);
    }
  }
  return mount;
}

// Network file systems that may show a change late, by rules of their own. Many
// of those in user space are such; CephFS is not.
bool MayShowChangesLate(absl::string_view type) {
  constexpr absl::string_view kTypes[] = {"9p",        "afs",  "cifs", "fuse",
                                          "glusterfs", "smb2", "smb3", "smbfs"};
  if (absl::StartsWith(type, "fuse.ceph")) return false;
  return absl::StartsWith(type, "fuse.") ||
         std::ranges::find(kTypes, type) != std::end(kTypes);
}

}  // namespace

absl::Status CheckMountOptions(absl::string_view mounts,
                               absl::string_view path) {
  const std::optional<Mount> mount = MountOf(mounts, path);
  if (!mount || !absl::StartsWith(mount->type, "nfs")) return absl::OkStatus();
  const auto has = [&mount](absl::string_view option) {
    return std::ranges::find(mount->options, option) != mount->options.end();
  };
  std::vector<std::string> missing;
  if (!has("lookupcache=none")) missing.emplace_back("lookupcache=none");
  if (!has("noac") && !has("acdirmax=0")) missing.emplace_back("actimeo=0");
  if (missing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is on NFS at ", mount->point, ", mounted without ",
      absl::StrJoin(missing, " and "),
      ": a server would not see in time that another has taken over. Mount it "
      "with -o hard,lookupcache=none,actimeo=0"));
}

std::string MountWarning(absl::string_view mounts, absl::string_view path) {
  const std::optional<Mount> mount = MountOf(mounts, path);
  if (!mount || !MayShowChangesLate(mount->type)) return "";
  return absl::StrCat(
      path, " is on ", mount->type, " at ", mount->point,
      ", for which ebb does not know when a server sees what another has "
      "written. Make sure that it caches neither names nor attributes nor "
      "lists of folders: otherwise a server that was replaced may go on "
      "storing checkpoints");
}

absl::Status CheckMountOf(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(folder, error);
  std::ifstream file("/proc/self/mountinfo");
  if (error || !file) return absl::OkStatus();
  const std::string mounts{std::istreambuf_iterator<char>(file), {}};
  const std::string warning = MountWarning(mounts, path.string());
  LOG_IF(WARNING, !warning.empty())
      << "event=shared_checkpoints_mount " << warning;
  return CheckMountOptions(mounts, path.string());
}

}  // namespace ebb::server
