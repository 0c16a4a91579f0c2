#include "server/store/memory_store.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "server/store/internal/cut_blocks.h"
#include "server/store/internal/version_index.h"

namespace ebb::server {

std::vector<VersionKey> MemoryDisk::Versions() const {
  std::vector<VersionKey> keys;
  for (const auto& [key, version] : versions_) keys.push_back(key);
  return keys;
}

std::optional<RoundSpan> MemoryDisk::Rounds(const VersionKey& key,
                                            const Version& version) const {
  // Any server's record will do: a plan is fixed for the life of a job.
  const auto job = jobs_.lower_bound({key.job, ServerId(-1)});
  if (job == jobs_.end() || job->first.first != key.job) return std::nullopt;
  const JobPlan& plan = job->second.record->plan;
  if (!plan.rounds()) return std::nullopt;
  return RoundsOf(plan, version.cut.marks, NamesOf(version.arrays));
}

absl::StatusOr<Inventory> MemoryStore::List() {
  EBB_RETURN_IF_ERROR(disk_->read_fault_);
  Inventory inventory;
  if (!shared_) inventory.name = disk_->name_;
  for (const auto& [name, job] : disk_->jobs_) {
    if (name.second == server_) inventory.jobs.push_back(job);
  }
  for (const auto& [key, version] : disk_->versions_) {
    if (version->writer != server_) continue;
    inventory.versions.push_back(key);
    if (const auto rounds = disk_->Rounds(key, *version)) {
      inventory.rounds[key] = *rounds;
    }
  }
  return inventory;
}

absl::StatusOr<PartitionInventory> MemoryStore::ListPartition(
    JobId job, PartitionId partition) {
  EBB_RETURN_IF_ERROR(disk_->read_fault_);
  PartitionInventory inventory;
  for (const auto& [key, version] : disk_->versions_) {
    if (key.job != job || key.partition != partition) continue;
    inventory.versions.push_back(key);
    if (const auto rounds = disk_->Rounds(key, *version)) {
      inventory.rounds[key] = *rounds;
    }
  }
  return inventory;
}

absl::Status MemoryStore::SaveJob(const StoredJob& job) {
  if (job.record == nullptr) {
    return absl::InvalidArgumentError("a job without a record");
  }
  EBB_RETURN_IF_ERROR(disk_->fault_);
  disk_->jobs_[{job.record->id, server_}] = job;
  return absl::OkStatus();
}

bool MemoryStore::TakenOver(const std::pair<JobId, PartitionId>& partition,
                            Term term) const {
  if (!shared_) return false;
  const auto newest = disk_->newest_terms_.find(partition);
  return newest != disk_->newest_terms_.end() && newest->second > term;
}

MemoryDisk::Floats MemoryStore::Find(const Known& known, uint64_t content_id,
                                     size_t floats) const {
  const auto it = known.find(content_id);
  if (it == known.end()) return nullptr;
  MemoryDisk::Floats block = it->second.lock();
  return block != nullptr && block->size() == floats ? block : nullptr;
}

absl::StatusOr<WriteResult> MemoryStore::Write(const VersionKey& key,
                                               const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  if (disk_->versions_.contains(key)) return AlreadyStored(key);
  EBB_RETURN_IF_ERROR(disk_->fault_);
  const PartitionName partition = PartitionOf(key);
  if (TakenOver(partition, key.term)) {
    return absl::FailedPreconditionError(
        absl::StrCat("checkpoint ", VersionName(key),
                     " is not stored: a newer term was begun by another"));
  }
  const Known& known = known_[partition];
  Known now;
  WriteResult result;
  auto version = std::make_shared<MemoryDisk::Version>();
  version->cut = WithoutArrays(cut);
  for (const auto& [name, array] : cut.arrays) {
    MemoryDisk::Array& stored = version->arrays[name];
    stored.floats = array.floats;
    for (size_t i = 0; i < array.blocks.size(); ++i) {
      const uint64_t id = array.content_id(i);
      const auto count = static_cast<size_t>(array.UsedCount(i));
      MemoryDisk::Floats block = Find(known, id, count);
      if (block == nullptr) block = Find(now, id, count);
      if (block == nullptr) {
        if (!array.at_hand(i)) return NotAtHand(key, name);
        const std::span<const float> floats = array.UsedFloats(i);
        block = std::make_shared<const std::vector<float>>(floats.begin(),
                                                           floats.end());
        ++result.blocks_written;
        result.bytes_written += static_cast<int64_t>(floats.size_bytes());
      }
      now[id] = block;
      stored.blocks.push_back(std::move(block));
    }
  }
  version->writer = server_;
  disk_->versions_[key] = std::move(version);
  disk_->damaged_.erase(key);
  disk_->bytes_written_ += result.bytes_written;
  Term& newest = disk_->newest_terms_[partition];
  newest = std::max(newest, key.term);
  Term& own = terms_[partition];
  own = std::max(own, key.term);
  known_[partition] = std::move(now);
  return result;
}

absl::StatusOr<Cut> MemoryStore::Load(const VersionKey& key, BlockPool* pool) {
  EBB_RETURN_IF_ERROR(disk_->read_fault_);
  const auto it = disk_->versions_.find(key);
  if (it == disk_->versions_.end()) return NotStored(key);
  if (disk_->damaged_.contains(key)) {
    return absl::DataLossError(
        absl::StrCat("checkpoint ", VersionName(key), ": damaged on purpose"));
  }
  const MemoryDisk::Version& version = *it->second;
  Cut cut = version.cut;
  if (EBB_PLANTED(mark_stored_apart)) {
    for (auto newer = it; newer != disk_->versions_.end() &&
                          newer->first.partition == key.partition;
         ++newer) {
      cut.marks = newer->second->cut.marks;
    }
  }
  Known now;
  // What was one block when it was written is one again.
  absl::flat_hash_map<const void*, BlockRef> loaded;
  for (const auto& [name, stored] : version.arrays) {
    CutArray& array = cut.arrays[name];
    array.floats = stored.floats;
    if (!stored.blocks.empty()) {
      array.block_floats = static_cast<int64_t>(stored.blocks.front()->size());
    }
    for (const MemoryDisk::Floats& floats : stored.blocks) {
      BlockRef& block = loaded[floats.get()];
      if (!block) {
        EBB_ASSIGN_OR_RETURN(block, pool->Allocate());
        EBB_RETURN_IF_ERROR(
            FillBlock(std::as_bytes(std::span(*floats)), &block));
        now[block.content_id()] = floats;
      }
      array.blocks.push_back(block);
    }
  }
  known_[PartitionOf(key)] = std::move(now);
  return cut;
}

absl::Status MemoryStore::Recognize(const VersionKey& key, const Cut& cut) {
  EBB_RETURN_IF_ERROR(CheckCut(cut));
  EBB_RETURN_IF_ERROR(disk_->read_fault_);
  const auto it = disk_->versions_.find(key);
  if (it == disk_->versions_.end()) return NotStored(key);
  Known now;
  for (const auto& [name, stored] : it->second->arrays) {
    const auto array = cut.arrays.find(name);
    if (array == cut.arrays.end()) continue;
    const std::vector<BlockRef>& blocks = array->second.blocks;
    for (size_t i = 0; i < std::min(blocks.size(), stored.blocks.size()); ++i) {
      if (!blocks[i]) continue;
      const std::span<const float> floats = array->second.UsedFloats(i);
      // Bits: rows have keys and NaNs among their floats.
      if (floats.size() == stored.blocks[i]->size() &&
          std::memcmp(floats.data(), stored.blocks[i]->data(),
                      floats.size_bytes()) == 0) {
        now[blocks[i].content_id()] = stored.blocks[i];
      }
    }
  }
  known_[PartitionOf(key)] = std::move(now);
  return absl::OkStatus();
}

absl::Status MemoryStore::Delete(std::span<const VersionKey> keys) {
  EBB_RETURN_IF_ERROR(disk_->fault_);
  for (const VersionKey& key : keys) {
    if (TakenOver(PartitionOf(key), terms_[PartitionOf(key)])) continue;
    disk_->versions_.erase(key);
    disk_->damaged_.erase(key);
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::DeleteJob(JobId job) {
  EBB_RETURN_IF_ERROR(disk_->fault_);
  const auto of_job = [job](const VersionKey& key) { return key.job == job; };
  const auto first_of_job = [job](const auto& entry) {
    return entry.first.first == job;
  };
  std::erase_if(disk_->jobs_, first_of_job);
  std::erase_if(disk_->newest_terms_, first_of_job);
  std::erase_if(terms_, first_of_job);
  std::erase_if(known_, first_of_job);
  std::erase_if(disk_->versions_,
                [&](const auto& entry) { return of_job(entry.first); });
  std::erase_if(disk_->damaged_, of_job);
  return absl::OkStatus();
}

}  // namespace ebb::server
