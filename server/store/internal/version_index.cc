#include "server/store/internal/version_index.h"

#include <algorithm>

namespace ebb::server {

bool VersionIndex::Has(const VersionKey& key) const {
  return versions_.contains(key);
}

std::vector<VersionKey> VersionIndex::Versions() const {
  std::vector<VersionKey> keys;
  keys.reserve(versions_.size());
  for (const auto& [key, blocks] : versions_) keys.push_back(key);
  return keys;
}

void VersionIndex::Add(const Manifest& manifest) {
  Partition& partition = partitions_[PartitionOf(manifest.key)];
  const auto [it, added] = versions_.try_emplace(manifest.key);
  if (!added) return;
  for (const StoredBlock& block : manifest.DistinctBlocks()) {
    it->second.push_back(block.number);
    ++partition.versions_by_block[block.number];
    partition.end_of_stored =
        std::max(partition.end_of_stored, block.number + 1);
  }
}

void VersionIndex::Remove(std::span<const VersionKey> keys) {
  for (const VersionKey& key : keys) {
    const auto it = versions_.find(key);
    if (it == versions_.end()) continue;
    Partition& partition = partitions_[PartitionOf(key)];
    for (const uint64_t number : it->second) {
      const auto count = partition.versions_by_block.find(number);
      if (--count->second == 0) partition.versions_by_block.erase(count);
    }
    versions_.erase(it);
    ForgetLost(&partition);
  }
}

void VersionIndex::RemoveJob(JobId job) {
  std::erase_if(versions_,
                [job](const auto& entry) { return entry.first.job == job; });
  // A job's id is never used again, so neither are its block numbers.
  std::erase_if(partitions_,
                [job](const auto& entry) { return entry.first.first == job; });
}

std::vector<std::pair<PartitionName, uint64_t>> VersionIndex::OnlyIn(
    std::span<const VersionKey> keys) const {
  std::map<std::pair<PartitionName, uint64_t>, int64_t> removed;
  for (const VersionKey& key : std::set<VersionKey>(keys.begin(), keys.end())) {
    const auto it = versions_.find(key);
    if (it == versions_.end()) continue;
    for (const uint64_t number : it->second) {
      ++removed[{PartitionOf(key), number}];
    }
  }
  std::vector<std::pair<PartitionName, uint64_t>> only;
  for (const auto& [block, count] : removed) {
    const Partition& partition = partitions_.at(block.first);
    if (partition.versions_by_block.at(block.second) == count) {
      only.push_back(block);
    }
  }
  return only;
}

uint64_t VersionIndex::DrawNumber(const PartitionName& name) {
  Partition& partition = partitions_[name];
  const uint64_t number =
      std::max({first_number_, partition.end_of_stored, partition.next_number});
  partition.next_number = number + 1;
  return number;
}

uint64_t VersionIndex::EndOfStored(const PartitionName& partition) const {
  const auto it = partitions_.find(partition);
  return it == partitions_.end() ? 0 : it->second.end_of_stored;
}

const StoredBlock* Find(const StoredContents& contents, uint64_t content_id,
                        int64_t floats) {
  const auto it = contents.find(content_id);
  if (it == contents.end()) return nullptr;
  const StoredBlock& block = it->second;
  return block.floats == floats ? &block : nullptr;
}

const StoredBlock* VersionIndex::Find(const PartitionName& partition,
                                      uint64_t content_id,
                                      int64_t floats) const {
  const auto it = partitions_.find(partition);
  if (it == partitions_.end()) return nullptr;
  return server::Find(it->second.known, content_id, floats);
}

void VersionIndex::SetKnown(const PartitionName& partition,
                            StoredContents known) {
  partitions_[partition].known = std::move(known);
}

void VersionIndex::TakeOver(VersionIndex before) {
  for (auto& [name, old] : before.partitions_) {
    Partition& partition = partitions_[name];
    partition.next_number = std::max(partition.next_number, old.next_number);
    partition.known = std::move(old.known);
    ForgetLost(&partition);
  }
}

void VersionIndex::ForgetLost(Partition* partition) {
  absl::erase_if(partition->known, [partition](const auto& entry) {
    return !partition->versions_by_block.contains(entry.second.number);
  });
}

}  // namespace ebb::server
