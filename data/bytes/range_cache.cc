#include "data/bytes/range_cache.h"

#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "protocol/sealed_fields.h"

namespace ebb::data::internal {

namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kMagic = "EBBU";
constexpr uint32_t kVersion = 1;
constexpr absl::string_view kSuffix = ".range";

}  // namespace

std::string RangeCache::PathOf(absl::string_view key) const {
  return absl::StrCat(
      folder_, "/",
      absl::StrFormat("%016x", XXH3_64bits(key.data(), key.size())), kSuffix);
}

std::optional<std::string> RangeCache::Find(absl::string_view key) const {
  const std::string path = PathOf(key);
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string sealed((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  std::string found, bytes;
  const absl::Status read = UnsealFields(
      kMagic, kVersion, path, sealed,
      [&](FieldReader& fields, uint32_t) { fields(found, bytes); });
  if (!read.ok() || found != key) return std::nullopt;
  std::error_code ignored;  // It goes a little sooner, then.
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return bytes;
}

void RangeCache::Keep(absl::string_view key, absl::string_view bytes) {
  static std::atomic<uint64_t> written{0};  // Pairs with nothing: names.
  if (bytes.size() > max_bytes_) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  const std::string path = PathOf(key);
  const std::string beside =
      absl::StrCat(path, ".", getpid(), "-", ++written, ".new");
  {
    std::ofstream file(beside, std::ios::binary);
    file << SealFields(kMagic, kVersion, std::string(key), std::string(bytes));
    file.close();
    if (!file) {
      fs::remove(beside, error);
      return;
    }
  }
  fs::rename(beside, path, error);
  if (error) fs::remove(beside, error);
  MutexLock lock(&mu_);
  MakeRoom();
}

void RangeCache::MakeRoom() const {
  struct Part {
    fs::file_time_type used;
    uint64_t bytes = 0;
    fs::path path;
  };
  std::vector<Part> parts;
  uint64_t sum = 0;
  std::error_code error;
  fs::directory_iterator it(folder_, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    // Another process may remove it just now.
    std::error_code gone;
    const Part part = {it->last_write_time(gone), it->file_size(gone),
                       it->path()};
    if (gone) continue;
    sum += part.bytes;
    parts.push_back(part);
  }
  std::ranges::sort(parts, {}, &Part::used);
  for (const Part& part : parts) {
    if (sum <= max_bytes_) return;
    fs::remove(part.path, error);
    sum -= part.bytes;
  }
}

}  // namespace ebb::data::internal
