#include "data/index.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/bytes/fixed64.h"
#include "data/bytes/text.h"

namespace ebb::data {
namespace {

using internal::PutFixed64;
using internal::TakeBytes;
using internal::TakeFixed64;

constexpr absl::string_view kMagic = "EBBINDEX";
// There is one encoding of an index: the oldest version that holds all of it.
// Version 2 has what was left out at its end. Version 3 has sections there, and
// versions 4 and 5 one more of them each.
constexpr uint64_t kVersion = 1;
constexpr uint64_t kVersionWithLeftOut = 2;
constexpr uint64_t kVersionWithSections = 3;
constexpr uint64_t kVersionWithWords = 4;
constexpr uint64_t kVersionWithOrigins = 5;

// A section is its tag, its length and its bytes. Tags ascend.
enum class Section : uint64_t {
  kLeftOut = 1,     // An int, above 0.
  kLabels = 2,      // Two reals: LabelMoments.
  kColumns = 3,     // Encoding::columns.
  kClassTexts = 4,  // Encoding::classes.
  kWords = 5,       // Encoding::vocabulary. Version 4.
  kOrigins = 6,     // Encoding::origins. Version 5.
};

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

bool GetLeftOut(absl::string_view* in, Index* index) {
  uint64_t left_out;
  if (!TakeFixed64(in, &left_out)) return false;
  index->left_out = static_cast<int64_t>(left_out);
  return index->left_out > 0;
}

bool GetLabels(absl::string_view* in, Index* index) {
  std::vector<double> moments;
  if (!GetDoubles(in, 2, &moments) || moments[1] < 0) return false;
  index->labels = LabelMoments{moments[0], moments[1]};
  return true;
}

// One for each feature, and one of them is not 0.
bool GetOrigins(absl::string_view* in, Index* index) {
  std::vector<double>& origins = index->encoding.origins;
  constexpr double kMost = std::numeric_limits<float>::max();
  // False of NaN, too.
  const auto fits = [](double origin) { return std::abs(origin) <= kMost; };
  return GetDoubles(in, in->size() / sizeof(uint64_t), &origins) &&
         std::all_of(origins.begin(), origins.end(), fits) &&
         std::any_of(origins.begin(), origins.end(),
                     [](double origin) { return origin != 0; });
}

// Returns whether the parts of an index that depend on each other fit.
bool Fits(const Index& index) {
  const Encoding& encoding = index.encoding;
  if (!encoding.origins.empty() &&
      static_cast<int64_t>(encoding.origins.size()) != index.features) {
    return false;
  }
  if (!encoding.columns.empty() && encoding.features() != index.features) {
    return false;
  }
  for (const float label : index.classes) {
    if (encoding.classes.empty()) break;
    if (label < 0 || std::trunc(label) != label ||
        static_cast<size_t>(label) >= encoding.classes.size()) {
      return false;
    }
  }
  return true;
}

bool GetSection(Section tag, absl::string_view bytes, Index* index) {
  switch (tag) {
    case Section::kLeftOut:
      return GetLeftOut(&bytes, index) && bytes.empty();
    case Section::kLabels:
      return GetLabels(&bytes, index) && bytes.empty();
    case Section::kColumns:
      return DecodeColumns(bytes, &index->encoding.columns);
    case Section::kClassTexts:
      return DecodeTexts(bytes, &index->encoding.classes);
    case Section::kWords:
      return DecodeVocabulary(bytes, &index->encoding.vocabulary);
    case Section::kOrigins:
      return GetOrigins(&bytes, index) && bytes.empty();
  }
  return false;
}

// Sections up to the end. The last one is one that the version before has no
// place for.
bool GetSections(uint64_t version, absl::string_view rest, Index* index) {
  uint64_t last = 0;
  while (!rest.empty()) {
    uint64_t tag;
    uint64_t length;
    absl::string_view bytes;
    if (!TakeFixed64(&rest, &tag) || !TakeFixed64(&rest, &length) ||
        !TakeBytes(&rest, length, &bytes) || tag <= last ||
        !GetSection(static_cast<Section>(tag), bytes, index)) {
      return false;
    }
    last = tag;
  }
  const uint64_t needed =
      last == static_cast<uint64_t>(Section::kOrigins) ? kVersionWithOrigins
      : last == static_cast<uint64_t>(Section::kWords) ? kVersionWithWords
                                                       : kVersionWithSections;
  return last > static_cast<uint64_t>(Section::kLeftOut) && version == needed &&
         Fits(*index);
}

void PutSection(Section tag, const std::string& bytes, std::string* out) {
  PutFixed64(static_cast<uint64_t>(tag), out);
  PutFixed64(bytes.size(), out);
  *out += bytes;
}

// All that version 1 has no place for.
std::string Sections(const Index& index) {
  std::string out;
  if (index.left_out > 0) {
    std::string bytes;
    PutFixed64(static_cast<uint64_t>(index.left_out), &bytes);
    PutSection(Section::kLeftOut, bytes, &out);
  }
  if (index.labels) {
    std::string bytes;
    PutDoubles({index.labels->mean, index.labels->stddev}, &bytes);
    PutSection(Section::kLabels, bytes, &out);
  }
  if (!index.encoding.columns.empty()) {
    PutSection(Section::kColumns, EncodeColumns(index.encoding.columns), &out);
  }
  if (!index.encoding.classes.empty()) {
    PutSection(Section::kClassTexts, EncodeTexts(index.encoding.classes), &out);
  }
  if (!index.encoding.vocabulary.empty()) {
    PutSection(Section::kWords, EncodeVocabulary(index.encoding.vocabulary),
               &out);
  }
  if (!index.encoding.origins.empty()) {
    std::string bytes;
    PutDoubles(index.encoding.origins, &bytes);
    PutSection(Section::kOrigins, bytes, &out);
  }
  return out;
}

uint64_t VersionOf(const Index& index) {
  if (!index.encoding.origins.empty()) return kVersionWithOrigins;
  if (!index.encoding.vocabulary.empty()) return kVersionWithWords;
  if (index.labels || !index.encoding.empty()) return kVersionWithSections;
  return index.left_out > 0 ? kVersionWithLeftOut : kVersion;
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
  if (version >= kVersionWithSections) return GetSections(version, rest, index);
  if (version == kVersionWithLeftOut && !GetLeftOut(&rest, index)) return false;
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
  const uint64_t version = VersionOf(*this);
  if (version == kVersionWithLeftOut) {
    PutFixed64(static_cast<uint64_t>(left_out), &payload);
  }
  if (version >= kVersionWithSections) payload += Sections(*this);

  std::string bytes(kMagic);
  PutFixed64(version, &bytes);
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
  if (version < kVersion || version > kVersionWithOrigins) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data index has version ", version,
                     " of the format; this program reads versions ", kVersion,
                     " to ", kVersionWithOrigins,
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

std::string Index::ClassText(int64_t c) const {
  const float label = classes[c];
  // A whole number; as a float it would be written as 1e+06.
  if (encoding.classes.empty()) {
    return absl::StrCat(static_cast<int64_t>(label));
  }
  return encoding.classes[static_cast<size_t>(label)];
}

Index IndexOfPositions(int64_t examples, absl::string_view fingerprint) {
  Index index;
  index.meaning = absl::StrCat("positions fingerprint=", fingerprint);
  index.examples = examples;
  return index;
}

uint64_t Index::Hash() const {
  const std::string bytes = Encode();
  return XXH64(bytes.data(), bytes.size(), 0);
}

}  // namespace ebb::data
