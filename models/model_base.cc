#include "models/model_base.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "glog/logging.h"

namespace ebb::models {
namespace {

std::string Place(const BatchView& batch, int64_t row) {
  return absl::StrCat("epoch ", batch.epoch + 1, ", shard ", batch.shard + 1,
                      ", position ", batch.first_position + row);
}

absl::Status CheckCsr(const BatchView& batch, bool keyed) {
  const CsrView& csr = batch.sparse;
  const int64_t columns = keyed ? batch.distinct_keys : batch.features;
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
      if (csr.columns[e] < 0 || csr.columns[e] >= columns) {
        return absl::InvalidArgumentError(
            absl::StrCat("example at ", Place(batch, row), ": column ",
                         csr.columns[e], " is not among the ", columns,
                         keyed ? " keys of the batch" : " features"));
      }
    }
  }
  return absl::OkStatus();
}

// Checks a batch that CheckCsr has passed.
absl::Status CheckFields(const BatchView& batch) {
  const CsrView& csr = batch.sparse;
  if (batch.fields.size() != csr.columns.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("keyed batch of ", csr.columns.size(), " entries: got ",
                     batch.fields.size(), " fields"));
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    for (int64_t e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e) {
      if (batch.fields[e] >= batch.features) {
        return absl::InvalidArgumentError(absl::StrCat(
            "example at ", Place(batch, row), ": field ", batch.fields[e],
            " is not among the ", batch.features, " fields"));
      }
    }
  }
  return absl::OkStatus();
}

// The examples of a model with sparse tables.
absl::Status CheckKeyed(const BatchView& batch,
                        const ModelDescription& description) {
  // Columns are 32-bit numbers.
  constexpr int64_t kMaxKeys = int64_t{1} << 31;
  if (batch.distinct_keys < 0 || batch.distinct_keys > kMaxKeys) {
    return absl::InvalidArgumentError(absl::StrCat(
        "batch of ", batch.rows, " examples with ", batch.distinct_keys,
        " keys; 0 to ", kMaxKeys, " are possible: make the batch smaller"));
  }
  const bool has_entries =
      batch.is_sparse() &&
      batch.sparse.row_offsets.back() > batch.sparse.row_offsets.front();
  if (!batch.dense.empty() || (batch.rows > 0 && !batch.is_sparse()) ||
      (has_entries && !batch.is_keyed())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "batch of ", batch.rows,
        " examples that are not keyed: the model has "
        "the sparse table ",
        description.sparse_tables.front().name,
        ", of which each entry of an example has a row; give it keyed examples "
        "(distinct_keys), or take a model for features (logistic, mlp, …)"));
  }
  if (std::ssize(batch.beside) != batch.rows * description.beside) {
    return absl::InvalidArgumentError(absl::StrCat(
        "batch of ", batch.rows, " examples with ", batch.beside.size(),
        " numbers beside their keys; the model takes ", description.beside,
        " of each example"));
  }
  if (!batch.is_sparse()) return absl::OkStatus();
  EBB_RETURN_IF_ERROR(CheckCsr(batch, /*keyed=*/true));
  return CheckFields(batch);
}

// Names the element, which is not finite.
absl::Status NotFinite(const ModelDescription& description,
                       std::span<const float> grad, int64_t index,
                       const BatchView& batch) {
  const float value = grad[index];
  std::string place;
  for (const TableShape& table : description.tables) {
    if (index < table.size()) {
      place = absl::StrCat("element ", index, " of ", table.name);
      break;
    }
    index -= table.size();
  }
  if (place.empty()) {
    auto table = description.sparse_tables.begin();
    while (index >= batch.distinct_keys * table->width) {
      index -= batch.distinct_keys * table++->width;
    }
    place = absl::StrCat("element ", index % table->width, " of row ",
                         index / table->width, " of ", table->name,
                         " (of the batch's ", batch.distinct_keys, " keys)");
  }
  return absl::OutOfRangeError(absl::StrCat(
      "non-finite gradient: ", value, " at ", place, ", in the batch of ",
      batch.rows, " examples at ", Place(batch, 0)));
}

