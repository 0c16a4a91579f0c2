#include "server/rows/row_options.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rows/row_layout.h"

namespace ebb::server {

absl::Status RowTableOptions::Validate() const {
  const auto wrong = [this](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", table, "': ", what...));
  };
  EBB_RETURN_IF_ERROR(init.Validate());
  if (expire_after_examples < 0 || expire_after_examples > kMaxExpiry) {
    return wrong("rows expire after ", expire_after_examples,
                 " examples; it must be positive and at most 2^56, or 0 for "
                 "never");
  }
  if (max_rows < 0 || max_rows > RowLayout::kMaxRows) {
    return wrong("at most ", max_rows, " rows; it must be from 1 to ",
                 RowLayout::kMaxRows, ", or 0 for no limit");
  }
  if (contributes &&
      (expire_after_examples > 0 || at_limit == AtLimit::kEvict ||
       admission.kind != RowAdmission::Kind::kAlways)) {
    return wrong(
        "contributions must stay, as their counts do: rows cannot expire, be "
        "evicted, or be admitted late");
  }
  if (write_once && (expire_after_examples > 0 || at_limit == AtLimit::kEvict ||
                     admission.kind != RowAdmission::Kind::kAlways)) {
    return wrong(
        "what is written once must stay: its rows cannot expire, be "
        "evicted, or be admitted late");
  }
  switch (admission.kind) {
    case RowAdmission::Kind::kAlways:
      break;
    case RowAdmission::Kind::kCount:
      if (admission.count < 2 || admission.count > 255) {
        return wrong("keys are admitted at push ", admission.count,
                     "; it must be from 2 to 255");
      }
      if (admission.counters < 1 || admission.counters > kMaxCounters) {
        return wrong("admission has ", admission.counters,
                     " counters; it must have from 1 to ", kMaxCounters);
      }
      break;
    case RowAdmission::Kind::kProbability:
      // So written, it refuses what is not a number, too.
      if (!(admission.probability > 0 && admission.probability <= 1)) {
        return wrong("keys are admitted with probability ",
                     admission.probability,
                     "; it must be above 0 and at most 1");
      }
      break;
  }
  return absl::OkStatus();
}

}  // namespace ebb::server
