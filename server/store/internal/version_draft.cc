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
                              uint64_t content_id, int64_t floats) {
  const auto it = contents.find(content_id);
  if (it == contents.end()) return nullptr;
  const PlacedBlock& placed = it->second;
  return placed.block.floats == floats ? &placed : nullptr;
}

std::set<PackName> PacksThatCutLeaves(const Cut& cut,
                                      const PlacedContents& known) {
  std::map<PackName, PackUse> uses;
  std::set<PackName> kept;  // They have what cannot be written once more.
  std::set<std::pair<PackName, uint64_t>> counted;
  for (const auto& [name, array] : cut.arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const PlacedBlock* placed =
          FindPlaced(known, array.content_id(i), array.UsedCount(i));
      if (placed == nullptr ||
          !counted.emplace(placed->pack.name, placed->offset).second) {
        continue;
      }
      if (!array.at_hand(i)) kept.insert(placed->pack.name);
      PackUse& use = uses[placed->pack.name];
      use.bytes = placed->pack.bytes;
      use.needed += SealedBlockBytes(placed->block.floats);
    }
  }
  for (const PackName& name : kept) uses.erase(name);
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
      if (check &&
          (!array.at_hand(i) || array.UsedCount(i) != block.floats ||
           SealBlock(array.UsedFloats(i)).checksum != block.checksum)) {
        continue;
      }
      const BlockPlace& place = manifest.places[block.number];
      contents[array.content_id(i)] = {manifest.packs[place.pack], place.offset,
                                       block};
    }
  }
  return contents;
}

absl::Status CheckNamedContents(const VersionKey& key, const Cut& cut,
                                const PlacedContents& known) {
  for (const auto& [name, array] : cut.arrays) {
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      if (!array.at_hand(i) && FindPlaced(known, array.content_id(i),
                                          array.UsedCount(i)) == nullptr) {
        return NotAtHand(key, name);
      }
    }
  }
  return absl::OkStatus();
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
      const uint64_t id = array.content_id(i);
      const int64_t count = array.UsedCount(i);
      const auto again = now.find(id);
      const PlacedBlock* placed = FindPlaced(known, id, count);
      if (again != now.end() && again->second.floats == count) {
        stored.blocks.push_back(again->second);
      } else if (placed != nullptr && !leave.contains(placed->pack.name)) {
        stored.blocks.push_back(Refer(*placed));
      } else {
        stored.blocks.push_back(Put(array.UsedFloats(i), pack));
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
