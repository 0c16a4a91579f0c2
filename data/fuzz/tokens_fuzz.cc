#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/tls/sha256.h"
#include "data/bytes/fixed64.h"
#include "data/fuzz/fuzzing.h"
#include "data/tokens/token_set.h"

namespace {

// What is read is written back byte for byte, and what it says is possible.
void RoundTrip(absl::string_view bytes) {
  using ebb::data::Require;
  using ebb::data::tokens::kMostTokenWindowBytes;
  const auto footer = ebb::data::tokens::TokenFooter::Decode(bytes);
  if (!footer.ok()) return Require(!footer.status().message().empty());
  Require(footer->Encode() == bytes);
  Require(footer->window * footer->sequence_bytes() <= kMostTokenWindowBytes);
  const int64_t last = footer->SequencesOf(footer->windows() - 1);
  Require(last >= 1 && last <= footer->window);
}

}  // namespace

// The input is a footer as it is, and with the length and the checksum that it
// ought to have, which a fuzzer does not guess.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  RoundTrip(bytes);
  constexpr size_t kFront = 20;  // Magic, version and length.
  constexpr size_t kHash = 32;
  if (size < kFront + kHash) return 0;
  std::string checked = bytes.substr(0, kFront - 8);
  ebb::data::internal::PutFixed64(size - kFront - kHash, &checked);
  checked += bytes.substr(kFront, size - kFront - kHash);
  checked += ebb::Sha256(checked);
  RoundTrip(checked);
  return 0;
}
