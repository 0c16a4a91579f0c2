// Any bytes as encoded values: no crash, nothing read or written beyond what
// is there, whatever the slices; and what is decoded is the same however it
// was cut.
//
// The first byte of the input chooses the encoding, the second the size of the
// slices, the next two how many values they are said to be.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/filters/codec.h"

namespace {

ebb::Payload InSlices(std::span<const std::byte> bytes, size_t size) {
  ebb::Payload payload;
  for (size_t at = 0; at < bytes.size(); at += size) {
    const auto part = bytes.subspan(at, std::min(size, bytes.size() - at));
    auto slice =
        std::make_shared<std::vector<std::byte>>(part.begin(), part.end());
    const std::span<const std::byte> span(*slice);
    payload.Append(std::move(slice), span);
  }
  return payload;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const auto encoding = static_cast<ebb::Encoding>(
      data[0] % (static_cast<int>(ebb::kLastEncoding) + 1));
  const size_t slice = std::max<size_t>(data[1], 1);
  const int64_t floats = data[2] + 256 * data[3];
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(4);
  const ebb::Payload payload = InSlices(bytes, slice);
  if (!ebb::CheckEncoded(encoding, payload, floats).ok()) return 0;
  std::vector<float> values(floats), again(floats);
  ebb::Decode(encoding, payload, values);
  ebb::Decode(encoding, InSlices(bytes, std::max<size_t>(bytes.size(), 1)),
              again);
  // Bit for bit: NaN is not itself.
  if (floats > 0 &&
      std::memcmp(values.data(), again.data(), floats * sizeof(float)) != 0) {
    std::abort();
  }
  // What was decoded can be encoded again.
  if (!ebb::CheckEncoded(encoding,
                         ebb::Encode(encoding, ebb::Payload::Of(values), {}),
                         floats)
           .ok()) {
    std::abort();
  }
  return 0;
}
