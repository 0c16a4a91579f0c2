#include "data/pack/footer.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "data/bytes/fixed64.h"
#include "data/keys.h"

namespace ebb::data::pack {
namespace {

using internal::PutFixed64;
using internal::TakeBytes;
using internal::TakeFixed64;

constexpr absl::string_view kMagic = "EBBP";
constexpr uint64_t kVersion = 1;

// Bits of the word of flags.
constexpr uint64_t kLabelsFlag = 1;
constexpr uint64_t kGapsFlag = 2;
constexpr uint64_t kShuffledFlag = 4;
constexpr uint64_t kNamesFlag = 8;
constexpr uint64_t kAllFlags = 15;

// The files of windows together: no sum of sizes and offsets overflows.
constexpr int64_t kMostBytes = int64_t{1} << 60;

void PutInt(int64_t value, std::string* out) {
  PutFixed64(static_cast<uint64_t>(value), out);
}

void PutText(absl::string_view text, std::string* out) {
  PutFixed64(text.size(), out);
  out->append(text.data(), text.size());
}

// A number of 0 and above.
bool TakeInt(absl::string_view* rest, int64_t* value) {
  uint64_t bits = 0;
  if (!TakeFixed64(rest, &bits)) return false;
  *value = static_cast<int64_t>(bits);
  return *value >= 0;
}

bool TakeText(absl::string_view* rest, absl::string_view* text) {
  uint64_t size = 0;
  return TakeFixed64(rest, &size) && TakeBytes(rest, size, text);
}

bool TakeNames(absl::string_view* rest, std::optional<ColumnNames>* names) {
  absl::string_view features, label;
  if (!TakeText(rest, &features) || !TakeText(rest, &label)) return false;
  names->emplace();
  (*names)->label = std::string(label);
  return DecodeTexts(features, &(*names)->features);
}

bool TakeWindow(const Footer& footer, size_t columns, absl::string_view* rest,
                WindowEntry* window) {
  if (!TakeInt(rest, &window->file) || !TakeInt(rest, &window->offset) ||
      !TakeInt(rest, &window->examples) || !TakeInt(rest, &window->entries) ||
      !TakeFixed64(rest, &window->hash) ||
      window->file >= std::ssize(footer.file_bytes)) {
    return false;
  }
  for (size_t i = 0; i < columns; ++i) {
    StoredColumn column;
    if (!TakeInt(rest, &column.raw_bytes) ||
        !TakeInt(rest, &column.stored_bytes)) {
      return false;
    }
    window->columns.push_back(column);
  }
  return footer.schema().IsPossible(*window, footer.file_bytes[window->file]);
}

bool Fits(const Footer& footer) {
  const Index& index = footer.index;
  if (footer.window < 1 || index.examples < 1 || index.features < 1) {
    return false;
  }
  if (footer.layout == Layout::kKeyed && index.features > kMaxFields) {
    return false;
  }
  if (footer.rows() ? !index.mean.empty()
                    : std::ssize(index.mean) != index.features) {
    return false;
  }
  if (footer.names && std::ssize(footer.names->features) > index.features &&
      index.encoding.columns.empty() && !footer.rows()) {
    return false;
  }
  return std::isfinite(footer.absolute_sum) && footer.absolute_sum >= 0;
}

bool DecodePayload(absl::string_view rest, Footer* footer) {
  uint64_t layout = 0, flags = 0, sum = 0, count = 0;
  absl::string_view index;
  if (!TakeFixed64(&rest, &layout) ||
      layout > static_cast<uint64_t>(Layout::kKeyed) ||
      !TakeFixed64(&rest, &flags) || flags > kAllFlags ||
      !TakeFixed64(&rest, &footer->seed) || !TakeInt(&rest, &footer->window) ||
      !TakeFixed64(&rest, &sum) || !TakeText(&rest, &index)) {
    return false;
  }
  footer->layout = static_cast<Layout>(layout);
  footer->has_labels = (flags & kLabelsFlag) != 0;
  footer->gaps = (flags & kGapsFlag) != 0;
  footer->shuffled = (flags & kShuffledFlag) != 0;
  footer->absolute_sum = std::bit_cast<double>(sum);
  auto decoded = Index::Decode(index);
  if (!decoded.ok()) return false;
  footer->index = *std::move(decoded);
  if ((flags & kNamesFlag) != 0 && !TakeNames(&rest, &footer->names)) {
    return false;
  }
  if (!Fits(*footer) || !TakeFixed64(&rest, &count)) return false;
  int64_t room = kMostBytes;
  for (uint64_t i = 0; i < count; ++i) {
    int64_t bytes = 0;
    if (!TakeInt(&rest, &bytes) || bytes > room) return false;
    room -= bytes;
    footer->file_bytes.push_back(bytes);
  }
  if (!TakeFixed64(&rest, &count)) return false;
  const int64_t examples = footer->index.examples;
  const int64_t windows = (examples - 1) / footer->window + 1;
  if (count != static_cast<uint64_t>(windows)) return false;
  const size_t columns = footer->schema().Columns().size();
  for (int64_t w = 0; w < windows; ++w) {
    WindowEntry window;
    if (!TakeWindow(*footer, columns, &rest, &window) ||
        window.examples !=
            std::min(footer->window, examples - w * footer->window)) {
      return false;
    }
    footer->windows.push_back(std::move(window));
  }
  return rest.empty();
}

}  // namespace

std::string WindowsName(int64_t file) {
  return absl::StrFormat("windows-%05d.ebbp", file);
}

int64_t Footer::entries() const {
  int64_t sum = 0;
  for (const WindowEntry& window : windows) sum += window.entries;
  return sum;
}

int64_t Footer::MostMemoryBytes() const {
  int64_t most = 0;
  for (const WindowEntry& window : windows) {
    most = std::max(most, MemoryBytes(window));
  }
  return most;
}

int64_t Footer::MostStoredBytes() const {
  int64_t most = 0;
  for (const WindowEntry& window : windows) {
    for (const StoredColumn& column : window.columns) {
      if (column.stored_bytes < column.raw_bytes) {
        most = std::max(most, column.stored_bytes);
      }
    }
  }
  return most;
}

std::string Footer::Encode() const {
  std::string payload;
  PutFixed64(static_cast<uint64_t>(layout), &payload);
  PutFixed64((has_labels ? kLabelsFlag : 0) | (gaps ? kGapsFlag : 0) |
                 (shuffled ? kShuffledFlag : 0) | (names ? kNamesFlag : 0),
             &payload);
  PutFixed64(seed, &payload);
  PutInt(window, &payload);
  PutFixed64(std::bit_cast<uint64_t>(absolute_sum), &payload);
  PutText(index.Encode(), &payload);
  if (names) {
    PutText(EncodeTexts(names->features), &payload);
    PutText(names->label, &payload);
  }
  PutInt(std::ssize(file_bytes), &payload);
  for (const int64_t bytes : file_bytes) PutInt(bytes, &payload);
  PutInt(std::ssize(windows), &payload);
  for (const WindowEntry& entry : windows) {
    PutInt(entry.file, &payload);
    PutInt(entry.offset, &payload);
    PutInt(entry.examples, &payload);
    PutInt(entry.entries, &payload);
    PutFixed64(entry.hash, &payload);
    for (const StoredColumn& column : entry.columns) {
      PutInt(column.raw_bytes, &payload);
      PutInt(column.stored_bytes, &payload);
    }
  }
  std::string bytes(kMagic);
  PutFixed64(kVersion, &bytes);
  PutText(payload, &bytes);
  PutFixed64(XXH3_64bits(bytes.data(), bytes.size()), &bytes);
  return bytes;
}

absl::StatusOr<Footer> Footer::Decode(absl::string_view bytes) {
  absl::string_view rest = bytes, magic, payload;
  uint64_t version = 0, checksum = 0;
  if (!TakeBytes(&rest, kMagic.size(), &magic) || magic != kMagic ||
      !TakeFixed64(&rest, &version)) {
    return absl::DataLossError(
        absl::StrCat("is no footer of a packed set: it does not begin with ",
                     kMagic, " and a version"));
  }
  if (version != kVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has version ", version, " of the format, and this ebb reads version ",
        kVersion, "; use the release that packed it, or pack again"));
  }
  if (!TakeText(&rest, &payload) || !TakeFixed64(&rest, &checksum) ||
      !rest.empty()) {
    return absl::DataLossError(absl::StrCat(
        "is cut or too long at ", bytes.size(), " bytes; pack again"));
  }
  Footer footer;
  const absl::string_view covered = bytes.substr(0, bytes.size() - 8);
  if (XXH3_64bits(covered.data(), covered.size()) != checksum ||
      !DecodePayload(payload, &footer)) {
    return absl::DataLossError(
        "is damaged: its checksum or its content is wrong; pack again");
  }
  return footer;
}

}  // namespace ebb::data::pack
