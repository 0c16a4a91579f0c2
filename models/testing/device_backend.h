// A back end with memory of its own, as a GPU has, for tests.
#ifndef EBB_MODELS_TESTING_DEVICE_BACKEND_H_
#define EBB_MODELS_TESTING_DEVICE_BACKEND_H_

#include <cstdint>
#include <map>
#include <memory>

#include "models/backend.h"

namespace ebb::models::testing {

// Computes as the reference does. It CHECK-fails if an operation gets memory
// that did not come from Allocate, or more of it than there is. So models that
// pass their tests on it never hand the caller's memory to a device.
class DeviceBackend final : public ComputeBackend {
 public:
  DeviceBackend();
  ~DeviceBackend() override;  // CHECK-fails if memory was not freed.

  absl::string_view name() const override { return "device"; }
  bool uses_host_memory() const override { return false; }
  void* Allocate(int64_t bytes) override;
  void Free(void* memory) override;
  void CopyIn(const void* host, int64_t bytes, void* memory) override;
  void CopyOut(const void* memory, int64_t bytes, void* host) override;
  void MatMul(int64_t m, int64_t k, int64_t n, const float* a, const float* b,
              const float* bias, float* c) override;
  void MatMulTransA(int64_t m, int64_t k, int64_t n, const float* a,
                    const float* b, float* c) override;
  void MatMulTransB(int64_t m, int64_t n, int64_t k, const float* a,
                    const float* b, float* c) override;
  void SparseMatMul(int64_t m, int64_t n, const CsrView& a, const float* b,
                    const float* bias, float* c) override;
  void SparseMatMulTransA(int64_t m, int64_t k, int64_t n, const CsrView& a,
                          const float* b, float* c) override;
  void FactorScores(int64_t m, int64_t n, const CsrView& a, const float* b,
                    float* sums, float* scores) override;
  void FactorGradient(int64_t m, int64_t k, int64_t n, const CsrView& a,
                      const float* b, const float* sums, const float* delta,
                      float* c) override;
  void FieldFactorScores(int64_t m, int64_t f, int64_t n, const CsrView& a,
                         std::span<const uint16_t> fields, const float* b,
                         float* scores) override;
  void FieldFactorGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                           const CsrView& a, std::span<const uint16_t> fields,
                           const float* b, const float* delta,
                           float* c) override;
  void FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                 std::span<const uint16_t> fields, const float* b,
                 float* c) override;
  void FieldSumsGradient(int64_t m, int64_t k, int64_t f, int64_t n,
                         const CsrView& a, std::span<const uint16_t> fields,
                         const float* delta, float* c) override;
  void ColumnSums(int64_t m, int64_t n, const float* a, float* sums) override;
  void Activate(Activation f, int64_t count, float* x) override;
  void ActivateBackward(Activation f, int64_t count, const float* y,
                        float* gradient) override;
  void DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                   int64_t columns, float* mask) override;
  void Multiply(int64_t count, const float* x, const float* y,
                float* z) override;
  void ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                   const float* labels, const float* scores, float* gradient,
                   LossSums* sums) override;
  void ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                       float* scores) override;
  void AddScaled(int64_t count, float alpha, const float* x, float* y) override;
  void AddScaledRows(int64_t m, int64_t n, float alpha, const float* scale,
                     const float* x, float* y) override;
  void Scale(int64_t count, float alpha, float* x) override;
  void SumOfSquares(int64_t count, const float* x, double* squares) override;
  void ClipMean(int64_t rows, double most, const double* squares, int64_t count,
                float* x) override;

 private:
  void Check(const void* pointer, int64_t bytes) const;
  void Check(const float* pointer, int64_t count) const;
  void CheckCsr(const CsrView& a, int64_t rows) const;
  void CheckFields(const CsrView& a, std::span<const uint16_t> fields) const;

  const std::unique_ptr<ComputeBackend> reference_;
  std::map<uintptr_t, int64_t> blocks_;  // Start to size.
};

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_DEVICE_BACKEND_H_
