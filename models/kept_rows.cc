#include "models/kept_rows.h"

#include <algorithm>
#include <limits>

namespace ebb::models {

namespace {

constexpr int64_t kChunkBytes = int64_t{1} << 20;
constexpr int64_t kPlaceBytes = sizeof(int32_t);

}  // namespace

void KeptRows::KeepAtMost(int64_t bytes) {
  const int64_t room = bytes - examples_ * kPlaceBytes;
  const int64_t most = std::clamp<int64_t>(
      room / RowBytes(), 0,
      std::min<int64_t>(examples_, std::numeric_limits<int32_t>::max()));
  chunk_rows_ = std::max<int64_t>(1, kChunkBytes / RowBytes());
  if (most == most_rows_) return;
  // The last chunk may be shorter than the others, or longer than there is room
  // for.
  const int64_t chunks = std::min(rows_, most) / chunk_rows_;
  most_rows_ = most;
  rows_ = chunks * chunk_rows_;
  chunks_.resize(chunks);
  if (rows_ == 0) places_ = {};
  for (int32_t& place : places_) {
    if (place >= rows_) place = -1;
  }
}

int64_t KeptRows::most_bytes() const {
  if (most_rows_ == 0) return 0;
  return examples_ * kPlaceBytes + most_rows_ * RowBytes();
}

const float* KeptRows::Find(int64_t number) const {
  if (number < 0 || number >= static_cast<int64_t>(places_.size())) {
    return nullptr;
  }
  const int32_t place = places_[number];
  return place < 0 ? nullptr : RowAt(place);
}

void KeptRows::Put(int64_t number, const float* row) {
  if (rows_ == most_rows_ || number < 0 || number >= examples_) return;
  if (places_.empty()) places_.assign(examples_, -1);
  if (places_[number] >= 0) return;
  if (rows_ % chunk_rows_ == 0) {
    const int64_t count = std::min(chunk_rows_, most_rows_ - rows_);
    chunks_.push_back(std::make_unique_for_overwrite<float[]>(count * width_));
  }
  places_[number] = static_cast<int32_t>(rows_);
  std::copy_n(row, width_, RowAt(rows_++));
}

}  // namespace ebb::models
