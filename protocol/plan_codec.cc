#include "protocol/plan_codec.h"

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/field_codec.h"
#include "protocol/message_fields.h"
#include "protocol/sealed_form.h"

namespace ebb {

namespace {

constexpr absl::string_view kMagic = "EBBJ";
constexpr uint32_t kVersion = 14;

}  // namespace

// Found by FieldReader through the enums' namespace.
static ConsistencyKind MaxEnum(ConsistencyKind) {
  return ConsistencyKind::kRounds;
}
static PoisonPolicy MaxEnum(PoisonPolicy) { return PoisonPolicy::kRollBack; }
static FilterKind MaxEnum(FilterKind) { return FilterKind::kTopK; }
static RowKind MaxEnum(RowKind) { return RowKind::kWriteOnce; }

template <typename Struct, typename Form>
requires std::is_same_v<std::remove_const_t<Struct>, JobRecord>
void VisitForm(Struct& record, Form&& form) {
  VisitListedForm<kVersion>(record, form);
}

std::string EncodeJobRecord(const JobRecord& record) {
  return SealForm(kMagic, kVersion, record);
}

absl::StatusOr<JobRecordPtr> DecodeJobRecord(absl::string_view bytes) {
  auto record = std::make_shared<JobRecord>();
  EBB_RETURN_IF_ERROR(
      UnsealForm(kMagic, kVersion, "stored job record", bytes, record.get())
          .status());
  EBB_RETURN_IF_ERROR(record->plan.Validate());
  return record;
}

absl::Status CheckStored(absl::string_view what,
                         const RollbackRecord& rollback) {
  if (IsRateFactor(rollback.rate_factor) && rollback.nonfinite >= 0) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(what, ": its rate factor is ",
                                          rollback.rate_factor, " after ",
                                          rollback.nonfinite, " rollbacks"));
}

}  // namespace ebb
