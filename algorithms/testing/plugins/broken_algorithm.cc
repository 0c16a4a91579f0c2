// Algorithms that are wrong, each in one way: EBB_BROKEN_... says in which.
#include <cstdio>

#include "ebb/algorithm_plugin_api.h"

namespace {

int Create(const EbbAlgorithmConfig* config, EbbAlgorithm** algorithm,
           EbbAlgorithmError* error) {
#ifdef EBB_BROKEN_SILENT
  return 1;
#endif
#ifndef EBB_BROKEN_NOTHING
  static int something;
  *algorithm = reinterpret_cast<EbbAlgorithm*>(&something);
#endif
  return 0;
}

void Destroy(EbbAlgorithm*) {}

const EbbAlgorithmPlan* Plan(const EbbAlgorithm*) {
#ifdef EBB_BROKEN_PLAN
  static const EbbAlgorithmPlan plan = {-1, 1, 0, 1, 0, 0};
#else
  static const EbbAlgorithmPlan plan = {1, 1, 0, 1, 1, 0};
#endif
  return &plan;
}

[[maybe_unused]] EbbLocalRule* MakeRule(const EbbAlgorithm*, int64_t) {
  return nullptr;
}
void DestroyRule(EbbLocalRule*) {}
void Take(EbbLocalRule*, const float*) {}
const float* Values(const EbbLocalRule*) { return nullptr; }
void Step(EbbLocalRule*, const EbbLocalStep*, const float*) {}
void Push(EbbLocalRule*, const EbbLocalPush*, float*) {}

[[maybe_unused]] const EbbAlgorithmPlugin kPlugin = {
#ifdef EBB_BROKEN_VERSION
    EBB_ALGORITHM_PLUGIN_API_VERSION + 1,
#else
    EBB_ALGORITHM_PLUGIN_API_VERSION,
#endif
    "broken",
    Create,
    Destroy,
    Plan,
#ifdef EBB_BROKEN_MEMBER
    nullptr,
#else
    MakeRule,
#endif
    DestroyRule,
    Take,
    Take,
    Values,
    Step,
    Push,
    nullptr};

}  // namespace

#ifndef EBB_BROKEN_SYMBOL
const EbbAlgorithmPlugin* ebb_algorithm_plugin(uint32_t) { return &kPlugin; }
#endif
