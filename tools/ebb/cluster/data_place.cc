#include "tools/ebb/cluster/data_place.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::tools {

bool IsDaemonAddress(absl::string_view place) {
  if (absl::StartsWith(place, "unix:")) return true;
  const size_t colon = place.rfind(':');
  if (colon == absl::string_view::npos || colon == 0 ||
      absl::StrContains(place, '/')) {
    return false;
  }
  const absl::string_view port = place.substr(colon + 1);
  return !port.empty() &&
         std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
}

std::string SetNameOf(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path whole =
      std::filesystem::absolute(folder, error).lexically_normal();
  // A slash at the end is an empty last part.
  return whole.has_filename() ? whole.filename().string()
                              : whole.parent_path().filename().string();
}

std::string DataCacheFolder() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  const std::string cache = variable("XDG_CACHE_HOME");
  if (!cache.empty()) return absl::StrCat(cache, "/ebb/data");
  const std::string home = variable("HOME");
  return home.empty() ? "" : absl::StrCat(home, "/.cache/ebb/data");
}

absl::StatusOr<DataPlace> DataPlace::Open(const std::string& place,
                                          bool to_push, ClusterAccess* access) {
  DataPlace opened;
  if (!IsDaemonAddress(place)) {
    constexpr absl::string_view kHint = "name a scheduler as HOST:PORT, ";
    std::error_code error;
    if (to_push && !absl::StrContains(place, '/') &&
        !std::filesystem::is_directory(place, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, " is neither an address nor a folder; ", kHint,
                       "and a folder that is to be made as ./", place));
    }
    auto store = datasets::SetStore::Open({.folder = place, .make = to_push});
    if (absl::IsNotFound(store.status())) {
      return absl::NotFoundError(
          absl::StrCat(store.status().message(), "; ", kHint,
                       "or the folder that was pushed to"));
    }
    if (!store.ok()) return store.status();
    opened.store_ = *std::move(store);
    return opened;
  }
  access->scheduler = place;
  EBB_RETURN_IF_ERROR(access->Open());
  opened.daemon_ =
      std::make_unique<rpc::DataSetsClient>(place, access->security);
  return opened;
}

datasets::Target* DataPlace::target() const {
  if (store_ != nullptr) return store_.get();
  return daemon_.get();
}

absl::StatusOr<std::vector<datasets::SetSummary>> DataPlace::List() const {
  return store_ != nullptr ? store_->List() : daemon_->List();
}

absl::Status DataPlace::Remove(absl::string_view name) const {
  EBB_RETURN_IF_ERROR(datasets::CheckSetName(name));
  return store_ != nullptr ? store_->Remove(name) : daemon_->Remove(name);
}

std::string DataPlace::PathOf(absl::string_view set,
                              absl::string_view file) const {
  return store_ != nullptr ? absl::StrCat(store_->folder(), "/", set, "/", file)
                           : absl::StrCat("ebb://", set, "/", file);
}

}  // namespace ebb::tools
