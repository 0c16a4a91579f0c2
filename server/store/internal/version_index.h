// Which versions a store holds, and which blocks each of them has. Pure
// bookkeeping; the store asks it what to write and what to delete.
#ifndef EBB_SERVER_STORE_INTERNAL_VERSION_INDEX_H_
#define EBB_SERVER_STORE_INTERNAL_VERSION_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "server/store/manifest.h"

namespace ebb::server {

// A partition of a job: the scope of block numbers.
using PartitionName = std::pair<JobId, PartitionId>;
inline PartitionName PartitionOf(const VersionKey& key) {
  return {key.job, key.partition};
}

// Contents (content_id) that are stored, and where.
using StoredContents = absl::flat_hash_map<uint64_t, StoredBlock>;
// nullptr: they are not stored, or have another number of floats.
const StoredBlock* Find(const StoredContents& contents, uint64_t content_id,
                        int64_t floats);

// Thread-compatible.
class VersionIndex {
 public:
  // No block gets a number below this.
  explicit VersionIndex(uint64_t first_number = 0)
      : first_number_(first_number) {}

  bool Has(const VersionKey& key) const;
  std::vector<VersionKey> Versions() const;  // Ascending.

  void Add(const Manifest& manifest);
  // Unknown keys are ignored, here and below.
  void Remove(std::span<const VersionKey> keys);
  void RemoveJob(JobId job);
  // The blocks that no version but these has.
  std::vector<std::pair<PartitionName, uint64_t>> OnlyIn(
      std::span<const VersionKey> keys) const;

  // A number above those of all versions and all drawn before.
  uint64_t DrawNumber(const PartitionName& partition);
  // All blocks of the partition from this number on belong to no version.
  uint64_t EndOfStored(const PartitionName& partition) const;

  // The stored block with these contents, if the partition's newest cut had
  // them; nullptr otherwise.
  const StoredBlock* Find(const PartitionName& partition, uint64_t content_id,
                          int64_t floats) const;
  // Replaces the known contents by those of the partition's newest cut.
  void SetKnown(const PartitionName& partition, StoredContents known);

  // This index was read anew from the store that `before` described: takes
  // over what it knew of contents that are stored still, and the numbers it
  // had drawn.
  void TakeOver(VersionIndex before);

 private:
  struct Partition {
    uint64_t end_of_stored = 0;
    uint64_t next_number = 0;
    absl::flat_hash_map<uint64_t, int64_t> versions_by_block;
    StoredContents known;
  };
  static void ForgetLost(Partition* partition);

  uint64_t first_number_;
  std::map<VersionKey, std::vector<uint64_t>> versions_;  // Distinct blocks.
  std::map<PartitionName, Partition> partitions_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_VERSION_INDEX_H_
