#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "data/growing/codec.h"
#include "data/growing/proto_headers.h"
#include "protocol/sealed.h"

namespace {

namespace growing = ebb::data::growing;

void Require(bool condition) {
  if (!condition) std::abort();
}

// What is read of an object is possible, and its columns can be read or are
// refused.
void ReadObject(absl::string_view bytes) {
  const auto header = growing::PeekHeader("it", bytes);
  if (!header.ok()) return Require(!header.status().message().empty());
  Require(header->place >= 0 && header->first >= 0 && header->count >= 0);
  ebb::data::pack::Window window;
  for (const auto layout :
       {ebb::data::Layout::kDense, ebb::data::Layout::kKeyed}) {
    const ebb::data::pack::WindowSchema schema = {layout, false, false, 1};
    const auto object = growing::DecodeObject("it", bytes, schema, &window);
    if (object.ok()) Require(window.examples == object->count);
  }
}

}  // namespace

// The input is an object, an "about" or a floor as it is, and the body of each
// with the seal that it ought to have, which a fuzzer does not guess.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  ReadObject(bytes);
  Require(growing::DecodeAbout("it", bytes).ok() ||
          !growing::DecodeAbout("it", bytes).status().message().empty());
  growing::About about;
  growing::Floor floor;
  growing::FromBytes(bytes, &about);
  growing::FromBytes(bytes, &floor);
  std::string body;
  const auto put = [&](uint64_t value) {
    for (int i = 0; i < 8; ++i)
      body.push_back(static_cast<char>(value >> 8 * i));
  };
  put(size);
  put(XXH3_64bits(bytes.data(), bytes.size()));
  ReadObject(ebb::Seal("EBBO", 1, body + bytes));
  return 0;
}
