// Headers as messages of proto/ebb/v1/growing_set.proto, and back.
#ifndef EBB_DATA_GROWING_PROTO_HEADERS_H_
#define EBB_DATA_GROWING_PROTO_HEADERS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "data/growing/headers.h"

namespace ebb::data::growing {

// The serialised message.
std::string ToBytes(const About& about);
std::string ToBytes(const ObjectHeader& header);
std::string ToBytes(const Floor& floor);

// Return what is wrong with the bytes; empty: nothing. Everything in what is
// returned is within its bounds, and consistent with itself.
std::string FromBytes(absl::string_view bytes, About* about);
std::string FromBytes(absl::string_view bytes, ObjectHeader* header);
std::string FromBytes(absl::string_view bytes, Floor* floor);

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_PROTO_HEADERS_H_