// Copies from and to memory of the caller are over when he has it again.
class FinishedCopies {
 public:
  explicit FinishedCopies(ComputeBackend* backend) : backend_(backend) {}
  ~FinishedCopies() { backend_->FinishCopies(); }
  FinishedCopies(const FinishedCopies&) = delete;
  FinishedCopies& operator=(const FinishedCopies&) = delete;

 private:
  ComputeBackend* const backend_;  // Not owned.
};

}  // namespace

ModelBase::ModelBase(ModelDescription description, const ModelConfig& config,
                     ComputeBackend* backend)
    : description_(std::move(description)),
      parameter_count_(description_.ParameterCount()),
      l2_(config.l2),
      clip_norm_(config.clip_norm),
      backend_(backend),
      params_(backend),
      dense_(backend),
      grad_(backend),
      part_grad_(backend),
      outputs_(backend),
      labels_(backend),
      row_offsets_(backend),
      columns_(backend),
      values_(backend),
      fields_(backend),
      row_counts_(backend),
      totals_(backend) {
  int64_t end = 0;
  for (const TableShape& table : description_.tables) {
    table_ends_.push_back(end += table.size());
    const bool frozen =
        std::ranges::find(config.frozen, table.name) != config.frozen.end();
    frozen_.push_back(frozen);
    any_frozen_ = any_frozen_ || frozen;
  }
}

const std::vector<ModelBase::Range>& ModelBase::TrainedOf(int64_t count) {
  trained_.clear();
  if (!any_frozen_) {
    trained_.push_back({0, count});
    return trained_;
  }
  const auto add = [&](int64_t begin, int64_t end) {
    if (begin == end) return;
    if (!trained_.empty() && trained_.back().end == begin) {
      trained_.back().end = end;
    } else {
      trained_.push_back({begin, end});
    }
  };
  int64_t begin = 0;
  for (size_t i = 0; i < description_.tables.size(); ++i) {
    const int64_t end = begin + description_.tables[i].size();
    if (!frozen_[i]) add(begin, end);
    begin = end;
  }
  add(begin, count);
  return trained_;
}

int64_t ModelBase::RowsAt(size_t sparse_table, int64_t distinct_keys) const {
  int64_t floats = 0;
  for (size_t i = 0; i < sparse_table; ++i) {
    floats += description_.sparse_tables[i].width;
  }
  return parameter_count_ + distinct_keys * floats;
}

absl::Status ModelBase::CheckExamples(const BatchView&) const {
  return absl::OkStatus();
}

absl::Status ModelBase::CheckSizes(std::span<const float> params,
                                   const BatchView& batch) const {
  // First, for the number of parameters follows from it.
  EBB_RETURN_IF_ERROR(CheckFormat(batch));
  const int64_t wanted =
      parameter_count_ + batch.distinct_keys * description_.RowFloats();
  if (static_cast<int64_t>(params.size()) != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        "got ", params.size(), " parameters; the model has ", wanted,
        batch.is_keyed()
            ? absl::StrCat(" with rows of ", batch.distinct_keys, " keys")
            : ""));
  }
  return CheckExamples(batch);
}

absl::Status ModelBase::CheckFormat(const BatchView& batch) const {
  const bool keyed = description_.TrainsRows();
  if (batch.rows < 0 || batch.features != description_.features) {
    const char* const unit = keyed ? " fields" : " features";
    return absl::InvalidArgumentError(
        absl::StrCat("batch of ", batch.rows, " examples with ", batch.features,
                     unit, "; the model takes ", description_.features));
  }
  if (keyed) return CheckKeyed(batch, description_);
  if (batch.distinct_keys != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "batch of ", batch.rows, " keyed examples with ", batch.distinct_keys,
        " keys: the model has no sparse tables to look keys up in; give it "
        "examples with features, or take a model for keys (sparse_logistic, "
        "fm, …)"));
  }
  if (batch.is_sparse()) return CheckCsr(batch, /*keyed=*/false);
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
      case LabelKind::kNone:
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

