#include "common/filters/codec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "common/filters/internal/kernels.h"
#include "common/filters/internal/runs.h"
#include "common/filters/internal/sparse.h"

namespace ebb {

namespace {

using internal::Runs;

constexpr size_t kScale = sizeof(float);

using ToHalves = void (*)(const std::byte*, size_t, std::byte*);
using FromHalves = void (*)(const std::byte*, size_t, float*);

void EncodeHalves(const Payload& values, ToHalves convert, std::byte* out) {
  Runs runs(values, sizeof(float));
  for (auto run = runs.Next(); !run.empty(); run = runs.Next()) {
    const size_t count = run.size() / sizeof(float);
    convert(run.data(), count, out);
    out += count * sizeof(uint16_t);
  }
}

// Takes decoded values, one after the other.
class Sink {
 public:
  explicit Sink(std::span<const std::span<float>> parts) : parts_(parts) {}

  // Up to `count` floats in one piece; what is written to it counts as put.
  std::span<float> Room(size_t count) {
    while (at_ == parts_.front().size()) {
      parts_ = parts_.subspan(1);
      at_ = 0;
    }
    const auto room = parts_.front().subspan(at_);
    const auto here = room.first(std::min(count, room.size()));
    at_ += here.size();
    return here;
  }

  void Put(std::span<const float> values) {
    while (!values.empty()) {
      const std::span<float> here = Room(values.size());
      std::ranges::copy(values.first(here.size()), here.begin());
      values = values.subspan(here.size());
    }
  }

 private:
  std::span<const std::span<float>> parts_;
  size_t at_ = 0;  // Within the first.
};

void DecodeFloats(const Payload& bytes, Sink* sink) {
  Runs runs(bytes, sizeof(float));
  for (auto run = runs.Next(); !run.empty();) {
    const std::span<float> to = sink->Room(run.size() / sizeof(float));
    std::memcpy(to.data(), run.data(), to.size_bytes());
    run = run.subspan(to.size_bytes());
    if (run.empty()) run = runs.Next();
  }
}

void DecodeHalves(const Payload& bytes, FromHalves convert, Sink* sink) {
  Runs runs(bytes, sizeof(uint16_t));
  for (auto run = runs.Next(); !run.empty();) {
    const std::span<float> to = sink->Room(run.size() / sizeof(uint16_t));
    convert(run.data(), to.size(), to.data());
    run = run.subspan(to.size() * sizeof(uint16_t));
    if (run.empty()) run = runs.Next();
  }
}

void EncodeInt8(const Payload& values, const Noise& noise, std::byte* out) {
  constexpr size_t kUnit = kInt8Block * sizeof(float);
  uint32_t index = 0;
  Runs runs(values, kUnit);
  for (auto run = runs.Next(); !run.empty(); run = runs.Next()) {
    for (size_t at = 0; at < run.size(); at += kUnit) {
      const size_t count = std::min(kUnit, run.size() - at) / sizeof(float);
      internal::ToInt8(run.data() + at, count, noise, index, out);
      index += static_cast<uint32_t>(count);
      out += kScale + count;
    }
  }
}

void DecodeInt8(const Payload& bytes, Sink* sink) {
  constexpr size_t kUnit = kScale + kInt8Block;
  float values[kInt8Block];
  Runs runs(bytes, kUnit);
  for (auto run = runs.Next(); !run.empty(); run = runs.Next()) {
    for (size_t at = 0; at < run.size(); at += kUnit) {
      const size_t count = std::min(kUnit, run.size() - at) - kScale;
      internal::FromInt8(run.data() + at, count, values);
      sink->Put(std::span(values, count));
    }
  }
}

Payload EncodeSparse(const Payload& values) {
  std::vector<std::byte> bytes;
  float block[kSparseBlock];
  const int64_t size = values.size();
  for (int64_t at = 0; at < size;) {
    const int64_t n = std::min<int64_t>(sizeof(block), size - at);
    const std::span<float> here(block, n / sizeof(float));
    values.Sub(at, n).CopyTo(std::as_writable_bytes(here));
    internal::EncodeSparseBlock(here, &bytes);
    at += n;
  }
  return Payload::Of(std::move(bytes));
}

void DecodeSparse(const Payload& bytes, std::span<const std::span<float>> parts,
                  Sink* sink) {
  size_t left = 0;
  for (const std::span<float> part : parts) left += part.size();
  internal::SparseReader reader(bytes);
  float block[kSparseBlock];
  while (left > 0) {
    const std::span<float> here(block, std::min<size_t>(left, kSparseBlock));
    // CheckEncoded has read it, too; but what lies in shared memory may be
    // another since.
    if (!reader.Next(here).ok()) std::ranges::fill(here, 0.0f);
    sink->Put(here);
    left -= here.size();
  }
}

}  // namespace

Payload Encode(Encoding encoding, const Payload& values, const Noise& noise) {
  if (encoding == Encoding::kFloat32) return values;
  if (encoding == Encoding::kSparse) return EncodeSparse(values);
  const int64_t floats = values.size() / static_cast<int64_t>(sizeof(float));
  std::vector<std::byte> bytes(EncodedBytes(encoding, floats));
  switch (encoding) {
    case Encoding::kFloat32:
    case Encoding::kSparse:
      break;
    case Encoding::kBfloat16:
      EncodeHalves(values, &internal::ToBfloat16, bytes.data());
      break;
    case Encoding::kFloat16:
      EncodeHalves(values, &internal::ToFloat16, bytes.data());
      break;
    case Encoding::kInt8:
      EncodeInt8(values, noise, bytes.data());
      break;
  }
  return Payload::Of(std::move(bytes));
}

void Decode(Encoding encoding, const Payload& bytes,
            std::span<const std::span<float>> parts) {
  Sink sink(parts);
  switch (encoding) {
    case Encoding::kFloat32:
      return DecodeFloats(bytes, &sink);
    case Encoding::kBfloat16:
      return DecodeHalves(bytes, &internal::FromBfloat16, &sink);
    case Encoding::kFloat16:
      return DecodeHalves(bytes, &internal::FromFloat16, &sink);
    case Encoding::kInt8:
      return DecodeInt8(bytes, &sink);
    case Encoding::kSparse:
      return DecodeSparse(bytes, parts, &sink);
  }
}

void Decode(Encoding encoding, const Payload& bytes, std::span<float> out) {
  Decode(encoding, bytes, std::span<const std::span<float>>(&out, 1));
}

}  // namespace ebb
