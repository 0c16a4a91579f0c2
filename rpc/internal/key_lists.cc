#include "rpc/internal/key_lists.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "absl/status/status.h"

namespace ebb::rpc::internal {

namespace {

// Memory of a list beside its keys, and of an entry beside its lists, about.
constexpr int64_t kListCost = 96;
constexpr int64_t kEntryCost = 256;

absl::Status LacksKeys() {
  return absl::AbortedError(
      "the server has not the keys that the push names: send them");
}

bool SameBytes(const Payload& a, const Payload& b) {
  if (a.size() != b.size()) return false;
  size_t i = 0, k = 0;
  std::span<const std::byte> left, right;
  while (true) {
    if (left.empty()) {
      if (i == a.slices().size()) return true;
      left = a.slices()[i++].bytes;
    }
    if (right.empty()) right = b.slices()[k++].bytes;
    const size_t n = std::min(left.size(), right.size());
    // Mostly they are the very same.
    if (left.data() != right.data() &&
        std::memcmp(left.data(), right.data(), n) != 0) {
      return false;
    }
    left = left.subspan(n);
    right = right.subspan(n);
  }
}

}  // namespace

// --- KeyLists ----------------------------------------------------------------

KeyLists KeyLists::Of(const PullRequest& request) {
  KeyLists all;
  for (const PullSegmentRequest& segment : request.segments) {
    for (const PullRows& rows : segment.rows) {
      if (rows.keys.empty()) continue;
      all.bytes_ += rows.keys.size();
      all.lists_.push_back({segment.partition.value(), rows.table, rows.keys});
    }
  }
  const auto place = [](const List& list) {
    return std::pair(list.partition, list.table);
  };
  std::ranges::sort(all.lists_, {}, place);
  if (std::ranges::adjacent_find(all.lists_, {}, place) != all.lists_.end()) {
    return {};
  }
  return all;
}

KeyLists KeyLists::Copied() const {
  auto memory = std::make_shared<std::vector<std::byte>>(bytes_);
  KeyLists copy = *this;
  size_t at = 0;
  for (List& list : copy.lists_) {
    const auto to =
        std::span(*memory).subspan(at, static_cast<size_t>(list.keys.size()));
    list.keys.CopyTo(to);
    list.keys = Payload();
    list.keys.Append(memory, to);
    at += to.size();
  }
  return copy;
}

int64_t KeyLists::Cost() const {
  return bytes_ + kListCost * static_cast<int64_t>(lists_.size()) + kEntryCost;
}

const Payload* KeyLists::Find(PartitionId partition, int32_t table) const {
  const auto wanted = std::pair(partition.value(), table);
  const auto it = std::ranges::lower_bound(
      lists_, wanted, {},
      [](const List& list) { return std::pair(list.partition, list.table); });
  if (it == lists_.end() || std::pair(it->partition, it->table) != wanted) {
    return nullptr;
  }
  return &it->keys;
}

int64_t KeyBytes(const PushRequest& push) {
  int64_t bytes = 0;
  for (const PushSegment& segment : push.segments) {
    for (const PushRows& rows : segment.rows) bytes += rows.keys.size();
  }
  return bytes;
}

absl::Status CompletePush(const KeptKeys* kept, const NamedKeys& named,
                          KeyCounts* counts, PushRequest* push) {
  if (kept == nullptr) {
    return named.empty() ? absl::OkStatus() : LacksKeys();
  }
  const int64_t bytes = KeyBytes(*push);
  const auto named_bytes = kept->Resolve(named, push);
  if (counts == nullptr) return named_bytes.status();
  if (named_bytes.ok()) {
    counts->Count(bytes, *named_bytes);
  } else {
    counts->CountUnknown();
  }
  return named_bytes.status();
}

void CountSentKeys(const PushRequest& push, const NamedKeys& named,
                   KeyCounts* counts) {
  if (counts == nullptr) return;
  int64_t bytes = 0, named_bytes = 0;
  size_t list = 0;
  for (const PushSegment& segment : push.segments) {
    for (const PushRows& rows : segment.rows) {
      const bool is_named = !named.empty() && named[list] != 0;
      (is_named ? named_bytes : bytes) += rows.keys.size();
      ++list;
    }
  }
  counts->Count(bytes, named_bytes);
}

// --- KeptKeys ----------------------------------------------------------------

uint64_t KeptKeys::Keep(const PullRequest& pull) {
  const KeyLists lists = KeyLists::Of(pull);
  const int64_t cost = lists.Cost();
  if (lists.empty() || cost > options_.bytes_per_worker ||
      cost > options_.bytes) {
    return 0;
  }
  auto copy = std::make_shared<const KeyLists>(lists.Copied());
  const Worker worker{pull.job, pull.stamp.worker};
  MutexLock lock(&mu_);
  for (auto own = workers_.find(worker);
       own != workers_.end() &&
       (own->second.numbers.size() >= options_.lists_per_worker ||
        own->second.bytes + cost > options_.bytes_per_worker);
       own = workers_.find(worker)) {
    DropOldestOf(worker);
  }
  while (bytes_ + cost > options_.bytes) {
    DropOldestOf(Worker(entries_.begin()->second.worker));
  }
  const uint64_t number = ++last_;
  bytes_ += cost;
  entries_.emplace(number, Entry{worker, std::move(copy)});
  Own& own = workers_[worker];
  own.numbers.push_back(number);
  own.bytes += cost;
  return number;
}

void KeptKeys::DropOldestOf(const Worker& worker) {
  const auto own = workers_.find(worker);
  const auto entry = entries_.find(own->second.numbers.front());
  const int64_t cost = entry->second.lists->Cost();
  entries_.erase(entry);
  own->second.numbers.pop_front();
  own->second.bytes -= cost;
  bytes_ -= cost;
  if (own->second.numbers.empty()) workers_.erase(own);
}

absl::StatusOr<int64_t> KeptKeys::Resolve(const NamedKeys& named,
                                          PushRequest* push) const {
  if (named.empty()) return 0;
  // Found before the first is given: mostly all are of one number.
  std::vector<std::pair<PushRows*, const Payload*>> found;
  std::vector<std::shared_ptr<const KeyLists>> held;
  const Worker worker{push->job, push->stamp.worker};
  uint64_t number = 0;
  size_t list = 0;
  for (PushSegment& segment : push->segments) {
    for (PushRows& rows : segment.rows) {
      const uint64_t wanted = named[list++];
      if (wanted == 0) continue;
      if (wanted != number) {
        MutexLock lock(&mu_);
        const auto entry = entries_.find(wanted);
        if (entry == entries_.end() || entry->second.worker != worker) {
          return LacksKeys();
        }
        held.push_back(entry->second.lists);
        number = wanted;
      }
      const Payload* keys = held.back()->Find(segment.partition, rows.table);
      if (keys == nullptr) return LacksKeys();
      found.emplace_back(&rows, keys);
    }
  }
  int64_t bytes = 0;
  for (const auto& [rows, keys] : found) {
    rows->keys = *keys;
    bytes += keys->size();
  }
  return bytes;
}

int64_t KeptKeys::bytes() const {
  MutexLock lock(&mu_);
  return bytes_;
}

// --- SentKeys ----------------------------------------------------------------

void SentKeys::Kept(const PullReply& reply, uint64_t number, KeyLists lists) {
  if (number == 0 || lists.empty()) return;
  Entry dropped;  // Destroyed without the lock.
  MutexLock lock(&mu_);
  entries_.push_front({reply.job, reply.worker, reply.server_session, number,
                       std::move(lists)});
  if (entries_.size() > kMost) {
    dropped = std::move(entries_.back());
    entries_.pop_back();
  }
}

NamedKeys SentKeys::NamesFor(const PushRequest& push) const {
  NamedKeys named;
  size_t list = 0;
  MutexLock lock(&mu_);
  for (const PushSegment& segment : push.segments) {
    for (const PushRows& rows : segment.rows) {
      ++list;
      if (rows.keys.empty()) continue;
      for (const Entry& entry : entries_) {
        if (entry.job != push.job || entry.worker != push.stamp.worker ||
            entry.server != push.server_session) {
          continue;
        }
        const Payload* keys = entry.lists.Find(segment.partition, rows.table);
        if (keys == nullptr || !SameBytes(*keys, rows.keys)) continue;
        named.resize(list);
        named.back() = entry.number;
        break;
      }
    }
  }
  if (!named.empty()) named.resize(list);
  return named;
}

void SentKeys::Forget() {
  std::deque<Entry> dropped;
  MutexLock lock(&mu_);
  dropped.swap(entries_);
}

}  // namespace ebb::rpc::internal
