#include "models/testing/device_backend.h"

#include <cstring>

#include "glog/logging.h"
#include "models/reference_backend.h"

namespace ebb::models::testing {

DeviceBackend::DeviceBackend() : reference_(MakeReferenceBackend()) {}

DeviceBackend::~DeviceBackend() {
  CHECK(blocks_.empty()) << blocks_.size() << " blocks were not freed";
}

void* DeviceBackend::Allocate(int64_t bytes) {
  void* memory = reference_->Allocate(bytes);
  std::memset(memory, 0xff, bytes);  // NaN: nothing may read it unwritten.
  blocks_[reinterpret_cast<uintptr_t>(memory)] = bytes;
  return memory;
}

void DeviceBackend::Free(void* memory) {
  if (memory == nullptr) return;
  CHECK_EQ(blocks_.erase(reinterpret_cast<uintptr_t>(memory)), 1u);
  reference_->Free(memory);
}

void DeviceBackend::Check(const void* pointer, int64_t bytes) const {
  if (bytes == 0) return;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto block = blocks_.upper_bound(address);
  CHECK(block != blocks_.begin()) << "not the device's memory";
  --block;
  CHECK_LE(address + bytes, block->first + block->second)
      << "not the device's memory, or beyond the end of its block";
}

void DeviceBackend::Check(const float* pointer, int64_t count) const {
  Check(static_cast<const void*>(pointer),
        count * static_cast<int64_t>(sizeof(float)));
}

void DeviceBackend::CheckCsr(const CsrView& a, int64_t rows) const {
  CHECK_EQ(static_cast<int64_t>(a.row_offsets.size()), rows + 1);
  Check(static_cast<const void*>(a.row_offsets.data()),
        a.row_offsets.size_bytes());
  Check(static_cast<const void*>(a.columns.data()), a.columns.size_bytes());
  Check(static_cast<const void*>(a.values.data()), a.values.size_bytes());
}

void DeviceBackend::CheckFields(const CsrView& a,
                                std::span<const uint16_t> fields) const {
  CHECK_EQ(fields.size(), a.columns.size());
  Check(static_cast<const void*>(fields.data()), fields.size_bytes());
}

void DeviceBackend::CopyIn(const void* host, int64_t bytes, void* memory) {
  Check(memory, bytes);
  std::memcpy(memory, host, bytes);
}

void DeviceBackend::CopyOut(const void* memory, int64_t bytes, void* host) {
  Check(memory, bytes);
  std::memcpy(host, memory, bytes);
}

void DeviceBackend::MatMul(int64_t m, int64_t k, int64_t n, const float* a,
                           const float* b, const float* bias, float* c) {
  Check(a, m * k);
  Check(b, k * n);
  if (bias != nullptr) Check(bias, n);
  Check(c, m * n);
  reference_->MatMul(m, k, n, a, b, bias, c);
}

void DeviceBackend::MatMulTransA(int64_t m, int64_t k, int64_t n,
                                 const float* a, const float* b, float* c) {
  Check(a, m * k);
  Check(b, m * n);
  Check(c, k * n);
  reference_->MatMulTransA(m, k, n, a, b, c);
}

void DeviceBackend::MatMulTransB(int64_t m, int64_t n, int64_t k,
                                 const float* a, const float* b, float* c) {
  Check(a, m * n);
  Check(b, k * n);
  Check(c, m * k);
  reference_->MatMulTransB(m, n, k, a, b, c);
}

void DeviceBackend::SparseMatMul(int64_t m, int64_t n, const CsrView& a,
                                 const float* b, const float* bias, float* c) {
  CheckCsr(a, m);
  if (bias != nullptr) Check(bias, n);
  Check(c, m * n);
  reference_->SparseMatMul(m, n, a, b, bias, c);
}

void DeviceBackend::SparseMatMulTransA(int64_t m, int64_t k, int64_t n,
                                       const CsrView& a, const float* b,
                                       float* c) {
  CheckCsr(a, m);
  Check(b, m * n);
  Check(c, k * n);
  reference_->SparseMatMulTransA(m, k, n, a, b, c);
}

void DeviceBackend::FactorScores(int64_t m, int64_t n, const CsrView& a,
                                 const float* b, float* sums, float* scores) {
  CheckCsr(a, m);
  Check(sums, m * n);
  Check(scores, m);
  reference_->FactorScores(m, n, a, b, sums, scores);
}

void DeviceBackend::FactorGradient(int64_t m, int64_t k, int64_t n,
                                   const CsrView& a, const float* b,
                                   const float* sums, const float* delta,
                                   float* c) {
  CheckCsr(a, m);
  Check(b, k * n);
  Check(sums, m * n);
  Check(delta, m);
  Check(c, k * n);
  reference_->FactorGradient(m, k, n, a, b, sums, delta, c);
}

void DeviceBackend::FieldFactorScores(int64_t m, int64_t f, int64_t n,
                                      const CsrView& a,
                                      std::span<const uint16_t> fields,
                                      const float* b, float* scores) {
  CheckCsr(a, m);
  CheckFields(a, fields);
  Check(scores, m);
  reference_->FieldFactorScores(m, f, n, a, fields, b, scores);
}

void DeviceBackend::FieldFactorGradient(int64_t m, int64_t k, int64_t f,
                                        int64_t n, const CsrView& a,
                                        std::span<const uint16_t> fields,
                                        const float* b, const float* delta,
                                        float* c) {
  CheckCsr(a, m);
  CheckFields(a, fields);
  Check(b, k * f * n);
  Check(delta, m);
  Check(c, k * f * n);
  reference_->FieldFactorGradient(m, k, f, n, a, fields, b, delta, c);
}

void DeviceBackend::FieldSums(int64_t m, int64_t f, int64_t n, const CsrView& a,
                              std::span<const uint16_t> fields, const float* b,
                              float* c) {
  CheckCsr(a, m);
  CheckFields(a, fields);
  Check(c, m * f * n);
  reference_->FieldSums(m, f, n, a, fields, b, c);
}

void DeviceBackend::FieldSumsGradient(int64_t m, int64_t k, int64_t f,
                                      int64_t n, const CsrView& a,
                                      std::span<const uint16_t> fields,
                                      const float* delta, float* c) {
  CheckCsr(a, m);
  CheckFields(a, fields);
  Check(delta, m * f * n);
  Check(c, k * n);
  reference_->FieldSumsGradient(m, k, f, n, a, fields, delta, c);
}

void DeviceBackend::ColumnSums(int64_t m, int64_t n, const float* a,
                               float* sums) {
  Check(a, m * n);
  Check(sums, n);
  reference_->ColumnSums(m, n, a, sums);
}

void DeviceBackend::Activate(Activation f, int64_t count, float* x) {
  Check(x, count);
  reference_->Activate(f, count, x);
}

void DeviceBackend::ActivateBackward(Activation f, int64_t count,
                                     const float* y, float* gradient) {
  Check(y, count);
  Check(gradient, count);
  reference_->ActivateBackward(f, count, y, gradient);
}

void DeviceBackend::DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                                int64_t columns, float* mask) {
  Check(mask, rows * columns);
  reference_->DropoutMask(key, rate, rows, columns, mask);
}

