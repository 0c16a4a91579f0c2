// The shared part of all models, so that a model is only its mathematics. It
// checks inputs, moves them to the back end, applies L2 and clipping, and
// searches for values that are not finite.
#ifndef EBB_MODELS_MODEL_BASE_H_
#define EBB_MODELS_MODEL_BASE_H_

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "models/backend.h"
#include "models/batch.h"
#include "models/config.h"
#include "models/incoming_values.h"
#include "models/model.h"
#include "models/outgoing_gradient.h"

namespace ebb::models {

class ModelBase : public Model {
 public:
  const ModelDescription& description() const final { return description_; }
  absl::Status Gradient(std::span<const float> params, const BatchView& batch,
                        std::span<float> grad, BatchStats* stats) final;
  absl::Status GradientWithNext(std::span<const float> params,
                                const BatchView& batch, std::span<float> grad,
                                BatchStats* stats,
                                const Lookahead& ahead) final;
  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) final;
  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) final;
  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) final;

 protected:
  // Takes l2 and clip_norm from `config`. `backend` is not owned and outlives
  // the model.
  ModelBase(ModelDescription description, const ModelConfig& config,
            ComputeBackend* backend);

  ComputeBackend& backend() { return *backend_; }
  // Returns where the rows of a sparse table begin in `params` and `grad`.
  int64_t RowsAt(size_t sparse_table, int64_t distinct_keys) const;

 private:
  // [begin, end) of a gradient.
  struct Range {
    int64_t begin, end;
  };
  // Read when all is computed: the loss of a part of a batch, and the squares
  // of a range of the gradient that is trained.
  struct Totals {
    LossSums sums;
    double squares = 0;
  };

  // The three parts of a model. Pointers, and what `batch` points to, are the
  // back end's memory; the batch has at least one row and fits the
  // description.

  // Overwrites `grad` with the sum of the examples' gradients, without L2, and
  // `sums`.
  virtual absl::Status SumGradient(IncomingValues* params,
                                   const BatchView& batch,
                                   OutgoingGradient* grad, LossSums* sums) = 0;
  virtual absl::Status SumLoss(IncomingValues* params, const BatchView& batch,
                               LossSums* sums) = 0;
  virtual absl::Status ComputeOutputs(IncomingValues* params,
                                      const BatchView& batch,
                                      float* outputs) = 0;
  // SumLoss and ComputeOutputs; a model that can goes through the batch once.
  virtual absl::Status SumLossAndOutputs(IncomingValues* params,
                                         const BatchView& batch, LossSums* sums,
                                         float* outputs);

  // Checks further requirements of this model on a batch, whose memory is still
  // the caller's; kInvalidArgument.
  virtual absl::Status CheckExamples(const BatchView& batch) const;

  absl::Status CheckSizes(std::span<const float> params,
                          const BatchView& batch) const;
  absl::Status CheckFormat(const BatchView& batch) const;
  absl::Status CheckLabels(const BatchView& batch) const;
  // Calls `compute` with the number of examples to compute at once: those of
  // the batch, and where the back end's memory is too small fewer and fewer,
  // here and from now on.
  template <typename Compute>
  absl::Status InParts(const BatchView& batch, const Compute& compute);
  // Null: nothing is known of the next batch.
  absl::Status ComputeGradient(std::span<const float> params,
                               const BatchView& batch, std::span<float> grad,
                               BatchStats* stats, const Lookahead* ahead);
  absl::Status GradientInParts(std::span<const float> params,
                               const BatchView& batch, int64_t at_once,
                               std::span<float> grad, LossSums* sums,
                               const Lookahead* ahead);
  absl::Status LossInParts(std::span<const float> params,
                           const BatchView& batch, int64_t at_once,
                           LossSums* sums);
  // `sums` may be null.
  absl::Status OutputsInParts(std::span<const float> params,
                              const BatchView& batch, int64_t at_once,
                              LossSums* sums, std::vector<float>* outputs);
  // Space for so many, in the back end's memory.
  Totals* ReserveTotals(int64_t count);
  // Waits for the results, and brings the next batch meanwhile. The losses of
  // the `parts` are added to `sums`.
  absl::Status ReadTotals(int64_t parts, LossSums* sums,
                          const Lookahead* ahead = nullptr);
  // Returns the ranges of a gradient with so many elements that are trained, in
  // order. Valid until the next call.
  const std::vector<Range>& TrainedOf(int64_t count);
  BatchView Import(const BatchView& batch,
                   ContentId dense = ContentId::kUnknown);
  // Begins to bring the values of this batch.
  void BringValues(const KnownFloats& params, int64_t distinct_keys);
  // While this one is computed.
  void BringNext(const Lookahead& ahead);
  // L2 of the tables in [begin, end).
  void AddDecay(const BatchView& batch, int64_t begin, int64_t end,
                float* grad);
  // The number of examples that have each key.
  const float* CountRows(const BatchView& batch);

  const ModelDescription description_;
  const int64_t parameter_count_;
  const double l2_;
  const double clip_norm_;
  std::vector<bool> frozen_;  // By dense table.
  bool any_frozen_ = false;
  std::vector<Range> trained_;     // Its memory serves again.
  ComputeBackend* const backend_;  // Not owned.
  // Copies for back ends with memory of their own.
  IncomingValues params_, dense_;
  BackendArray grad_, part_grad_, outputs_, labels_;
  BackendArray row_offsets_, columns_, values_, fields_, row_counts_, totals_;
  std::vector<Totals> read_totals_;
  // Used by CountRows: the counts, and the last row that had each key.
  std::vector<float> counts_;
  std::vector<int64_t> last_rows_;
  int64_t most_at_once_ = std::numeric_limits<int64_t>::max();
  // Until there is no room for two batches; and whether there was, so far.
  bool looks_ahead_ = true;
  bool has_room_ = false;
  // The offsets of the part that is computed.
  std::vector<int64_t> part_offsets_;
  // Ends of the tables in the flat vector; behind the dense ones those of the
  // batch's rows.
  std::vector<int64_t> table_ends_;
};

}  // namespace ebb::models

#endif  // EBB_MODELS_MODEL_BASE_H_
