#include "rpc/internal/bounds.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "ebb/v1/bounds.pb.h"
#include "rpc/internal/check.h"

namespace ebb::rpc::internal {

using google::protobuf::FieldDescriptor;

Bound BoundOf(const FieldDescriptor& field) {
  const v1::Bounds& said = field.options().GetExtension(v1::bounds);
  Bound bound;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
    bound.most = std::numeric_limits<int32_t>::max();
  }
  bound.ranged = said.has_at_least() || said.has_at_most();
  if (said.has_at_least()) bound.least = said.at_least();
  if (said.has_at_most()) bound.most = said.at_most();
  if (said.any()) bound.least = std::numeric_limits<int64_t>::min();
  if (said.has_entries()) bound.entries = said.entries();
  if (said.has_bytes()) bound.bytes = said.bytes();
  bound.named = said.named();
  bound.required = said.required();
  bound.text = field.type() == FieldDescriptor::TYPE_STRING;
  return bound;
}

namespace {

std::string NameOfType(const Place& place) {
  const google::protobuf::Descriptor& type = *place.type();
  if (place.outer == nullptr || type.containing_type() == nullptr) {
    return type.name();
  }
  return absl::StrCat(NameOfType(*place.outer), ".", place.field);
}

}  // namespace

std::string NameOf(const Place& place, absl::string_view field) {
  return absl::StrCat(NameOfType(place), ".", field);
}

absl::Status BadNumber(const Place& place, absl::string_view field,
                       const Bound& bound, int64_t value) {
  const std::string name = NameOf(place, field);
  if (bound.ranged) return InRange(name, value, bound.least, bound.most);
  return NotNegative(name, value);
}

absl::Status BadText(const Place& place, absl::string_view field,
                     const Bound& bound, size_t bytes) {
  const std::string name = NameOf(place, field);
  if (bytes == 0) return Present(name, false);
  return absl::InvalidArgumentError(
      absl::StrCat(name, " has ", bytes, " bytes, at most ", bound.bytes));
}

absl::Status BadCount(const Place& place, absl::string_view field,
                      const Bound& bound, int64_t entries) {
  return AtMost(NameOf(place, field), entries, bound.entries);
}

}  // namespace ebb::rpc::internal
