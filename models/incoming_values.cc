#include "models/incoming_values.h"

namespace ebb::models {

void IncomingValues::Begin(std::span<const float> values,
                           std::span<const int64_t> ends) {
  size_ = static_cast<int64_t>(values.size());
  tables_.clear();
  awaited_ = 0;
  memory_ = values.data();
  if (backend_->uses_host_memory()) return;
  auto* const memory = array_.Reserve<float>(size_);
  memory_ = memory;
  if (memory == nullptr) return;  // TakeError says why.
  int64_t begin = 0;
  for (const int64_t end : ends) {
    if (end == begin) continue;
    tables_.push_back(
        {end, backend_->BeginCopyIn(&values[begin],
                                    (end - begin) * int64_t{sizeof(float)},
                                    memory + begin)});
    begin = end;
  }
}

const float* IncomingValues::Read(int64_t begin, int64_t count) {
  // Copies arrive in the order in which they were begun.
  while (count > 0 && awaited_ < tables_.size() &&
         (awaited_ == 0 || tables_[awaited_ - 1].end < begin + count)) {
    backend_->AwaitCopyIn(tables_[awaited_++].copy);
  }
  return memory_ + begin;
}

}  // namespace ebb::models
