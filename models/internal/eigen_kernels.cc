// Compiled with EBB_KERNELS_ISA set to Baseline, Avx2 or Avx512 and the flags
// that go with it; see the header for what this file must not do.
#include "models/internal/eigen_kernels.h"

#define EBB_CONCAT2_(a, b) a##b
#define EBB_CONCAT_(a, b) EBB_CONCAT2_(a, b)
#define EBB_STRING2_(a) #a
#define EBB_STRING_(a) EBB_STRING2_(a)

// Each copy has an Eigen of its own: otherwise the linker would keep one of
// three versions of the same template.
#define Eigen EBB_CONCAT_(EbbEigen, EBB_KERNELS_ISA)
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_DEBUG
#include <Eigen/Core>

#include "models/internal/tiled_product.h"

namespace ebb::models::internal {
namespace {

namespace ei = Eigen::internal;
// Only their copy of this file has TiledProduct.
constexpr bool kAvx512 = ei::packet_traits<float>::size == 16;
using Index = Eigen::Index;
using Array = Eigen::Map<Eigen::ArrayXf>;
using ConstArray = Eigen::Map<const Eigen::ArrayXf>;
using Vector = Eigen::Map<Eigen::VectorXf>;
using ConstVector = Eigen::Map<const Eigen::VectorXf>;
using StridedMatrix = Eigen::Map<
    const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
    Eigen::Unaligned, Eigen::OuterStride<>>;

// Eigen's product allocates its packing buffers in each call, and for sizes
// like ours the system then takes longer to hand out and clear the pages than
// the product takes. This is the same product with buffers of the caller.
class Blocking : public ei::level3_blocking<float, float> {
 public:
  // For a column-major result of (rows, columns).
  Blocking(Index rows, Index columns, Index depth, float* scratch) {
    ei::computeProductBlockingSizes<float, float>(depth, rows, columns,
                                                  Index{1});
    m_kc = depth;
    m_mc = rows;
    m_nc = columns;
    if (scratch == nullptr) return;  // Only the size is asked for.
    m_blockA = scratch;
    m_blockB = scratch + RoundedSizeA();
  }
  int64_t size() const { return RoundedSizeA() + m_kc * m_nc; }

