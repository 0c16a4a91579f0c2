#include "models/incoming_values.h"

namespace ebb::models {
namespace {

// A copy of `bytes`, and a table after it: whether one copy is better. What is
// hardly longer for the table is; a large table is not waited for by those
// before it.
bool BetterTogether(int64_t bytes, int64_t table_bytes, int64_t least_bytes) {
  constexpr int64_t kHardly = 16;  // A part of a copy that is worth it.
  return table_bytes <= least_bytes / kHardly ||
         bytes + table_bytes <= least_bytes;
}

}  // namespace

void IncomingValues::Begin(std::span<const float> values,
                           std::span<const int64_t> ends) {
  size_ = static_cast<int64_t>(values.size());
  copies_.clear();
  awaited_ = 0;
  memory_ = values.data();
  if (backend_->uses_host_memory()) return;
  auto* const memory = array_.Reserve<float>(size_);
  memory_ = memory;
  if (memory == nullptr) return;  // TakeError says why.
  const auto bytes_of = [](int64_t floats) {
    return floats * int64_t{sizeof(float)};
  };
  const int64_t least_bytes = backend_->least_copy_bytes();
  int64_t begin = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    const int64_t end = ends[i];
    if (end == begin) continue;
    if (i + 1 < ends.size() &&
        BetterTogether(bytes_of(end - begin), bytes_of(ends[i + 1] - end),
                       least_bytes)) {
      continue;
    }
    copies_.push_back(
        {end, backend_->BeginCopyIn(&values[begin], bytes_of(end - begin),
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

}  // namespace ebb::models
