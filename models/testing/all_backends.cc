#include "models/testing/all_backends.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "glog/logging.h"
#include "models/backends.h"
#include "models/eigen_backend.h"
#include "models/gpu/gpu_backend.h"
#include "models/testing/device_backend.h"
#include "models/testing/emulated_gpu.h"

namespace ebb::models::testing {

std::vector<std::string> AllBackendNames() {
  std::vector<std::string> names = {"reference", "device", "gpu-emulated"};
  if (gpu::FindGpu(0).ok()) names.emplace_back("gpu-0");
  for (const std::string& isa : EigenInstructionSets()) {
    names.push_back(absl::StrCat("eigen-", isa));
  }
  names.emplace_back("eigen-threads");
  return names;
}

std::unique_ptr<ComputeBackend> MakeBackend(absl::string_view name) {
  if (name == "device") return std::make_unique<DeviceBackend>();
  if (name == "gpu-emulated") return MakeEmulatedGpu();
  if (name == "gpu-0") {
    auto backend = gpu::MakeGpuBackend({});
    CHECK(backend.ok()) << backend.status();
    return *std::move(backend);
  }
  if (name == "eigen-threads") {
    auto backend = MakeEigenBackend("auto", /*threads=*/3, /*least_work=*/1);
    CHECK(backend.ok()) << backend.status();
    return *std::move(backend);
  }
  BackendOptions options{.kind = std::string(name)};
  if (absl::ConsumePrefix(&name, "eigen-")) {
    options = {.kind = "eigen", .isa = std::string(name)};
  }
  auto backend = CreateBackend(options);
  CHECK(backend.ok()) << backend.status();
  return *std::move(backend);
}

std::string TestName(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"-", "_"}});
}

}  // namespace ebb::models::testing
