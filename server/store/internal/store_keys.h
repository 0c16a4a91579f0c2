// The keys of a checkpoint store in RocksDB (docs/formats/checkpoint.md):
// readable, and sorted as the numbers in them are.
#ifndef EBB_SERVER_STORE_INTERNAL_STORE_KEYS_H_
#define EBB_SERVER_STORE_INTERNAL_STORE_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/store/internal/version_index.h"

namespace ebb::server {

inline constexpr absl::string_view kJobsPrefix = "j/";
inline constexpr absl::string_view kVersionsPrefix = "v/";
inline constexpr absl::string_view kBlocksPrefix = "b/";

inline std::string JobKey(JobId job) {
  return absl::StrCat(kJobsPrefix, absl::Hex(job.value(), absl::kZeroPad16));
}

// All versions, or all blocks, of a job.
inline std::string JobPrefix(absl::string_view kind, JobId job) {
  return absl::StrCat(kind, absl::Hex(job.value(), absl::kZeroPad16), "/");
}

// ... of a partition of it.
inline std::string PartitionPrefix(absl::string_view kind,
                                   const PartitionName& partition) {
  const auto number = static_cast<uint32_t>(partition.second.value());
  return absl::StrCat(JobPrefix(kind, partition.first),
                      absl::Hex(number, absl::kZeroPad8), "/");
}

inline std::string ManifestKey(const VersionKey& key) {
  return absl::StrCat(
      PartitionPrefix(kVersionsPrefix, PartitionOf(key)),
      absl::Hex(key.generation.value(), absl::kZeroPad16), "/",
      absl::Hex(key.term.value(), absl::kZeroPad16), "/",
      absl::Hex(static_cast<uint64_t>(key.sequence), absl::kZeroPad16));
}

inline std::string BlockKey(const PartitionName& partition, uint64_t number) {
  return absl::StrCat(PartitionPrefix(kBlocksPrefix, partition),
                      absl::Hex(number, absl::kZeroPad16));
}

// No key is longer.
inline constexpr size_t kMaxKeyBytes =
    2 + 16 + 1 + 8 + 1 + 16 + 1 + 16 + 1 + 16;

// True if a key has the form of one of the above; its digits are not checked.
inline bool IsStoreKey(absl::string_view key) {
  const absl::string_view kind = key.substr(0, 2);
  return (kind == kJobsPrefix && key.size() == 2 + 16) ||
         (kind == kBlocksPrefix && key.size() == 2 + 16 + 1 + 8 + 1 + 16) ||
         (kind == kVersionsPrefix && key.size() == kMaxKeyBytes);
}

// Returns the partition whose block this is; nullopt: it is not a block's key.
inline std::optional<PartitionName> PartitionOfBlockKey(absl::string_view key) {
  // b/ 16 digits / 8 digits / 16 digits
  uint64_t job = 0;
  uint32_t partition = 0;
  if (!IsStoreKey(key) || key.substr(0, 2) != kBlocksPrefix ||
      !absl::SimpleHexAtoi(key.substr(2, 16), &job) ||
      !absl::SimpleHexAtoi(key.substr(19, 8), &partition)) {
    return std::nullopt;
  }
  return PartitionName{JobId(job),
                       PartitionId(static_cast<int32_t>(partition))};
}

// The first key after all that begin with a prefix (which ends in '/').
inline std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  ++end.back();
  return end;
}

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_STORE_KEYS_H_
