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

  void Scale(int64_t count, float alpha, float* x) override {
    for (int64_t i = 0; i < count; ++i) x[i] *= alpha;
  }

  double SumOfSquares(int64_t count, const float* x) override {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += double{x[i]} * x[i];
    return sum;
  }

 private:
  std::vector<double> sums_;
};

}  // namespace

std::unique_ptr<ComputeBackend> MakeReferenceBackend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace ebb::models
