// The seam between training and mathematics.
//
//   EBB_ASSIGN_OR_RETURN(auto model, registry.Create(config, &backend));
//   std::vector<float> params = InitialParameters(model->description(), seed);
//   std::vector<float> grad(params.size());
//   BatchStats stats;
//   EBB_RETURN_IF_ERROR(model->Gradient(params, batch, std::span(grad),
//                                       &stats));
#ifndef EBB_MODELS_MODEL_H_
#define EBB_MODELS_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/initializer.h"
#include "common/row_kind.h"
#include "models/batch.h"
#include "models/lookahead.h"

namespace ebb::models {

// One dense table of a model.
struct TableShape {
  int64_t size() const;

  std::string name;
  std::vector<int64_t> dims;
  InitRule init;
  // True if L2 applies to it: to weights, not to biases.
  bool regularized = false;
};

// One sparse table of a model. One that is trained has a row of `width` floats
// under each key that the examples have; L2 applies to all of them. Others are
// written (RowSink): elements, and keys, are what the model makes of examples.
struct SparseTableShape {
  std::string name;
  int64_t width = 0;
  // Initial values of the row under a key (FillInitialRow), in trained tables.
  InitRule init;
  RowKind kind = RowKind::kTrained;
};

// Takes what examples write into the tables of a model that are not trained.
// `table` is the place in ModelDescription::sparse_tables. The caller that
// asked for the writing finds mistakes, such as a table of another kind or a
// row of another width.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Added to the row, of kAdditive.
  virtual void Add(int64_t table, uint64_t key, std::span<const float> row) = 0;
  // Added to the row, modulo 2^64, of kCounts.
  virtual void Count(int64_t table, uint64_t key,
                     std::span<const int64_t> row) = 0;
  // For kWriteOnce: what the row becomes, unless there is one.
  virtual void Write(int64_t table, uint64_t key,
                     std::span<const std::byte> bytes) = 0;
};

// The kind of labels.
enum class LabelKind {
  kValue,   // Any number.
  kBinary,  // 1, or else 0 or -1.
  kClass,   // 0, 1, ... classes - 1.
  kNone,    // Not looked at: the model learns without them.
};

// The facts about a model that the rest of the system must know.
struct ModelDescription {
  // The sum of the sizes of the dense tables.
  int64_t ParameterCount() const;
  // The sum of the widths of the trained sparse tables: the floats under one
  // key.
  int64_t RowFloats() const;
  bool TrainsRows() const;

  // In this order they make one flat vector, each stored row after row.
  std::vector<TableShape> tables;
  // First those that are trained: a model that has some takes keyed examples,
  // and no others, and all of them have rows under the same keys.
  std::vector<SparseTableShape> sparse_tables;
  int64_t features = 0;
  // Numbers per example beside its keys (BatchView::beside).
  int64_t beside = 0;
  // Numbers per example that Predict writes.
  int64_t outputs = 0;
  // Their names, where they are neither a label's value nor the probabilities
  // of classes; empty: they are.
  std::vector<std::string> output_names;
  LabelKind labels = LabelKind::kValue;
  int64_t classes = 0;  // For kClass.
};

// Sums over the examples of a batch.
struct BatchStats {
  BatchStats& operator+=(const BatchStats& other);

  int64_t examples = 0;
  // The loss of the predictions, without what L2 adds.
  double loss_sum = 0;
  // Examples predicted right; -1: not counted. 0 where labels are values.
  int64_t correct = 0;
  // In documents, the words of whose probabilities the loss is made: exp of the
  // loss of a word is the perplexity.
  double words = 0;
};

// A model computes; it has no parameters of its own. Parameters and gradient
// are flat vectors: the dense tables, ParameterCount() floats, and after them
// each trained table's rows of the batch's keys, a matrix of (distinct_keys,
// width), so that there are ParameterCount() + distinct_keys * RowFloats()
// floats. Methods block while they compute and, with no larger batch than
// before, allocate nothing.
//
// Errors: kInvalidArgument when sizes, columns, fields or labels do not fit
// the description. Outputs are then unspecified.
//
// Not thread-safe: each thread has a model of its own.
class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelDescription& description() const = 0;

  // A model may keep facts about the examples of ModelConfig from batch to
  // batch, so that it need not compute them again: at most so many bytes, and
  // 1 GiB without a call. Before the first batch, or if GivesUpKept() also
  // later, from any thread: what is beyond the bound is then given up at once.
  virtual void KeepAtMost(int64_t /*bytes*/) {}
  virtual bool GivesUpKept() const { return false; }
  // The most that it may keep, in bytes, of dense or sparse examples.
  virtual int64_t KeptBytes(bool /*sparse*/) const { return 0; }

  // Overwrites `grad` with the SUM over the batch of the gradients of the
  // examples' losses, with L2 and clipping. L2 adds count * l2 * weight. The
  // count is that of the batch's examples for a dense table. For a row of a
  // sparse table it is that of the examples that have its key, so that other
  // rows take no step. If the mean over the batch, L2 included, is longer than
  // clip_norm, the sum is scaled so that the mean has that norm. Dropout leaves
  // units out. Overwrites `stats`, whose sums are those of the dropped-out
  // network.
  //
  // kOutOfRange: the loss or the gradient is not finite; the message names
  // the place. Whether to skip the batch is the caller's decision.
  virtual absl::Status Gradient(std::span<const float> params,
                                const BatchView& batch, std::span<float> grad,
                                BatchStats* stats) = 0;

  // Computes Gradient. If the model computes on a device, it meanwhile brings
  // known data of the next batch there, which then need not be copied; if the
  // next batch is another, nothing is lost. When it returns, the memory of both
  // is not read any more.
  virtual absl::Status GradientWithNext(std::span<const float> params,
                                        const BatchView& batch,
                                        std::span<float> grad,
                                        BatchStats* stats,
                                        const Lookahead& /*ahead*/) {
    return Gradient(params, batch, grad, stats);
  }

  // Overwrites `stats` for the whole network; the loss may be infinite or NaN.
  virtual absl::Status Evaluate(std::span<const float> params,
                                const BatchView& batch, BatchStats* stats) = 0;

  // Evaluate and Predict in one, where a model can at the cost of one.
  virtual absl::Status EvaluateAndPredict(std::span<const float> params,
                                          const BatchView& batch,
                                          BatchStats* stats,
                                          std::vector<float>* outputs) = 0;

  // Gives the rows that the examples write into tables that are not trained.
  // They are the same for the same batch, which may be computed more than once
  // and is written once. By default there are none.
  virtual absl::Status Record(const BatchView& batch, RowSink* rows) {
    return absl::OkStatus();
  }

  // Resizes `outputs` to (rows, description().outputs): the probability of
  // each class, the probability of 1, or the predicted value. Needs no labels.
  virtual absl::Status Predict(std::span<const float> params,
                               const BatchView& batch,
                               std::vector<float>* outputs) = 0;
};

// InvalidArgument: a model's parameters, or their gradient, are not as many as
// they should be.
absl::Status CheckParameterCount(std::span<const float> params, int64_t count);
absl::Status CheckGradientSize(std::span<const float> params,
                               std::span<const float> grad);

// Returns the part of L2 in the objective of each example: l2 / 2 times the sum
// of the squares of those dense values to which it applies.
double Penalty(const ModelDescription& description, double l2,
               std::span<const float> params);

// The values that the dense tables start from.
std::vector<float> InitialParameters(const ModelDescription& description,
                                     uint64_t seed);

}  // namespace ebb::models

#endif  // EBB_MODELS_MODEL_H_
