/* A model of your own, in a shared object.
 *
 * Compile this header as C or C++; it needs nothing else of ebb. Export one
 * function, ebb_model_plugin (and ebb_row_plugin, if examples write rows), and
 * put the object into a folder that the workers' --allow-plugins names. In the
 * job:
 *
 *   model: {kind: huber, plugin: libhuber_regression.so, options: {delta: 2}}
 *
 * ebb calls create, then shape, then gradient and predict any number of times,
 * then destroy. One thread at a time calls one model. Several models may be
 * alive, each called by a thread of its own: keep no global state. Functions
 * must not throw. They return 0; or they write a text to `error` and return
 * another number.
 *
 * ebb itself checks sizes, columns and labels before it calls, applies L2 and
 * clipping to the results of gradient, and looks for values that are not
 * finite.
 *
 * examples/plugins/huber_regression is a whole plugin to copy.
 */
#ifndef EBB_INCLUDE_EBB_PLUGIN_API_H_
#define EBB_INCLUDE_EBB_PLUGIN_API_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every change of the declarations below raises it. */
#define EBB_MODEL_PLUGIN_API_VERSION 1u

#define EBB_MODEL_PLUGIN_EXPORT __attribute__((visibility("default")))

/* A zero-terminated text for people. */
typedef struct EbbError {
  char text[512];
} EbbError;

typedef struct EbbOption {
  const char* name;
  const char* value;
} EbbOption;

/* The keys of `model:` in the job, and two numbers that its data decide. A key
 * that is absent from the job is an empty string or 0. */
typedef struct EbbModelConfig {
  const char* kind;
  int64_t features; /* In the data, at least 1. */
  int64_t classes;  /* In the data, at least 2; 0 if labels are values. */
  const int64_t* layers;
  int64_t layer_count;
  const char* activation;
  const char* init;
  double dropout; /* In [0, 1). */
  uint64_t seed;
  const EbbOption* options; /* In the order of their names. */
  int64_t option_count;
} EbbModelConfig;

/* NOLINTBEGIN(readability-identifier-naming): names for C. */

/* How the values of a table start: at zero; at `init_parameter`; evenly between
 * -init_parameter and init_parameter; or normally, with init_parameter as the
 * standard deviation. */
enum {
  EBB_INIT_ZEROS = 0,
  EBB_INIT_CONSTANT = 1,
  EBB_INIT_UNIFORM = 2,
  EBB_INIT_NORMAL = 3
};

/* A part of the parameters: a tensor of floats, row after row. */
typedef struct EbbTable {
  const char* name; /* Unique in the model. */
  const int64_t* dims;
  int64_t dim_count;
  int32_t init; /* EBB_INIT_... */
  float init_parameter;
  int32_t regularized; /* 1 if L2 applies: to weights, not to biases. */
} EbbTable;

/* The labels are any numbers; or 1 and (0 or -1); or 0, 1, ... classes - 1. */
enum { EBB_LABELS_VALUE = 0, EBB_LABELS_BINARY = 1, EBB_LABELS_CLASS = 2 };

/* NOLINTEND(readability-identifier-naming) */

typedef struct EbbModelShape {
  const EbbTable* tables; /* In this order they make one flat vector. */
  int64_t table_count;    /* At least 1. */
  int64_t outputs;        /* Numbers per example that predict writes. */
  int32_t labels;         /* EBB_LABELS_... */
} EbbModelShape;

/* A run of consecutive examples, at least one. */
typedef struct EbbBatch {
  int64_t rows;
  int64_t features;
  /* (rows, features), row after row. Null for sparse data: then the entries of
   * row r are [row_offsets[r], row_offsets[r + 1]) of columns and values. */
  const float* dense;
  const int64_t* row_offsets;
  const int32_t* columns;
  const float* values;
  const float* labels; /* One per row; null in predict. */
  /* The place of the examples in the order of the data. Derive random numbers
   * only from this place and the seed: a batch may be computed more than once,
   * and must then contribute the same. */
  int32_t epoch;
  int32_t shard;
  int64_t first_position;
} EbbBatch;

/* Sums over the batch; both are 0 before the call. */
typedef struct EbbSums {
  double loss;
  int64_t correct; /* Examples predicted right, if labels are classes. */
} EbbSums;

