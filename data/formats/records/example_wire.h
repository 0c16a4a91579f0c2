// Reads a serialized tf.train.Example without making objects of it, as
// libprotobuf understands the same bytes (but it also refuses names that are
// not UTF-8, and takes unknown groups):
//   message Example { Features features = 1; }
//   message Features { map<string, Feature> feature = 1; }
//   message Feature { oneof kind { BytesList bytes_list = 1;
//                     FloatList float_list = 2; Int64List int64_list = 3; } }
//   each list: repeated TYPE value = 1;
#ifndef EBB_DATA_FORMATS_RECORDS_EXAMPLE_WIRE_H_
#define EBB_DATA_FORMATS_RECORDS_EXAMPLE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::data::internal {

enum class WireStatus { kOk, kBad };

// A feature as it stands in the bytes. A message may be written in several
// parts, which are one after another its content.
struct WireFeature {
  enum class Kind { kNone, kBytes, kFloats, kWholes };
  Kind kind = Kind::kNone;
  absl::string_view first;  // The first of its parts. Empty: there are none.
  std::vector<absl::string_view> more;  // The parts behind it.

  void Clear() {
    kind = Kind::kNone;
    first = {};
    more.clear();
  }
  void Add(absl::string_view part) {
    if (first.empty()) {
      first = part;
    } else {
      more.push_back(part);
    }
  }
};

// Takes the fields of a message one by one.
class WireFields {
 public:
  explicit WireFields(absl::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // False at the end, and at bytes that do not parse: then bad() is true.
  bool Next() {
    if (at_ == end_) return false;
    uint64_t tag;
    if (!TakeVarint(&tag) || tag >> 32 != 0 || tag >> 3 == 0) return Fail();
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<int>(tag & 7);
    switch (type_) {
      case 0:
        return TakeVarint(&number_) || Fail();
      case 1:
        return Take(8);
      case 2:
        return TakeVarint(&number_) ? Take(number_) : Fail();
      case 5:
        return Take(4);
      default:  // Groups, which no release of TensorFlow writes.
        return Fail();
    }
  }
  bool bad() const { return bad_; }
  // Returns whether it is this field, a text or message.
  bool IsMessage(uint32_t field) const { return field_ == field && type_ == 2; }
  uint32_t field() const { return field_; }
  int type() const { return type_; }
  uint64_t number() const { return number_; }
  absl::string_view bytes() const { return bytes_; }

  bool TakeVarint(uint64_t* value) {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) {
      *value = static_cast<uint8_t>(*at_++);
      return true;
    }
    *value = 0;
    for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      // Bits beyond 64 are lost, as in libprotobuf.
      if (shift < 64) *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool at_end() const { return at_ == end_; }

 private:
  bool Fail() {
    bad_ = true;
    return false;
  }
  bool Take(uint64_t size) {
    if (size > static_cast<uint64_t>(end_ - at_)) return Fail();
    bytes_ = absl::string_view(at_, size);
    at_ += size;
    return true;
  }

  const char* at_;
  const char* end_;
  bool bad_ = false;
  uint32_t field_ = 0;
  int type_ = 0;
  uint64_t number_ = 0;
  absl::string_view bytes_;
};

// Reads an entry that stands as libraries write it: its name, and then a
// feature of one list. False: it stands in another way, or does not parse.
inline bool TakeUsualEntry(absl::string_view entry, absl::string_view* name,
                           WireFeature* feature) {
  const char* at = entry.data();
  const char* const end = at + entry.size();
  // The field with this tag, whose length has one byte, or two.
  const auto take = [&](char tag, absl::string_view* content) {
    if (end - at < 2 || *at != tag) return false;
    size_t size = static_cast<uint8_t>(at[1]);
    at += 2;
    if (size >= 0x80) {
      if (at == end || static_cast<uint8_t>(*at) >= 0x80) return false;
      size = (size & 0x7f) | static_cast<size_t>(*at++) << 7;
    }
    if (size > static_cast<size_t>(end - at)) return false;
    *content = absl::string_view(at, size);
    return true;
  };
  if (!take(1 << 3 | 2, name)) return false;
  at += name->size();
  absl::string_view inner;
  if (!take(2 << 3 | 2, &inner) || at + inner.size() != end || inner.empty()) {
    return false;
  }
  const int field = *at >> 3;
  if (field < 1 || field > 3) return false;
  if (!take(static_cast<char>(field << 3 | 2), &inner) ||
      at + inner.size() != end) {
    return false;
  }
  feature->kind = static_cast<WireFeature::Kind>(field);
  feature->first = inner;
  return true;
}

// Calls `take(name, feature)` for each entry; it may take the feature away. A
// later entry of the same name stands in place of the earlier one. Calls may
// have happened before kBad.
template <typename Take>
WireStatus ForEachFeature(absl::string_view example, Take take) {
  WireFeature feature;
  WireFields top(example);
  while (top.Next()) {
    if (!top.IsMessage(1)) continue;
    WireFields entries(top.bytes());
    while (entries.Next()) {
      if (!entries.IsMessage(1)) continue;
      absl::string_view name;
      feature.Clear();
      if (TakeUsualEntry(entries.bytes(), &name, &feature)) {
        take(name, feature);
        continue;
      }
      name = {};
      WireFields entry(entries.bytes());
      while (entry.Next()) {
        if (entry.IsMessage(1)) name = entry.bytes();
        if (!entry.IsMessage(2)) continue;
        WireFields lists(entry.bytes());
        while (lists.Next()) {
          if (lists.type() != 2 || lists.field() > 3) continue;
          const auto kind = static_cast<WireFeature::Kind>(lists.field());
          if (feature.kind != kind) feature.Clear();
          feature.kind = kind;
          feature.Add(lists.bytes());
        }
        if (lists.bad()) return WireStatus::kBad;
      }
      if (entry.bad()) return WireStatus::kBad;
      take(name, feature);
    }
    if (entries.bad()) return WireStatus::kBad;
  }
  return top.bad() ? WireStatus::kBad : WireStatus::kOk;
}

// Calls one of these for the values of a feature: `whole` and `text` for each,
// `floats` for the bytes of any number of them.
template <typename Whole, typename Floats, typename Text>
WireStatus ForEachValue(const WireFeature& feature, Whole whole, Floats floats,
                        Text text) {
  for (size_t part = 0; part <= feature.more.size(); ++part) {
    WireFields values(part == 0 ? feature.first : feature.more[part - 1]);
    while (values.Next()) {
      if (values.field() != 1) continue;
      switch (feature.kind) {
        case WireFeature::Kind::kNone:
          break;
        case WireFeature::Kind::kBytes:
          if (values.type() == 2) text(values.bytes());
          break;
        case WireFeature::Kind::kFloats:  // Packed, or each by itself.
          if (values.type() != 2 && values.type() != 5) break;
          if (values.bytes().size() % sizeof(float) != 0)
            return WireStatus::kBad;
          floats(values.bytes());
          break;
        case WireFeature::Kind::kWholes:
          if (values.type() == 0) whole(static_cast<int64_t>(values.number()));
          if (values.type() != 2) break;
          WireFields packed(values.bytes());
          uint64_t value;
          while (!packed.at_end()) {
            if (!packed.TakeVarint(&value)) return WireStatus::kBad;
            whole(static_cast<int64_t>(value));
          }
          break;
      }
    }
    if (values.bad()) return WireStatus::kBad;
  }
  return WireStatus::kOk;
}

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_EXAMPLE_WIRE_H_
