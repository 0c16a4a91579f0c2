#include "client/local_shares.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "common/payload.h"

namespace ebb::client {

namespace {

// Element by element. One of them may be empty: zeros.
template <typename T>
Payload Sum(const Payload& a, const Payload& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  std::vector<T> sum(a.size() / sizeof(T)), more(b.size() / sizeof(T));
  a.CopyTo(std::as_writable_bytes(std::span(sum)));
  b.CopyTo(std::as_writable_bytes(std::span(more)));
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
  return Payload::Of(std::move(sum));
}

}  // namespace

const LocalShare* LocalShares::Find(PartitionId p) const {
  const auto it = shares_.find(p);
  return it == shares_.end() ? nullptr : &it->second;
}

void LocalShares::Add(const LocalShare& batch) {
  const auto [it, begun] = shares_.try_emplace(batch.segment.partition, batch);
  if (begun) return;
  LocalShare& share = it->second;
  share.end = batch.end;
  PushSegment& segment = share.segment;
  segment.pulled_updates =
      std::min(segment.pulled_updates, batch.segment.pulled_updates);
  segment.gradient = Sum<float>(segment.gradient, batch.segment.gradient);
  segment.oracle = Sum<uint64_t>(segment.oracle, batch.segment.oracle);
  share.ledger += batch.ledger;
  share.loss_sum += batch.loss_sum;
}

void LocalShares::Acknowledged(PartitionId p, int64_t mark) {
  const LocalShare* share = shares_.empty() ? nullptr : Find(p);
  if (share != nullptr && share->begin < mark) shares_.erase(p);
}

int64_t LocalShares::Longest() const {
  int64_t longest = 0;
  for (const auto& [p, share] : shares_) {
    longest = std::max(longest, share.end - share.begin);
  }
  return longest;
}

}  // namespace ebb::client
