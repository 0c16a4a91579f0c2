// A model of one's own: regression by Huber's loss, which outliers pull less
// than they pull least squares. With the error e of an example it is
//
//   e^2 / 2                      where |e| <= delta,
//   delta * (|e| - delta / 2)    beyond.
//
// It needs one header of ebb and no library:
//
//   c++ -O2 -shared -fPIC -I EBB huber_regression.cc -o libhuber_regression.so
//
// and, in a job whose workers run with --allow-plugins=FOLDER:
//
//   model: {kind: huber, plugin: libhuber_regression.so, options: {delta: 2}}
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "ebb/plugin_api.h"

// One per worker thread.
struct EbbModel {
  double delta;
  int64_t features;
  // `shape` points to these.
  int64_t weights_dims[2];
  int64_t bias_dims[1];
  EbbTable tables[2];
  EbbModelShape shape;
};

namespace {

int Fail(EbbError* error, const char* text) {
  std::snprintf(error->text, sizeof(error->text), "%s", text);
  return 1;
}

int ReadOptions(const EbbModelConfig* config, double* delta, EbbError* error) {
  *delta = 1;
  for (int64_t i = 0; i < config->option_count; ++i) {
    const EbbOption& option = config->options[i];
    if (std::strcmp(option.name, "delta") != 0) {
      std::snprintf(error->text, sizeof(error->text),
                    "model.options.%s: huber has no such option\n"
                    "hint: delta: 1",
                    option.name);
      return 1;
    }
    char* end = nullptr;
    *delta = std::strtod(option.value, &end);
    if (end == option.value || *end != '\0' || !std::isfinite(*delta) ||
        *delta <= 0) {
      std::snprintf(error->text, sizeof(error->text),
                    "model.options.delta: \"%s\" is no number above 0\n"
                    "hint: delta: 1",
                    option.value);
      return 1;
    }
  }
  return 0;
}

int Create(const EbbModelConfig* config, EbbModel** model, EbbError* error) {
  if (config->classes != 0) {
    return Fail(error,
                "model.labels: huber predicts values, but labels that are all "
                "whole numbers are taken for classes\nhint: labels: values");
  }
  if (config->layer_count > 0) {
    return Fail(error, "model.layers: huber has no use for it");
  }
  double delta = 0;
  if (ReadOptions(config, &delta, error) != 0) return 1;
  EbbModel* made = new (std::nothrow) EbbModel();
  if (made == nullptr) return Fail(error, "model.kind: huber: out of memory");
  made->delta = delta;
  made->features = config->features;
  made->weights_dims[0] = config->features;
  made->weights_dims[1] = 1;
  made->bias_dims[0] = 1;
  made->tables[0] = {"weights", made->weights_dims, 2, EBB_INIT_ZEROS, 0, 1};
  made->tables[1] = {"bias", made->bias_dims, 1, EBB_INIT_ZEROS, 0, 0};
  made->shape = {made->tables, 2, 1, EBB_LABELS_VALUE};
  *model = made;
  return 0;
}

void Destroy(EbbModel* model) { delete model; }

const EbbModelShape* Shape(const EbbModel* model) { return &model->shape; }

// params is (features) weights, then the bias.
double Value(const EbbModel* model, const float* params, const EbbBatch* batch,
             int64_t row) {
  double sum = params[model->features];
  if (batch->dense != nullptr) {
    const float* x = batch->dense + row * batch->features;
    for (int64_t j = 0; j < batch->features; ++j) sum += x[j] * params[j];
    return sum;
  }
  const int64_t end = batch->row_offsets[row + 1];
  for (int64_t e = batch->row_offsets[row]; e < end; ++e) {
    sum += batch->values[e] * params[batch->columns[e]];
  }
  return sum;
}

// grad += slope * the row's features, and slope for the bias.
void AddToGradient(const EbbModel* model, const EbbBatch* batch, int64_t row,
                   float slope, float* grad) {
  grad[model->features] += slope;
  if (batch->dense != nullptr) {
    const float* x = batch->dense + row * batch->features;
    for (int64_t j = 0; j < batch->features; ++j) grad[j] += slope * x[j];
    return;
  }
  const int64_t end = batch->row_offsets[row + 1];
  for (int64_t e = batch->row_offsets[row]; e < end; ++e) {
    grad[batch->columns[e]] += slope * batch->values[e];
  }
}

int Gradient(EbbModel* model, const float* params, const EbbBatch* batch,
             float* grad, EbbSums* sums, EbbError*) {
  if (grad != nullptr) {
    std::memset(grad, 0, (model->features + 1) * sizeof(float));
  }
  for (int64_t row = 0; row < batch->rows; ++row) {
    const double error = Value(model, params, batch, row) - batch->labels[row];
    const double size = std::fabs(error);
    double slope = error;
    if (size > model->delta) {
      slope = std::copysign(model->delta, error);
      sums->loss += model->delta * (size - model->delta / 2);
    } else {
      sums->loss += error * error / 2;
    }
    if (grad != nullptr) {
      AddToGradient(model, batch, row, static_cast<float>(slope), grad);
    }
  }
  return 0;
}

int Predict(EbbModel* model, const float* params, const EbbBatch* batch,
            float* outputs, EbbError*) {
  for (int64_t row = 0; row < batch->rows; ++row) {
    outputs[row] = static_cast<float>(Value(model, params, batch, row));
  }
  return 0;
}

const EbbModelPlugin kPlugin = {
    EBB_MODEL_PLUGIN_API_VERSION,
    "huber",
    "regression by Huber's loss, for data with outliers",
    Create,
    Destroy,
    Shape,
    Gradient,
    Predict};

}  // namespace

const EbbModelPlugin* ebb_model_plugin(uint32_t api_version) {
  return api_version == EBB_MODEL_PLUGIN_API_VERSION ? &kPlugin : nullptr;
}