// The examples first: without them the first values are of no use.
BatchView ModelBase::Import(const BatchView& batch, ContentId dense) {
  BatchView local = batch;
  if (!backend_->uses_host_memory() && !batch.dense.empty()) {
    const auto end = static_cast<int64_t>(batch.dense.size());
    dense_.Begin({batch.dense, dense}, {&end, 1});
    local.dense = {dense_.ReadAll(), batch.dense.size()};
  }
  local.labels = labels_.Import(batch.labels);
  local.sparse = {row_offsets_.Import(batch.sparse.row_offsets),
                  columns_.Import(batch.sparse.columns),
                  values_.Import(batch.sparse.values)};
  local.fields = fields_.Import(batch.fields);
  return local;
}

void ModelBase::BringValues(const KnownFloats& params, int64_t distinct_keys) {
  if (backend_->uses_host_memory()) return params_.Begin(params, {});
  table_ends_.resize(description_.tables.size());
  int64_t end = parameter_count_;
  for (const SparseTableShape& table : description_.sparse_tables) {
    if (table.kind != RowKind::kTrained) break;  // Nor are those behind it.
    table_ends_.push_back(end += distinct_keys * table.width);
  }
  params_.Begin(params, table_ends_);
}

void ModelBase::BringNext(const Lookahead& ahead) {
  bool params = false, dense = false;
  backend_->WhileComputing([&] {
    const NextBatch next = ahead.next();
    params = params || params_.BeginNext(next.params);
    dense = dense || dense_.BeginNext(next.dense);
    return !params || !dense;
  });
}

void ModelBase::AddDecay(const BatchView& batch, int64_t begin, int64_t end,
                         float* grad) {
  if (l2_ == 0) return;
  const auto decay = static_cast<float>(l2_ * batch.rows);
  int64_t at = 0;
  for (size_t i = 0; i < description_.tables.size(); ++i) {
    const TableShape& table = description_.tables[i];
    const int64_t size = table.size();
    if (table.regularized && !frozen_[i] && at >= begin && at + size <= end) {
      backend_->AddScaled(size, decay, params_.Read(at, size), grad + at);
    }
    at += size;
  }
  if (!batch.is_keyed() || end <= parameter_count_) return;
  const float* counts = CountRows(batch);
  for (const SparseTableShape& table : description_.sparse_tables) {
    if (table.kind != RowKind::kTrained) break;
    const int64_t size = batch.distinct_keys * table.width;
    if (at >= begin && at + size <= end) {
      backend_->AddScaledRows(batch.distinct_keys, table.width,
                              static_cast<float>(l2_), counts,
                              params_.Read(at, size), grad + at);
    }
    at += size;
  }
}

const float* ModelBase::CountRows(const BatchView& batch) {
  const CsrView& csr = batch.sparse;
  counts_.assign(batch.distinct_keys, 0);
  last_rows_.assign(batch.distinct_keys, -1);
  for (int64_t row = 0; row < batch.rows; ++row) {
    for (int64_t e = csr.row_offsets[row]; e < csr.row_offsets[row + 1]; ++e) {
      const int32_t key = csr.columns[e];
      if (last_rows_[key] == row) continue;  // Twice in the row.
      last_rows_[key] = row;
      ++counts_[key];
    }
  }
  return row_counts_.Import(std::span<const float>(counts_)).data();
}

