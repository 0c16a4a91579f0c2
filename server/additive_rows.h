// Sparse tables whose rows only add up: the parts of an update rule that depend
// on no job.
#ifndef EBB_SERVER_ADDITIVE_ROWS_H_
#define EBB_SERVER_ADDITIVE_ROWS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "optimizer/optimizer.h"
#include "protocol/plan.h"
#include "server/row_rules.h"
#include "server/update_rule.h"

namespace ebb::server {

// row' = row + G, from `init`; nothing is dropped, expires or is evicted. Rows
// that are not trained begin at 0 and have the rule of their kind.
class AdditiveRows : public UpdateRule {
 public:
  explicit AdditiveRows(std::vector<SparseTablePlan> tables = {},
                        InitRule init = InitRule::Zeros())
      : tables_(std::move(tables)), init_(init) {}

  RowTableOptions RowOptions(int32_t table) const override {
    RowTableOptions options;
    options.table = absl::StrCat("table-", table);
    options.width = tables_[table].row_words();
    if (tables_[table].trained()) options.init = init_;
    options.write_once = tables_[table].kind == RowKind::kWriteOnce;
    return options;
  }
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t table) const override {
    return RuleOf(tables_[table].trained() ? RowKind::kAdditive
                                           : tables_[table].kind);
  }
  StepContext RowStep(int32_t, const StepPlace&) const override { return {}; }

 private:
  const std::vector<SparseTablePlan> tables_;
  const InitRule init_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ADDITIVE_ROWS_H_
