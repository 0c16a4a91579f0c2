#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/fields.h"

namespace ebb::rpc {

using internal::InRange;
using internal::IsShort;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::ValidUtf8;

// A new field stops here: convert it below, then count it.
static_assert(kFields<PeerTrouble> == 6 && kFields<CallFailure> == 2);
static_assert(kCallCauses == v1::PeerTrouble::Cause_MAX + 1);

v1::PeerTrouble ToProto(const PeerTrouble& trouble) {
  v1::PeerTrouble message;
  message.set_server(trouble.server.value());
  message.set_session(trouble.session.value());
  message.set_address(ValidUtf8(trouble.address));
  message.set_lasts_ms(absl::ToInt64Milliseconds(trouble.lasts));
  message.set_attempts(trouble.attempts);
  message.set_cause(static_cast<v1::PeerTrouble::Cause>(trouble.why.cause));
  message.set_text(ValidUtf8(trouble.why.text.substr(0, kMaxTextBytes)));
  return message;
}

absl::StatusOr<PeerTrouble> FromProto(const v1::PeerTrouble& message) {
  constexpr int64_t kMaxMs = int64_t{1} << 40;
  EBB_RETURN_IF_ERROR(
      InRange("PeerTrouble.server", message.server(), 0, kMaxServers - 1));
  EBB_RETURN_IF_ERROR(Named("PeerTrouble.session", message.session()));
  EBB_RETURN_IF_ERROR(IsShort("PeerTrouble.address", message.address()));
  EBB_RETURN_IF_ERROR(
      InRange("PeerTrouble.lasts_ms", message.lasts_ms(), 0, kMaxMs));
  EBB_RETURN_IF_ERROR(NotNegative("PeerTrouble.attempts", message.attempts()));
  EBB_RETURN_IF_ERROR(IsShort("PeerTrouble.text", message.text()));
  PeerTrouble trouble;
  trouble.server = ServerId(message.server());
  trouble.session = SessionId(message.session());
  trouble.address = message.address();
  trouble.lasts = absl::Milliseconds(message.lasts_ms());
  trouble.attempts = message.attempts();
  // One that a newer daemon knows is another to this one.
  if (v1::PeerTrouble::Cause_IsValid(message.cause())) {
    trouble.why.cause = static_cast<CallCause>(message.cause());
  }
  trouble.why.text = message.text();
  return trouble;
}

}  // namespace ebb::rpc
