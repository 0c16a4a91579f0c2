// A model whose examples write rows: logistic regression that keeps a tally of
// its data. Of each value of each column (rounded down) it has
//
//   tallies  counts (2)      examples that have it, and those of class 1
//   sums     additive (1)    the sum of the values themselves
//   names    written once    what the key stands for: "column 3: -2"
//
// under the key column * 2^32 + value. Whatever is killed on the way, each
// example of each epoch is in them once:
//
//   c++ -O2 -shared -fPIC -I EBB tallies.cc -o libtallies.so
//   model: {kind: tallies, plugin: libtallies.so}
//   ebb checkpoint export JOB -o out/ --allow-plugins FOLDER
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>

#include "ebb/plugin_api.h"

// One per worker thread.
struct EbbModel {
  int64_t features;
  // `shape` points to these.
  int64_t weights_dims[1];
  int64_t bias_dims[1];
  EbbTable tables[2];
  EbbModelShape shape;
};

namespace {

constexpr int32_t kNameBytes = 32;
constexpr EbbRowTable kRowTables[] = {
    {"tallies", EBB_ROWS_COUNTS, 2},
    {"sums", EBB_ROWS_ADDITIVE, 1},
    {"names", EBB_ROWS_WRITE_ONCE, kNameBytes}};
constexpr int64_t kTallies = 0;
constexpr int64_t kSums = 1;
constexpr int64_t kNames = 2;

int Fail(EbbError* error, const char* text) {
  std::snprintf(error->text, sizeof(error->text), "%s", text);
  return 1;
}

int Create(const EbbModelConfig* config, EbbModel** model, EbbError* error) {
  if (config->classes != 2) {
    return Fail(error, "model.kind: tallies tells two classes apart");
  }
  if (config->layer_count > 0 || config->option_count > 0) {
    return Fail(error, "model.kind: tallies has no layers and no options");
  }
  EbbModel* made = new (std::nothrow) EbbModel();
  if (made == nullptr) return Fail(error, "model.kind: tallies: out of memory");
  made->features = config->features;
  made->weights_dims[0] = config->features;
  made->bias_dims[0] = 1;
  made->tables[0] = {"weights", made->weights_dims, 1, EBB_INIT_ZEROS, 0, 1};
  made->tables[1] = {"bias", made->bias_dims, 1, EBB_INIT_ZEROS, 0, 0};
  made->shape = {made->tables, 2, 1, EBB_LABELS_BINARY};
  *model = made;
  return 0;
}

void Destroy(EbbModel* model) { delete model; }

const EbbModelShape* Shape(const EbbModel* model) { return &model->shape; }

// Calls `visit(column, value)` for what the row has.
template <typename Visit>
void ForEachValue(const EbbBatch* batch, int64_t row, Visit visit) {
  if (batch->dense != nullptr) {
    const float* x = batch->dense + row * batch->features;
    for (int64_t j = 0; j < batch->features; ++j) visit(j, x[j]);
    return;
  }
  const int64_t end = batch->row_offsets[row + 1];
  for (int64_t e = batch->row_offsets[row]; e < end; ++e) {
    visit(int64_t{batch->columns[e]}, batch->values[e]);
  }
}

// The probability of class 1; params is (features) weights, then the bias.
double Probability(const EbbModel* model, const float* params,
                   const EbbBatch* batch, int64_t row) {
  double score = params[model->features];
  ForEachValue(batch, row, [&](int64_t j, float x) { score += x * params[j]; });
  return 1 / (1 + std::exp(-score));
}

int Gradient(EbbModel* model, const float* params, const EbbBatch* batch,
             float* grad, EbbSums* sums, EbbError*) {
  if (grad != nullptr) {
    std::memset(grad, 0, (model->features + 1) * sizeof(float));
  }
  for (int64_t row = 0; row < batch->rows; ++row) {
    const double p = Probability(model, params, batch, row);
    const bool positive = batch->labels[row] > 0;
    constexpr double kLeast = 1e-12;
    sums->loss -= std::log(std::fmax(positive ? p : 1 - p, kLeast));
    sums->correct += (p > 0.5) == positive ? 1 : 0;
    if (grad == nullptr) continue;
    const auto slope = static_cast<float>(p - (positive ? 1 : 0));
    grad[model->features] += slope;
    ForEachValue(batch, row, [&](int64_t j, float x) { grad[j] += slope * x; });
  }
  return 0;
}

int Predict(EbbModel* model, const float* params, const EbbBatch* batch,
            float* outputs, EbbError*) {
  for (int64_t row = 0; row < batch->rows; ++row) {
    outputs[row] = static_cast<float>(Probability(model, params, batch, row));
  }
  return 0;
}

int64_t RowTables(const EbbModel*, const EbbRowTable** tables) {
  *tables = kRowTables;
  return sizeof(kRowTables) / sizeof(kRowTables[0]);
}

int Record(EbbModel*, const EbbBatch* batch, const EbbRows* rows, EbbError*) {
  for (int64_t row = 0; row < batch->rows; ++row) {
    const int64_t positive = batch->labels[row] > 0 ? 1 : 0;
    ForEachValue(batch, row, [&](int64_t j, float x) {
      const auto value = static_cast<int32_t>(std::floor(x));
      const uint64_t key =
          static_cast<uint64_t>(j) << 32 | static_cast<uint32_t>(value);
      const int64_t tally[] = {1, positive};
      rows->count(rows->state, kTallies, key, tally);
      rows->add(rows->state, kSums, key, &x);
      char name[kNameBytes];
      const int size = std::snprintf(name, sizeof(name), "column %lld: %d",
                                     static_cast<long long>(j), value);
      rows->write(rows->state, kNames, key, name, size);
    });
  }
  return 0;
}

constexpr EbbModelPlugin kPlugin = {
    EBB_MODEL_PLUGIN_API_VERSION,
    "tallies",
    "logistic regression that keeps a tally of its data",
    &Create,
    &Destroy,
    &Shape,
    &Gradient,
    &Predict};
constexpr EbbRowPlugin kRowPlugin = {EBB_ROW_PLUGIN_API_VERSION, &RowTables,
                                     &Record};

}  // namespace

const EbbModelPlugin* ebb_model_plugin(uint32_t api_version) {
  return api_version == EBB_MODEL_PLUGIN_API_VERSION ? &kPlugin : nullptr;
}

const EbbRowPlugin* ebb_row_plugin(uint32_t api_version) {
  return api_version == EBB_ROW_PLUGIN_API_VERSION ? &kRowPlugin : nullptr;
}
