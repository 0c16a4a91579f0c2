#include "models/testing/emulated_gpu.h"

#include <cstdlib>

#include "glog/logging.h"

namespace ebb::models::testing {

EmulatedEngine::~EmulatedEngine() {
  CHECK(blocks_.empty()) << blocks_.size() << " blocks were not deleted";
}

void* EmulatedEngine::NewBlock(int64_t bytes) {
  if (bytes > memory_bytes_ - used_bytes_) return nullptr;
  constexpr int64_t kAlignment = 256;
  void* const block = std::aligned_alloc(
      kAlignment, gpu::CeilDivide(bytes, kAlignment) * kAlignment);
  CHECK(block != nullptr);
  std::memset(block, 0xff, bytes);  // NaN: nothing may read it unwritten.
  used_bytes_ += bytes;
  blocks_[block] = bytes;
  return block;
}

void EmulatedEngine::DeleteBlock(void* block) {
  const auto found = blocks_.find(block);
  CHECK(found != blocks_.end());
  used_bytes_ -= found->second;
  blocks_.erase(found);
  std::free(block);
}

void EmulatedEngine::Multiply(const gpu::Gemm& gemm) {
  for (int64_t i = 0; i < gemm.m; ++i) {
    for (int64_t j = 0; j < gemm.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < gemm.k; ++p) {
        const float a =
            gemm.a[gemm.transpose_a ? p + i * gemm.lda : i + p * gemm.lda];
        const float b =
            gemm.b[gemm.transpose_b ? j + p * gemm.ldb : p + j * gemm.ldb];
        sum += double{a} * b;
      }
      gemm.c[i + j * gemm.ldc] = static_cast<float>(sum);
    }
  }
}

std::unique_ptr<EmulatedGpu> MakeEmulatedGpu() {
  return std::make_unique<EmulatedGpu>("gpu-emulated",
                                       std::make_unique<EmulatedEngine>());
}

}  // namespace ebb::models::testing
