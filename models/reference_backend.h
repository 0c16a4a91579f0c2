// Plain loops, to read and to compare with.
#ifndef EBB_MODELS_REFERENCE_BACKEND_H_
#define EBB_MODELS_REFERENCE_BACKEND_H_

#include <memory>

#include "models/backend.h"

namespace ebb::models {

// Sums are made in double precision and rounded once: slow, and the oracle of
// every other back end.
std::unique_ptr<ComputeBackend> MakeReferenceBackend();

}  // namespace ebb::models

#endif  // EBB_MODELS_REFERENCE_BACKEND_H_
