#include "tools/ebb/checkpoint/damaged_log.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

std::string UnreadText(const std::vector<server::UnreadLog>& unread) {
  if (unread.empty()) return "what of it is not read is not known";
  std::string text;
  for (const server::UnreadLog& log : unread) {
    absl::StrAppend(&text, text.empty() ? "" : ", and ", "of ", log.file, " ",
                    WithCommas(log.bytes), " bytes, from byte ",
                    WithCommas(log.from), " on");
  }
  return absl::StrCat(text, ", are not read");
}

// The newest of each partition.
std::map<PartitionId, const VersionInfo*> Newest(
    const std::vector<VersionInfo>& versions) {
  const auto age = [](const VersionInfo& version) {
    const VersionKey& key = version.key;
    return std::tie(key.generation, key.term, key.sequence);
  };
  std::map<PartitionId, const VersionInfo*> newest;
  for (const VersionInfo& version : versions) {
    const VersionInfo*& one = newest[version.key.partition];
    if (one == nullptr || age(*one) < age(version)) one = &version;
  }
  return newest;
}

std::string NewestText(const std::vector<VersionInfo>& versions,
                       int64_t examples, absl::Time now) {
  const auto newest = Newest(versions);
  if (newest.empty()) return "No version is read of it";
  int64_t fewest = newest.begin()->second->examples;
  int64_t most = fewest;
  int64_t oldest_ms = newest.begin()->second->written_unix_ms;
  for (const auto& [partition, version] : newest) {
    fewest = std::min(fewest, version->examples);
    most = std::max(most, version->examples);
    oldest_ms = std::min(oldest_ms, version->written_unix_ms);
  }
  std::string text =
      newest.size() == 1
          ? absl::StrCat("The newest version that is read of it, of partition ",
                         newest.begin()->first.value(), ", has ")
          : absl::StrCat("The newest versions that are read of it, of ",
                         newest.size(), " partitions, have ");
  absl::StrAppend(&text, WithCommas(fewest));
  if (most != fewest) absl::StrAppend(&text, " to ", WithCommas(most));
  absl::StrAppend(&text, " of ", WithCommas(examples), " examples");
  if (oldest_ms > 0) {
    const absl::Time oldest = absl::FromUnixMillis(oldest_ms);
    absl::StrAppend(
        &text, ", stored ",
        absl::FormatTime("%Y-%m-%d %H:%M:%S", oldest, absl::LocalTimeZone()),
        " (", AgeText(now - oldest), " ago)",
        newest.size() > 1 ? " or later" : "");
  }
  return text;
}

}  // namespace

std::string DamagedLogText(const DamagedLog& damaged,
                           std::optional<int64_t> examples, absl::Time now) {
  std::string text = absl::StrCat(
      damaged.server, ": the log of checkpoint store ", damaged.folder,
      "/db is damaged: ", UnreadText(damaged.unread), ". ");
  if (examples.has_value()) {
    absl::StrAppend(&text, NewestText(damaged.versions, *examples, now),
                    "; newer ones may have been in what is not read. ");
  }
  absl::StrAppend(&text,
                  "A server that opens the folder keeps what is sound behind "
                  "the damage, too.");
  return text;
}

}  // namespace ebb::tools