 private:
  int64_t RoundedSizeA() const { return (m_kc * m_mc + 15) / 16 * 16; }
};

// Row-major matrices are the transposes of column-major ones, and Eigen's
// kernel writes column-major results: c' = b' a'.
int64_t ScratchSize(int64_t m, int64_t n, int64_t k) {
  if (m == 0 || n == 0 || k == 0) return 0;
  if constexpr (kAvx512) return kTiledProductScratch;
  return Blocking(n, m, k, nullptr).size();
}

// c(m, n) += a b with sums of k terms. kOrderA and kOrderB say how a and b are
// stored.
template <int kOrderA, int kOrderB>
void AddProduct(int64_t m, int64_t n, int64_t k, const float* a, const float* b,
                float* c, ProductStrides strides, float* scratch) {
  if (m == 0 || n == 0 || k == 0) return;
  constexpr int kTransposedA =
      kOrderA == Eigen::RowMajor ? Eigen::ColMajor : Eigen::RowMajor;
  constexpr int kTransposedB =
      kOrderB == Eigen::RowMajor ? Eigen::ColMajor : Eigen::RowMajor;
  Blocking blocking(n, m, k, scratch);
  ei::general_matrix_matrix_product<Index, float, kTransposedB, false, float,
                                    kTransposedA, false, Eigen::ColMajor,
                                    1>::run(n, m, k, b, strides.b, a, strides.a,
                                            c, 1, strides.c, 1.0f, blocking);
}

// Each row of c(m, n) becomes `row`, or 0 if that is null.
void FillRows(int64_t m, int64_t n, const float* row, float* c,
              int64_t stride) {
  if (m == 0 || n == 0) return;
  if (row == nullptr && stride == n) {
    __builtin_memset(c, 0, m * n * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < m; ++i) {
    if (row == nullptr) {
      __builtin_memset(c + i * stride, 0, n * sizeof(float));
    } else {
      __builtin_memcpy(c + i * stride, row, n * sizeof(float));
    }
  }
}
void FillRows(int64_t m, int64_t n, const float* row, float* c) {
  FillRows(m, n, row, c, n);
}

// c(m, n) = the bias in each row + a b, with sums of k terms. A null bias is 0.
// kOrderA and kOrderB say how a and b are stored.
template <int kOrderA, int kOrderB>
void Product(int64_t m, int64_t n, int64_t k, const float* a, const float* b,
             const float* bias, float* c, ProductStrides strides,
             float* scratch) {
  if constexpr (kAvx512) {
    if (k > 0) {
      constexpr bool kRowsOfA = kOrderA == Eigen::RowMajor;
      constexpr bool kRowsOfB = kOrderB == Eigen::RowMajor;
      return ComputeTiledProduct({.m = m,
                                  .n = n,
                                  .k = k,
                                  .a = a,
                                  .a_row_step = kRowsOfA ? strides.a : 1,
                                  .a_term_step = kRowsOfA ? 1 : strides.a,
                                  .b = b,
                                  .b_term_step = kRowsOfB ? strides.b : 1,
                                  .b_column_step = kRowsOfB ? 1 : strides.b,
                                  .bias = bias,
                                  .c = c,
                                  .c_row_step = strides.c},
                                 scratch);
    }
  }
  FillRows(m, n, bias, c, strides.c);
  AddProduct<kOrderA, kOrderB>(m, n, k, a, b, c, strides, scratch);
}

StridedMatrix Strided(const float* a, int64_t rows, int64_t columns,
                      int64_t stride) {
  return StridedMatrix(a, rows, columns, Eigen::OuterStride<>(stride));
}

void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
            const float* bias, float* c, ProductStrides strides,
            float* scratch) {
  if (n == 1 && strides.b == 1 && strides.c == 1) {
    FillRows(m, n, bias, c, strides.c);
    Vector(c, m).noalias() += Strided(a, m, k, strides.a) * ConstVector(b, k);
    return;
  }
  Product<Eigen::RowMajor, Eigen::RowMajor>(m, n, k, a, b, bias, c, strides,
                                            scratch);
}

void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                  const float* b, float* c, ProductStrides strides,
                  float* scratch) {
  if (n == 1 && strides.b == 1 && strides.c == 1) {
    FillRows(k, n, nullptr, c, strides.c);
    Vector(c, k).noalias() +=
        Strided(a, m, k, strides.a).transpose() * ConstVector(b, m);
    return;
  }
  Product<Eigen::ColMajor, Eigen::RowMajor>(k, n, m, a, b, nullptr, c, strides,
                                            scratch);
}

// The products of kRows rows of a with kOthers of b, each of n numbers. c has
// rows of `stride`.
template <int kRows, int kOthers>
void Dots(int64_t n, const float* a, const float* b, int64_t stride, float* c) {
  using Packet = ei::packet_traits<float>::type;
  constexpr int kSize = ei::packet_traits<float>::size;
  Packet sums[kRows][kOthers];
  for (auto& row : sums) {
    for (Packet& sum : row) sum = ei::pset1<Packet>(0);
  }
  int64_t i = 0;
  for (; i + kSize <= n; i += kSize) {
    Packet x[kRows];
    for (int r = 0; r < kRows; ++r) x[r] = ei::ploadu<Packet>(a + r * n + i);
    for (int o = 0; o < kOthers; ++o) {
      const Packet y = ei::ploadu<Packet>(b + o * n + i);
      for (int r = 0; r < kRows; ++r) {
        sums[r][o] = ei::pmadd(x[r], y, sums[r][o]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOthers; ++o) {
      float sum = ei::predux(sums[r][o]);
      for (int64_t j = i; j < n; ++j) sum += a[r * n + j] * b[o * n + j];
      c[r * stride + o] = sum;
    }
  }
}

template <int kOthers>
void DotsOfRows(int64_t m, int64_t n, const float* a, const float* b,
                int64_t stride, float* c) {
  int64_t row = 0;
  for (; row + 2 <= m; row += 2) {
    Dots<2, kOthers>(n, a + row * n, b, stride, c + row * stride);
  }
  if (row < m) Dots<1, kOthers>(n, a + row * n, b, stride, c + row * stride);
}

// c(m, k) = a(m, n) b(k, n)' without packing: for few rows of b, which stay in
// the first cache, as packing costs about as much as the product.
void DotProducts(int64_t m, int64_t n, int64_t k, const float* a,
                 const float* b, float* c, int64_t stride) {
  constexpr int64_t kAtOnce = 5;
  // Both pass over the same rows of a before the next ones.
  constexpr int64_t kRows = 8;
  for (int64_t row = 0; row < m; row += kRows) {
    const int64_t rows = m - row < kRows ? m - row : kRows;
    for (int64_t other = 0; other < k; other += kAtOnce) {
      const float* const a_rows = a + row * n;
      const float* const b_rows = b + other * n;
      float* const out = c + row * stride + other;
      switch (k - other < kAtOnce ? k - other : kAtOnce) {
        case 1:
          DotsOfRows<1>(rows, n, a_rows, b_rows, stride, out);
          break;
        case 2:
          DotsOfRows<2>(rows, n, a_rows, b_rows, stride, out);
          break;
        case 3:
          DotsOfRows<3>(rows, n, a_rows, b_rows, stride, out);
          break;
        case 4:
          DotsOfRows<4>(rows, n, a_rows, b_rows, stride, out);
          break;
        default:
          DotsOfRows<5>(rows, n, a_rows, b_rows, stride, out);
      }
    }
  }
}

void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                  const float* b, float* c, ProductStrides strides,
                  float* scratch) {
  constexpr int64_t kFew = 24, kLong = 128;
  if (k <= kFew && n >= kLong && strides.a == n && strides.b == n) {
    DotProducts(m, n, k, a, b, c, strides.c);
    return;
  }
  Product<Eigen::RowMajor, Eigen::ColMajor>(m, k, n, a, b, nullptr, c, strides,
                                            scratch);
}

void SparseMatMul(int64_t m, int64_t n, CsrPointers a, const float* b,
                  const float* bias, float* c) {
  FillRows(m, n, bias, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    float* row = c + i * n;
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      const float value = a.values[e];
      const float* b_row = b + a.columns[e] * n;
      for (int64_t j = 0; j < n; ++j) row[j] += value * b_row[j];
    }
  }
}

void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, CsrPointers a,
                        const float* b, float* c) {
  FillRows(k, n, nullptr, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    const float* row = b + i * n;
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      const float value = a.values[e];
      float* c_row = c + a.columns[e] * n;
      for (int64_t j = 0; j < n; ++j) c_row[j] += value * row[j];
    }
  }
}

