#include "models/model.h"

namespace ebb::models {

int64_t TableShape::size() const {
  int64_t size = 1;
  for (const int64_t dim : dims) size *= dim;
  return size;
}

int64_t ModelDescription::ParameterCount() const {
  int64_t count = 0;
  for (const TableShape& table : tables) count += table.size();
  return count;
}

int64_t ModelDescription::RowFloats() const {
  int64_t count = 0;
  for (const SparseTableShape& table : sparse_tables) {
    if (table.kind == RowKind::kTrained) count += table.width;
  }
  return count;
}

// Tables whose rows are trained come first.
bool ModelDescription::TrainsRows() const {
  return !sparse_tables.empty() &&
         sparse_tables.front().kind == RowKind::kTrained;
}

BatchStats& BatchStats::operator+=(const BatchStats& other) {
  examples += other.examples;
  loss_sum += other.loss_sum;
  words += other.words;
  correct = correct < 0 || other.correct < 0 ? -1 : correct + other.correct;
  return *this;
}

absl::Status CheckParameterCount(std::span<const float> params, int64_t count) {
  if (std::ssize(params) == count) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(params.size(), " parameters instead of ", count));
}

absl::Status CheckGradientSize(std::span<const float> params,
                               std::span<const float> grad) {
  if (grad.size() == params.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "gradient of ", grad.size(), " values instead of ", params.size()));
}

double Penalty(const ModelDescription& description, double l2,
               std::span<const float> params) {
  if (l2 == 0) return 0;
  double squares = 0;
  int64_t offset = 0;
  for (const TableShape& table : description.tables) {
    if (table.regularized) {
      for (const float value : params.subspan(offset, table.size())) {
        squares += static_cast<double>(value) * static_cast<double>(value);
      }
    }
    offset += table.size();
  }
  return l2 / 2 * squares;
}

std::vector<float> InitialParameters(const ModelDescription& description,
                                     uint64_t seed) {
  std::vector<float> params(description.ParameterCount());
  int64_t offset = 0;
  for (const TableShape& table : description.tables) {
    FillInitial(table.init, seed, table.name, 0,
                std::span(params).subspan(offset, table.size()));
    offset += table.size();
  }
  return params;
}

}  // namespace ebb::models
