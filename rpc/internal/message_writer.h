// Fills messages from the protocol's structs, by their lists of fields.
#ifndef EBB_RPC_INTERNAL_MESSAGE_WRITER_H_
#define EBB_RPC_INTERNAL_MESSAGE_WRITER_H_

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protocol/field_list.h"
#include "protocol/messages.h"
#include "rpc/convert.h"
#include "rpc/internal/bounds.h"
#include "rpc/internal/check.h"
#include "rpc/internal/field_kinds.h"
#include "rpc/internal/message_rules.h"
#include "rpc/internal/wire_enums.h"

namespace ebb::rpc::internal {

// `records` may be null for a struct without a job record.
template <typename Struct, typename Message>
void Write(const Struct& from, Message* to, RecordSender* records);

// The number that travels for a scalar.
template <typename Field, typename T>
auto Plain(const T& value) {
  if constexpr (kIsId<T>) {
    return value.value();
  } else if constexpr (std::is_same_v<T, absl::Duration>) {
    return kInMilliseconds<Field> ? absl::ToInt64Milliseconds(value)
                                  : absl::ToInt64Microseconds(value);
  } else {
    return value;
  }
}

template <typename Field, typename T, typename Message>
void WriteMember(const T& value, const Bound& bound, Message* to,
                 RecordSender* records) {
  if constexpr (std::is_same_v<T, JobRecordPtr>) {
    if (value != nullptr) records->Put(value, Field::Mutable(to));
  } else if constexpr (kIsOptional<T>) {
    if (value) WriteMember<Field>(*value, bound, to, records);
  } else if constexpr (kIsList<T>) {
    auto* list = Field::Mutable(to);
    list->Reserve(static_cast<int>(value.size()));
    for (const auto& element : value) {
      if constexpr (Listed<typename T::value_type>) {
        Write(element, list->Add(), records);
      } else {
        list->Add(Plain<Field>(element));
      }
    }
  } else if constexpr (Listed<T>) {
    if (!StaysOut(value)) Write(value, Field::Mutable(to), records);
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (bound.text) {
      Field::Set(to, ValidUtf8(absl::string_view(value).substr(
                         0, static_cast<size_t>(bound.bytes))));
    } else {
      Field::Set(to, value);
    }
  } else if constexpr (kIsRateFactor<Field>) {
    if (value != 1) Field::Set(to, value);
  } else if constexpr (std::is_enum_v<T>) {
    using Number = std::remove_cvref_t<decltype(Field::Get(*to))>;
    Field::Set(to,
               static_cast<Number>(static_cast<int>(value) + OnWire<T>::kPlus));
  } else {
    Field::Set(to, Plain<Field>(value));
  }
}

template <typename Struct, typename Message>
void Write(const Struct& from, Message* to, RecordSender* records) {
  const auto& bounds = BoundsOf<Message, Struct>();
  size_t i = 0;
  FieldsOfStruct<Struct>::ForEach([&](auto field) {
    using Field = decltype(field);
    const auto& member = Field::In(from);
    using Member = std::remove_cvref_t<decltype(member)>;
    const Bound& bound = bounds[i++];
    if constexpr (kMayLack<Field, Message, Member>) {
      const Struct absent{};
      if (member == Field::In(absent)) return;
    }
    WriteMember<Field>(member, bound, to, records);
  });
}

// Fills the alternative of a stream's message.
template <typename Message, typename Variant>
Message WriteStream(const Variant& from, RecordSender* records) {
  Message to;
  [&]<typename... Field, size_t... kIndex>(Fields<Field...>,
                                           std::index_sequence<kIndex...>) {
    static_cast<void>((
        (from.index() == kIndex &&
         (Write(std::get<kIndex>(from), Field::Mutable(&to), records), true)) ||
        ...));
  }(FieldsOfStruct<Variant>(),
    std::make_index_sequence<std::variant_size_v<Variant>>());
  return to;
}

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_MESSAGE_WRITER_H_