template <typename Compute>
absl::Status ModelBase::InParts(const BatchView& batch,
                                const Compute& compute) {
  for (;;) {
    const int64_t at_once = std::min(batch.rows, most_at_once_);
    absl::Status status = compute(at_once);
    if (status.ok()) return status;
    params_.Forget();
    dense_.Forget();
    if (!absl::IsResourceExhausted(status)) return status;
    if (std::exchange(has_room_, false)) {
      // The next batch's room first.
      backend_->ReleaseArrays();
      looks_ahead_ = false;
      LOG(WARNING) << "batches are not copied ahead, for two do not fit: "
                   << status.message();
      continue;
    }
    if (at_once == 1) {
      return absl::ResourceExhaustedError(absl::StrCat(
          status.message(), ", for one example at a time of a model of ",
          parameter_count_, " parameters: take a device with more memory"));
    }
    // All of it, for what is asked for first need not be what was too much.
    backend_->ReleaseArrays();
    most_at_once_ = (at_once + 1) / 2;
    LOG(WARNING) << "batches are computed by " << most_at_once_
                 << " examples: by " << at_once
                 << " they do not fit: " << status.message();
  }
}

absl::Status ModelBase::Gradient(std::span<const float> params,
                                 const BatchView& batch, std::span<float> grad,
                                 BatchStats* stats) {
  return ComputeGradient(params, batch, grad, stats, nullptr);
}

absl::Status ModelBase::GradientWithNext(std::span<const float> params,
                                         const BatchView& batch,
                                         std::span<float> grad,
                                         BatchStats* stats,
                                         const Lookahead& ahead) {
  return ComputeGradient(params, batch, grad, stats, &ahead);
}

absl::Status ModelBase::ComputeGradient(std::span<const float> params,
                                        const BatchView& batch,
                                        std::span<float> grad,
                                        BatchStats* stats,
                                        const Lookahead* ahead) {
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
  LossSums sums;
  EBB_RETURN_IF_ERROR(InParts(batch, [&](int64_t at_once) {
    return GradientInParts(params, batch, at_once, grad, &sums, ahead);
  }));
  if (!std::isfinite(sums.loss)) {
    return absl::OutOfRangeError(
        absl::StrCat("non-finite loss: ", sums.loss, " in the batch of ",
                     batch.rows, " examples at ", Place(batch, 0)));
  }
  *stats = {batch.rows, sums.loss, sums.correct};
  return absl::OkStatus();
}

ModelBase::Totals* ModelBase::ReserveTotals(int64_t count) {
  read_totals_.assign(count, {});
  return backend_->uses_host_memory() ? read_totals_.data()
                                      : totals_.Reserve<Totals>(count);
}

absl::Status ModelBase::ReadTotals(int64_t parts, LossSums* sums,
                                   const Lookahead* ahead) {
  if (!backend_->uses_host_memory()) {
    backend_->BeginCopyOut(
        totals_.data<Totals>(),
        static_cast<int64_t>(read_totals_.size() * sizeof(Totals)),
        read_totals_.data());
    if (ahead != nullptr) BringNext(*ahead);
    backend_->FinishCopies();
  }
  EBB_RETURN_IF_ERROR(backend_->TakeError());
  for (const Totals& part : std::span(read_totals_).first(parts)) {
    sums->loss += part.sums.loss;
    sums->correct += part.sums.correct;
  }
  return absl::OkStatus();
}

