// Propagating absl::Status and absl::StatusOr without nesting.
//
//   EBB_RETURN_IF_ERROR(store.Open(path));
//   EBB_ASSIGN_OR_RETURN(Index index, BuildIndex(spec));
#ifndef EBB_COMMON_STATUS_MACROS_H_
#define EBB_COMMON_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define EBB_RETURN_IF_ERROR(expression)                               \
  do {                                                                \
    if (absl::Status ebb_status_ = (expression); !ebb_status_.ok()) { \
      return ebb_status_;                                             \
    }                                                                 \
  } while (false)

#define EBB_CONCAT_INNER_(a, b) a##b
#define EBB_CONCAT_(a, b) EBB_CONCAT_INNER_(a, b)

#define EBB_ASSIGN_OR_RETURN(lhs, expression) \
  EBB_ASSIGN_OR_RETURN_IMPL_(EBB_CONCAT_(ebb_or_, __LINE__), lhs, expression)

#define EBB_ASSIGN_OR_RETURN_IMPL_(or_, lhs, expression) \
  auto or_ = (expression);                               \
  if (!or_.ok()) return std::move(or_).status();         \
  lhs = *std::move(or_)

#endif  // EBB_COMMON_STATUS_MACROS_H_
