#include "tools/chaos/damage.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::chaos {

namespace {

namespace fs = std::filesystem;

constexpr int kBytes = 16;

// RocksDB's files of data: tables and logs of writes. Without its small files
// of names a store cannot be opened at all, which is another matter.
bool HoldsValues(const StoredFile& file) {
  return file.bytes > 0 && (absl::EndsWith(file.path, ".sst") ||
                            absl::EndsWith(file.path, ".log") ||
                            absl::EndsWith(file.path, ".blob"));
}

}  // namespace

std::optional<Damage> PlanDamage(std::vector<StoredFile> files,
                                 FileChoice choice, uint64_t draw) {
  std::erase_if(files,
                [](const StoredFile& file) { return !HoldsValues(file); });
  if (files.empty()) return std::nullopt;
  std::mt19937_64 random(draw);
  std::sort(
      files.begin(), files.end(),
      [](const StoredFile& a, const StoredFile& b) { return a.path < b.path; });
  const StoredFile* file = &files[random() % files.size()];
  if (choice == FileChoice::kNewest) {
    file = &*std::max_element(files.begin(), files.end(),
                              [](const StoredFile& a, const StoredFile& b) {
                                return a.changed < b.changed;
                              });
  } else if (choice == FileChoice::kBiggest) {
    file = &*std::max_element(files.begin(), files.end(),
                              [](const StoredFile& a, const StoredFile& b) {
                                return a.bytes < b.bytes;
                              });
  }
  Damage damage{file->path, {}};
  for (int i = 0; i < kBytes; ++i) {
    damage.offsets.push_back(
        static_cast<int64_t>(random() % static_cast<uint64_t>(file->bytes)));
  }
  // Flipped twice, a byte is as it was.
  std::sort(damage.offsets.begin(), damage.offsets.end());
  damage.offsets.erase(
      std::unique(damage.offsets.begin(), damage.offsets.end()),
      damage.offsets.end());
  return damage;
}

absl::StatusOr<std::string> DamageAFile(const std::string& folder,
                                        FileChoice choice, uint64_t draw) {
  std::vector<StoredFile> files;
  std::error_code error;
  // Passes over what a running daemon removes meanwhile.
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code gone;
    StoredFile file{it->path().string()};
    if (!it->is_regular_file(gone) || gone) continue;
    file.bytes = static_cast<int64_t>(it->file_size(gone));
    file.changed = it->last_write_time(gone).time_since_epoch().count();
    if (!gone) files.push_back(std::move(file));
  }
  const auto damage = PlanDamage(std::move(files), choice, draw);
  if (!damage) {
    return absl::NotFoundError(
        absl::StrCat("there is no file of values in ", folder));
  }
  std::fstream file(damage->path,
                    std::ios::in | std::ios::out | std::ios::binary);
  for (const int64_t offset : damage->offsets) {
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(~byte));
  }
  file.flush();
  if (!file) {
    return absl::UnavailableError(
        absl::StrCat(damage->path, " cannot be written"));
  }
  return absl::StrCat(
      fs::path(damage->path).lexically_relative(folder).string(), ", ",
      damage->offsets.size(), " bytes");
}

namespace {

std::string CopyOf(const std::string& folder) {
  return absl::StrCat(folder, ".kept");
}

absl::Status ToStatus(const std::error_code& error, const std::string& folder) {
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(folder, ": ", error.message()));
}

absl::Status Replace(const std::string& from, const std::string& to) {
  EBB_RETURN_IF_ERROR(LoseFiles(to));
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  return ToStatus(error, from);
}

}  // namespace

absl::Status LoseFiles(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  return ToStatus(error, folder);
}

absl::Status KeepFiles(const std::string& folder) {
  return Replace(folder, CopyOf(folder));
}

absl::Status RestoreFiles(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(CopyOf(folder), error)) {
    return absl::NotFoundError(
        absl::StrCat("no copy of ", folder, " was kept; keep one before"));
  }
  return Replace(CopyOf(folder), folder);
}

}  // namespace ebb::chaos
