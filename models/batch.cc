#include "models/batch.h"

namespace ebb::models {

BatchView PartOf(const BatchView& batch, int64_t begin, int64_t end,
                 std::vector<int64_t>* offsets) {
  if (begin == 0 && end == batch.rows) return batch;
  BatchView part = batch;
  part.rows = end - begin;
  part.first_position += begin;
  if (!batch.labels.empty()) {
    part.labels = batch.labels.subspan(begin, part.rows);
  }
  if (!batch.numbers.empty()) {
    part.numbers = batch.numbers.subspan(begin, part.rows);
  }
  if (!batch.training_numbers.empty()) {
    part.training_numbers = batch.training_numbers.subspan(begin, part.rows);
  }
  if (!batch.is_sparse()) {
    part.dense =
        batch.dense.subspan(begin * batch.features, part.rows * batch.features);
    return part;
  }
  const auto ends = batch.sparse.row_offsets.subspan(begin, part.rows + 1);
  const int64_t first = ends.front(), entries = ends.back() - first;
  offsets->assign(ends.begin(), ends.end());
  for (int64_t& offset : *offsets) offset -= first;
  part.sparse = {*offsets, batch.sparse.columns.subspan(first, entries),
                 batch.sparse.values.subspan(first, entries)};
  if (!batch.beside.empty()) {
    const auto width = std::ssize(batch.beside) / batch.rows;
    part.beside = batch.beside.subspan(begin * width, part.rows * width);
  }
  if (!batch.fields.empty()) part.fields = batch.fields.subspan(first, entries);
  return part;
}

}  // namespace ebb::models
