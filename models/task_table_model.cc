#include "models/task_table_model.h"

#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/row_kind.h"
#include "common/task_rows.h"

namespace ebb::models {

namespace {

class TaskTableModel final : public Model {
 public:
  explicit TaskTableModel(ModelDescription description)
      : description_(std::move(description)) {}

  const ModelDescription& description() const override { return description_; }
  absl::Status Gradient(std::span<const float> /*params*/,
                        const BatchView& /*batch*/, std::span<float> /*grad*/,
                        BatchStats* /*stats*/) override {
    return NotOne();
  }
  absl::Status Evaluate(std::span<const float> /*params*/,
                        const BatchView& /*batch*/,
                        BatchStats* /*stats*/) override {
    return NotOne();
  }
  absl::Status EvaluateAndPredict(std::span<const float> /*params*/,
                                  const BatchView& /*batch*/,
                                  BatchStats* /*stats*/,
                                  std::vector<float>* /*outputs*/) override {
    return NotOne();
  }
  absl::Status Predict(std::span<const float> /*params*/,
                       const BatchView& /*batch*/,
                       std::vector<float>* /*outputs*/) override {
    return NotOne();
  }

 private:
  static absl::Status NotOne() {
    return absl::UnimplementedError(
        "the results of tasks are not a model that computes");
  }

  const ModelDescription description_;
};

}  // namespace

void AddTaskTable(const std::string& table, ModelDescription* description) {
  SparseTableShape& results = description->sparse_tables.emplace_back();
  results.name = table;
  results.width = kTaskRowBytes;
  results.kind = RowKind::kWriteOnce;
}

std::unique_ptr<Model> MakeTaskTableModel(ModelDescription description) {
  return std::make_unique<TaskTableModel>(std::move(description));
}

}  // namespace ebb::models
