// An algorithm of one's own: Lookahead (Zhang, Lucas, Hinton, Ba 2019,
// "Lookahead optimizer: k steps forward, 1 step back", algorithm 1), with the
// servers' values as its slow weights:
//
//   pull    x <- w, the servers' values
//   batch   x <- x - r / B G
//   push    after k batches: share (x - w), which the servers add
//
// Nothing stays with a worker after a push. It needs one header of ebb and no
// library:
//
//   c++ -O2 -shared -fPIC -I EBB lookahead.cc -o liblookahead.so
//
// and, in a job whose workers run with --allow-plugins=FOLDER:
//
//   algorithm: {plugin: liblookahead.so, options: {steps: 5, share: 0.5}}
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "ebb/algorithm_plugin_api.h"

struct EbbAlgorithm {
  float share = 0.5f;
  EbbAlgorithmPlan plan = {5, 5, 0, 2, 0, 1};
};

struct EbbLocalRule {
  float share;
  std::vector<float> slow;
  std::vector<float> fast;
};

namespace {

int Refuse(EbbAlgorithmError* error, const char* name, const char* value,
           const char* wanted) {
  std::snprintf(error->text, sizeof(error->text),
                "algorithm.options.%s: \"%s\" is no %s\nhint: steps: 5, "
                "share: 0.5",
                name, value, wanted);
  return 1;
}

int ReadOption(const EbbAlgorithmOption& option, EbbAlgorithm* made,
               EbbAlgorithmError* error) {
  char* end = nullptr;
  if (std::strcmp(option.name, "steps") == 0) {
    const long steps = std::strtol(option.value, &end, 10);
    if (end == option.value || *end != '\0' || steps < 1 || steps > 1000000) {
      return Refuse(error, option.name, option.value, "number of batches");
    }
    made->plan.push_batches = made->plan.pull_batches =
        static_cast<int32_t>(steps);
    return 0;
  }
  if (std::strcmp(option.name, "share") == 0) {
    const double share = std::strtod(option.value, &end);
    if (end == option.value || *end != '\0' || !(share > 0 && share <= 1)) {
      return Refuse(error, option.name, option.value,
                    "number above 0 and at most 1");
    }
    made->share = static_cast<float>(share);
    return 0;
  }
  std::snprintf(error->text, sizeof(error->text),
                "algorithm.options.%s: lookahead has no such option\n"
                "hint: steps: 5, share: 0.5",
                option.name);
  return 1;
}

int Create(const EbbAlgorithmConfig* config, EbbAlgorithm** algorithm,
           EbbAlgorithmError* error) {
  EbbAlgorithm* made = new (std::nothrow) EbbAlgorithm();
  if (made == nullptr) {
    std::snprintf(error->text, sizeof(error->text),
                  "algorithm.plugin: lookahead: out of memory");
    return 1;
  }
  for (int64_t i = 0; i < config->option_count; ++i) {
    if (ReadOption(config->options[i], made, error) != 0) {
      delete made;
      return 1;
    }
  }
  *algorithm = made;
  return 0;
}

void Destroy(EbbAlgorithm* algorithm) { delete algorithm; }

const EbbAlgorithmPlan* Plan(const EbbAlgorithm* algorithm) {
  return &algorithm->plan;
}

// None may throw.
EbbLocalRule* MakeRule(const EbbAlgorithm* algorithm, int64_t parameters) {
  try {
    return new EbbLocalRule{algorithm->share, std::vector<float>(parameters),
                            std::vector<float>(parameters)};
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void DestroyRule(EbbLocalRule* rule) { delete rule; }

void Pulled(EbbLocalRule* rule, const float* pulled) {
  rule->slow.assign(pulled, pulled + rule->slow.size());
  rule->fast = rule->slow;
}

const float* Values(const EbbLocalRule* rule) { return rule->fast.data(); }

void Step(EbbLocalRule* rule, const EbbLocalStep* step,
          const float* gradient_sum) {
  const float rate = step->rate * step->gradient_scale;
  for (size_t i = 0; i < rule->fast.size(); ++i) {
    rule->fast[i] -= rate * gradient_sum[i];
  }
}

// A run may be followed by another before newer values come.
void Push(EbbLocalRule* rule, const EbbLocalPush*, float* out) {
  for (size_t i = 0; i < rule->fast.size(); ++i) {
    out[i] = rule->share * (rule->fast[i] - rule->slow[i]);
    rule->slow[i] += out[i];
    rule->fast[i] = rule->slow[i];
  }
}

const EbbAlgorithmPlugin kPlugin = {EBB_ALGORITHM_PLUGIN_API_VERSION,
                                    "lookahead",
                                    Create,
                                    Destroy,
                                    Plan,
                                    MakeRule,
                                    DestroyRule,
                                    Pulled,  // begin: nothing else is kept.
                                    Pulled,
                                    Values,
                                    Step,
                                    Push,
                                    nullptr};

}  // namespace

const EbbAlgorithmPlugin* ebb_algorithm_plugin(uint32_t api_version) {
  return api_version == EBB_ALGORITHM_PLUGIN_API_VERSION ? &kPlugin : nullptr;
}
