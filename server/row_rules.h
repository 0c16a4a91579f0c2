// By which rule the rows of a sparse table change that is not trained.
#ifndef EBB_SERVER_ROW_RULES_H_
#define EBB_SERVER_ROW_RULES_H_

#include <memory>

#include "optimizer/optimizer.h"
#include "optimizer/word_rules.h"
#include "protocol/plan.h"

namespace ebb::server {

// Null for kTrained, whose rule the job names.
inline std::shared_ptr<const Optimizer> RuleOf(RowKind kind) {
  switch (kind) {
    case RowKind::kTrained:
      return nullptr;
    case RowKind::kAdditive:
      return MakeAdditiveRule();
    case RowKind::kCounts:
      return MakeCountsRule();
    case RowKind::kWriteOnce:
      return MakeWriteOnceRule();
  }
  return nullptr;
}

}  // namespace ebb::server

#endif  // EBB_SERVER_ROW_RULES_H_
