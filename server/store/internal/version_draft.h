// A version that is about to be written to a shared place: which of its blocks
// are there already, and the bytes of those that are not.
#ifndef EBB_SERVER_STORE_INTERNAL_VERSION_DRAFT_H_
#define EBB_SERVER_STORE_INTERNAL_VERSION_DRAFT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/cut.h"
#include "server/store/checkpoint_store.h"
#include "server/store/internal/folder_manifest.h"

namespace ebb::server {

// A block that is stored: its file, where in it, and what it must contain (its
// number means nothing).
struct PlacedBlock {
  Pack pack;
  uint64_t offset = 0;
  StoredBlock block;
};
// By content id.
using PlacedContents = absl::flat_hash_map<uint64_t, PlacedBlock>;

// The contents of a version's blocks in memory. `cut` has the arrays of the
// manifest; blocks that are not as it says are left out when `check` asks for
// it.
PlacedContents ContentsOf(const FolderManifest& manifest, const Cut& cut,
                          bool check);

// Aborted: `known` lacks contents that the cut names and does not have.
absl::Status CheckNamedContents(const VersionKey& key, const Cut& cut,
                                const PlacedContents& known);

// It refers to the cut, which outlives it, and whose named contents are known.
class VersionDraft {
 public:
  // `known` contents are stored; new blocks go to the file `pack`. With `tidy`,
  // it leaves files of which little is needed (pack_plan.h).
  VersionDraft(const VersionKey& key, const Cut& cut,
               const PlacedContents& known, const PackName& pack, bool tidy);
  VersionDraft(const VersionDraft&) = delete;
  VersionDraft& operator=(const VersionDraft&) = delete;

  const FolderManifest& manifest() const { return manifest_; }
  // The file of new blocks; empty: there are none.
  const std::vector<absl::string_view>& new_values() const { return parts_; }
  const WriteResult& result() const { return result_; }
  // Returns the cut's contents, once all of this is written.
  PlacedContents Contents() const {
    return ContentsOf(manifest_, cut_, /*check=*/false);
  }

 private:
  StoredBlock Put(std::span<const float> floats, const PackName& pack);
  StoredBlock Refer(const PlacedBlock& known);
  uint64_t IndexOf(const Pack& pack);

  const Cut& cut_;
  FolderManifest manifest_;
  std::map<PackName, uint64_t> index_of_pack_;
  std::map<std::pair<PackName, uint64_t>, uint64_t> number_of_place_;
  std::deque<SealedBlock> sealed_;  // parts_ refer to them.
  std::vector<absl::string_view> parts_;
  uint64_t new_bytes_ = 0;
  WriteResult result_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_VERSION_DRAFT_H_
