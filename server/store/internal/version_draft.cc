#include "server/store/internal/version_draft.h"

#include <span>
#include <utility>

#include "absl/time/clock.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/pack_plan.h"

namespace ebb::server {

namespace {

// nullptr when they are not stored, or not with so many floats.
const PlacedBlock* FindPlaced(const PlacedContents& contents,
                              uint64_t content_id, size_t floats) {
  const auto it = contents.find(content_id);
  if (it == contents.end()) return nullptr;
  const PlacedBlock& placed = it->second;
  return placed.block.floats == static_cast<int64_t>(floats) ? &placed
                                                             : nullptr;
}

std::set<PackName> PacksThatCutLeaves(const Cut& cut,
                                      const PlacedContents& known) {
  std::map<PackName, PackUse> uses;
  std::set<std::pair<PackName, uint64_t>> counted;
  for (const auto& [name, array] : cut.arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const PlacedBlock* placed = FindPlaced(
          known, array.blocks[i].content_id(), UsedFloats(array, i).size());
      if (placed == nullptr ||
          !counted.emplace(placed->pack.name, placed->offset).second) {
        continue;
      }
      PackUse& use = uses[placed->pack.name];
      use.bytes = placed->pack.bytes;
      use.needed += SealedBlockBytes(placed->block.floats);
    }
  }
  return PacksToLeave(uses);
}

}  // namespace

PlacedContents ContentsOf(const FolderManifest& manifest, const Cut& cut,
                          bool check) {
  PlacedContents contents;
  for (const auto& [name, stored] : manifest.version.arrays) {
    const auto it = cut.arrays.find(name);
    if (it == cut.arrays.end()) continue;
    const CutArray& array = it->second;
    if (array.blocks.size() != stored.blocks.size()) continue;
    for (size_t i = 0; i < stored.blocks.size(); ++i) {
      const StoredBlock& block = stored.blocks[i];
      const std::span<const float> floats = UsedFloats(array, i);
      if (check && (static_cast<int64_t>(floats.size()) != block.floats ||
                    SealBlock(floats).checksum != block.checksum)) {
        continue;
      }
      const BlockPlace& place = manifest.places[block.number];
      contents[array.blocks[i].content_id()] = {manifest.packs[place.pack],
                                                place.offset, block};
    }
  }
  return contents;
}

VersionDraft::VersionDraft(const VersionKey& key, const Cut& cut,
                           const PlacedContents& known, const PackName& pack,
                           bool tidy)
    : cut_(cut) {
  manifest_.version = ManifestOf(key, cut);
  manifest_.version.written_us = absl::GetCurrentTimeNanos() / 1000;
  const std::set<PackName> leave =
      tidy ? PacksThatCutLeaves(cut, known) : std::set<PackName>();
  absl::flat_hash_map<uint64_t, StoredBlock> now;
  for (const auto& [name, array] : cut.arrays) {
    StoredArray& stored = manifest_.version.arrays[name];
    stored.floats = array.floats;
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const std::span<const float> floats = UsedFloats(array, i);
      const uint64_t id = array.blocks[i].content_id();
      const auto again = now.find(id);
      const PlacedBlock* placed = FindPlaced(known, id, floats.size());
      if (again != now.end() &&
          again->second.floats == static_cast<int64_t>(floats.size())) {
        stored.blocks.push_back(again->second);
      } else if (placed != nullptr && !leave.contains(placed->pack.name)) {
        stored.blocks.push_back(Refer(*placed));
      } else {
        stored.blocks.push_back(Put(floats, pack));
      }
      now[id] = stored.blocks.back();
    }
  }
  if (new_bytes_ > 0) {
    manifest_.packs[index_of_pack_.at(pack)].bytes = new_bytes_;
  }
}

uint64_t VersionDraft::IndexOf(const Pack& pack) {
  const auto [it, added] =
      index_of_pack_.try_emplace(pack.name, manifest_.packs.size());
  if (added) manifest_.packs.push_back(pack);
  return it->second;
}

StoredBlock VersionDraft::Refer(const PlacedBlock& known) {
  const auto [it, added] = number_of_place_.try_emplace(
      {known.pack.name, known.offset}, manifest_.places.size());
  if (added) manifest_.places.push_back({IndexOf(known.pack), known.offset});
  return {it->second, known.block.floats, known.block.checksum};
}

StoredBlock VersionDraft::Put(std::span<const float> floats,
                              const PackName& pack) {
  const SealedBlock& sealed = sealed_.emplace_back(SealBlock(floats));
  const StoredBlock block = {manifest_.places.size(),
                             static_cast<int64_t>(floats.size()),
                             sealed.checksum};
  // Its size is not known yet.
  manifest_.places.push_back({IndexOf({pack, 0}), new_bytes_});
  parts_.insert(parts_.end(), {sealed.head, sealed.floats, sealed.tail});
  new_bytes_ += SealedBlockBytes(block.floats);
  ++result_.blocks_written;
  result_.bytes_written += static_cast<int64_t>(floats.size_bytes());
  return block;
}

}  // namespace ebb::server
