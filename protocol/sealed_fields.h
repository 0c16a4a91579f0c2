// Fields (field_codec.h) as a record of their own (sealed.h):
//
//   std::string stored = SealFields("EBBM", 2, key, marks);
//   EBB_RETURN_IF_ERROR(UnsealFields(
//       "EBBM", 2, "checkpoint manifest", stored,
//       [&](FieldReader& read, uint32_t version) {
//         read(key);
//         if (version >= 2) read(marks);
//       }));
#ifndef EBB_PROTOCOL_SEALED_FIELDS_H_
#define EBB_PROTOCOL_SEALED_FIELDS_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/field_codec.h"
#include "protocol/sealed.h"

namespace ebb {

template <typename... Fields>
std::string SealFields(absl::string_view magic, uint32_t version,
                       const Fields&... fields) {
  std::string body;
  FieldWriter write(&body);
  write(fields...);
  return Seal(magic, version, body);
}

// `read` reads the fields of a record of that version. The errors of Unseal;
// DataLoss, beginning with `what`, also when the record has other fields than
// were read.
absl::Status UnsealFields(
    absl::string_view magic, uint32_t newest_version, absl::string_view what,
    absl::string_view bytes,
    absl::FunctionRef<void(FieldReader& read, uint32_t version)> read);

}  // namespace ebb

#endif  // EBB_PROTOCOL_SEALED_FIELDS_H_