absl::Status ModelBase::GradientInParts(std::span<const float> params,
                                        const BatchView& batch, int64_t at_once,
                                        std::span<float> grad, LossSums* sums,
                                        const Lookahead* ahead) {
  *sums = {};
  const FinishedCopies copies(backend_);
  const auto count = static_cast<int64_t>(grad.size());
  const bool copied = !backend_->uses_host_memory();
  // Memory that has no room for a batch has none for two.
  if (!copied || !looks_ahead_ || at_once < batch.rows) ahead = nullptr;
  KnownFloats values = {params};
  ContentId dense = ContentId::kUnknown;
  if (ahead != nullptr) {
    values.id = ahead->params;
    dense = ahead->dense;
  }
  float* local_grad = copied ? grad_.Reserve<float>(count) : grad.data();
  const std::vector<Range>& trained = TrainedOf(count);
  const auto ranges = static_cast<int64_t>(trained.size());
  const int64_t parts = (batch.rows + at_once - 1) / at_once;
  Totals* const totals = ReserveTotals(std::max(parts, ranges));
  // Parts are added to all of it, and clipping scales all of it.
  const bool early = copied && at_once >= batch.rows && clip_norm_ == 0;
  const auto complete = [&](int64_t begin, int64_t end) {
    AddDecay(batch, begin, end, local_grad);
  };
  OutgoingGradient outgoing(backend_, local_grad, grad, early, complete);
  for (int64_t i = 0; i <= ranges; ++i) {
    const int64_t begin = i == 0 ? 0 : trained[i - 1].end;
    const int64_t end = i == ranges ? count : trained[i].begin;
    if (begin < end) outgoing.LeaveOut(begin, end);
  }
  for (int64_t begin = 0, i = 0; begin < batch.rows; begin += at_once, ++i) {
    const int64_t end = std::min(begin + at_once, batch.rows);
    const BatchView part =
        Import(PartOf(batch, begin, end, &part_offsets_), dense);
    if (begin == 0) {
      BringValues(values, batch.distinct_keys);
      if (ahead != nullptr) {
        has_room_ = true;
        if (ahead->names_params) params_.MakeRoomForNext();
        dense_.MakeRoomForNext();
        backend_->MarkAhead();
      }
      EBB_RETURN_IF_ERROR(backend_->TakeError());
      EBB_RETURN_IF_ERROR(
          SumGradient(&params_, part, &outgoing, &totals[i].sums));
    } else {
      float* const memory = part_grad_.Reserve<float>(count);
      EBB_RETURN_IF_ERROR(backend_->TakeError());
      OutgoingGradient more(backend_, memory, grad, /*early=*/false, complete);
      EBB_RETURN_IF_ERROR(SumGradient(&params_, part, &more, &totals[i].sums));
      backend_->AddScaled(count, 1, memory, local_grad);
    }
    EBB_RETURN_IF_ERROR(backend_->TakeError());
  }
  // One pass over all of it answers both questions: is it finite, and is it too
  // long.
  outgoing.CompleteRest();
  for (int64_t i = 0; i < ranges; ++i) {
    const Range& range = trained[i];
    backend_->SumOfSquares(range.end - range.begin, local_grad + range.begin,
                           &totals[i].squares);
  }
  if (clip_norm_ > 0) {
    backend_->ClipMean(batch.rows, clip_norm_, &totals->squares, count,
                       local_grad);
  }
  if (copied) outgoing.LeaveRest();
  EBB_RETURN_IF_ERROR(ReadTotals(parts, sums, ahead));
  for (int64_t i = 0; i < ranges; ++i) {
    if (std::isfinite(read_totals_[i].squares)) continue;
    const auto values =
        grad.subspan(trained[i].begin, trained[i].end - trained[i].begin);
    const auto found = std::ranges::find_if(
        values, [](float value) { return !std::isfinite(value); });
    return NotFinite(description_, grad,
                     trained[i].begin + (found - values.begin()), batch);
  }
  return absl::OkStatus();
}

absl::Status ModelBase::LossInParts(std::span<const float> params,
                                    const BatchView& batch, int64_t at_once,
                                    LossSums* sums) {
  *sums = {};
  const FinishedCopies copies(backend_);
  const int64_t parts = (batch.rows + at_once - 1) / at_once;
  Totals* const totals = ReserveTotals(parts);
  for (int64_t begin = 0, i = 0; begin < batch.rows; begin += at_once, ++i) {
    const int64_t end = std::min(begin + at_once, batch.rows);
    const BatchView part = Import(PartOf(batch, begin, end, &part_offsets_));
    if (begin == 0) BringValues({params}, batch.distinct_keys);
    EBB_RETURN_IF_ERROR(backend_->TakeError());
    EBB_RETURN_IF_ERROR(SumLoss(&params_, part, &totals[i].sums));
    EBB_RETURN_IF_ERROR(backend_->TakeError());
  }
  return ReadTotals(parts, sums);
}

