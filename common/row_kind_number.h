// The numbers by which messages and plugins name the kinds of rows.
#ifndef EBB_COMMON_ROW_KIND_NUMBER_H_
#define EBB_COMMON_ROW_KIND_NUMBER_H_

#include <optional>

#include "common/row_kind.h"

namespace ebb {

// The number of a kind, which never changes: that of v1::RowKind and of
// EbbRowKind.
constexpr int NumberOf(RowKind kind) { return static_cast<int>(kind); }

// The kind with that number. nullopt: it is from a newer ebb.
constexpr std::optional<RowKind> RowKindOf(int number) {
  if (number < 0 || number > NumberOf(RowKind::kWriteOnce)) return std::nullopt;
  return static_cast<RowKind>(number);
}

}  // namespace ebb

#endif  // EBB_COMMON_ROW_KIND_NUMBER_H_
