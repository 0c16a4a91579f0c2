// Checks what the scheduler takes as the result of an evaluation. Programs of
// users make such results, so the worker looks before it sends one: a message
// that the scheduler refuses would end the worker's session.
#ifndef EBB_PROTOCOL_EVALUATION_CHECK_H_
#define EBB_PROTOCOL_EVALUATION_CHECK_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/messages.h"

namespace ebb {

inline constexpr size_t kLongestFigureName = 32;

// Lower-case letters, digits and underscores.
bool IsFigureName(absl::string_view name);

// InvalidArgument names the number or figure, and the rule.
absl::Status CheckEvaluation(const EvaluationResult& result);

}  // namespace ebb

#endif  // EBB_PROTOCOL_EVALUATION_CHECK_H_
