#include "bench/rows/bare_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "common/example_hash.h"

namespace ebb::bench {

uint64_t RowSampler::KeyOf(uint64_t id) { return Mix64(id); }

uint64_t RowSampler::DrawId() {
  const auto rows = static_cast<double>(rows_);
  const double u = std::uniform_real_distribution<double>()(random_);
  if (zipf_ == 0) return static_cast<uint64_t>(u * rows);
  // Of the continuous distribution on [1, n + 1); the ranks are strewn.
  const double s = 1 - zipf_;
  const double rank =
      s == 0 ? std::pow(rows + 1, u)
             : std::pow(1 + u * (std::pow(rows + 1, s) - 1), 1 / s);
  const auto n = static_cast<uint64_t>(rows_);
  return std::min(static_cast<uint64_t>(rank) - 1, n - 1) * 2654435761u % n;
}

absl::flat_hash_set<uint64_t> RowSampler::Draw(int64_t ids) {
  absl::flat_hash_set<uint64_t> drawn;
  while (static_cast<int64_t>(drawn.size()) < ids) drawn.insert(DrawId());
  return drawn;
}

BareRows::BareRows(int64_t tables, int64_t rows, int64_t width,
                   const Optimizer& optimizer)
    : width_(static_cast<size_t>(width)), optimizer_(optimizer) {
  const auto of_table = static_cast<size_t>(rows);
  for (int64_t t = 0; t < tables; ++t) {
    tables_.push_back(std::make_unique<Table>(of_table * width_));
    tables_.back()->row_of.reserve(of_table);
  }
}

void BareRows::Create(size_t t, uint64_t key) {
  Table& table = *tables_[t];
  const auto row = static_cast<uint32_t>(table.row_of.size());
  table.row_of.emplace(key, row);
  const auto weights = table.weights.span().subspan(row * width_, width_);
  std::ranges::fill(weights, 0.0f);
  optimizer_.InitializeSlot(0, weights,
                            table.squares.span().subspan(row * width_, width_));
}

// Calls visit(first key, where the rows begin) for some keys at a time.
template <typename Visit>
void BareRows::ForEachRow(Table& table, std::span<const uint64_t> keys,
                          bool squares, Visit visit) {
  std::array<size_t, kTogether> rows;
  for (size_t begin = 0; begin < keys.size(); begin += kTogether) {
    const size_t n = std::min(kTogether, keys.size() - begin);
    for (size_t i = 0; i < n; ++i) table.row_of.prefetch(keys[begin + i]);
    for (size_t i = 0; i < n; ++i) {
      rows[i] = table.row_of.find(keys[begin + i])->second * width_;
      for (size_t at = 0; at < width_; at += 16) {
        __builtin_prefetch(table.weights.span().data() + rows[i] + at);
        if (squares) {
          __builtin_prefetch(table.squares.span().data() + rows[i] + at);
        }
      }
    }
    visit(begin, std::span<const size_t>(rows).first(n));
  }
}

void BareRows::Apply(size_t t, std::span<const uint64_t> keys,
                     std::span<const float> gradient,
                     const StepContext& context) {
  Table& table = *tables_[t];
  std::array<RowStep, kTogether> steps;
  ForEachRow(table, keys, /*squares=*/true,
             [&](size_t begin, std::span<const size_t> rows) {
               for (size_t i = 0; i < rows.size(); ++i) {
                 RowStep& step = steps[i];
                 step.weights_in = step.weights_out =
                     table.weights.span().data() + rows[i];
                 step.slots_in[0] = step.slots_out[0] =
                     table.squares.span().data() + rows[i];
                 step.gradient_sum = reinterpret_cast<const std::byte*>(
                     gradient.data() + (begin + i) * width_);
               }
               optimizer_.StepRows(context, width_,
                                   std::span(steps).first(rows.size()));
             });
}

void BareRows::Pull(size_t t, std::span<const uint64_t> keys,
                    std::span<float> out) {
  Table& table = *tables_[t];
  ForEachRow(table, keys, /*squares=*/false,
             [&](size_t begin, std::span<const size_t> rows) {
               for (size_t i = 0; i < rows.size(); ++i) {
                 std::memcpy(out.data() + (begin + i) * width_,
                             table.weights.span().data() + rows[i],
                             width_ * sizeof(float));
               }
             });
}

}  // namespace ebb::bench
