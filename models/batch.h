// The model's view of the examples: of memory that it does not own.
#ifndef EBB_MODELS_BATCH_H_
#define EBB_MODELS_BATCH_H_

#include <cstdint>
#include <span>
#include <vector>

namespace ebb::models {

// Rows that are mostly zero. The entries of row r are [row_offsets[r],
// row_offsets[r + 1]) of `columns` and `values`. A column that a row names
// twice counts with the sum of its values, and, if a model looks at pairs of
// entries, as two entries.
struct CsrView {
  std::span<const int64_t> row_offsets;  // One more than there are rows.
  // Each in [0, features), of keyed rows in [0, distinct_keys).
  std::span<const int32_t> columns;
  std::span<const float> values;
};

// A run of consecutive examples of one work item. Not owned.
//
// Keyed examples have 64-bit keys in place of columns. Models never see them:
// the owner of the keys numbers those of the batch, in any order, from 0 up,
// and gives the model the rows of its sparse tables in that order. So `columns`
// holds places among the batch's keys; a key may occur in many rows, twice in
// one, or in none.
struct BatchView {
  bool is_sparse() const { return !sparse.row_offsets.empty(); }
  bool is_keyed() const { return distinct_keys > 0; }

  int64_t rows = 0;
  // For keyed examples: the number of their fields.
  int64_t features = 0;
  // One of the two: (rows, features), row after row, or `sparse`.
  std::span<const float> dense;
  CsrView sparse;
  // Keyed rows are `sparse` rows; each entry also has a field, in [0,
  // features).
  std::span<const uint16_t> fields;
  // Keyed rows may have numbers beside their keys: (rows, description.beside).
  std::span<const float> beside;
  // How many keys the batch has; 0 where examples are not keyed (or none of
  // them has an entry).
  int64_t distinct_keys = 0;
  // One per row: a value, 0/1 or -1/+1, or the number of a class; which,
  // the model's description says. Predict needs none.
  std::span<const float> labels;
  // One per row, and nothing else of it but its place: the number of the
  // example in a data set that the model reads by itself.
  std::span<const int64_t> numbers;
  // The number of each row's example in the training data; empty: these are
  // others. A model may keep what follows from an example and its parameters.
  std::span<const int64_t> training_numbers;
  // The place of the examples in the order of the data; it seeds dropout, so a
  // batch computed twice is computed alike.
  int32_t epoch = 0;
  int32_t shard = 0;
  int64_t first_position = 0;
};

// Examples [begin, end) of `batch`, with their own entries only, so that no
// others are copied to a device. The beginnings of a sparse part are written to
// `offsets`, which outlives the view.
BatchView PartOf(const BatchView& batch, int64_t begin, int64_t end,
                 std::vector<int64_t>* offsets);

}  // namespace ebb::models

#endif  // EBB_MODELS_BATCH_H_
