// The shared part of back ends of ordinary memory: memory itself, and
// operations too small to be worth a second version.
#ifndef EBB_MODELS_INTERNAL_HOST_BACKEND_H_
#define EBB_MODELS_INTERNAL_HOST_BACKEND_H_

#include <cstdint>

#include "models/backend.h"

namespace ebb::models::internal {

// The part of a back end that is alike wherever memory is ordinary memory.
class HostBackend : public ComputeBackend {
 public:
  bool uses_host_memory() const final { return true; }
  void* Allocate(int64_t bytes) final;
  void Free(void* memory) final;
  void CopyIn(const void* host, int64_t bytes, void* memory) final;
  void CopyOut(const void* memory, int64_t bytes, void* host) final;

  void DropoutMask(const DropoutKey& key, float rate, int64_t rows,
                   int64_t columns, float* mask) final;
  void ComputeLoss(Loss loss, int64_t rows, int64_t columns,
                   const float* labels, const float* scores, float* gradient,
                   LossSums* total) final;
  void ScoresToOutputs(Loss loss, int64_t rows, int64_t columns,
                       float* scores) final;
  void ClipMean(int64_t rows, double most, const double* squares, int64_t count,
                float* x) final;
};

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_HOST_BACKEND_H_
