// The kernels of ebb's own: all that a model computes on a device but products
// of dense matrices, which are cuBLAS's. kernels.cu has a line for each.
#ifndef EBB_MODELS_GPU_KERNELS_H_
#define EBB_MODELS_GPU_KERNELS_H_

#include "models/gpu/element_kernels.h"
#include "models/gpu/sparse_kernels.h"
#include "models/gpu/sum_kernels.h"

#endif  // EBB_MODELS_GPU_KERNELS_H_
