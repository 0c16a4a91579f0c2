#include "models/eigen_backend.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/backends.h"
#include "models/internal/eigen_kernels.h"
#include "models/internal/host_backend.h"
#include "models/internal/thread_team.h"

namespace ebb::models {
namespace {

using internal::EigenKernels;

internal::CsrPointers PointersFrom(int64_t row, const CsrView& a) {
  return {a.row_offsets.data() + row, a.columns.data(), a.values.data()};
}
internal::CsrPointers Pointers(const CsrView& a) { return PointersFrom(0, a); }

internal::KernelActivation ForKernel(Activation f) {
  return static_cast<internal::KernelActivation>(f);
}
static_assert(static_cast<int>(internal::KernelActivation::kSigmoid) ==
              static_cast<int>(Activation::kSigmoid));

// A part of a product's result.
struct Block {
  int64_t row, rows, column, columns;
};

class EigenBackend final : public internal::HostBackend {
 public:
  EigenBackend(const EigenKernels& kernels, int threads, int64_t least_work)
      : kernels_(kernels),
        name_(absl::StrCat("eigen-", absl::AsciiStrToLower(kernels.isa))),
        least_work_(least_work),
        team_(threads),
        scratch_(this),
        fours_(this) {}

  absl::string_view name() const override { return name_; }

