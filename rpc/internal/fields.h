// How many fields a struct has, so that the compiler tells the author of a new
// field where it must be converted. Without that, a struct with a field which
// the wire does not carry compiles, passes every test in one process, and fails
// between two.
//
//   static_assert(kFields<PushRequest> == 14);  // Beside its conversion.
#ifndef EBB_RPC_INTERNAL_FIELDS_H_
#define EBB_RPC_INTERNAL_FIELDS_H_

#include <cstddef>

namespace ebb::rpc::internal {

// Initializes a field of any type; never really called.
struct AnyField {
  template <typename T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

// The largest number of fields that an aggregate can be initialized with.
template <typename T, typename... Fields>
consteval size_t CountFields() {
  if constexpr (requires { T{Fields{}..., AnyField{}}; }) {
    return CountFields<T, Fields..., AnyField>();
  } else {
    return sizeof...(Fields);
  }
}

template <typename T>
inline constexpr size_t kFields = CountFields<T>();

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_FIELDS_H_