absl::Status ModelBase::SumLossAndOutputs(IncomingValues* params,
                                          const BatchView& batch,
                                          LossSums* sums, float* outputs) {
  EBB_RETURN_IF_ERROR(SumLoss(params, batch, sums));
  return ComputeOutputs(params, batch, outputs);
}

absl::Status ModelBase::OutputsInParts(std::span<const float> params,
                                       const BatchView& batch, int64_t at_once,
                                       LossSums* sums,
                                       std::vector<float>* outputs) {
  if (sums != nullptr) *sums = {};
  const FinishedCopies copies(backend_);
  const bool copied = !backend_->uses_host_memory();
  const int64_t parts = (batch.rows + at_once - 1) / at_once;
  Totals* const totals = sums == nullptr ? nullptr : ReserveTotals(parts);
  for (int64_t begin = 0, i = 0; begin < batch.rows; begin += at_once, ++i) {
    const int64_t end = std::min(begin + at_once, batch.rows);
    const int64_t count = (end - begin) * description_.outputs;
    float* const host = outputs->data() + begin * description_.outputs;
    const BatchView part = Import(PartOf(batch, begin, end, &part_offsets_));
    if (begin == 0) BringValues({params}, batch.distinct_keys);
    float* const local = copied ? outputs_.Reserve<float>(count) : host;
    EBB_RETURN_IF_ERROR(backend_->TakeError());
    EBB_RETURN_IF_ERROR(
        totals == nullptr
            ? ComputeOutputs(&params_, part, local)
            : SumLossAndOutputs(&params_, part, &totals[i].sums, local));
    if (copied) backend_->CopyOut(local, count * sizeof(float), host);
    EBB_RETURN_IF_ERROR(backend_->TakeError());
  }
  return sums == nullptr ? absl::OkStatus() : ReadTotals(parts, sums);
}

absl::Status ModelBase::Evaluate(std::span<const float> params,
                                 const BatchView& batch, BatchStats* stats) {
  *stats = {};
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  EBB_RETURN_IF_ERROR(CheckLabels(batch));
  if (batch.rows == 0) return absl::OkStatus();
  LossSums sums;
  EBB_RETURN_IF_ERROR(InParts(batch, [&](int64_t at_once) {
    return LossInParts(params, batch, at_once, &sums);
  }));
  *stats = {batch.rows, sums.loss, sums.correct};
  return absl::OkStatus();
}

absl::Status ModelBase::Predict(std::span<const float> params,
                                const BatchView& batch,
                                std::vector<float>* outputs) {
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  outputs->resize(batch.rows * description_.outputs);
  if (outputs->empty()) return absl::OkStatus();
  return InParts(batch, [&](int64_t at_once) {
    return OutputsInParts(params, batch, at_once, nullptr, outputs);
  });
}

absl::Status ModelBase::EvaluateAndPredict(std::span<const float> params,
                                           const BatchView& batch,
                                           BatchStats* stats,
                                           std::vector<float>* outputs) {
  *stats = {};
  EBB_RETURN_IF_ERROR(CheckSizes(params, batch));
  EBB_RETURN_IF_ERROR(CheckLabels(batch));
  outputs->resize(batch.rows * description_.outputs);
  if (batch.rows == 0) return absl::OkStatus();
  LossSums sums;
  EBB_RETURN_IF_ERROR(InParts(batch, [&](int64_t at_once) {
    return OutputsInParts(params, batch, at_once, &sums, outputs);
  }));
  *stats = {batch.rows, sums.loss, sums.correct};
  return absl::OkStatus();
}

}  // namespace ebb::models
