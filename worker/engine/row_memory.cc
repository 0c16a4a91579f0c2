#include "worker/engine/row_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::worker {

namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 46;
// A file may say that it is long and take no memory; copies of it would. And a
// place is an int32.
constexpr uint64_t kMostKeys = uint64_t{1} << 28;
constexpr int64_t kKeySize = sizeof(uint64_t);
constexpr int64_t kFloatSize = sizeof(float);
constexpr int64_t kAlignment = 64;

int64_t Aligned(int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

absl::StatusOr<RowMemory> RowMemory::Map(int fd, const RowMemoryBody& body) {
  if (body.bytes > kMostBytes || body.keys > body.bytes / kKeySize) {
    return absl::InvalidArgumentError(
        absl::StrCat("a row memory of ", body.bytes, " bytes with ", body.keys,
                     " keys is not possible"));
  }
  EBB_ASSIGN_OR_RETURN(shm::Mapping mapping,
                       shm::MapToWrite(fd, static_cast<int64_t>(body.bytes)));
  return RowMemory(std::move(mapping), static_cast<int64_t>(body.keys));
}

absl::StatusOr<std::vector<std::vector<uint64_t>>> RowMemory::Keys(
    std::span<const uint64_t> counts) const {
  const auto room = static_cast<uint64_t>(keys_);
  uint64_t left = std::min(room, kMostKeys);
  for (const uint64_t count : counts) {
    if (count > left) {
      return absl::InvalidArgumentError(
          room > kMostKeys
              ? absl::StrCat("a batch has more than ", kMostKeys, " keys")
              : absl::StrCat("a batch has more keys than the row memory has "
                             "room for, ",
                             room));
    }
    left -= count;
  }
  std::vector<std::vector<uint64_t>> keys;
  const std::byte* from = mapping_.bytes().data();
  for (const uint64_t count : counts) {
    std::vector<uint64_t>& table = keys.emplace_back(count);
    if (count == 0) continue;
    std::memcpy(table.data(), from, count * kKeySize);
    from += count * kKeySize;
  }
  return keys;
}

absl::StatusOr<RowMemory::Parts> RowMemory::PartsOf(int64_t keys,
                                                    int64_t floats) const {
  const int64_t places = Aligned(keys_ * kKeySize);
  const int64_t values =
      places + Aligned(keys * static_cast<int64_t>(sizeof(int32_t)));
  const int64_t sums = values + Aligned(floats * kFloatSize);
  const int64_t end = sums + floats * kFloatSize;
  const auto have = static_cast<int64_t>(mapping_.bytes().size());
  if (end > have) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the rows of a batch take ", end, " bytes; the row memory has ", have));
  }
  std::byte* const at = mapping_.bytes().data();
  const auto count = static_cast<size_t>(floats);
  return Parts{
      {reinterpret_cast<int32_t*>(at + places), static_cast<size_t>(keys)},
      {reinterpret_cast<float*>(at + values), count},
      {reinterpret_cast<float*>(at + sums), count}};
}

}  // namespace ebb::worker
