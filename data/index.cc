#include "data/index.h"

#include <xxhash.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/internal/fixed64.h"
#include "data/internal/text.h"

namespace ebb::data {
namespace {

using internal::PutFixed64;
using internal::TakeBytes;
using internal::TakeFixed64;

constexpr absl::string_view kMagic = "EBBINDEX";
// Version 2 has what was left out at its end, and is written where that is not
// nothing: there is one encoding of an index.
constexpr uint64_t kVersion = 1;
constexpr uint64_t kVersionWithLeftOut = 2;

void PutDoubles(const std::vector<double>& values, std::string* out) {
  for (const double value : values) {
    PutFixed64(std::bit_cast<uint64_t>(value), out);
  }
}

// False at the end of the bytes or at a number that is not finite. A damaged
// `count` costs no memory: each number is there before it is stored.
bool GetDoubles(absl::string_view* in, uint64_t count,
                std::vector<double>* values) {
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t bits;
    if (!TakeFixed64(in, &bits)) return false;
    values->push_back(std::bit_cast<double>(bits));
    if (!std::isfinite(values->back())) return false;
  }
  return true;
}

// False unless `values` is what Encode() makes of ascending floats.
bool ToClasses(const std::vector<double>& values, std::vector<float>* classes) {
  for (const double value : values) {
    if (std::fabs(value) > std::numeric_limits<float>::max()) return false;
    const auto label = static_cast<float>(value);
    if (label != value) return false;
    if (!classes->empty() && label <= classes->back()) return false;
    classes->push_back(label);
  }
  return true;
}

bool DecodePayload(uint64_t version, absl::string_view rest, Index* index) {
  uint64_t count;
  absl::string_view meaning;
  if (!TakeFixed64(&rest, &count) || !TakeBytes(&rest, count, &meaning)) {
    return false;
  }
  index->meaning = std::string(meaning);

  if (!TakeFixed64(&rest, &count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t bytes;
    FileFingerprint file;
    if (!TakeFixed64(&rest, &bytes) || !TakeFixed64(&rest, &file.hash_high) ||
        !TakeFixed64(&rest, &file.hash_low)) {
      return false;
    }
    file.bytes = static_cast<int64_t>(bytes);
    index->files.push_back(file);
  }

  uint64_t examples;
  uint64_t features;
  if (!TakeFixed64(&rest, &examples) || !TakeFixed64(&rest, &features)) {
    return false;
  }
  index->examples = static_cast<int64_t>(examples);
  index->features = static_cast<int64_t>(features);
  if (index->examples < 0 || features > internal::kMaxFeatures) return false;

  std::vector<double> classes;
  if (!TakeFixed64(&rest, &count) || !GetDoubles(&rest, count, &classes) ||
      !ToClasses(classes, &index->classes)) {
    return false;
  }
  if (!TakeFixed64(&rest, &count) || (count != 0 && count != features) ||
      !GetDoubles(&rest, count, &index->mean) ||
      !GetDoubles(&rest, count, &index->stddev)) {
    return false;
  }
  for (const double stddev : index->stddev) {
    if (stddev < 0) return false;
  }
  if (version == kVersionWithLeftOut) {
    uint64_t left_out;
    if (!TakeFixed64(&rest, &left_out)) return false;
    index->left_out = static_cast<int64_t>(left_out);
    if (index->left_out <= 0) return false;
  }
  return rest.empty();
}

}  // namespace

std::string Index::Encode() const {
  std::string payload;
  PutFixed64(meaning.size(), &payload);
  payload += meaning;
  PutFixed64(files.size(), &payload);
  for (const FileFingerprint& file : files) {
    PutFixed64(static_cast<uint64_t>(file.bytes), &payload);
    PutFixed64(file.hash_high, &payload);
    PutFixed64(file.hash_low, &payload);
  }
  PutFixed64(static_cast<uint64_t>(examples), &payload);
  PutFixed64(static_cast<uint64_t>(features), &payload);
  PutFixed64(classes.size(), &payload);
  PutDoubles(std::vector<double>(classes.begin(), classes.end()), &payload);
  PutFixed64(mean.size(), &payload);
  PutDoubles(mean, &payload);
  PutDoubles(stddev, &payload);
  if (left_out > 0) PutFixed64(static_cast<uint64_t>(left_out), &payload);

  std::string bytes(kMagic);
  PutFixed64(left_out > 0 ? kVersionWithLeftOut : kVersion, &bytes);
  PutFixed64(payload.size(), &bytes);
  bytes += payload;
  PutFixed64(XXH64(bytes.data(), bytes.size(), 0), &bytes);
  return bytes;
}

absl::StatusOr<Index> Index::Decode(absl::string_view bytes) {
  absl::string_view rest = bytes;
  absl::string_view magic;
  uint64_t version;
  uint64_t length;
  absl::string_view payload;
  uint64_t checksum;
  if (!TakeBytes(&rest, kMagic.size(), &magic) || magic != kMagic ||
      !TakeFixed64(&rest, &version)) {
    return absl::DataLossError(absl::StrCat(
        bytes.size(), " bytes are no data index: they do not begin with ",
        kMagic, " and a version"));
  }
  if (version != kVersion && version != kVersionWithLeftOut) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data index has version ", version,
                     " of the format; this program reads versions ", kVersion,
                     " and ", kVersionWithLeftOut,
                     ", so use the release that wrote it, or index anew"));
  }
  if (!TakeFixed64(&rest, &length) || !TakeBytes(&rest, length, &payload) ||
      !TakeFixed64(&rest, &checksum) || !rest.empty()) {
    return absl::DataLossError(absl::StrCat(
        "the data index is cut or too long at ", bytes.size(), " bytes"));
  }
  Index index;
  const absl::string_view covered = bytes.substr(0, bytes.size() - 8);
  if (XXH64(covered.data(), covered.size(), 0) != checksum ||
      !DecodePayload(version, payload, &index)) {
    return absl::DataLossError(
        absl::StrCat("the data index of ", bytes.size(),
                     " bytes is damaged: its checksum or its content is "
                     "wrong; index the data anew"));
  }
  return index;
}

uint64_t Index::Hash() const {
  const std::string bytes = Encode();
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace ebb::data
