#include "protocol/sealed_fields.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb {

absl::Status UnsealFields(
    absl::string_view magic, uint32_t newest_version, absl::string_view what,
    absl::string_view bytes,
    absl::FunctionRef<void(FieldReader& read, uint32_t version)> read) {
  uint32_t version = 0;
  EBB_ASSIGN_OR_RETURN(const absl::string_view body,
                       Unseal(magic, newest_version, what, bytes, &version));
  FieldReader reader(body);
  read(reader, version);
  if (reader.done()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, ": its fields do not fit"));
}

}  // namespace ebb
