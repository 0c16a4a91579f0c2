// How a data set gives its examples out.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "common/status_macros.h"
#include "data/bytes/wrong_data.h"
#include "data/dataset.h"
#include "data/dataset/kernels.h"
#include "data/pack/mapped_bytes.h"

namespace ebb::data {
namespace {

using internal::WrongData;

// Examples that are brought into the cache before they are copied.
constexpr size_t kAhead = 8;

// Brings at most the first few lines of a row into the cache. The processor
// guesses those after them.
void Prefetch(const char* row, int64_t bytes) {
  constexpr int64_t kLine = 64;
  constexpr int64_t kMost = 4 * kLine;
  for (int64_t at = 0; at < std::min(bytes, kMost); at += kLine) {
    __builtin_prefetch(row + at);
  }
}

}  // namespace

absl::Status Dataset::Gather(std::span<const int64_t> examples,
                             ExampleBatch* out) const {
  for (const int64_t example : examples) {
    if (example < 0 || example >= index_.examples) {
      return WrongData("there is no example ", example, "; the data has ",
                       index_.examples, ", counted from 0");
    }
  }
  EBB_RETURN_IF_ERROR(GatherAll(examples, out));
  return beside_ == nullptr ? absl::OkStatus() : beside_->Split(out);
}

absl::Status Dataset::GatherAll(std::span<const int64_t> examples,
                                ExampleBatch* out) const {
  if (packed_ != nullptr) return GatherPacked(examples, out);
  out->beside_width = 0;
  out->beside.clear();
  out->rows = static_cast<int64_t>(examples.size());
  out->features = features();
  out->sparse = sparse();
  out->keyed = keyed();
  out->ids.clear();
  out->keys.clear();
  out->fields.clear();
  out->offsets.clear();
  out->labels.clear();
  if (has_labels()) {
    for (const int64_t example : examples) {
      out->labels.push_back(labels_[example]);
    }
  }
  out->numbers.clear();
  if (by_number_) {
    out->values.clear();
    for (const int64_t example : examples) {
      out->numbers.push_back(NumberOf(example));
    }
  } else if (sparse() || keyed()) {
    GatherRows(examples, out);
  } else {
    GatherDense(examples, out);
  }
  return absl::OkStatus();
}

const uint8_t* Dataset::dense_bytes() const {
  if (layout_ != Layout::kBytes) return nullptr;
  return mapped_ == nullptr
             ? bytes_.data()
             : reinterpret_cast<const uint8_t*>(mapped_->bytes().data());
}

const float* Dataset::dense_values() const {
  if (layout_ != Layout::kDense) return nullptr;
  // Columns are aligned in the file.
  return mapped_ == nullptr
             ? values_.data()
             : reinterpret_cast<const float*>(mapped_->bytes().data());
}

void Dataset::GatherDense(std::span<const int64_t> examples,
                          ExampleBatch* out) const {
  out->values.resize(examples.size() * features());
  float* to = out->values.data();
  const bool bytes = layout_ != Layout::kDense;
  const int64_t row_bytes =
      features() * (bytes ? 1 : static_cast<int64_t>(sizeof(float)));
  const char* const rows = bytes
                               ? reinterpret_cast<const char*>(dense_bytes())
                               : reinterpret_cast<const char*>(dense_values());
  // True if rows that follow one another are one run of features.
  const bool joins = !bytes || term_.empty();
  for (size_t i = 0; i < examples.size();) {
    const int64_t first = examples[i];
    size_t end = i + 1;
    while (joins && end < examples.size() &&
           examples[end] - first == static_cast<int64_t>(end - i)) {
      ++end;
    }
    // Examples lie anywhere: the next ones come while these are copied.
    if (end - 1 + kAhead < examples.size()) {
      Prefetch(rows + examples[end - 1 + kAhead] * row_bytes, row_bytes);
    }
    const int64_t count = static_cast<int64_t>(end - i) * features();
    GatherRun(first * features(), 0, count, to);
    to += count;
    i = end;
  }
}

void Dataset::GatherRun(int64_t begin, int64_t feature, int64_t count,
                        float* to) const {
  if (layout_ == Layout::kDense) {
    std::copy_n(dense_values() + begin, count, to);
    return;
  }
  const std::span bytes(dense_bytes() + begin, static_cast<size_t>(count));
  if (term_.empty()) {
    internal::ScaleBytes(bytes, factor_[0], to);
  } else {
    internal::ScaleBytes(bytes, factor_.data() + feature,
                         term_.data() + feature, to);
  }
}

absl::Status Dataset::GatherColumns(int64_t first, int64_t count,
                                    std::span<float> out) const {
  if (packed_ != nullptr) {
    return WrongData("a packed set is read by windows, not by columns");
  }
  if (by_number_ || sparse() || keyed() || first < 0 || count < 0 ||
      first + count > features() || std::ssize(out) != count * examples()) {
    return WrongData("there are no dense features from ", first, " to ",
                     first + count, "; the data has ", features());
  }
  // A few rows at once, so that whole lines of the cache are written.
  constexpr int64_t kRows = 16;
  std::vector<float> part(kRows * count);
  for (int64_t begin = 0; begin < examples(); begin += kRows) {
    const int64_t rows = std::min(kRows, examples() - begin);
    for (int64_t row = 0; row < rows; ++row) {
      GatherRun((begin + row) * features() + first, first, count,
                part.data() + row * count);
    }
    for (int64_t f = 0; f < count; ++f) {
      float* const to = out.data() + f * examples() + begin;
      for (int64_t row = 0; row < rows; ++row) to[row] = part[row * count + f];
    }
  }
  return absl::OkStatus();
}

void Dataset::GatherRows(std::span<const int64_t> examples,
                         ExampleBatch* out) const {
  out->values.clear();
  out->offsets.assign(1, 0);
  for (const int64_t example : examples) {
    const auto append = [&](const auto& from, auto* to) {
      to->insert(to->end(), from.begin() + offsets_[example],
                 from.begin() + offsets_[example + 1]);
    };
    append(values_, &out->values);
    if (sparse()) {
      append(ids_, &out->ids);
    } else {
      append(keys_, &out->keys);
      append(fields_, &out->fields);
    }
    out->offsets.push_back(static_cast<int64_t>(out->values.size()));
  }
}

}  // namespace ebb::data