void FactorScores(int64_t m, int64_t n, CsrPointers a, const float* b,
                  float* sums, float* scores) {
  FillRows(m, n, nullptr, sums);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    Array row(sums + i * n, n);
    float squares = 0;
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      const float value = a.values[e];
      const ConstArray b_row(b + a.columns[e] * n, n);
      row += value * b_row;
      squares += (value * b_row).square().sum();
    }
    scores[i] += (row.square().sum() - squares) / 2;
  }
}

void FactorGradient(int64_t m, int64_t k, int64_t n, CsrPointers a,
                    const float* b, const float* sums, const float* delta,
                    float* c) {
  FillRows(k, n, nullptr, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    const ConstArray row(sums + i * n, n);
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      const float value = a.values[e];
      const int64_t at = a.columns[e] * n;
      Array(c + at, n) +=
          delta[i] * value * (row - value * ConstArray(b + at, n));
    }
  }
}

void FieldFactorScores(int64_t m, int64_t f, int64_t n, CsrPointers a,
                       const uint16_t* fields, const float* b, float* scores) {
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    float pairs = 0;
    for (int64_t p = a.row_offsets[i]; p < end; ++p) {
      const float* row_p = b + a.columns[p] * f * n;
      const int64_t field_p = fields[p] * n;
      float row_pairs = 0;
      for (int64_t q = p + 1; q < end; ++q) {
        const ConstArray of_p(row_p + fields[q] * n, n);
        const ConstArray of_q(b + a.columns[q] * f * n + field_p, n);
        row_pairs += a.values[q] * (of_p * of_q).sum();
      }
      pairs += a.values[p] * row_pairs;
    }
    scores[i] += pairs;
  }
}

