// In the steady state a model allocates nothing. Counts calls of malloc, which
// is why this is a program of its own and does nothing under sanitizers.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "models/eigen_backend.h"
#include "models/registry.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EBB_MALLOC_IS_TAKEN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EBB_MALLOC_IS_TAKEN
#endif

#if defined(__GLIBC__) && !defined(EBB_MALLOC_IS_TAKEN)

static int64_t allocations = 0;  // Of this single-threaded program.

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  ++allocations;
  return __libc_memalign(alignment, size);
}
}

namespace ebb::models {
namespace {

TEST(AllocationTest, ModelsAllocateNothingInTheSteadyState) {
  for (const std::string& isa : EigenInstructionSets()) {
    for (const bool sparse : {false, true}) {
      auto backend = MakeEigenBackend(isa);
      ASSERT_TRUE(backend.ok());
      Registry registry;
      ASSERT_TRUE(RegisterBuiltinModels(&registry).ok());
      ModelConfig config;
      config.kind = "mlp";
      config.features = 300;
      config.classes = 10;
      config.layers = {300, 128, 64, 10};
      config.dropout = 0.5;
      config.l2 = 0.1;
      config.clip_norm = 0.01;
      auto model = registry.Create(config, backend->get());
      ASSERT_TRUE(model.ok()) << model.status();
      const testing::SmallBatch large(128, 300, 10, 1), small(64, 300, 10, 2);
      const std::vector<float> params =
          InitialParameters((*model)->description(), 1);
      std::vector<float> grad(params.size()), outputs;
      BatchStats stats;
      const auto compute = [&](const testing::SmallBatch& examples) {
        const BatchView batch = sparse ? examples.Sparse() : examples.Dense();
        return (*model)
                   ->Gradient(params, batch, std::span(grad), &stats)
                   .ok() &&
               (*model)->Evaluate(params, batch, &stats).ok() &&
               (*model)->Predict(params, batch, &outputs).ok();
      };
      ASSERT_TRUE(compute(large));
      const int64_t before = allocations;
      const bool ok = compute(small) && compute(large);
      const int64_t after = allocations;
      EXPECT_TRUE(ok);
      EXPECT_EQ(after - before, 0) << isa << (sparse ? " sparse" : " dense");
      EXPECT_GT(before, 0) << "the counter counts";
    }
  }
}

TEST(AllocationTest, KeyedModelsAllocateNothingInTheSteadyState) {
  for (const std::string kind :
       {"sparse_logistic", "fm", "ffm", "wide_deep", "deepfm"}) {
    auto backend = MakeEigenBackend("auto");
    ASSERT_TRUE(backend.ok());
    Registry registry;
    ASSERT_TRUE(RegisterBuiltinModels(&registry).ok());
    ModelConfig config;
    config.kind = kind;
    config.features = 5;
    config.classes = 2;
    config.l2 = 0.1;
    config.clip_norm = 0.01;
    if (kind == "deepfm") config.dropout = 0.5;
    auto model = registry.Create(config, backend->get());
    ASSERT_TRUE(model.ok()) << model.status();
    const auto large = testing::KeyedBatch::Random(128, 5, 400, 2, 1);
    const auto small = testing::KeyedBatch::Random(64, 5, 200, 2, 2);
    const ModelDescription& description = (*model)->description();
    std::vector<float> params(description.ParameterCount() +
                              large.keys() * description.RowFloats());
    FillInitial(InitRule::Normal(0.1f), 1, "test", 0, std::span(params));
    std::vector<float> grad(params.size()), outputs;
    BatchStats stats;
    const auto compute = [&](const testing::KeyedBatch& examples) {
      const auto size =
          static_cast<size_t>(description.ParameterCount() +
                              examples.keys() * description.RowFloats());
      const auto some = std::span(params).first(size);
      const BatchView batch = examples.View();
      return (*model)
                 ->Gradient(some, batch, std::span(grad).first(size), &stats)
                 .ok() &&
             (*model)->Evaluate(some, batch, &stats).ok() &&
             (*model)->Predict(some, batch, &outputs).ok();
    };
    ASSERT_TRUE(compute(large));
    const int64_t before = allocations;
    const bool ok = compute(small) && compute(large);
    const int64_t after = allocations;
    EXPECT_TRUE(ok);
    EXPECT_EQ(after - before, 0) << kind;
  }
}

}  // namespace
}  // namespace ebb::models

#endif
