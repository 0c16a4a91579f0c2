// Every back end that can run here, for tests that run on each.
#ifndef EBB_MODELS_TESTING_ALL_BACKENDS_H_
#define EBB_MODELS_TESTING_ALL_BACKENDS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "models/backend.h"

namespace ebb::models::testing {

// "reference", "device" (testing/device_backend.h), "gpu-emulated"
// (testing/emulated_gpu.h), where there is a device "gpu-0", "eigen-baseline",
// ...
std::vector<std::string> AllBackendNames();

// CHECK-fails if there is no such name.
std::unique_ptr<ComputeBackend> MakeBackend(absl::string_view name);

// `name` as a part of a test's name.
std::string TestName(absl::string_view name);

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_ALL_BACKENDS_H_