void DeviceBackend::Multiply(int64_t count, const float* x, const float* y,
                             float* z) {
  Check(x, count);
  Check(y, count);
  Check(z, count);
  reference_->Multiply(count, x, y, z);
}

void DeviceBackend::ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                                const float* labels, const float* scores,
                                float* gradient, LossSums* sums) {
  Check(sums, int64_t{sizeof(*sums)});
  Check(labels, rows);
  Check(scores, rows * columns);
  if (gradient != nullptr) Check(gradient, rows * columns);
  reference_->ComputeLoss(loss, rows, columns, labels, scores, gradient, sums);
}

void DeviceBackend::ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                                    float* scores) {
  Check(scores, rows * columns);
  reference_->ScoresToOutputs(loss, rows, columns, scores);
}

void DeviceBackend::AddScaled(int64_t count, float alpha, const float* x,
                              float* y) {
  Check(x, count);
  Check(y, count);
  reference_->AddScaled(count, alpha, x, y);
}

void DeviceBackend::AddScaledRows(int64_t m, int64_t n, float alpha,
                                  const float* scale, const float* x,
                                  float* y) {
  Check(scale, m);
  Check(x, m * n);
  Check(y, m * n);
  reference_->AddScaledRows(m, n, alpha, scale, x, y);
}

void DeviceBackend::Scale(int64_t count, float alpha, float* x) {
  Check(x, count);
  reference_->Scale(count, alpha, x);
}

void DeviceBackend::SumOfSquares(int64_t count, const float* x,
                                 double* squares) {
  Check(x, count);
  Check(squares, int64_t{sizeof(*squares)});
  reference_->SumOfSquares(count, x, squares);
}

void DeviceBackend::ClipMean(int64_t rows, double most, const double* squares,
                             int64_t count, float* x) {
  Check(squares, int64_t{sizeof(*squares)});
  Check(x, count);
  reference_->ClipMean(rows, most, squares, count, x);
}

}  // namespace ebb::models::testing