  void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
              const float* bias, float* c) override {
    CutProduct(m, n, k, [&](const Block& at, float* scratch) {
      kernels_.mat_mul(at.rows, k, at.columns, a + at.row * k, b + at.column,
                       bias == nullptr ? nullptr : bias + at.column,
                       c + at.row * n + at.column, {k, n, n}, scratch);
    });
  }
  bool has_rows_apart() const override { return true; }
  // Eigen takes rows four at a time, each of them in the same way, and those
  // that remain one by one, in another way. So there are always four. A product
  // with a vector takes other numbers of rows at a time, so it gets just four.
  void MatMulRowsApart(int64_t m, int64_t k, int64_t n, const float* a,
                       const float* b, const float* bias, float* c) override {
    const int64_t whole = m / kRowsTogether * kRowsTogether;
    MultiplyFours(whole, k, n, a, b, bias, c);
    const int64_t rest = m - whole;
    if (rest == 0) return;
    float* const rows = fours_.Reserve<float>(kRowsTogether * (k + n));
    float* const results = rows + kRowsTogether * k;
    std::fill(std::copy_n(a + whole * k, rest * k, rows), results, 0.0f);
    MultiplyFours(kRowsTogether, k, n, rows, b, bias, results);
    std::copy_n(results, rest * n, c + whole * n);
  }
  // Others than relu take whole registers, and what remains one by one.
  void ActivateRowsApart(Activation f, int64_t m, int64_t n,
                         float* x) override {
    if (f == Activation::kIdentity || f == Activation::kRelu) {
      return Activate(f, m * n, x);
    }
    const int64_t room = (n + kUnit - 1) / kUnit * kUnit;
    float* const row = fours_.Reserve<float>(room);
    for (int64_t i = 0; i < m; ++i) {
      std::fill(std::copy_n(x + i * n, n, row), row + room, 0.0f);
      kernels_.activate(ForKernel(f), room, row);
      std::copy_n(row, n, x + i * n);
    }
  }
  void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                    const float* b, float* c) override {
    CutProduct(k, n, m, [&](const Block& at, float* scratch) {
      kernels_.mat_mul_trans_a(m, at.rows, at.columns, a + at.row,
                               b + at.column, c + at.row * n + at.column,
                               {k, n, n}, scratch);
    });
  }
  void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                    const float* b, float* c) override {
    CutProduct(m, k, n, [&](const Block& at, float* scratch) {
      kernels_.mat_mul_trans_b(at.rows, n, at.columns, a + at.row * n,
                               b + at.column * n, c + at.row * k + at.column,
                               {n, n, k}, scratch);
    });
  }
  void SparseMatMul(int64_t m, int64_t n, const CsrView& a, const float* b,
                    const float* bias, float* c) override {
    CutRows(m, Entries(a) * n, [&](int64_t row, int64_t rows) {
      kernels_.sparse_mat_mul(rows, n, PointersFrom(row, a), b, bias,
                              c + row * n);
    });
  }
  void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, const CsrView& a,
                          const float* b, float* c) override {
    kernels_.sparse_mat_mul_trans_a(m, k, n, Pointers(a), b, c);
  }
  void FactorScores(int64_t m, int64_t n, const CsrView& a, const float* b,
                    float* sums, float* scores) override {
    CutRows(m, Entries(a) * n, [&](int64_t row, int64_t rows) {
      kernels_.factor_scores(rows, n, PointersFrom(row, a), b, sums + row * n,
                             scores + row);
    });
  }
  void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                      const float* b, const float* sums, const float* delta,
                      float* c) override {
    kernels_.factor_gradient(m, k, n, Pointers(a), b, sums, delta, c);
  }
  void FieldFactorScores(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* scores) override {
    // About half of the pairs of a row's entries.
    const int64_t pairs = m == 0 ? 0 : Entries(a) * (Entries(a) / m) / 2;
    CutRows(m, pairs * n, [&](int64_t row, int64_t rows) {
      kernels_.field_factor_scores(rows, f, n, PointersFrom(row, a),
                                   fields.data(), b, scores + row);
    });
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
    CutRows(m, Entries(a) * n, [&](int64_t row, int64_t rows) {
      kernels_.field_sums(rows, f, n, PointersFrom(row, a), fields.data(), b,
                          c + row * f * n);
    });
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
    CutRows(count, count * kWorkOfActivation, [&](int64_t begin, int64_t size) {
      kernels_.activate(ForKernel(f), size, x + begin);
    });
  }
  void ActivateBackward(Activation f, int64_t count, const float* y,
                        float* gradient) override {
    CutRows(count, count * kWorkOfActivation, [&](int64_t begin, int64_t size) {
      kernels_.activate_backward(ForKernel(f), size, y + begin,
                                 gradient + begin);
    });
  }
  void FindLeast(int64_t m, int64_t n, const float* costs,
                 const float* products, const float* slack,
                 int32_t* nearest) override {
    kernels_.find_least(m, n, costs, products, slack, nearest);
  }
  void FindNearest(int64_t m, int64_t d, int64_t n, const float* centroids,
                   const float* costs, const float* examples, float rounding,
                   float longest, int32_t* nearest) override {
    CutRows(n, n * m * d, [&](int64_t row, int64_t rows) {
      kernels_.find_nearest(m, d, rows, centroids, costs, examples + row * d,
                            rounding, longest, nearest + row);
    });
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
    double sums[kMostThreads] = {};
    const int parts = Parts(count * kWorkOfSquare, count);
    team_.Run(parts, [&](int part) {
      const int64_t begin = Begin(count, part, parts);
      sums[part] = kernels_.sum_of_squares(
          Begin(count, part + 1, parts) - begin, x + begin);
    });
    *squares = std::accumulate(sums, sums + parts, 0.0);
  }

 private:
  // In multiply-adds of a dense product, for an element.
  static constexpr int64_t kWorkOfActivation = 8;
  static constexpr int64_t kWorkOfSquare = 16;
  // Parts begin at multiples of it: whole cache lines, whole registers.
  static constexpr int64_t kUnit = 16;

  // The columns of a result that Eigen's kernel computes together; rows of a
  // matrix that is stored row after row are such columns.
  static constexpr int64_t kRowsTogether = 4;

  // MatMulRowsApart of a multiple of four rows.
  void MultiplyFours(int64_t m, int64_t k, int64_t n, const float* a,
                     const float* b, const float* bias, float* c) {
    const int parts = Parts(m * n * k, m);
    int64_t room = 0;
    for (int part = 0; part < parts; ++part) {
      const int64_t rows = Begin(m, part + 1, parts) - Begin(m, part, parts);
      room = std::max(room, kernels_.scratch_size(rows, n, k));
    }
    room = (room + kUnit - 1) / kUnit * kUnit;
    float* const scratch = scratch_.Reserve<float>(room * parts);
    team_.Run(parts, [&](int part) {
      const int64_t end = Begin(m, part + 1, parts);
      int64_t row = Begin(m, part, parts);
      const int64_t at_once = n == 1 ? kRowsTogether : end - row;
      for (; row < end; row += at_once) {
        kernels_.mat_mul(at_once, k, n, a + row * k, b, bias, c + row * n,
                         {k, n, n}, scratch + part * room);
      }
    });
  }

  static int64_t Entries(const CsrView& a) {
    return static_cast<int64_t>(a.columns.size());
  }

  // Into how many parts to cut `work`, along so many rows or columns.
  int Parts(int64_t work, int64_t length) const {
    const int64_t most = std::min(work / least_work_, length / kUnit);
    return static_cast<int>(std::clamp<int64_t>(most, 1, team_.size()));
  }
  static int64_t Begin(int64_t length, int part, int parts) {
    if (part == parts) return length;
    return length / kUnit * part / parts * kUnit;
  }

  // Cuts a product along the longer side of its result (rows, columns), which
  // are sums of `terms` terms: each part reads all of the other operand, which
  // is the smaller one.
  void CutProduct(int64_t rows, int64_t columns, int64_t terms,
                  absl::FunctionRef<void(const Block&, float*)> compute) {
    const int64_t length = std::max(rows, columns);
    const int parts = Parts(rows * columns * terms, length);
    const auto block = [&](int part) -> Block {
      const int64_t begin = Begin(length, part, parts);
      const int64_t size = Begin(length, part + 1, parts) - begin;
      if (rows >= columns) return {begin, size, 0, columns};
      return {0, rows, begin, size};
    };
    // A smaller part may need more: Eigen blocks it otherwise.
    int64_t room = 0;
    for (int part = 0; part < parts; ++part) {
      const Block at = block(part);
      room = std::max(room, kernels_.scratch_size(at.rows, at.columns, terms));
    }
    room = (room + kUnit - 1) / kUnit * kUnit;
    float* const scratch = scratch_.Reserve<float>(room * parts);
    team_.Run(parts,
              [&](int part) { compute(block(part), scratch + part * room); });
  }

  // Cuts along rows that need about the same work.
  void CutRows(int64_t rows, int64_t work,
               absl::FunctionRef<void(int64_t row, int64_t rows)> compute) {
    const int parts = Parts(work, rows);
    team_.Run(parts, [&](int part) {
      const int64_t begin = Begin(rows, part, parts);
      compute(begin, Begin(rows, part + 1, parts) - begin);
    });
  }

  const EigenKernels& kernels_;
  const std::string name_;
  const int64_t least_work_;  // A part has so many multiply-adds.
  internal::ThreadTeam team_;
  BackendArray scratch_;
  BackendArray fours_;  // The last rows of MatMulRowsApart, and four results.
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
    absl::string_view isa, int threads, int64_t least_work) {
  const std::vector<const EigenKernels*> usable = UsableKernels();
  const auto make = [&](const EigenKernels& kernels) {
    return std::make_unique<EigenBackend>(kernels, threads, least_work);
  };
  if (isa == "auto") return make(*usable.back());
  for (const EigenKernels* kernels : usable) {
    if (isa == absl::AsciiStrToLower(kernels->isa)) {
      return make(*kernels);
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
