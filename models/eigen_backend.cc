#include "models/eigen_backend.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/internal/eigen_kernels.h"
#include "models/internal/host_backend.h"

namespace ebb::models {
namespace {

using internal::EigenKernels;

internal::CsrPointers Pointers(const CsrView& a) {
  return {a.row_offsets.data(), a.columns.data(), a.values.data()};
}

internal::KernelActivation ForKernel(Activation f) {
  return static_cast<internal::KernelActivation>(f);
}
static_assert(static_cast<int>(internal::KernelActivation::kSigmoid) ==
              static_cast<int>(Activation::kSigmoid));

class EigenBackend final : public internal::HostBackend {
 public:
  explicit EigenBackend(const EigenKernels& kernels)
      : kernels_(kernels),
        name_(absl::StrCat("eigen-", absl::AsciiStrToLower(kernels.isa))),
        scratch_(this) {}

  absl::string_view name() const override { return name_; }

  void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
              const float* bias, float* c) override {
    kernels_.mat_mul(m, k, n, a, b, bias, c, Scratch(m, n, k));
  }
  void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                    const float* b, float* c) override {
    kernels_.mat_mul_trans_a(m, k, n, a, b, c, Scratch(k, n, m));
  }
  void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                    const float* b, float* c) override {
    kernels_.mat_mul_trans_b(m, n, k, a, b, c, Scratch(m, k, n));
  }
  void SparseMatMul(int64_t m, int64_t n, const CsrView& a, const float* b,
                    const float* bias, float* c) override {
    kernels_.sparse_mat_mul(m, n, Pointers(a), b, bias, c);
  }
  void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, const CsrView& a,
                          const float* b, float* c) override {
    kernels_.sparse_mat_mul_trans_a(m, k, n, Pointers(a), b, c);
  }
  void FactorScores(int64_t m, int64_t n, const CsrView& a, const float* b,
                    float* sums, float* scores) override {
    kernels_.factor_scores(m, n, Pointers(a), b, sums, scores);
  }
  void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                      const float* b, const float* sums, const float* delta,
                      float* c) override {
    kernels_.factor_gradient(m, k, n, Pointers(a), b, sums, delta, c);
  }
  void FieldFactorScores(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* scores) override {
    kernels_.field_factor_scores(m, f, n, Pointers(a), fields.data(), b,
                                 scores);
  }
  void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                           const CsrView& a, std::span<const uint16_t> fields,
                           const float* b, const float* delta,
                           float* c) override {
    kernels_.field_factor_gradient(m, k, f, n, Pointers(a), fields.data(), b,
                                   delta, c);
  }
  void FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                 std::span<const uint16_t> fields, const float* b,
                 float* c) override {
    kernels_.field_sums(m, f, n, Pointers(a), fields.data(), b, c);
  }
  void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                         const CsrView& a, std::span<const uint16_t> fields,
                         const float* delta, float* c) override {
    kernels_.field_sums_gradient(m, k, f, n, Pointers(a), fields.data(), delta,
                                 c);
  }
  void ColumnSums(int64_t m, int64_t n, const float* a, float* sums) override {
    kernels_.column_sums(m, n, a, sums);
  }
  void Activate(Activation f, int64_t count, float* x) override {
    kernels_.activate(ForKernel(f), count, x);
  }
  void ActivateBackward(Activation f, int64_t count, const float* y,
                        float* gradient) override {
    kernels_.activate_backward(ForKernel(f), count, y, gradient);
  }
  void FindLeast(int64_t m, int64_t n, const float* costs,
                 const float* products, const float* slack,
                 int32_t* nearest) override {
    kernels_.find_least(m, n, costs, products, slack, nearest);
  }
  void FindNearest(int64_t m, int64_t d, int64_t n, const float* centroids,
                   const float* costs, const float* examples, float rounding,
                   float longest, int32_t* nearest) override {
    kernels_.find_nearest(m, d, n, centroids, costs, examples, rounding,
                          longest, nearest);
  }
  void AddDifferences(int64_t n, int64_t d, const float* examples,
                      const int32_t* nearest, const float* centroids,
                      float* sums, double* squares) override {
    kernels_.add_differences(n, d, examples, nearest, centroids, sums, squares);
  }
  void Multiply(int64_t count, const float* x, const float* y,
                float* z) override {
    kernels_.multiply(count, x, y, z);
  }
  void AddScaled(int64_t count, float alpha, const float* x,
                 float* y) override {
    kernels_.add_scaled(count, alpha, x, y);
  }
  void AddScaledRows(int64_t m, int64_t n, float alpha, const float* scale,
                     const float* x, float* y) override {
    kernels_.add_scaled_rows(m, n, alpha, scale, x, y);
  }
  void Scale(int64_t count, float alpha, float* x) override {
    kernels_.scale(count, alpha, x);
  }
  void SumOfSquares(int64_t count, const float* x, double* squares) override {
    *squares = kernels_.sum_of_squares(count, x);
  }

 private:
  float* Scratch(int64_t m, int64_t n, int64_t k) {
    return scratch_.Reserve<float>(kernels_.scratch_size(m, n, k));
  }

  const EigenKernels& kernels_;
  const std::string name_;
  BackendArray scratch_;
};

// The widest last.
std::vector<const EigenKernels*> UsableKernels() {
  std::vector<const EigenKernels*> usable = {&internal::kEigenKernelsBaseline};
#ifdef EBB_HAS_X86_KERNELS
  // These ask the operating system too, which must save the wide registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    usable.push_back(&internal::kEigenKernelsAvx2);
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
      usable.push_back(&internal::kEigenKernelsAvx512);
    }
  }
#endif
  return usable;
}

}  // namespace

std::vector<std::string> EigenInstructionSets() {
  std::vector<std::string> names;
  for (const EigenKernels* kernels : UsableKernels()) {
    names.push_back(absl::AsciiStrToLower(kernels->isa));
  }
  return names;
}

absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeEigenBackend(
    absl::string_view isa) {
  const std::vector<const EigenKernels*> usable = UsableKernels();
  if (isa == "auto") return std::make_unique<EigenBackend>(*usable.back());
  for (const EigenKernels* kernels : usable) {
    if (isa == absl::AsciiStrToLower(kernels->isa)) {
      return std::make_unique<EigenBackend>(*kernels);
    }
  }
  if (isa == "avx2" || isa == "avx512") {
    return absl::FailedPreconditionError(absl::StrCat(
        "instruction set ", isa, ": this machine or this build has only ",
        absl::StrJoin(EigenInstructionSets(), ", "), "; leave it at auto"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "instruction set \"", isa, "\": known are auto, baseline, avx2, avx512"));
}

}  // namespace ebb::models
