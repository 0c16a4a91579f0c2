// Kernels that add up: columns, squares and losses.
//
// Each block adds up its share in a fixed order, and a last kernel the blocks'
// sums, so that equal inputs have equal sums.
#ifndef EBB_MODELS_GPU_SUM_KERNELS_H_
#define EBB_MODELS_GPU_SUM_KERNELS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "models/backend.h"
#include "models/gpu/element_kernels.h"
#include "models/gpu/kernel.h"

namespace ebb::models::gpu {

// sums[block] = the sum of the squares of its share of x(count).
struct SquareSums {
  static constexpr int kThreads = 256;
  struct Shared {
    double of[kThreads];
  };

  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    double* const of = team.shared().of;
    team.Each([&](int thread) {
      double sum = 0;
      const int64_t step = team.blocks() * kThreads;
      for (int64_t i = team.block() * kThreads + thread; i < count; i += step) {
        sum += double{x[i]} * x[i];
      }
      of[thread] = sum;
    });
    TreeSum(team, kThreads, of);
    team.Each([&](int thread) {
      if (thread == 0) sums[team.block()] = of[0];
    });
  }

  int64_t count;
  const float* x;
  double* sums;
  bool operator==(const SquareSums&) const = default;
};

// LossSums that threads add up.
struct LossPart {
  EBB_DEVICE_CODE LossPart& operator+=(const LossPart& other) {
    loss += other.loss;
    correct += other.correct;
    return *this;
  }
  double loss;
  int64_t correct;
};

// *sum = the sum of parts(count); one block.
template <typename T>
struct SumParts {
  static constexpr int kThreads = 256;
  struct Shared {
    T of[kThreads];
  };

  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    T* const of = team.shared().of;
    team.Each([&](int thread) {
      T total = {};
      for (int64_t i = thread; i < count; i += kThreads) total += parts[i];
      of[thread] = total;
    });
    TreeSum(team, kThreads, of);
    team.Each([&](int thread) {
      if (thread == 0) *sum = of[0];
    });
  }

  int64_t count;
  const T* parts;
  T* sum;
  bool operator==(const SumParts&) const = default;
};

// parts(slices, n) = the sums of the columns of a(m, n), each over a slice of
// the rows. A piece of work is a tile of kLanes columns of one slice.
struct ColumnParts {
  static constexpr int kThreads = 256;
  struct Shared {
    double of[kThreads];
  };
  static constexpr int64_t kRowsOfASlice = 256;

  // A function of m alone, so that it does not depend on the device.
  static int64_t SlicesOf(int64_t m) {
    constexpr int64_t kMostSlices = 64;
    return std::clamp<int64_t>(CeilDivide(m, kRowsOfASlice), 1, kMostSlices);
  }
  int64_t Blocks() const { return BlocksFor(CeilDivide(n, kLanes) * slices); }

  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    constexpr int kRowsAtOnce = kThreads / kLanes;
    double* const of = team.shared().of;
    const int64_t tiles = (n + kLanes - 1) / kLanes;
    const int64_t rows = (m + slices - 1) / slices;
    for (int64_t piece = team.block(); piece < tiles * slices;
         piece += team.blocks()) {
      const int64_t slice = piece / tiles;
      const int64_t first = piece % tiles * kLanes;
      const int64_t end = (slice + 1) * rows < m ? (slice + 1) * rows : m;
      team.Each([&](int thread) {
        const int64_t j = first + thread % kLanes;
        double sum = 0;
        for (int64_t i = slice * rows + thread / kLanes; j < n && i < end;
             i += kRowsAtOnce) {
          sum += a[i * n + j];
        }
        of[thread] = sum;
      });
      for (int step = kRowsAtOnce / 2; step > 0; step /= 2) {
        team.Each([&](int thread) {
          if (thread / kLanes < step) of[thread] += of[thread + step * kLanes];
        });
      }
      team.Each([&](int thread) {
        const int64_t j = first + thread;
        if (thread < kLanes && j < n) parts[slice * n + j] = of[thread];
      });
    }
  }

  int64_t m;
  int64_t n;
  int64_t slices;
  const float* a;
  double* parts;
  bool operator==(const ColumnParts&) const = default;
};

// sums[j] = the sum of column j of parts(slices, n).
struct ColumnSumElement {
  EBB_DEVICE_CODE void operator()(int64_t j) const {
    double sum = 0;
    for (int64_t s = 0; s < slices; ++s) sum += parts[s * n + j];
    sums[j] = static_cast<float>(sum);
  }
  int64_t slices;
  int64_t n;
  const double* parts;
  float* sums;
  bool operator==(const ColumnSumElement&) const = default;
};

// kSquared and kLogistic of scores(rows): parts[block] = its share's, and the
// gradient where it is not null; it may be `scores`.
struct PointLosses {
  static constexpr int kThreads = 256;
  struct Shared {
    LossPart of[kThreads];
  };

