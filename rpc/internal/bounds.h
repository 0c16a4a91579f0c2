// Reads the annotations of a message's fields (bounds.proto), once for each
// kind of message, and makes the refusals that follow from them.
#ifndef EBB_RPC_INTERNAL_BOUNDS_H_
#define EBB_RPC_INTERNAL_BOUNDS_H_

#include <google/protobuf/descriptor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/field_list.h"

namespace ebb::rpc::internal {

struct Bound {
  static constexpr int64_t kAny = std::numeric_limits<int64_t>::max();

  int64_t least = 0;  // The smallest and the largest number.
  int64_t most = kAny;
  int64_t entries = kAny;  // Most entries of a list.
  int64_t bytes = kAny;    // Most bytes of a text.
  bool named = false;
  bool required = false;
  bool ranged = false;  // The annotation says `least` or `most`.
  bool text = false;    // UTF-8, for people.
};

Bound BoundOf(const google::protobuf::FieldDescriptor& field);

// The bounds of the fields of a struct that travels as `Message`, in the order
// of its list. Lives for ever.
template <typename Message, typename Struct>
const auto& BoundsOf() {
  static const auto bounds = [] {
    std::array<Bound, FieldsOfStruct<Struct>::kCount> all;
    size_t i = 0;
    FieldsOfStruct<Struct>::ForEach([&](auto field) {
      all[i++] = BoundOf(
          *Message::descriptor()->FindFieldByName(std::string(field.kName)));
    });
    return all;
  }();
  return bounds;
}

// The place of a message within the one that was received.
struct Place {
  const google::protobuf::Descriptor* (*type)();
  const Place* outer = nullptr;  // Null: the message was received.
  absl::string_view field = "";  // The field of `outer` that has it.
};

// "Progress.position"; "Plan.consistency.kind" for a message whose type is
// declared within another.
std::string NameOf(const Place& place, absl::string_view field);

// The refusals of a value that the bound does not allow. InvalidArgument.
absl::Status BadNumber(const Place& place, absl::string_view field,
                       const Bound& bound, int64_t value);
absl::Status BadText(const Place& place, absl::string_view field,
                     const Bound& bound, size_t bytes);
absl::Status BadCount(const Place& place, absl::string_view field,
                      const Bound& bound, int64_t entries);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_BOUNDS_H_
