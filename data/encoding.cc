#include "data/encoding.h"

#include <array>
#include <set>

#include "absl/strings/str_cat.h"
#include "data/bytes/fixed64.h"
#include "data/bytes/text.h"

namespace ebb::data {
namespace {

using internal::PutFixed64;
using internal::TakeBytes;
using internal::TakeFixed64;
using Kind = ColumnEncoding::Kind;

constexpr std::array<absl::string_view, 5> kDateParts = {"year", "month", "day",
                                                         "weekday", "hour"};

void PutTexts(const std::vector<std::string>& texts, std::string* out) {
  PutFixed64(texts.size(), out);
  for (const std::string& text : texts) {
    PutFixed64(text.size(), out);
    *out += text;
  }
}

// A damaged count costs no memory: each text is there before it is stored.
bool TakeTexts(absl::string_view* in, std::vector<std::string>* texts) {
  uint64_t count;
  if (!TakeFixed64(in, &count)) return false;
  std::set<absl::string_view> seen;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t size;
    absl::string_view text;
    if (!TakeFixed64(in, &size) || !TakeBytes(in, size, &text) ||
        !seen.insert(text).second) {
      return false;
    }
    texts->emplace_back(text);
  }
  return true;
}

bool IsValid(const ColumnEncoding& column) {
  const bool dates =
      column.kind == Kind::kDate || column.kind == Kind::kDateParts;
  if (!dates && column.order != DateOrder::kYearFirst) return false;
  if ((column.kind == Kind::kHashed) != (column.buckets != 0)) return false;
  switch (column.kind) {
    case Kind::kBoolean:
      return column.values.size() == 2;
    case Kind::kOneHot:
      return !column.values.empty();
    case Kind::kHashed:
      return column.buckets > 0 && column.buckets <= internal::kMaxFeatures &&
             column.values.empty();
    case Kind::kNumber:
    case Kind::kDate:
    case Kind::kDateParts:
    case Kind::kLeftOut:
      return column.values.empty();
  }
  return false;
}

}  // namespace

int64_t ColumnEncoding::width() const {
  switch (kind) {
    case Kind::kNumber:
    case Kind::kBoolean:
    case Kind::kDate:
      return 1;
    case Kind::kOneHot:
      return static_cast<int64_t>(values.size()) + 1;
    case Kind::kHashed:
      return buckets;
    case Kind::kDateParts:
      return kDateParts.size();
    case Kind::kLeftOut:
      return 0;
  }
  return 0;
}

bool ColumnEncoding::IsCategory() const {
  return kind == Kind::kBoolean || kind == Kind::kOneHot ||
         kind == Kind::kHashed;
}

int64_t Encoding::features() const {
  int64_t features = 0;
  for (const ColumnEncoding& column : columns) features += column.width();
  return features;
}

std::vector<std::string> Encoding::FeatureNames(
    const std::vector<std::string>& names) const {
  if (columns.empty()) return names;
  std::vector<std::string> all;
  for (size_t i = 0; i < columns.size(); ++i) {
    const ColumnEncoding& column = columns[i];
    const std::string name =
        i < names.size() ? names[i] : absl::StrCat("column ", i + 1);
    switch (column.kind) {
      case Kind::kNumber:
      case Kind::kDate:
        all.push_back(name);
        break;
      case Kind::kBoolean:
        all.push_back(absl::StrCat(name, "=", column.values[1]));
        break;
      case Kind::kOneHot:
        for (const std::string& value : column.values) {
          all.push_back(absl::StrCat(name, "=", value));
        }
        all.push_back(absl::StrCat(name, "=other"));
        break;
      case Kind::kHashed:
        for (int64_t bucket = 0; bucket < column.buckets; ++bucket) {
          all.push_back(absl::StrCat(name, "#", bucket));
        }
        break;
      case Kind::kDateParts:
        for (const absl::string_view part : kDateParts) {
          all.push_back(absl::StrCat(name, ".", part));
        }
        break;
      case Kind::kLeftOut:
        break;
    }
  }
  return all;
}

std::string EncodeColumns(const std::vector<ColumnEncoding>& columns) {
  std::string bytes;
  PutFixed64(columns.size(), &bytes);
  for (const ColumnEncoding& column : columns) {
    PutFixed64(static_cast<uint64_t>(column.kind), &bytes);
    PutTexts(column.values, &bytes);
    PutFixed64(static_cast<uint64_t>(column.buckets), &bytes);
    PutFixed64(static_cast<uint64_t>(column.order), &bytes);
  }
  return bytes;
}

bool DecodeColumns(absl::string_view bytes,
                   std::vector<ColumnEncoding>* columns) {
  uint64_t count;
  if (!TakeFixed64(&bytes, &count) || count == 0) return false;
  int64_t features = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t kind;
    uint64_t buckets;
    uint64_t order;
    ColumnEncoding column;
    if (!TakeFixed64(&bytes, &kind) || !TakeTexts(&bytes, &column.values) ||
        !TakeFixed64(&bytes, &buckets) || !TakeFixed64(&bytes, &order) ||
        kind > static_cast<uint64_t>(Kind::kLeftOut) ||
        order > static_cast<uint64_t>(DateOrder::kMonthFirst) ||
        buckets > static_cast<uint64_t>(internal::kMaxFeatures)) {
      return false;
    }
    column.kind = static_cast<Kind>(kind);
    column.buckets = static_cast<int64_t>(buckets);
    column.order = static_cast<DateOrder>(order);
    if (!IsValid(column)) return false;
    features += column.width();
    if (features > internal::kMaxFeatures) return false;
    columns->push_back(std::move(column));
  }
  return bytes.empty();
}

std::string EncodeTexts(const std::vector<std::string>& texts) {
  std::string bytes;
  PutTexts(texts, &bytes);
  return bytes;
}

bool DecodeTexts(absl::string_view bytes, std::vector<std::string>* texts) {
  return TakeTexts(&bytes, texts) && bytes.empty() && !texts->empty();
}

std::string EncodeVocabulary(const Vocabulary& vocabulary) {
  std::string bytes;
  PutTexts(vocabulary.words, &bytes);
  for (const int64_t count : vocabulary.counts) {
    PutFixed64(static_cast<uint64_t>(count), &bytes);
  }
  return bytes;
}

bool DecodeVocabulary(absl::string_view bytes, Vocabulary* vocabulary) {
  if (!TakeTexts(&bytes, &vocabulary->words) || vocabulary->empty()) {
    return false;
  }
  for (size_t i = 0; i < vocabulary->words.size(); ++i) {
    uint64_t count;
    if (!TakeFixed64(&bytes, &count) || count >> 63 != 0) return false;
    vocabulary->counts.push_back(static_cast<int64_t>(count));
  }
  return bytes.empty();
}

}  // namespace ebb::data