  EBB_DEVICE_CODE LossPart Of(int64_t row) const {
    const float score = scores[row], label = labels[row];
    if (loss == Loss::kSquared) {
      const double error = double{score} - label;
      if (gradient != nullptr) gradient[row] = static_cast<float>(error);
      return {error * error / 2, 0};
    }
    const bool positive = label > 0;
    if (gradient != nullptr) {
      // Sigmoid(score) - 1 would cancel; the mirror image does not.
      gradient[row] = static_cast<float>(positive ? -Sigmoid(-double{score})
                                                  : Sigmoid(score));
    }
    const double margin = positive ? double{score} : -double{score};
    const double excess = margin < 0 ? -margin : 0;
    return {excess + log1p(exp(-fabs(margin))), (score > 0) == positive};
  }

  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    LossPart* const of = team.shared().of;
    team.Each([&](int thread) {
      LossPart sum = {0, 0};
      const int64_t step = team.blocks() * kThreads;
      for (int64_t r = team.block() * kThreads + thread; r < rows; r += step) {
        sum += Of(r);
      }
      of[thread] = sum;
    });
    TreeSum(team, kThreads, of);
    team.Each([&](int thread) {
      if (thread == 0) parts[team.block()] = of[0];
    });
  }

  Loss loss;
  int64_t rows;
  const float* labels;
  const float* scores;
  float* gradient;
  LossPart* parts;
  bool operator==(const PointLosses&) const = default;
};

// kSoftmax of scores(rows, columns), kLanes threads to a row: `out`, where it
// is not null, gets the probabilities of the classes, less 1 at the label where
// there are labels; it may be `scores`. With labels, parts[block] = the losses
// of its share.
struct SoftmaxRows {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kLanes;
  struct Largest {
    float score;
    int64_t column;
  };
  struct Shared {
    Largest largest[kThreads];
    float sum[kThreads];
    float label_score[kRows];
    LossPart part[kRows];
  };

  int64_t Blocks() const { return BlocksFor(CeilDivide(rows, kRows)); }

  // The larger score; of equals, the first.
  EBB_DEVICE_CODE static Largest LargerOf(const Largest& a, const Largest& b) {
    const bool second =
        b.score > a.score || (b.score == a.score && b.column < a.column);
    return second ? b : a;
  }

  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    Shared& shared = team.shared();
    team.Each([&](int thread) {
      if (thread < kRows) shared.part[thread] = {0, 0};
    });
    for (int64_t first = team.block() * kRows; first < rows;
         first += team.blocks() * kRows) {
      Rows(team, first, &shared);
    }
    team.Each([&](int thread) {
      if (thread != 0 || labels == nullptr) return;
      LossPart sum = {0, 0};
      for (int r = 0; r < kRows; ++r) sum += shared.part[r];
      parts[team.block()] = sum;
    });
  }

  // Rows [first, first + kRows) that there are.
  template <typename Team>
  EBB_DEVICE_CODE void Rows(const Team& team, int64_t first,
                            Shared* shared) const {
    team.Each([&](int thread) {
      const int64_t r = first + thread / kLanes;
      const int lane = thread % kLanes;
      // No column is -INFINITY at `columns`: anything comes before it.
      Largest largest = {-INFINITY, columns};
      for (int64_t j = lane; r < rows && j < columns; j += kLanes) {
        largest = LargerOf(largest, {scores[r * columns + j], j});
      }
      shared->largest[thread] = largest;
      if (lane == 0 && r < rows && labels != nullptr) {
        const auto label = static_cast<int64_t>(labels[r]);
        shared->label_score[thread / kLanes] = scores[r * columns + label];
      }
    });
    for (int step = kLanes / 2; step > 0; step /= 2) {
      team.Each([&](int thread) {
        if (thread % kLanes < step) {
          shared->largest[thread] =
              LargerOf(shared->largest[thread], shared->largest[thread + step]);
        }
      });
    }
    team.Each([&](int thread) {
      const int64_t r = first + thread / kLanes;
      const float largest = shared->largest[thread / kLanes * kLanes].score;
      float sum = 0;
      for (int64_t j = thread % kLanes; r < rows && j < columns; j += kLanes) {
        const float e = expf(scores[r * columns + j] - largest);
        sum += e;
        if (out != nullptr) out[r * columns + j] = e;
      }
      shared->sum[thread] = sum;
    });
    TreeSum(team, kLanes, shared->sum);
    team.Each([&](int thread) {
      const int row = thread / kLanes, lane = thread % kLanes;
      const int64_t r = first + row;
      if (r >= rows) return;
      const float sum = shared->sum[row * kLanes];
      const int64_t label =
          labels == nullptr ? -1 : static_cast<int64_t>(labels[r]);
      for (int64_t j = lane; out != nullptr && j < columns; j += kLanes) {
        out[r * columns + j] =
            out[r * columns + j] / sum - (j == label ? 1 : 0);
      }
      if (lane != 0 || labels == nullptr) return;
      const Largest& largest = shared->largest[row * kLanes];
      shared->part[row] +=
          {double{largest.score} + log(double{sum}) - shared->label_score[row],
           largest.column == label};
    });
  }

  int64_t rows;
  int64_t columns;
  const float* labels;
  const float* scores;
  float* out;
  LossPart* parts;
  bool operator==(const SoftmaxRows&) const = default;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_SUM_KERNELS_H_