void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                         CsrPointers a, const uint16_t* fields, const float* b,
                         const float* delta, float* c) {
  FillRows(k, f * n, nullptr, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    for (int64_t p = a.row_offsets[i]; p < end; ++p) {
      const float delta_p = delta[i] * a.values[p];
      const int64_t row_p = a.columns[p] * f * n;
      for (int64_t q = p + 1; q < end; ++q) {
        const float factor = delta_p * a.values[q];
        const int64_t of_p = row_p + fields[q] * n;
        const int64_t of_q = (a.columns[q] * f + fields[p]) * n;
        // One after the other: with the same key and field they are the same.
        Array(c + of_p, n) += factor * ConstArray(b + of_q, n);
        Array(c + of_q, n) += factor * ConstArray(b + of_p, n);
      }
    }
  }
}

void FieldSums(int64_t m, int64_t f, int64_t n, CsrPointers a,
               const uint16_t* fields, const float* b, float* c) {
  FillRows(m, f * n, nullptr, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    float* row = c + i * f * n;
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      Array(row + fields[e] * n, n) +=
          a.values[e] * ConstArray(b + a.columns[e] * n, n);
    }
  }
}

void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                       CsrPointers a, const uint16_t* fields,
                       const float* delta, float* c) {
  FillRows(k, n, nullptr, c);
  for (int64_t i = 0; i < m; ++i) {
    const int64_t end = a.row_offsets[i + 1];
    const float* row = delta + i * f * n;
    for (int64_t e = a.row_offsets[i]; e < end; ++e) {
      Array(c + a.columns[e] * n, n) +=
          a.values[e] * ConstArray(row + fields[e] * n, n);
    }
  }
}

void ColumnSums(int64_t m, int64_t n, const float* a, float* sums) {
  FillRows(1, n, nullptr, sums);
  for (int64_t i = 0; i < m; ++i) {
    Array(sums, n) += ConstArray(a + i * n, n);
  }
}

void Activate(KernelActivation f, int64_t count, float* x) {
  Array values(x, count);
  switch (f) {
    case KernelActivation::kIdentity:
      return;
    case KernelActivation::kRelu:
      // Comparing, not the maximum, which need not keep a NaN.
      for (int64_t i = 0; i < count; ++i) x[i] = x[i] < 0 ? 0 : x[i];
      return;
    case KernelActivation::kTanh:
      values = values.tanh();
      return;
    case KernelActivation::kSigmoid:
      values = values.logistic();
      return;
  }
}

void ActivateBackward(KernelActivation f, int64_t count, const float* y,
                      float* gradient) {
  const ConstArray outputs(y, count);
  Array values(gradient, count);
  switch (f) {
    case KernelActivation::kIdentity:
      return;
    case KernelActivation::kRelu:
      for (int64_t i = 0; i < count; ++i) {
        gradient[i] = y[i] <= 0 ? 0 : gradient[i];
      }
      return;
    case KernelActivation::kTanh:
      values *= 1 - outputs * outputs;
      return;
    case KernelActivation::kSigmoid:
      values *= outputs * (1 - outputs);
      return;
  }
}