typedef struct EbbModel EbbModel; /* Yours to define. */

typedef struct EbbModelPlugin {
  uint32_t api_version; /* EBB_MODEL_PLUGIN_API_VERSION */
  const char* kind;     /* Its name in job files: [a-z][a-z0-9_]* */
  const char* summary;  /* One line for people. */

  /* Sets *model. An error's text is "model.KEY: what is wrong", on request
   * followed by a line "hint: what would be right". Options that the model
   * does not know are errors. */
  int (*create)(const EbbModelConfig* config, EbbModel** model,
                EbbError* error);
  void (*destroy)(EbbModel* model);

  /* Returns the shape: the same at each call, valid until destroy. */
  const EbbModelShape* (*shape)(const EbbModel* model);

  /* Writes the sum of the losses to `sums`, and the sum (not the mean) of their
   * gradients over `grad`, whatever that held. A null grad means that ebb
   * evaluates the model: then use all units, without dropout. */
  int (*gradient)(EbbModel* model, const float* params, const EbbBatch* batch,
                  float* grad, EbbSums* sums, EbbError* error);

  /* Writes the outputs of each row, (rows, outputs). */
  int (*predict)(EbbModel* model, const float* params, const EbbBatch* batch,
                 float* outputs, EbbError* error);
} EbbModelPlugin;

/* The exported function. Returns the plugin, valid as long as the object is
 * loaded, or null if it does not know this version. */
EBB_MODEL_PLUGIN_EXPORT const EbbModelPlugin* ebb_model_plugin(
    uint32_t api_version);

/* ---- Rows that examples write --------------------------------------------
 *
 * Beside its tensors a model may have tables of rows under 64-bit keys. Its
 * examples add to the rows, or write them once: they count how often things
 * occur, or build a vocabulary. The rows lie on the servers with the model, and
 * each example counts in them exactly once. Training does not read them;
 * `ebb checkpoint export` writes them. Such a model exports a second function,
 * ebb_row_plugin. */

/* Every change of the declarations below raises it. */
#define EBB_ROW_PLUGIN_API_VERSION 1u

/* NOLINTBEGIN(readability-identifier-naming): names for C. */

/* The effect of a row for a key. Additive: its floats are added. Counts: its
 * integers are added modulo 2^64, which is exact in every order. Write-once:
 * the bytes that are given first stay; batches may come in any order. */
enum { EBB_ROWS_ADDITIVE = 1, EBB_ROWS_COUNTS = 2, EBB_ROWS_WRITE_ONCE = 3 };

typedef struct EbbRowTable {
  const char* name; /* Unique in the model, tensors included. */
  int32_t kind;     /* EBB_ROWS_... */
  int32_t width;    /* Numbers in a row; bytes at most. 1 to 4096. */
} EbbRowTable;

/* NOLINTEND(readability-identifier-naming) */

/* Takes rows. `table` is an index into the result of `tables`. A key may be
 * given several times. A row for a table of another kind fails the batch, and
 * so does one of more bytes than the table's width. */
typedef struct EbbRows {
  void* state;
  void (*add)(void* state, int64_t table, uint64_t key, const float* row);
  void (*count)(void* state, int64_t table, uint64_t key, const int64_t* row);
  void (*write)(void* state, int64_t table, uint64_t key, const void* bytes,
                int64_t size);
} EbbRows;

typedef struct EbbRowPlugin {
  uint32_t api_version; /* EBB_ROW_PLUGIN_API_VERSION */

  /* Sets *tables, and returns the number of tables: the same at each call,
   * valid until the model is destroyed. */
  int64_t (*tables)(const EbbModel* model, const EbbRowTable** tables);

  /* Gives the rows of a batch to `rows`. They must be the same for the same
   * examples: a batch may be computed more than once, and counts once. Called
   * after gradient. */
  int (*record)(EbbModel* model, const EbbBatch* batch, const EbbRows* rows,
                EbbError* error);
} EbbRowPlugin;

/* The exported function. Returns null if it does not know this version. */
EBB_MODEL_PLUGIN_EXPORT const EbbRowPlugin* ebb_row_plugin(
    uint32_t api_version);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* EBB_INCLUDE_EBB_PLUGIN_API_H_ */
