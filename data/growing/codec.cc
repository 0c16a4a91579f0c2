#include "data/growing/codec.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "data/growing/proto_headers.h"
#include "data/pack/window_bytes.h"
#include "data/pack/window_encoder.h"
#include "data/pack/window_reader.h"
#include "protocol/sealed.h"

namespace ebb::data::growing {
namespace {

constexpr absl::string_view kAboutMagic = "EBBA";
constexpr absl::string_view kObjectMagic = "EBBO";
constexpr absl::string_view kFloorMagic = "EBBF";
constexpr uint32_t kVersion = 1;

// The body of an object begins with the header's length and its XXH3.
constexpr size_t kLengthBytes = 16;
constexpr size_t kHeaderAt = kSealHeadBytes + kLengthBytes;

void PutLength(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) out->push_back(static_cast<char>(value >> 8 * i));
}

uint64_t LengthAt(absl::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

absl::Status Damaged(absl::string_view name, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(name, " is damaged: ", what,
                   "; bring the object back from a copy, or begin a new set"));
}

// Checks the seal, whose errors are those of all records.
absl::StatusOr<absl::string_view> BodyOf(absl::string_view magic,
                                         absl::string_view name,
                                         absl::string_view bytes) {
  return Unseal(magic, kVersion, name, bytes);
}

// The columns of an object that was unsealed.
absl::string_view ColumnsOf(absl::string_view bytes) {
  const auto header = static_cast<int64_t>(LengthAt(bytes, kSealHeadBytes));
  const auto at = static_cast<size_t>(
      pack::Aligned(static_cast<int64_t>(kHeaderAt) + header));
  const size_t end = bytes.size() - kSealTailBytes;
  return at >= end ? absl::string_view() : bytes.substr(at, end - at);
}

}  // namespace

std::string ObjectKey(int64_t place) {
  return absl::StrFormat("chain/%020d", place);
}

std::string FloorKey(int64_t floor) {
  return absl::StrFormat("floor/%020d", floor);
}

ObjectHash HashOfObject(absl::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::string EncodeAbout(const About& about) {
  return Seal(kAboutMagic, kVersion, ToBytes(about));
}

absl::StatusOr<About> DecodeAbout(absl::string_view name,
                                  absl::string_view bytes) {
  EBB_ASSIGN_OR_RETURN(const absl::string_view body,
                       BodyOf(kAboutMagic, name, bytes));
  About about;
  const std::string problem = FromBytes(body, &about);
  if (!problem.empty()) return Damaged(name, problem);
  return about;
}

std::string EncodeFloor(const Floor& floor) {
  return Seal(kFloorMagic, kVersion, ToBytes(floor));
}

absl::StatusOr<Floor> DecodeFloor(absl::string_view name,
                                  absl::string_view bytes) {
  EBB_ASSIGN_OR_RETURN(const absl::string_view body,
                       BodyOf(kFloorMagic, name, bytes));
  Floor floor;
  const std::string problem = FromBytes(body, &floor);
  if (!problem.empty()) return Damaged(name, problem);
  return floor;
}

absl::StatusOr<std::string> EncodeObject(const pack::WindowSchema& schema,
                                         const pack::Window& window,
                                         ObjectHeader* header) {
  std::string columns;
  header->window = pack::WindowEntry();
  if (header->count > 0) {
    EBB_ASSIGN_OR_RETURN(header->window,
                         pack::EncodeWindow(schema, window, /*compress=*/true,
                                            [&](std::span<const char> column) {
                                              columns.append(column.data(),
                                                             column.size());
                                              return absl::OkStatus();
                                            }));
  }
  const std::string stored = ToBytes(*header);
  std::string body;
  PutLength(stored.size(), &body);
  PutLength(XXH3_64bits(stored.data(), stored.size()), &body);
  body += stored;
  if (!columns.empty()) {
    const auto at = static_cast<int64_t>(kSealHeadBytes + body.size());
    body.resize(static_cast<size_t>(pack::Aligned(at)) - kSealHeadBytes);
    body += columns;
  }
  const auto bytes =
      static_cast<int64_t>(body.size() + kSealHeadBytes + kSealTailBytes);
  if (bytes > kMostObjectBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("an object of ", header->count, " examples has ", bytes,
                     " bytes, and may have ", kMostObjectBytes));
  }
  if (static_cast<int64_t>(stored.size()) > kMostHeaderBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the header of an object has ", stored.size(), " bytes, and may have ",
        kMostHeaderBytes, ": the set has ", header->ends.size(),
        " partitions; begin a new set"));
  }
  return Seal(kObjectMagic, kVersion, body);
}

