/* An algorithm of your own, in a shared object: what a worker does between a
 * pull and a push.
 *
 * Compile this header as C or C++; it needs nothing else of ebb. Export one
 * function, ebb_algorithm_plugin, and put the object into a folder that the
 * workers' --allow-plugins names. In the job:
 *
 *   algorithm: {plugin: liblookahead.so, options: {steps: 5}}
 *
 * `ebb submit` calls create, then plan, then destroy. A worker also calls
 * make_rule for each item, and the functions of the rule:
 *
 *   begin(pulled)                        an item begins, or begins anew
 *     values(), step(gradient)           a batch
 *     values(), step(gradient),          a batch, with which a push ends
 *       forget(range), push(out)
 *     pulled(values), values(), step(…)  newer values came before it
 *
 * One thread at a time uses a rule; several rules may be alive. Functions must
 * not throw. The effect of a rule must follow from these calls alone: a run of
 * batches may be computed more than once, and only one result counts.
 *
 * Servers load no plugin. They apply the job's optimizer to the pushed sums; or
 * they add the pushes, if the plan says that pushes are changes.
 *
 * examples/plugins/lookahead is a whole plugin to copy.
 */
#ifndef EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_
#define EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every change of the declarations below raises it. */
#define EBB_ALGORITHM_PLUGIN_API_VERSION 1u

#define EBB_ALGORITHM_PLUGIN_EXPORT __attribute__((visibility("default")))

/* A zero-terminated text for people. */
typedef struct EbbAlgorithmError {
  char text[512];
} EbbAlgorithmError;

typedef struct EbbAlgorithmOption {
  const char* name;
  const char* value;
} EbbAlgorithmOption;

/* The part of the job that the algorithm may read. */
typedef struct EbbAlgorithmConfig {
  const EbbAlgorithmOption* options; /* In the order of their names. */
  int64_t option_count;
  int64_t workers; /* The most; 0: any number. */
} EbbAlgorithmConfig;

/* Says how ebb runs the algorithm. It is the same at each call. */
typedef struct EbbAlgorithmPlan {
  /* Batches of an item that one push covers, and that are computed from one
   * pull; 0: all of the item. Each run of batches begins at a multiple of the
   * number. In rounds both must be 0. */
  int32_t push_batches;
  int32_t pull_batches;
  /* 1: the worker pulls newer values for an item's first batch, and for each
   * batch with which a push ends; pull_batches does not count. */
  int32_t pulls_to_push;
  /* Vectors as long as the model that a rule keeps, at least 1. The worker
   * counts their memory. */
  int32_t vectors;
  /* 1: a part of the effect of a push's batches stays in the rule until the
   * item's end; EbbLocalPush.whole says when all of it must be pushed. A worker
   * that dies takes that part along, and the audit then calls the effect
   * approximate. */
  int32_t keeps_effect;
  /* 1: a push is a change of the values, which servers add. In rounds it is a
   * sum of changes, each times its number of examples, and servers add the
   * mean. 0: a push is a sum of gradients over the batches' examples. Servers
   * divide it by the size of one batch, and give the optimizer the quotient. */
  int32_t adds;
} EbbAlgorithmPlan;

/* The facts about one batch that a rule needs. */
typedef struct EbbLocalStep {
  float rate;           /* algorithm.local_rate, else the optimizer's, with its
                         * schedule. */
  float gradient_scale; /* 1 / the batch size: makes a mean of the sum. */
} EbbLocalStep;

/* The facts about one push that a rule needs. */
typedef struct EbbLocalPush {
  int64_t examples; /* Since the last push or begin. */
  int32_t whole;    /* 1: push all that stayed in the rule. */
} EbbLocalPush;

typedef struct EbbAlgorithm EbbAlgorithm; /* Yours to define. */
typedef struct EbbLocalRule EbbLocalRule; /* Yours to define. */

/* All vectors are of the model's size. */
typedef struct EbbAlgorithmPlugin {
  uint32_t api_version; /* EBB_ALGORITHM_PLUGIN_API_VERSION */
  const char* name;     /* For people. */

  /* Sets *algorithm and returns 0; or writes an error and returns another
   * number. The error is "algorithm.options.KEY: what is wrong"; a line "hint:
   * what would be right" may follow. An unknown option is an error. */
  int (*create)(const EbbAlgorithmConfig* config, EbbAlgorithm** algorithm,
                EbbAlgorithmError* error);
  void (*destroy)(EbbAlgorithm* algorithm);
  /* Returns the plan, valid until destroy. */
  const EbbAlgorithmPlan* (*plan)(const EbbAlgorithm* algorithm);

  /* Returns a rule for a model of so many parameters; null: there is not enough
   * memory. The algorithm outlives the rule. */
  EbbLocalRule* (*make_rule)(const EbbAlgorithm* algorithm, int64_t parameters);
  void (*destroy_rule)(EbbLocalRule* rule);

  /* Forgets all state, and starts from the servers' values. */
  void (*begin)(EbbLocalRule* rule, const float* pulled);
  /* Takes newer values of the servers. */
  void (*pulled)(EbbLocalRule* rule, const float* pulled);
  /* Returns the values at which ebb computes the next batch's gradient. They
   * are valid, and stay unchanged, until the next call of another function. */
  const float* (*values)(const EbbLocalRule* rule);
  /* Takes the sum of the gradient over a batch, computed at values(). */
  void (*step)(EbbLocalRule* rule, const EbbLocalStep* step,
               const float* gradient_sum);
  /* Writes the push for the batches since the last push or begin. */
  void (*push)(EbbLocalRule* rule, const EbbLocalPush* push, float* out);
  /* The servers have the effect of the batches on the elements [first, last)
   * already, and ebb does not send them in the next push. Forget that effect,
   * so that no later push contains it. May be null if the rule keeps nothing
   * after a push. */
  void (*forget)(EbbLocalRule* rule, int64_t first, int64_t last);
} EbbAlgorithmPlugin;

/* The exported function. Returns the plugin, valid as long as the object is
 * loaded, or null if it does not know this version. */
EBB_ALGORITHM_PLUGIN_EXPORT const EbbAlgorithmPlugin* ebb_algorithm_plugin(
    uint32_t api_version);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_ */
