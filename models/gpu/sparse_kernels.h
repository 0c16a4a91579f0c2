// Kernels over sparse rows, which are those of a CsrView. ComputeBackend says
// what each computes.
#ifndef EBB_MODELS_GPU_SPARSE_KERNELS_H_
#define EBB_MODELS_GPU_SPARSE_KERNELS_H_

#include <cstdint>

#include "models/gpu/kernel.h"

namespace ebb::models::gpu {

// The pointers of a CsrView.
struct CsrPointers {
  const int64_t* row_offsets;
  const int32_t* columns;
  const float* values;
  bool operator==(const CsrPointers&) const = default;
};

// An element of SparseMatMul: of c(m, n). For wide rows, where neighbours read
// neighbours.
struct SparseProductElement {
  EBB_DEVICE_CODE void operator()(int64_t at) const {
    const int64_t i = at / n, j = at % n;
    double sum = bias == nullptr ? 0 : bias[j];
    for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
      sum += double{a.values[e]} * b[a.columns[e] * n + j];
    }
    c[at] = static_cast<float>(sum);
  }
  int64_t n;
  CsrPointers a;
  const float* b;
  const float* bias;
  float* c;
  bool operator==(const SparseProductElement&) const = default;
};

// The same for narrow rows: kLanes threads share the entries of a row.
struct SparseProductRows {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kLanes;
  struct Shared {
    double of[kThreads];
  };

  int64_t Blocks() const { return BlocksFor(CeilDivide(m, kRows)); }
  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    double* const of = team.shared().of;
    for (int64_t first = team.block() * kRows; first < m;
         first += team.blocks() * kRows) {
      for (int64_t j = 0; j < n; ++j) {
        team.Each([&](int thread) {
          const int64_t i = first + thread / kLanes;
          double sum = 0;
          if (i < m) {
            for (int64_t e = a.row_offsets[i] + thread % kLanes;
                 e < a.row_offsets[i + 1]; e += kLanes) {
              sum += double{a.values[e]} * b[a.columns[e] * n + j];
            }
          }
          of[thread] = sum;
        });
        TreeSum(team, kLanes, of);
        team.Each([&](int thread) {
          const int64_t i = first + thread / kLanes;
          if (thread % kLanes != 0 || i >= m) return;
          const double sum = of[thread] + (bias == nullptr ? 0 : bias[j]);
          c[i * n + j] = static_cast<float>(sum);
        });
      }
    }
  }

  int64_t m;
  int64_t n;
  CsrPointers a;
  const float* b;
  const float* bias;
  float* c;
  bool operator==(const SparseProductRows&) const = default;
};

// of(row, e, j) for each entry e of the m rows and each j in [0, n); kLanes
// threads share the entries of a row.
template <typename Of>
struct ForEachEntry {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kLanes;
  using Shared = NothingShared;

  int64_t Blocks() const { return BlocksFor(CeilDivide(m, kRows)); }
  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    team.Each([&](int thread) {
      const int64_t step = team.blocks() * kRows;
      for (int64_t i = team.block() * kRows + thread / kLanes; i < m;
           i += step) {
        const int64_t begin = a.row_offsets[i];
        const int64_t terms = (a.row_offsets[i + 1] - begin) * n;
        for (int64_t t = thread % kLanes; t < terms; t += kLanes) {
          of(i, begin + t / n, t % n);
        }
      }
    });
  }

  int64_t m;
  int64_t n;
  CsrPointers a;
  Of of;
  bool operator==(const ForEachEntry&) const = default;
};

// An entry's part of SparseMatMulTransA's c(k, n).
struct SparseTransposeTerm {
  EBB_DEVICE_CODE void operator()(int64_t i, int64_t e, int64_t j) const {
    AddAtomically(c + a.columns[e] * n + j, a.values[e] * b[i * n + j]);
  }
  int64_t n;
  CsrPointers a;
  const float* b;
  float* c;
  bool operator==(const SparseTransposeTerm&) const = default;
};

// An entry's part of FactorGradient's c(k, n).
struct FactorGradientTerm {
  EBB_DEVICE_CODE void operator()(int64_t i, int64_t e, int64_t j) const {
    const float value = a.values[e];
    const int64_t at = a.columns[e] * n + j;
    AddAtomically(c + at, delta[i] * value * (sums[i * n + j] - value * b[at]));
  }
  int64_t n;
  CsrPointers a;
  const float* b;
  const float* sums;
  const float* delta;
  float* c;
  bool operator==(const FactorGradientTerm&) const = default;
};

// An entry's part of FieldSumsGradient's c(k, n).
struct FieldSumsTerm {
  EBB_DEVICE_CODE void operator()(int64_t i, int64_t e, int64_t j) const {
    AddAtomically(c + a.columns[e] * n + j,
                  a.values[e] * delta[(i * f + fields[e]) * n + j]);
  }
  int64_t f;
  int64_t n;
  CsrPointers a;
  const uint16_t* fields;
  const float* delta;
  float* c;
  bool operator==(const FieldSumsTerm&) const = default;
};

