#include "protocol/sealed.h"

#include <xxhash.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "protocol/codec.h"

namespace ebb {

std::string SealHead(absl::string_view magic, uint32_t version,
                     size_t body_bytes) {
  std::string head(magic.substr(0, 4));
  PutFixed32(version, &head);
  PutFixed64(body_bytes, &head);
  return head;
}

// The head's hash seeds the body's, so the body is hashed where it lies.
uint64_t SealChecksum(absl::string_view head, absl::string_view body) {
  return XXH3_64bits_withSeed(body.data(), body.size(),
                              XXH3_64bits(head.data(), head.size()));
}

std::string Seal(absl::string_view magic, uint32_t version,
                 absl::string_view body) {
  std::string out = SealHead(magic, version, body.size());
  const uint64_t checksum = SealChecksum(out, body);
  out.reserve(out.size() + body.size() + kSealTailBytes);
  out.append(body.data(), body.size());
  PutFixed64(checksum, &out);
  return out;
}

uint64_t SealedBodyBytes(absl::string_view head) {
  ByteReader in(head.substr(0, kSealHeadBytes));
  absl::string_view magic;
  uint32_t version = 0;
  uint64_t length = 0;
  return in.GetBytes(4, &magic) && in.GetFixed32(&version) &&
                 in.GetFixed64(&length)
             ? length
             : 0;
}

absl::StatusOr<absl::string_view> Unseal(absl::string_view magic,
                                         uint32_t newest_version,
                                         absl::string_view what,
                                         absl::string_view bytes,
                                         uint32_t* version_out) {
  const auto damaged = [&](auto&&... parts) {
    return absl::DataLossError(absl::StrCat(what, ": ", parts...));
  };
  if (bytes.size() < kSealHeadBytes + kSealTailBytes) {
    return damaged("only ", bytes.size(), " bytes");
  }
  const absl::string_view head = bytes.substr(0, kSealHeadBytes);
  const absl::string_view body = bytes.substr(
      kSealHeadBytes, bytes.size() - kSealHeadBytes - kSealTailBytes);
  if (head.substr(0, 4) != magic.substr(0, 4)) {
    return damaged("does not begin with ", magic);
  }
  ByteReader version_bytes(head.substr(4));
  ByteReader tail(bytes.substr(bytes.size() - kSealTailBytes));
  uint32_t version = 0;
  uint64_t checksum = 0;
  if (!version_bytes.GetFixed32(&version) || !tail.GetFixed64(&checksum) ||
      checksum != SealChecksum(head, body)) {
    return damaged("its checksum is wrong");
  }
  if (SealedBodyBytes(head) != body.size()) {
    return damaged("has ", body.size(), " bytes, says ", SealedBodyBytes(head));
  }
  if (version > newest_version) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": written in version ", version, " of its form, this ebb knows ",
        newest_version, "; use the ebb that wrote it, or a newer one"));
  }
  if (version_out != nullptr) *version_out = version;
  return body;
}

}  // namespace ebb