absl::StatusOr<ObjectHeader> PeekHeader(absl::string_view name,
                                        absl::string_view bytes) {
  if (bytes.size() < kHeaderAt) {
    return absl::OutOfRangeError(absl::StrCat(kHeaderAt));
  }
  if (bytes.substr(0, kObjectMagic.size()) != kObjectMagic) {
    return Damaged(name, "it is no object of a growing set");
  }
  uint32_t version = 0;
  std::memcpy(&version, bytes.data() + kObjectMagic.size(), sizeof(version));
  if (version > kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " has version ", version, ", and this ebb reads ",
                     kVersion, "; use the release that wrote it"));
  }
  const uint64_t length = LengthAt(bytes, kSealHeadBytes);
  if (length > static_cast<uint64_t>(kMostHeaderBytes)) {
    return Damaged(name, "its header is too long");
  }
  if (bytes.size() < kHeaderAt + length) {
    return absl::OutOfRangeError(absl::StrCat(kHeaderAt + length));
  }
  const absl::string_view stored = bytes.substr(kHeaderAt, length);
  if (XXH3_64bits(stored.data(), stored.size()) !=
      LengthAt(bytes, kSealHeadBytes + 8)) {
    return Damaged(name, "the checksum of its header is wrong");
  }
  ObjectHeader header;
  const std::string problem = FromBytes(stored, &header);
  if (!problem.empty()) return Damaged(name, problem);
  return header;
}

absl::StatusOr<ObjectHeader> DecodeHeader(absl::string_view name,
                                          absl::string_view bytes) {
  EBB_RETURN_IF_ERROR(BodyOf(kObjectMagic, name, bytes).status());
  auto header = PeekHeader(name, bytes);
  // A sealed object has all of its header.
  if (absl::IsOutOfRange(header.status())) {
    return Damaged(name, "its header is longer than the object");
  }
  return header;
}

absl::StatusOr<ObjectHeader> DecodeObject(absl::string_view name,
                                          absl::string_view bytes,
                                          const pack::WindowSchema& schema,
                                          pack::Window* window) {
  EBB_ASSIGN_OR_RETURN(ObjectHeader header, DecodeHeader(name, bytes));
  if (header.count == 0) {
    *window = pack::Window();
    return header;
  }
  const absl::string_view columns = ColumnsOf(bytes);
  if (!schema.IsPossible(header.window, static_cast<int64_t>(columns.size()))) {
    return Damaged(name, "its columns are not those of the set");
  }
  pack::WindowBytes stored = pack::WindowBytes::InMemory(columns);
  EBB_ASSIGN_OR_RETURN(
      const std::string problem,
      pack::ReadWindow(schema, header.window, {}, &stored, window));
  if (!problem.empty()) return Damaged(name, problem);
  return header;
}

absl::Status CheckPlace(absl::string_view name, const ObjectHeader& header,
                        const std::string& identity, int64_t place) {
  if (header.identity != identity) {
    return absl::DataLossError(absl::StrCat(
        name,
        " belongs to another set; two sets share this place, or an "
        "object was copied here: bring the right one back"));
  }
  if (header.place != place) {
    return absl::DataLossError(
        absl::StrCat(name, " is the object of place ", header.place,
                     "; it was renamed or copied: bring the right one back"));
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::growing