// A tile of columns at a time, whose figures stay in registers.
void FindLeast(int64_t m, int64_t n, const float* costs, const float* products,
               const float* slack, int32_t* nearest) {
  constexpr int64_t kTile = 64;
  constexpr float kInfinity = __builtin_inff();
  for (int64_t begin = 0; begin < n; begin += kTile) {
    const int64_t columns = n - begin < kTile ? n - begin : kTile;
    float least[kTile], second[kTile];
    int32_t at[kTile];
    for (int64_t j = 0; j < kTile; ++j) {
      least[j] = second[j] = kInfinity;
      at[j] = -1;
    }
    for (int64_t i = 0; i < m; ++i) {
      const float cost_of_row = costs[i];
      const float* const row = products + i * n + begin;
      const auto look = [&](int64_t j) __attribute__((always_inline)) {
        const float cost = cost_of_row - row[j];
        const bool less = cost < least[j];
        const float other = less ? least[j] : cost;
        second[j] = other < second[j] ? other : second[j];
        at[j] = less ? static_cast<int32_t>(i) : at[j];
        least[j] = less ? cost : least[j];
      };
      if (columns == kTile) {
        for (int64_t j = 0; j < kTile; ++j) look(j);
      } else {
        for (int64_t j = 0; j < columns; ++j) look(j);
      }
    }
    for (int64_t j = 0; j < columns; ++j) {
      nearest[begin + j] = second[j] > least[j] + slack[begin + j] ? at[j] : -1;
    }
  }
}

// --- Nearest centroids -------------------------------------------------------

// Examples side by side, one in each lane. Clusters whose costs are computed at
// once: as many as registers hold.
constexpr int64_t kTileRows = 16;
#if defined(__AVX512F__)
constexpr int64_t kClustersAtOnce = 10;
#elif defined(__AVX2__)
constexpr int64_t kClustersAtOnce = 5;
#else
constexpr int64_t kClustersAtOnce = 2;
#endif
using Tile = float __attribute__((vector_size(4 * kTileRows)));
using TilePlaces = int32_t __attribute__((vector_size(4 * kTileRows)));
using Four = float __attribute__((vector_size(16)));
// Anywhere in an array of floats.
struct __attribute__((packed, may_alias)) FourAnywhere {
  Four four;
};
Four FourAt(const float* floats) {
  return reinterpret_cast<const FourAnywhere*>(floats)->four;
}
void PutFour(Four four, float* floats) {
  reinterpret_cast<FourAnywhere*>(floats)->four = four;
}

struct LeastCosts {
  Tile least;
  Tile second;
  TilePlaces at;
};

// columns(d, kTileRows) = the transpose of x(kTileRows, d).
void TurnTile(int64_t d, const float* x, float* columns) {
  for (int64_t row = 0; row < kTileRows; row += 4) {
    const float* const a = x + row * d;
    int64_t f = 0;
    for (; f + 4 <= d; f += 4) {
      const Four r0 = FourAt(a + f);
      const Four r1 = FourAt(a + d + f);
      const Four r2 = FourAt(a + 2 * d + f);
      const Four r3 = FourAt(a + 3 * d + f);
      const Four low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
      const Four low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
      const Four high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
      const Four high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
      float* const to = columns + f * kTileRows + row;
      PutFour(__builtin_shufflevector(low01, low23, 0, 1, 4, 5), to);
      PutFour(__builtin_shufflevector(low01, low23, 2, 3, 6, 7),
              to + kTileRows);
      PutFour(__builtin_shufflevector(high01, high23, 0, 1, 4, 5),
              to + 2 * kTileRows);
      PutFour(__builtin_shufflevector(high01, high23, 2, 3, 6, 7),
              to + 3 * kTileRows);
    }
    for (; f < d; ++f) {
      for (int64_t r = 0; r < 4; ++r) {
        columns[f * kTileRows + row + r] = a[r * d + f];
      }
    }
  }
}

// Looks at the clusters [first, first + kCount).
template <int64_t kCount>
void LookAtClusters(int64_t d, int64_t first, const float* centroids,
                    const float* costs, const Tile* columns,
                    LeastCosts* found) {
  Tile products[kCount] = {};
  const float* const c = centroids + first * d;
  for (int64_t f = 0; f < d; ++f) {
    const Tile x = columns[f];
#pragma GCC unroll 16
    for (int64_t k = 0; k < kCount; ++k) products[k] += c[k * d + f] * x;
  }
#pragma GCC unroll 16
  for (int64_t k = 0; k < kCount; ++k) {
    const Tile cost = costs[first + k] - products[k];
    const TilePlaces less = cost < found->least;
    const Tile other = less ? found->least : cost;
    found->second = other < found->second ? other : found->second;
    const TilePlaces place = TilePlaces{} + static_cast<int32_t>(first + k);
    found->at = less ? place : found->at;
    found->least = less ? cost : found->least;
  }
}

