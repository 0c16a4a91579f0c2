// Encoding structs whose fields are named in one place.
//
// A struct of the protocol is stored by its list (message_fields.h). Another is
// stored through a VisitFields() beside its codec, which hands all members to a
// visitor in their stored order. A structured binding there names every member,
// so one that is added to the struct, and not to the stored form, does not
// compile:
//
//   template <typename Struct, typename Visitor>  // const Pair or Pair.
//     requires std::is_same_v<std::remove_const_t<Struct>, Pair>
//   void VisitFields(Struct& pair, Visitor&& visit) {
//     auto& [first, second] = pair;
//     visit(first, second);
//   }
//
// Integers are varints (signed ones zigzag), doubles 8 bytes, strings, vectors
// and maps are preceded by their size. Enums need a MaxEnum() to be found
// beside them.
#ifndef EBB_PROTOCOL_FIELD_CODEC_H_
#define EBB_PROTOCOL_FIELD_CODEC_H_

#include <bit>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "protocol/codec.h"
#include "protocol/field_list.h"

namespace ebb {

// Hands over what the first version of the stored form has of a listed struct.
template <Listed Struct, typename Visitor>
void VisitFields(Struct& from, Visitor&& visit) {
  FieldsOfStruct<Struct>::ForEach([&](auto field) {
    if constexpr (field.kSince == 1) visit(field.In(from));
  });
}

// One member of all structs of a list, as a list of its own: for a member that
// is stored apart from the others, because it came later. `Member` is a pointer
// to it, or a function that returns a reference.
template <typename List, typename Member>
struct Column {
  Column(List& of_list, Member of_member) : list(of_list), member(of_member) {}

  List& list;
  const Member member;
};

// Appends fields to a string.
class FieldWriter {
 public:
  explicit FieldWriter(std::string* out) : out_(out) {}

  template <typename... Fields>
  void operator()(const Fields&... fields) {
    (Put(fields), ...);
  }

 private:
  void Put(std::unsigned_integral auto value) { PutVarint(value, out_); }
  void Put(std::signed_integral auto value) {
    const auto wide = static_cast<int64_t>(value);
    PutVarint(
        static_cast<uint64_t>(wide) << 1 ^ static_cast<uint64_t>(wide >> 63),
        out_);
  }
  void Put(double value) { PutFixed64(std::bit_cast<uint64_t>(value), out_); }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void Put(Enum value) { PutVarint(static_cast<uint64_t>(value), out_); }
  template <typename Tag, typename Int>
  void Put(StrongInt<Tag, Int> id) {
    Put(id.value());
  }
  void Put(const std::string& bytes) {
    PutVarint(bytes.size(), out_);
    out_->append(bytes);
  }
  template <typename T>
  void Put(const std::vector<T>& list) {
    PutVarint(list.size(), out_);
    for (const T& element : list) Put(element);
  }
  template <typename K, typename V>
  void Put(const std::map<K, V>& map) {
    PutVarint(map.size(), out_);
    for (const auto& [key, value] : map) {
      Put(key);
      Put(value);
    }
  }
  template <typename List, typename Member>
  void Put(const Column<List, Member>& column) {
    PutVarint(column.list.size(), out_);
    for (const auto& element : column.list) {
      Put(std::invoke(column.member, element));
    }
  }
  template <typename Struct>
  requires std::is_class_v<Struct>
  void Put(const Struct& nested) { VisitFields(nested, *this); }

  std::string* out_;  // Not owned.
};

// Reads them back. Never trusts its input: after the first bad field, ok() is
// false and nothing more is read. Its allocations are at most a small multiple
// of the input's size.
class FieldReader {
 public:
  explicit FieldReader(absl::string_view bytes) : in_(bytes) {}

  template <typename... Fields>
  void operator()(Fields&... fields) {
    (Get(&fields), ...);
  }

  bool ok() const { return ok_; }
  // Everything was read, and it was good.
  bool done() const { return ok_ && in_.done(); }

 private:
  template <std::unsigned_integral Int>
  void Get(Int* value) {
    uint64_t raw = 0;
    if (!Check(ok_ && in_.GetVarint(&raw))) return;
    if (Check(raw <= std::numeric_limits<Int>::max())) {
      *value = static_cast<Int>(raw);
    }
  }
  template <std::signed_integral Int>
  void Get(Int* value) {
    uint64_t raw = 0;
    if (!Check(ok_ && in_.GetVarint(&raw))) return;
    const auto wide = static_cast<int64_t>(raw >> 1 ^ (~(raw & 1) + 1));
    if (Check(std::in_range<Int>(wide))) *value = static_cast<Int>(wide);
  }
  void Get(double* value) {
    uint64_t raw = 0;
    if (Check(ok_ && in_.GetFixed64(&raw))) *value = std::bit_cast<double>(raw);
  }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void Get(Enum* value) {
    int64_t raw = 0;
    if (Check(ok_ &&
              in_.GetBounded(static_cast<uint64_t>(MaxEnum(*value)), &raw))) {
      *value = static_cast<Enum>(raw);
    }
  }
  template <typename Tag, typename Int>
  void Get(StrongInt<Tag, Int>* id) {
    Int value = 0;
    Get(&value);
    *id = StrongInt<Tag, Int>(value);
  }
  void Get(std::string* value) {
    absl::string_view bytes;
    if (Check(ok_ && in_.GetBytes(GetCount(), &bytes))) {
      value->assign(bytes.data(), bytes.size());
    }
  }
  template <typename T>
  void Get(std::vector<T>* list) {
    list->clear();
    for (uint64_t n = GetCount(); n > 0 && ok_; --n) {
      Get(&list->emplace_back());
    }
  }
  template <typename K, typename V>
  void Get(std::map<K, V>* map) {
    map->clear();
    for (uint64_t n = GetCount(); n > 0 && ok_; --n) {
      K key{};
      Get(&key);
      // Ascending, so each map has one form.
      if (!Check(map->empty() || map->rbegin()->first < key)) return;
      Get(&map->emplace_hint(map->end(), std::move(key), V{})->second);
    }
  }
  // The list is there already, with as many elements.
  template <typename List, typename Member>
  void Get(Column<List, Member>* column) {
    if (!Check(GetCount() == column->list.size())) return;
    for (auto& element : column->list) {
      Get(&std::invoke(column->member, element));
    }
  }
  template <typename Struct>
  requires std::is_class_v<Struct>
  void Get(Struct* nested) { VisitFields(*nested, *this); }

  // Each element takes a byte at least, so more than are left cannot be.
  uint64_t GetCount() {
    uint64_t count = 0;
    return Check(ok_ && in_.GetVarint(&count) && count <= in_.remaining())
               ? count
               : 0;
  }
  bool Check(bool good) {
    ok_ = ok_ && good;
    return ok_;
  }

  ByteReader in_;
  bool ok_ = true;
};

}  // namespace ebb

#endif  // EBB_PROTOCOL_FIELD_CODEC_H_
