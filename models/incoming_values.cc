#include "models/incoming_values.h"

namespace ebb::models {
namespace {

int64_t BytesOf(int64_t floats) { return floats * int64_t{sizeof(float)}; }

// A copy of `bytes`, and a table after it: whether one copy is better. It is if
// the table makes it hardly longer; tables do not wait for a large one after
// them.
bool BetterTogether(int64_t bytes, int64_t table_bytes, int64_t least_bytes) {
  constexpr int64_t kHardly = 16;  // A part of a copy that is worth it.
  return table_bytes <= least_bytes / kHardly ||
         bytes + table_bytes <= least_bytes;
}

}  // namespace

void IncomingValues::Begin(const KnownFloats& values,
                           std::span<const int64_t> ends) {
  const std::span<const float> floats = values.floats;
  size_ = static_cast<int64_t>(floats.size());
  copies_.clear();
  awaited_ = 0;
  memory_ = floats.data();
  if (backend_->uses_host_memory()) return;
  if (next().Are(values)) current_ = 1 - current_;
  Arrival& arrival = arrivals_[current_];
  const bool there = arrival.Are(values);
  auto* const memory = arrival.array.Reserve<float>(size_);
  memory_ = memory;
  if (there || memory == nullptr) return;  // TakeError says why.
  arrival.of = values;
  const int64_t least_bytes = backend_->least_copy_bytes();
  int64_t begin = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    const int64_t end = ends[i];
    if (end == begin) continue;
    if (i + 1 < ends.size() &&
        BetterTogether(BytesOf(end - begin), BytesOf(ends[i + 1] - end),
                       least_bytes)) {
      continue;
    }
    copies_.push_back(
        {end, backend_->BeginCopyIn(&floats[begin], BytesOf(end - begin),
                                    memory + begin)});
    begin = end;
  }
}

const float* IncomingValues::Read(int64_t begin, int64_t count) {
  // Copies arrive in the order in which they were begun.
  while (count > 0 && awaited_ < copies_.size() &&
         (awaited_ == 0 || copies_[awaited_ - 1].end < begin + count)) {
    backend_->AwaitCopyIn(copies_[awaited_++].ticket);
  }
  return memory_ + begin;
}

void IncomingValues::MakeRoomForNext() {
  if (next().array.capacity<float>() >= size_) return;
  next().of = {};
  next().array.Reserve<float>(size_);  // TakeError says if there is none.
}

bool IncomingValues::BeginNext(const KnownFloats& next_values) {
  if (next_values.id == ContentId::kUnknown) return false;
  const auto count = static_cast<int64_t>(next_values.floats.size());
  if (arrivals_[current_].Are(next_values) || next().Are(next_values) ||
      count > next().array.capacity<float>()) {
    return true;
  }
  next().of = next_values;
  backend_->BeginCopyInAhead(next_values.floats.data(), BytesOf(count),
                             next().array.data<float>());
  return true;
}

void IncomingValues::Forget() {
  for (Arrival& arrival : arrivals_) arrival.of = {};
}

}  // namespace ebb::models
