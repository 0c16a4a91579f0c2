// Sparse tables whose rows only add up: what an update rule needs of them that
// is no job's.
#ifndef EBB_SERVER_ADDITIVE_ROWS_H_
#define EBB_SERVER_ADDITIVE_ROWS_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "common/protocol/plan.h"
#include "server/optimizer/config.h"
#include "server/optimizer/optimizer.h"
#include "server/update_rule.h"

namespace ebb::server {

// row' = row + G, from `init`; nothing is dropped, expires or is evicted.
class AdditiveRows : public UpdateRule {
 public:
  explicit AdditiveRows(std::vector<SparseTablePlan> tables = {},
                        InitRule init = InitRule::Zeros())
      : tables_(std::move(tables)), init_(init) {}

  RowTableOptions RowOptions(int32_t table) const override {
    RowTableOptions options;
    options.table = absl::StrCat("table-", table);
    options.width = tables_[table].width;
    options.init = init_;
    return options;
  }
  std::shared_ptr<const Optimizer> RowOptimizer(int32_t) const override {
    return *MakeOptimizer({.kind = OptimizerKind::kAdditive});
  }
  StepContext RowStep(int32_t, const StepPlace&) const override { return {}; }

 private:
  const std::vector<SparseTablePlan> tables_;
  const InitRule init_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ADDITIVE_ROWS_H_
