#include "models/model_base.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::models {
namespace {

std::string Place(const BatchView& batch, int64_t row) {
  return absl::StrCat("epoch ", batch.epoch, ", shard ", batch.shard,
                      ", position ", batch.first_position + row);
}

absl::Status CheckCsr(const BatchView& batch) {
  const CsrView& csr = batch.sparse;
  if (static_cast<int64_t>(csr.row_offsets.size()) != batch.rows + 1 ||
      csr.columns.size() != csr.values.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sparse batch of ", batch.rows, " rows: ", csr.row_offsets.size(),
        " row offsets, ", csr.columns.size(), " columns and ",
        csr.values.size(), " values do not fit together"));
  }
  if (csr.row_offsets.front() < 0 ||
      csr.row_offsets.back() > static_cast<int64_t>(csr.columns.size()) ||
      !std::is_sorted(csr.row_offsets.begin(), csr.row_offsets.end())) {
    return absl::InvalidArgumentError(
        absl::StrCat("sparse batch: row offsets must rise from 0 to at most ",
                     csr.columns.size()));
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    for (int64_t e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e) {
      if (csr.columns[e] < 0 || csr.columns[e] >= batch.features) {
        return absl::InvalidArgumentError(absl::StrCat(
            "example at ", Place(batch, row), ": column ", csr.columns[e],
            " is not among the ", batch.features, " features"));
      }
    }
  }
  return absl::OkStatus();
}

// Names the first element that is not finite; requires that there is one.
absl::Status NotFinite(const ModelDescription& description,
                       std::span<const float> grad, const BatchView& batch) {
  int64_t index =
      std::find_if(grad.begin(), grad.end(),
                   [](float value) { return !std::isfinite(value); }) -
      grad.begin();
  const float value = grad[index];
  auto table = description.tables.begin();
  while (index >= table->size()) index -= table++->size();
  return absl::OutOfRangeError(
      absl::StrCat("non-finite gradient: ", value, " at element ", index,
                   " of ", table->name, ", in the batch of ", batch.rows,
                   " examples at ", Place(batch, 0)));
}

}  // namespace

ModelBase::ModelBase(ModelDescription description, const ModelConfig& config,
                     ComputeBackend* backend)
    : description_(std::move(description)),
      parameter_count_(description_.ParameterCount()),
      l2_(config.l2),
      clip_norm_(config.clip_norm),
      backend_(backend),
      params_(backend),
      grad_(backend),
      outputs_(backend),
      labels_(backend),
      dense_(backend),
      row_offsets_(backend),
      columns_(backend),
      values_(backend) {}

absl::Status ModelBase::CheckSizes(std::span<const float> params,
                                   const BatchView& batch) const {
  if (static_cast<int64_t>(params.size()) != parameter_count_) {
    return absl::InvalidArgumentError(
        absl::StrCat("got ", params.size(), " parameters; the model has ",
                     parameter_count_));
  }
  if (batch.rows < 0 || batch.features != description_.features) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch of ", batch.rows, " examples with ", batch.features,
                     " features; the model takes ", description_.features));
  }
  if (batch.is_sparse()) return CheckCsr(batch);
  if (static_cast<int64_t>(batch.dense.size()) != batch.rows * batch.features) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dense batch of ", batch.rows, " examples with ", batch.features,
        " features: got ", batch.dense.size(), " numbers"));
  }
  return absl::OkStatus();
}

absl::Status ModelBase::CheckLabels(const BatchView& batch) const {
  if (static_cast<int64_t>(batch.labels.size()) != batch.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch of ", batch.rows, " examples: got ",
                     batch.labels.size(), " labels"));
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    const float label = batch.labels[row];
    const auto wrong = [&](absl::string_view right) {
      return absl::InvalidArgumentError(
          absl::StrCat("example at ", Place(batch, row), ": label ", label,
                       "; the model takes ", right));
    };
    switch (description_.labels) {
      case LabelKind::kValue:
        return absl::OkStatus();
      case LabelKind::kBinary:
        if (label != 0 && std::abs(label) != 1) return wrong("0/1 or -1/+1");
        break;
      case LabelKind::kClass:
        if (!(label >= 0 && label < description_.classes) ||
            label != std::floor(label)) {
          return wrong(absl::StrCat("the numbers of classes, 0 to ",
                                    description_.classes - 1));
        }
        break;
    }
  }
  return absl::OkStatus();
}

