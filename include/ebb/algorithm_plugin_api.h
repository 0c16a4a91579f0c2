/* An algorithm of your own, in a shared object: what a worker does between a
 * pull and a push.
 *
 * Compile this header as C or C++; it needs nothing else of ebb. Export one
 * function, ebb_algorithm_plugin, and put the object into a folder that the
 * workers' --allow-plugins names. In the job:
 *
 *   algorithm: {plugin: liblookahead.so, options: {steps: 5}}
 *
 * Where it is submitted ebb calls create, then plan, then destroy; a worker
 * calls besides make_rule for each item, and the functions of the rule:
 *
 *   begin(pulled)                        an item begins, or begins anew
 *     values(), step(gradient)           a batch
 *     values(), step(gradient),          a batch, with which a push ends
 *       forget(range), push(out)
 *     pulled(values), values(), step(…)  newer values came before it
 *
 * One rule is used by one thread at a time; several may be alive. Functions
 * must not throw. What a rule does must follow from these calls alone: a run of
 * batches may be computed more than once, and only one result counts.
 *
 * Servers load no plugin: they step by the job's optimizer on the sums that are
 * pushed, or, where the plan says that pushes are changes, add them.
 *
 * examples/plugins/lookahead is a whole plugin to copy.
 */
#ifndef EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_
#define EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised by every change of what follows; nothing changes without it. */
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

/* Of the job. */
typedef struct EbbAlgorithmConfig {
  const EbbAlgorithmOption* options; /* In the order of their names. */
  int64_t option_count;
  int64_t workers; /* At most; 0: any number. */
} EbbAlgorithmConfig;

/* What ebb is to know. The same at each call. */
typedef struct EbbAlgorithmPlan {
  /* Batches of an item that one push covers, and that are computed from one
   * pull, from a multiple of so many to the next; 0: all of the item. In rounds
   * both must be 0. */
  int32_t push_batches;
  int32_t pull_batches;
  /* 1: newer values are pulled for an item's first batch and for each with
   * which a push ends; pull_batches does not count. */
  int32_t pulls_to_push;
  /* Vectors as long as the model that a rule keeps, at least 1: memory that is
   * counted for the worker. */
  int32_t vectors;
  /* 1: a part of what the batches of a push do stays in the rule until the
   * item's end; `whole` of EbbLocalPush says when nothing may stay. The audit
   * then calls the effect of what a worker's death takes approximate. */
  int32_t keeps_effect;
  /* 1: a push is a change of the values, which servers add; in rounds a sum of
   * changes, each times its number of examples, of which they add the mean.
   * 0: it is a sum of gradients over the batches' examples, which is divided
   * by the size of one batch, and then stepped by. */
  int32_t adds;
} EbbAlgorithmPlan;

/* Of one batch. */
typedef struct EbbLocalStep {
  float rate;           /* algorithm.local_rate, else the optimizer's, with its
                         * schedule. */
  float gradient_scale; /* 1 / the batch size: makes a mean of the sum. */
} EbbLocalStep;

/* Of one push. */
typedef struct EbbLocalPush {
  int64_t examples; /* Since the last push or begin. */
  int32_t whole;    /* 1: nothing may stay in the rule. */
} EbbLocalPush;

typedef struct EbbAlgorithm EbbAlgorithm; /* Yours to define, ... */
typedef struct EbbLocalRule EbbLocalRule; /* ... both. */

/* All vectors are of the model's size. */
typedef struct EbbAlgorithmPlugin {
  uint32_t api_version; /* EBB_ALGORITHM_PLUGIN_API_VERSION */
  const char* name;     /* For people. */

  /* Sets *algorithm and returns 0, or writes an error and returns anything
   * else: "algorithm.options.KEY: what is wrong", on request followed by a line
   * "hint: what would be right". Options that it does not know are errors. */
  int (*create)(const EbbAlgorithmConfig* config, EbbAlgorithm** algorithm,
                EbbAlgorithmError* error);
  void (*destroy)(EbbAlgorithm* algorithm);
  /* Valid until destroy. */
  const EbbAlgorithmPlan* (*plan)(const EbbAlgorithm* algorithm);

  /* For a model of so many parameters; null: there is no memory for it. The
   * algorithm outlives it. */
  EbbLocalRule* (*make_rule)(const EbbAlgorithm* algorithm, int64_t parameters);
  void (*destroy_rule)(EbbLocalRule* rule);

  /* Forgets all that it has, and starts from the servers' values. */
  void (*begin)(EbbLocalRule* rule, const float* pulled);
  /* Newer values of the servers. */
  void (*pulled)(EbbLocalRule* rule, const float* pulled);
  /* Where the next batch's gradient is to be taken. Valid, and unchanged, until
   * the next call of another function. */
  const float* (*values)(const EbbLocalRule* rule);
  /* The gradient's sum over a batch, taken at values(). */
  void (*step)(EbbLocalRule* rule, const EbbLocalStep* step,
               const float* gradient_sum);
  /* Writes what is to be pushed for the batches since the last push or begin.
   */
  void (*push)(EbbLocalRule* rule, const EbbLocalPush* push, float* out);
  /* The servers have what the batches did to the elements [first, last), of
   * which the next push is not sent: nothing of it may be sent later, either.
   * May be null where nothing stays after a push. */
  void (*forget)(EbbLocalRule* rule, int64_t first, int64_t last);
} EbbAlgorithmPlugin;

/* The one exported function: the plugin, valid as long as the object is
 * loaded, or null if it does not know this version. */
EBB_ALGORITHM_PLUGIN_EXPORT const EbbAlgorithmPlugin* ebb_algorithm_plugin(
    uint32_t api_version);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* EBB_INCLUDE_EBB_ALGORITHM_PLUGIN_API_H_ */