// An element of FactorScores' sums(m, n), and what its number of the factors
// adds to the score of the row, pairs(m, n).
struct FactorSumElement {
  EBB_DEVICE_CODE void operator()(int64_t at) const {
    const int64_t i = at / n, j = at % n;
    double sum = 0, of_squares = 0;
    for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
      const double term = double{a.values[e]} * b[a.columns[e] * n + j];
      sum += term;
      of_squares += term * term;
    }
    sums[at] = static_cast<float>(sum);
    pairs[at] = (sum * sum - of_squares) / 2;
  }
  int64_t n;
  CsrPointers a;
  const float* b;
  float* sums;
  double* pairs;
  bool operator==(const FactorSumElement&) const = default;
};

// scores[i] += the sum of row i of pairs(m, n).
struct AddPairsElement {
  EBB_DEVICE_CODE void operator()(int64_t i) const {
    double sum = scores[i];
    for (int64_t j = 0; j < n; ++j) sum += pairs[i * n + j];
    scores[i] = static_cast<float>(sum);
  }
  int64_t n;
  const double* pairs;
  float* scores;
  bool operator==(const AddPairsElement&) const = default;
};

// Places in the factors of FieldFactorScores and its gradient: the factor
// (column of the one, field of the other) in b(k, f, n).
struct FieldFactors {
  EBB_DEVICE_CODE int64_t At(int64_t one, int64_t other) const {
    return (a.columns[one] * f + fields[other]) * n;
  }
  int64_t f;
  int64_t n;
  CsrPointers a;
  const uint16_t* fields;
  bool operator==(const FieldFactors&) const = default;
};

// kLanes threads share the pairs of a row.
struct FieldFactorRows {
  static constexpr int kThreads = 256;
  static constexpr int kRows = kThreads / kLanes;
  struct Shared {
    double of[kThreads];
  };

  int64_t Blocks() const { return BlocksFor(CeilDivide(m, kRows)); }
  template <typename Team>
  EBB_DEVICE_CODE void operator()(const Team& team) const {
    double* const of = team.shared().of;
    for (int64_t first = team.block() * kRows; first < m;
         first += team.blocks() * kRows) {
      team.Each([&](int thread) {
        const int64_t i = first + thread / kLanes;
        of[thread] = i < m ? PairsOf(i, thread % kLanes) : 0;
      });
      TreeSum(team, kLanes, of);
      team.Each([&](int thread) {
        const int64_t i = first + thread / kLanes;
        if (thread % kLanes != 0 || i >= m) return;
        scores[i] = static_cast<float>(scores[i] + of[thread]);
      });
    }
  }
  // A lane's part of the score of row i.
  EBB_DEVICE_CODE double PairsOf(int64_t i, int lane) const {
    const CsrPointers& a = factors.a;
    const int64_t end = a.row_offsets[i + 1];
    double pairs = 0;
    for (int64_t p = a.row_offsets[i]; p < end; ++p) {
      for (int64_t q = p + 1 + lane; q < end; q += kLanes) {
        const float* const of_p = b + factors.At(p, q);
        const float* const of_q = b + factors.At(q, p);
        double product = 0;
        for (int64_t j = 0; j < factors.n; ++j) {
          product += double{of_p[j]} * of_q[j];
        }
        pairs += product * a.values[p] * a.values[q];
      }
    }
    return pairs;
  }

  int64_t m;
  FieldFactors factors;
  const float* b;
  float* scores;
  bool operator==(const FieldFactorRows&) const = default;
};

// The part of an entry p and the number j of its factors, with each later entry
// of its row, of FieldFactorGradient's c(k, f, n).
struct FieldFactorTerm {
  EBB_DEVICE_CODE void operator()(int64_t i, int64_t p, int64_t j) const {
    const CsrPointers& a = factors.a;
    for (int64_t q = p + 1; q < a.row_offsets[i + 1]; ++q) {
      const int64_t of_p = factors.At(p, q) + j;
      const int64_t of_q = factors.At(q, p) + j;
      const float both = delta[i] * a.values[p] * a.values[q];
      AddAtomically(c + of_p, both * b[of_q]);
      AddAtomically(c + of_q, both * b[of_p]);
    }
  }
  FieldFactors factors;
  const float* b;
  const float* delta;
  float* c;
  bool operator==(const FieldFactorTerm&) const = default;
};

// Column j of row i of FieldSums' c(m, f, n).
struct FieldSumElement {
  EBB_DEVICE_CODE void operator()(int64_t at) const {
    const int64_t i = at / n, j = at % n;
    float* const row = c + i * f * n + j;
    for (int64_t field = 0; field < f; ++field) row[field * n] = 0;
    for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
      row[fields[e] * n] += a.values[e] * b[a.columns[e] * n + j];
    }
  }
  int64_t f;
  int64_t n;
  CsrPointers a;
  const uint16_t* fields;
  const float* b;
  float* c;
  bool operator==(const FieldSumElement&) const = default;
};

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_SPARSE_KERNELS_H_