BatchView ModelBase::Import(const BatchView& batch) {
  BatchView local = batch;
  local.dense = dense_.Import(batch.dense);
  local.labels = labels_.Import(batch.labels);
  local.sparse = {row_offsets_.Import(batch.sparse.row_offsets),
                  columns_.Import(batch.sparse.columns),
                  values_.Import(batch.sparse.values)};
  return local;
}

void ModelBase::AddDecay(const float* params, int64_t rows, float* grad) {
  if (l2_ == 0) return;
  const auto decay = static_cast<float>(l2_ * rows);
  for (const TableShape& table : description_.tables) {
    const int64_t size = table.size();
    if (table.regularized) backend_->AddScaled(size, decay, params, grad);
    params += size;
    grad += size;
  }
}

absl::Status ModelBase::Gradient(std::span<const float> params,
                                 const BatchView& batch, std::span<float> grad,
                                 BatchStats* stats) {
  *stats = {};
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  EBB_RETURN_IF_ERROR(CheckLabels(batch));
  if (grad.size() != params.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("got room for a gradient of ", grad.size(), " of ",
                     params.size(), " numbers"));
  }
  if (batch.rows == 0) {
    std::fill(grad.begin(), grad.end(), 0.0f);
    return absl::OkStatus();
  }
  const float* local_params = params_.Import(params).data();
  float* local_grad = backend_->uses_host_memory()
                          ? grad.data()
                          : grad_.Reserve<float>(parameter_count_);
  LossSums sums;
  EBB_RETURN_IF_ERROR(
      SumGradient(local_params, Import(batch), local_grad, &sums));
  AddDecay(local_params, batch.rows, local_grad);

  // One pass answers both questions: is it finite, and is it too long.
  const double squares = backend_->SumOfSquares(parameter_count_, local_grad);
  const double norm_of_mean = std::sqrt(squares) / batch.rows;
  if (clip_norm_ > 0 && std::isfinite(squares) && norm_of_mean > clip_norm_) {
    backend_->Scale(parameter_count_,
                    static_cast<float>(clip_norm_ / norm_of_mean), local_grad);
  }
  if (local_grad != grad.data()) {
    backend_->CopyOut(local_grad, grad.size_bytes(), grad.data());
  }
  if (!std::isfinite(squares)) return NotFinite(description_, grad, batch);
  if (!std::isfinite(sums.loss)) {
    return absl::OutOfRangeError(
        absl::StrCat("non-finite loss: ", sums.loss, " in the batch of ",
                     batch.rows, " examples at ", Place(batch, 0)));
  }
  *stats = {batch.rows, sums.loss, sums.correct};
  return absl::OkStatus();
}

absl::Status ModelBase::Evaluate(std::span<const float> params,
                                 const BatchView& batch, BatchStats* stats) {
  *stats = {};
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  EBB_RETURN_IF_ERROR(CheckLabels(batch));
  if (batch.rows == 0) return absl::OkStatus();
  LossSums sums;
  EBB_RETURN_IF_ERROR(
      SumLoss(params_.Import(params).data(), Import(batch), &sums));
  *stats = {batch.rows, sums.loss, sums.correct};
  return absl::OkStatus();
}

absl::Status ModelBase::Predict(std::span<const float> params,
                                const BatchView& batch,
                                std::vector<float>* outputs) {
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  const int64_t count = batch.rows * description_.outputs;
  outputs->resize(count);
  if (count == 0) return absl::OkStatus();
  float* local = backend_->uses_host_memory() ? outputs->data()
                                              : outputs_.Reserve<float>(count);
  EBB_RETURN_IF_ERROR(
      ComputeOutputs(params_.Import(params).data(), Import(batch), local));
  if (local != outputs->data()) {
    backend_->CopyOut(local, count * sizeof(float), outputs->data());
  }
  return absl::OkStatus();
}

}  // namespace ebb::models
