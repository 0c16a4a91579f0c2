// One list of the fields of a struct, for all that goes through them: the wire
// form (rpc/internal/message_reader.h, message_writer.h), the stored form
// (field_codec.h), and the checks of both. message_fields.h has the lists.
//
//   namespace fields {
//   EBB_FIELD(epoch);
//   EBB_FIELD(shard);
//   Fields<epoch, shard> FieldsOf(For<ItemId>);
//   }
//
// A field is a type, and stands for the member and for the field of a message
// with that name. A struct with a member that its list lacks does not compile.
#ifndef EBB_PROTOCOL_FIELD_LIST_H_
#define EBB_PROTOCOL_FIELD_LIST_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"

// The field `FIELD` is the member `MEMBER` of a struct, and `NAME` of a
// message.
#define EBB_FIELD_AT(FIELD, MEMBER, NAME)                                    \
  struct FIELD {                                                             \
    static constexpr absl::string_view kName = #NAME;                        \
    static constexpr uint32_t kSince = 1;                                    \
    template <typename Struct>                                               \
    static constexpr auto& In(Struct& from) {                                \
      return from.MEMBER;                                                    \
    }                                                                        \
    template <typename Message>                                              \
    static decltype(auto) Get(const Message& message) {                      \
      return message.NAME();                                                 \
    }                                                                        \
    template <typename Message>                                              \
    requires requires(const Message& m) { m.has_##NAME(); }                  \
    static bool Has(const Message& message) { return message.has_##NAME(); } \
    template <typename Message>                                              \
    static auto* Mutable(Message* message) {                                 \
      return message->mutable_##NAME();                                      \
    }                                                                        \
    template <typename Message, typename Value>                              \
    static void Set(Message* message, Value&& value) {                       \
      message->set_##NAME(std::forward<Value>(value));                       \
    }                                                                        \
  }
#define EBB_FIELD(NAME) EBB_FIELD_AT(NAME, NAME, NAME)
// Several of them, at most 27. A macro does not expand itself, so each
// EBB_FIELDS_AGAIN_ is expanded by one more scan of EBB_SCAN_.
#define EBB_FIELDS(...) EBB_SCAN_(EBB_FIELDS_FROM_(__VA_ARGS__))
#define EBB_FIELDS_FROM_(NAME, ...) \
  EBB_FIELD(NAME) __VA_OPT__(; EBB_FIELDS_AGAIN_ EBB_PARENS_(__VA_ARGS__))
#define EBB_FIELDS_AGAIN_() EBB_FIELDS_FROM_
#define EBB_PARENS_ ()
#define EBB_SCAN_(...) EBB_SCAN_9_(EBB_SCAN_9_(EBB_SCAN_9_(__VA_ARGS__)))
#define EBB_SCAN_9_(...) EBB_SCAN_3_(EBB_SCAN_3_(EBB_SCAN_3_(__VA_ARGS__)))
#define EBB_SCAN_3_(...) EBB_SCAN_1_(EBB_SCAN_1_(EBB_SCAN_1_(__VA_ARGS__)))
#define EBB_SCAN_1_(...) __VA_ARGS__

namespace ebb {

template <typename... Field>
struct Fields {
  static constexpr size_t kCount = sizeof...(Field);

  // Calls visit(field) for each.
  template <typename Visit>
  static constexpr void ForEach(Visit&& visit) {
    (visit(Field()), ...);
  }
  // The same until one returns false; then it returns false.
  template <typename Visit>
  static constexpr bool All(Visit&& visit) {
    return (visit(Field()) && ...);
  }
};

// The field is in the stored form of its record since this version of it
// (sealed_form.h), behind the fields of older versions.
template <uint32_t kVersion, typename Field>
struct Since : Field {
  static constexpr uint32_t kSince = kVersion;
};
// A record that contains the struct stores the field apart from it.
template <typename Field>
struct Apart : Field {
  static constexpr uint32_t kSince = 0;
};

namespace fields {
// FieldsOf(For<Struct>()) is declared, never defined: its type is the list.
template <typename Struct>
struct For {};
}  // namespace fields

// A struct that has a list.
template <typename Struct>
concept Listed = requires {
  FieldsOf(fields::For<std::remove_const_t<Struct>>());
};

// Initializes a member of any type; never really called.
struct AnyMember {
  template <typename T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};
// The largest number of members that an aggregate can be initialized with.
template <typename T, typename... Members>
consteval size_t CountMembers() {
  if constexpr (requires { T{Members{}..., AnyMember{}}; }) {
    return CountMembers<T, Members..., AnyMember>();
  } else {
    return sizeof...(Members);
  }
}
template <typename T>
inline constexpr size_t kMembers = CountMembers<T>();

// How many fields a list has in place of members: a struct within the struct
// whose members are fields of the same message counts for all but one.
template <typename T>
inline constexpr size_t kFlattened = 0;

namespace internal {
template <typename Struct>
struct CheckedFields {
  using Type = decltype(FieldsOf(fields::For<Struct>()));
  static constexpr bool Complete() {
    if constexpr (std::is_aggregate_v<Struct>) {
      return Type::kCount == kMembers<Struct> + kFlattened<Struct>;
    } else {
      return true;
    }
  }
  static_assert(Complete(), "a member of the struct is not in its list");
};
}  // namespace internal

// The list of a struct.
template <typename Struct>
using FieldsOfStruct =
    typename internal::CheckedFields<std::remove_const_t<Struct>>::Type;

}  // namespace ebb

#endif  // EBB_PROTOCOL_FIELD_LIST_H_
