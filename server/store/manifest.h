// The stored forms of a checkpoint: versions, blocks and jobs
// (docs/formats/checkpoint.md). Pure functions on bytes.
#ifndef EBB_SERVER_STORE_MANIFEST_H_
#define EBB_SERVER_STORE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/store/checkpoint_store.h"

namespace ebb::server {

// The place of a block of a version, and its required content. Numbers are
// unique within a partition of a job; what a number names never changes.
struct StoredBlock {
  uint64_t number = 0;
  int64_t floats = 0;
  uint64_t checksum = 0;
  friend bool operator==(const StoredBlock&, const StoredBlock&) = default;
};

struct StoredArray {
  int64_t floats = 0;
  std::vector<StoredBlock> blocks;
  friend bool operator==(const StoredArray&, const StoredArray&) = default;
};

// A Cut whose blocks are names.
struct Manifest {
  VersionKey key;
  std::string marks;
  std::string ledger;
  int64_t updates = 0;
  std::vector<uint64_t> oracle;
  std::map<int32_t, EpochLoss> loss;
  std::map<std::string, StoredArray> arrays;
  int64_t written_us = 0;  // Since 1970; 0: not known (format 1).
  std::string rows;        // Cut::rows; not in formats 1 and 2.
  // Cut::operations and item_losses; not in formats 1 to 3.
  std::map<int64_t, std::string> operations;
  std::map<int64_t, double> item_losses;
  friend bool operator==(const Manifest&, const Manifest&) = default;

  // Each block once, ascending by number.
  std::vector<StoredBlock> DistinctBlocks() const;
};

// All of a cut but its arrays, and back.
inline Manifest ManifestOf(const VersionKey& key, const Cut& cut) {
  Manifest manifest;
  manifest.key = key;
  manifest.marks = cut.marks;
  manifest.ledger = cut.ledger;
  manifest.updates = cut.updates;
  manifest.oracle = cut.oracle;
  manifest.loss = cut.loss;
  manifest.rows = cut.rows;
  manifest.operations = cut.operations;
  manifest.item_losses = cut.item_losses;
  return manifest;
}
inline Cut CutOf(Manifest manifest) {
  Cut cut;
  cut.marks = std::move(manifest.marks);
  cut.ledger = std::move(manifest.ledger);
  cut.updates = manifest.updates;
  cut.oracle = std::move(manifest.oracle);
  cut.loss = std::move(manifest.loss);
  cut.rows = std::move(manifest.rows);
  cut.operations = std::move(manifest.operations);
  cut.item_losses = std::move(manifest.item_losses);
  return cut;
}

// The array with its blocks, which `block_of` finds by their number.
template <typename BlockOf>
CutArray ArrayOf(const StoredArray& stored, BlockOf block_of) {
  CutArray array;
  array.floats = stored.floats;
  for (const StoredBlock& block : stored.blocks) {
    array.blocks.push_back(block_of(block.number));
  }
  if (!stored.blocks.empty()) array.block_floats = stored.blocks.front().floats;
  return array;
}

std::string EncodeManifest(const Manifest& manifest);
// Decodes a manifest. DataLoss: the bytes are not from EncodeManifest.
// FailedPrecondition: a newer ebb wrote them. The result is consistent: the
// blocks of each array have its floats, all but the last as many as the first.
absl::StatusOr<Manifest> DecodeManifest(absl::string_view bytes);

// A block is stored as head, floats (raw little-endian float32), tail; the
// checksum covers head and floats.
struct SealedBlock {
  std::string head;
  absl::string_view floats;  // Not owned.
  std::string tail;
  uint64_t checksum = 0;
};
SealedBlock SealBlock(std::span<const float> floats);
// The floats within `bytes`, or DataLoss when they are not those of `block`.
absl::StatusOr<absl::string_view> UnsealBlock(const StoredBlock& block,
                                              absl::string_view bytes);

std::string EncodeStoredJob(const StoredJob& job);
absl::StatusOr<StoredJob> DecodeStoredJob(absl::string_view bytes);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_MANIFEST_H_
