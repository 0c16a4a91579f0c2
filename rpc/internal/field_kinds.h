// The kinds of members that the fields of messages become.
#ifndef EBB_RPC_INTERNAL_FIELD_KINDS_H_
#define EBB_RPC_INTERNAL_FIELD_KINDS_H_

#include <optional>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "protocol/message_fields.h"

namespace ebb::rpc::internal {

template <typename T>
inline constexpr bool kIsId = false;
template <typename Tag, typename Int>
inline constexpr bool kIsId<StrongInt<Tag, Int>> = true;

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <typename T>
inline constexpr bool kIsList = false;
template <typename T>
inline constexpr bool kIsList<std::vector<T>> = true;

// A number, an id, a duration or an enum.
template <typename T>
inline constexpr bool kIsScalar =
    std::is_arithmetic_v<T> || std::is_enum_v<T> || kIsId<T> ||
    std::is_same_v<T, absl::Duration>;

// A scalar whose absence means the default of its member.
template <typename Field, typename Message, typename Member>
inline constexpr bool kMayLack =
    kIsScalar<Member>&& requires(const Message& message) {
  Field::Has(message);
};

// A factor of a rate. A sender that does not know factors sends 0, so 1 stays
// out of a message.
template <typename Field>
inline constexpr bool kIsRateFactor =
    std::is_base_of_v<fields::rate_factor, Field>;

// The unit of a duration, by the name of the message's field: milliseconds, or
// microseconds.
template <typename Field>
inline constexpr bool kInMilliseconds = [] {
  constexpr absl::string_view kName = Field::kName;
  constexpr absl::string_view kUnit = kName.substr(kName.size() - 3);
  static_assert(kUnit == "_ms" || kUnit == "_us");
  return kUnit == "_ms";
}();

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_FIELD_KINDS_H_