// Looks at `count` clusters, at most kMost.
template <int64_t kMost>
void LookAtSome(int64_t d, int64_t first, int64_t count, const float* centroids,
                const float* costs, const Tile* columns, LeastCosts* found) {
  if constexpr (kMost > 1) {
    if (count < kMost) {
      LookAtSome<kMost - 1>(d, first, count, centroids, costs, columns, found);
      return;
    }
  }
  LookAtClusters<kMost>(d, first, centroids, costs, columns, found);
}

void FindNearest(int64_t m, int64_t d, int64_t n, const float* centroids,
                 const float* costs, const float* examples, float rounding,
                 float longest, int32_t* nearest) {
  constexpr float kInfinity = __builtin_inff();
  constexpr int64_t kMostTerms = 64;  // ComputeBackend::kMostTermsOfNearest.
  Tile columns[kMostTerms];
  float last[kTileRows * kMostTerms];
  // Groups of about the same size: a small one would wait for its own sums.
  const int64_t groups = (m + kClustersAtOnce - 1) / kClustersAtOnce;
  for (int64_t begin = 0; begin < n; begin += kTileRows) {
    const float* x = examples + begin * d;
    const int64_t rows = n - begin < kTileRows ? n - begin : kTileRows;
    if (rows < kTileRows) {
      for (int64_t i = 0; i < kTileRows * d; ++i) {
        last[i] = i < rows * d ? x[i] : 0;
      }
      x = last;
    }
    TurnTile(d, x, reinterpret_cast<float*>(columns));
    Tile squares = {};
    for (int64_t f = 0; f < d; ++f) squares += columns[f] * columns[f];
    LeastCosts found = {Tile{} + kInfinity, Tile{} + kInfinity,
                        TilePlaces{} - 1};
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t first = m * group / groups;
      LookAtSome<kClustersAtOnce>(d, first, m * (group + 1) / groups - first,
                                  centroids, costs, columns, &found);
    }
    const Tile slack = rounding * (squares + 3 * longest * longest);
    const TilePlaces alone = found.second > found.least + slack;
    const TilePlaces places = alone ? found.at : TilePlaces{} - 1;
    for (int64_t j = 0; j < rows; ++j) nearest[begin + j] = places[j];
  }
}

void Multiply(int64_t count, const float* x, const float* y, float* z) {
  Array(z, count) = ConstArray(x, count) * ConstArray(y, count);
}

void AddScaled(int64_t count, float alpha, const float* x, float* y) {
  Array(y, count) += alpha * ConstArray(x, count);
}

void AddScaledRows(int64_t m, int64_t n, float alpha, const float* scale,
                   const float* x, float* y) {
  for (int64_t i = 0; i < m; ++i) {
    Array(y + i * n, n) += alpha * scale[i] * ConstArray(x + i * n, n);
  }
}

void Scale(int64_t count, float alpha, float* x) { Array(x, count) *= alpha; }

double SumOfSquares(int64_t count, const float* x) {
  // Sums side by side, which the compiler makes into wide registers.
  constexpr int64_t kLanes = 32;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = x[i + lane];
      sums[lane] += value * value;
    }
  }
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return sum;
}

}  // namespace

#define EBB_KERNELS_ EBB_CONCAT_(kEigenKernels, EBB_KERNELS_ISA)
const EigenKernels EBB_KERNELS_ = {
    EBB_STRING_(EBB_KERNELS_ISA),
    ScratchSize,
    MatMul,
    MatMulTransA,
    MatMulTransB,
    SparseMatMul,
    SparseMatMulTransA,
    FactorScores,
    FactorGradient,
    FieldFactorScores,
    FieldFactorGradient,
    FieldSums,
    FieldSumsGradient,
    ColumnSums,
    Activate,
    ActivateBackward,
    FindLeast,
    FindNearest,
    EBB_CONCAT_(AddDifferences, EBB_KERNELS_ISA),
    Multiply,
    AddScaled,
    AddScaledRows,
    Scale,
    SumOfSquares,
};

}  // namespace ebb::models::internal
