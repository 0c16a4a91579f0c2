// The workers' side of boosted trees: they keep missing values.
#include "workloads/seam/worker/worker.h"

#include <memory>

#include "workloads/boosted/rules/shape.h"

namespace ebb::workloads {

namespace {

class BoostedWorker final : public WorkerSide {
 public:
  void Read(const v1::Job& /*job*/, data::SourceSpec* spec) const override {
    spec->packed.keep_missing = true;
  }

  void Configure(const v1::Job& job, const data::Index& /*train*/,
                 models::ModelConfig* config) const override {
    const v1::Model& model = job.model();
    config->trees = model.trees();
    config->depth = model.depth();
    config->leaves = model.leaves();
    config->bins = model.bins();
    if (model.has_row_share()) config->row_share = model.row_share();
    if (model.has_column_share()) config->column_share = model.column_share();
    config->validation_share = ValidationShareOf(model);
  }
};

}  // namespace

void RegisterBoostedWorker(WorkerSides* sides) {
  sides->Add("boosted", std::make_unique<BoostedWorker>());
}

}  // namespace ebb::workloads
