#include "models/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "models/internal/host_backend.h"

namespace ebb::models {
namespace {

class ReferenceBackend final : public internal::HostBackend {
 public:
  absl::string_view name() const override { return "reference"; }

  void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
              const float* bias, float* c) override {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = bias == nullptr ? 0 : bias[j];
        for (int64_t p = 0; p < k; ++p) {
          sum += double{a[i * k + p]} * b[p * n + j];
        }
        c[i * n + j] = static_cast<float>(sum);
      }
    }
  }

  // It computes each element by itself.
  bool has_rows_apart() const override { return true; }
  void MatMulRowsApart(int64_t m, int64_t k, int64_t n, const float* a,
                       const float* b, const float* bias, float* c) override {
    MatMul(m, k, n, a, b, bias, c);
  }
  void ActivateRowsApart(Activation f, int64_t m, int64_t n,
                         float* x) override {
    Activate(f, m * n, x);
  }

  void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                    const float* b, float* c) override {
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < m; ++p) {
          sum += double{a[p * k + i]} * b[p * n + j];
        }
        c[i * n + j] = static_cast<float>(sum);
      }
    }
  }

  void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                    const float* b, float* c) override {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < n; ++p) {
          sum += double{a[i * n + p]} * b[j * n + p];
        }
        c[i * k + j] = static_cast<float>(sum);
      }
    }
  }

  void SparseMatMul(int64_t m, int64_t n, const CsrView& a, const float* b,
                    const float* bias, float* c) override {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = bias == nullptr ? 0 : bias[j];
        for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
          sum += double{a.values[e]} * b[a.columns[e] * n + j];
        }
        c[i * n + j] = static_cast<float>(sum);
      }
    }
  }

  void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, const CsrView& a,
                          const float* b, float* c) override {
    sums_.assign(k * n, 0.0);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
        for (int64_t j = 0; j < n; ++j) {
          sums_[a.columns[e] * n + j] += double{a.values[e]} * b[i * n + j];
        }
      }
    }
    std::copy(sums_.begin(), sums_.end(), c);
  }

  void FactorScores(int64_t m, int64_t n, const CsrView& a, const float* b,
                    float* sums, float* scores) override {
    for (int64_t i = 0; i < m; ++i) {
      double pairs = 0;
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0, squares = 0;
        for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
          const double term = double{a.values[e]} * b[a.columns[e] * n + j];
          sum += term;
          squares += term * term;
        }
        sums[i * n + j] = static_cast<float>(sum);
        pairs += (sum * sum - squares) / 2;
      }
      scores[i] = static_cast<float>(scores[i] + pairs);
    }
  }

  void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                      const float* b, const float* sums, const float* delta,
                      float* c) override {
    sums_.assign(k * n, 0.0);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
        const double value = a.values[e];
        for (int64_t j = 0; j < n; ++j) {
          const int64_t at = a.columns[e] * n + j;
          sums_[at] += delta[i] * value * (sums[i * n + j] - value * b[at]);
        }
      }
    }
    std::copy(sums_.begin(), sums_.end(), c);
  }

  void FieldFactorScores(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* scores) override {
    for (int64_t i = 0; i < m; ++i) {
      double pairs = 0;
      const int64_t end = a.row_offsets[i + 1];
      for (int64_t p = a.row_offsets[i]; p < end; ++p) {
        for (int64_t q = p + 1; q < end; ++q) {
          const float* of_p = b + (a.columns[p] * f + fields[q]) * n;
          const float* of_q = b + (a.columns[q] * f + fields[p]) * n;
          double product = 0;
          for (int64_t j = 0; j < n; ++j) product += double{of_p[j]} * of_q[j];
          pairs += product * a.values[p] * a.values[q];
        }
      }
      scores[i] = static_cast<float>(scores[i] + pairs);
    }
  }

  void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                           const CsrView& a, std::span<const uint16_t> fields,
                           const float* b, const float* delta,
                           float* c) override {
    sums_.assign(k * f * n, 0.0);
    for (int64_t i = 0; i < m; ++i) {
      const int64_t end = a.row_offsets[i + 1];
      for (int64_t p = a.row_offsets[i]; p < end; ++p) {
        for (int64_t q = p + 1; q < end; ++q) {
          const int64_t of_p = (a.columns[p] * f + fields[q]) * n;
          const int64_t of_q = (a.columns[q] * f + fields[p]) * n;
          const double factor = double{delta[i]} * a.values[p] * a.values[q];
          for (int64_t j = 0; j < n; ++j) {
            sums_[of_p + j] += factor * b[of_q + j];
            sums_[of_q + j] += factor * b[of_p + j];
          }
        }
      }
    }
    std::copy(sums_.begin(), sums_.end(), c);
  }

  void FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                 std::span<const uint16_t> fields, const float* b,
                 float* c) override {
    for (int64_t i = 0; i < m; ++i) {
      sums_.assign(f * n, 0.0);
      for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
        for (int64_t j = 0; j < n; ++j) {
          sums_[fields[e] * n + j] +=
              double{a.values[e]} * b[a.columns[e] * n + j];
        }
      }
      std::copy(sums_.begin(), sums_.end(), c + i * f * n);
    }
  }

  void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                         const CsrView& a, std::span<const uint16_t> fields,
                         const float* delta, float* c) override {
    sums_.assign(k * n, 0.0);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e) {
        for (int64_t j = 0; j < n; ++j) {
          sums_[a.columns[e] * n + j] +=
              double{a.values[e]} * delta[(i * f + fields[e]) * n + j];
        }
      }
    }
    std::copy(sums_.begin(), sums_.end(), c);
  }

  void ColumnSums(int64_t m, int64_t n, const float* a, float* sums) override {
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < m; ++i) sum += a[i * n + j];
      sums[j] = static_cast<float>(sum);
    }
  }

  void Activate(Activation f, int64_t count, float* x) override {
    for (int64_t i = 0; i < count; ++i) {
      switch (f) {
        case Activation::kIdentity:
          break;
        case Activation::kRelu:
          if (x[i] < 0) x[i] = 0;  // A NaN is not, and stays.
          break;
        case Activation::kTanh:
          x[i] = static_cast<float>(std::tanh(double{x[i]}));
          break;
        case Activation::kSigmoid:
          x[i] = static_cast<float>(1 / (1 + std::exp(-double{x[i]})));
          break;
      }
    }
  }

  void ActivateBackward(Activation f, int64_t count, const float* y,
                        float* gradient) override {
    for (int64_t i = 0; i < count; ++i) {
      switch (f) {
        case Activation::kIdentity:
          break;
        case Activation::kRelu:
          if (y[i] <= 0) gradient[i] = 0;
          break;
        case Activation::kTanh:
          gradient[i] *= 1 - y[i] * y[i];
          break;
        case Activation::kSigmoid:
          gradient[i] *= y[i] * (1 - y[i]);
          break;
      }
    }
  }

  void Multiply(int64_t count, const float* x, const float* y,
                float* z) override {
    for (int64_t i = 0; i < count; ++i) z[i] = x[i] * y[i];
  }

  void AddScaled(int64_t count, float alpha, const float* x,
                 float* y) override {
    for (int64_t i = 0; i < count; ++i) y[i] += alpha * x[i];
  }

  void AddScaledRows(int64_t m, int64_t n, float alpha, const float* scale,
                     const float* x, float* y) override {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        y[i * n + j] += alpha * scale[i] * x[i * n + j];
      }
    }
  }

  void Scale(int64_t count, float alpha, float* x) override {
    for (int64_t i = 0; i < count; ++i) x[i] *= alpha;
  }

  void SumOfSquares(int64_t count, const float* x, double* squares) override {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += double{x[i]} * x[i];
    *squares = sum;
  }

 private:
  std::vector<double> sums_;
};

}  // namespace

std::unique_ptr<ComputeBackend> MakeReferenceBackend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace ebb::models
