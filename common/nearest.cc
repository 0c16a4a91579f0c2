#include "common/nearest.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

// The names in a folder, in order, if they are not too many.
std::vector<std::string> NamesIn(const fs::path& folder) {
  constexpr size_t kMostNames = 10'000;
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; entry != end;
       entry.increment(error)) {
    if (error) break;
    if (names.size() == kMostNames) return {};
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

// The name in the folder that `name` was meant to be; empty: none.
std::string NearestIn(const fs::path& folder, const std::string& name) {
  const std::vector<std::string> names = NamesIn(folder);
  // "job" means "job.yaml".
  const auto with_extension =
      std::ranges::find_if(names, [&](const std::string& one) {
        return absl::StartsWith(one, absl::StrCat(name, "."));
      });
  return with_extension != names.end() ? *with_extension
                                       : NearestName(name, names);
}

}  // namespace

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1,
                                     std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                          d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

size_t MostWrongLetters(size_t letters) {
  return letters <= 5 ? 1 : letters <= 8 ? 2 : 3;
}

std::string NearestName(absl::string_view text,
                        const std::vector<std::string>& candidates) {
  const std::string lower = absl::AsciiStrToLower(text);
  std::string nearest;
  size_t best = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    // An extension is right in most cases, and says little.
    const size_t bound = MostWrongLetters(
        std::min({text.size(), candidate.size(), candidate.rfind('.')}));
    // The distance is at least that of their lengths.
    if (candidate.size() > text.size() + bound ||
        text.size() > candidate.size() + bound) {
      continue;
    }
    const size_t distance =
        EditDistance(lower, absl::AsciiStrToLower(candidate));
    if (distance > bound || distance >= candidate.size()) continue;
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string NearestPath(const std::string& path) {
  std::error_code error;
  if (path.empty() || fs::exists(path, error)) return "";
  fs::path found;
  for (const fs::path& name : fs::path(path).lexically_normal()) {
    if (name.empty()) continue;  // Behind a slash at the end.
    fs::path next = found / name;
    if (!fs::exists(next, error)) {
      const std::string near =
          NearestIn(found.empty() ? fs::path(".") : found, name.string());
      if (near.empty()) return "";
      next = found / near;
    }
    found = std::move(next);
  }
  return found.string();
}

std::string IsItPath(const std::string& path) {
  const std::string near = NearestPath(path);
  return near.empty() ? "" : absl::StrCat("; is it ", near, "?");
}

absl::Status WithNearestPath(const absl::Status& status,
                             const std::string& path) {
  if (!absl::IsNotFound(status)) return status;
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), IsItPath(path)));
}

}  // namespace ebb
