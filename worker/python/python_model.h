// A model whose mathematics a module of Python has, in a process of its own.
//
//   EBB_ASSIGN_OR_RETURN(auto model, PythonModel::Create({
//       .program = PythonAt("/usr/bin/python3"), .path = "my_model.py",
//       .text = text, .class_name = "Net", .features = 784, .classes = 10}));
//   EBB_RETURN_IF_ERROR(model->Gradient(params, batch, grad, &stats));
//
// The process compiles the bytes that it gets, and reads no file of the module.
// If it dies, the batch that it computes fails, and the next one starts another
// process: at once, or after a pause that grows if it dies again and again.
#ifndef EBB_WORKER_PYTHON_PYTHON_MODEL_H_
#define EBB_WORKER_PYTHON_PYTHON_MODEL_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "data/fingerprint.h"
#include "models/batch.h"
#include "models/model.h"
#include "worker/engine/conversation.h"
#include "worker/engine/messages.h"
#include "worker/engine/program_memory.h"
#include "worker/python/python_child.h"
#include "worker/python/python_data.h"
#include "worker/python/python_program.h"

namespace ebb::worker {

// The payload of an error of one example: its row in the batch, as text.
inline constexpr char kFailedRow[] = "ebb.row";
// The payload of an error of a data set: its place in PythonModelOptions::data,
// as text.
inline constexpr char kFailedData[] = "ebb.data";

struct PythonModelOptions {
  PythonProgram program;
  // The module: its path, for errors, and its text.
  std::string path;
  std::string text;
  std::string class_name;                      // A torch.nn.Module of it.
  std::map<std::string, std::string> options;  // Its arguments.
  // The data sets to train and to test on, if the module reads them: batches
  // have numbers then. Empty: batches have examples.
  std::vector<PythonDataSet> data;
  // The sizes that the data say; 0 classes: labels are values. Both are 0 with
  // data sets of the module's own.
  int64_t features = 0;
  int64_t classes = 0;
  uint64_t seed = 0;  // The job's, for what the module draws.
  // The greatest length of the gradient of a batch, which is shortened to it; 1
  // to 10 are usual. Default 0: it never is.
  double clip_norm = 0;
  // The tables that the module must have; empty: any tables.
  std::vector<models::TableShape> tables;
  // A batch that takes longer fails, and Python is started anew. Give several
  // times the first batch, for which PyTorch may compile. Default 10 min.
  absl::Duration patience = absl::Minutes(10);
};

class PythonModel : public models::Model {
 public:
  // Starts Python, and blocks until the model is built there: importing torch
  // takes seconds. InvalidArgument: the module has no such model, or fails; the
  // message has its file and line. FailedPrecondition: the tables are others,
  // or Python cannot compute models. Or the errors of PythonChild. Errors of a
  // data set have the payload kFailedData.
  static absl::StatusOr<std::unique_ptr<PythonModel>> Create(
      PythonModelOptions options);

  // The tables that servers average, with a batch's share in the average.
  const std::map<std::string, double>& averages() const { return averages_; }
  // The fingerprint of each of the options' data sets.
  const std::vector<data::FileFingerprint>& data_sets() const {
    return data_sets_;
  }
  // The values that the module gave its parameters.
  const std::vector<float>& initial() const { return initial_; }
  // The process; 0: it is to be started.
  pid_t process() const { return child_ == nullptr ? 0 : child_->pid(); }

  const models::ModelDescription& description() const override {
    return description_;
  }
  // Also Unavailable: Python died. Its errors may have the payload kFailedRow.
  absl::Status Gradient(std::span<const float> params,
                        const models::BatchView& batch, std::span<float> grad,
                        models::BatchStats* stats) override;
  absl::Status Evaluate(std::span<const float> params,
                        const models::BatchView& batch,
                        models::BatchStats* stats) override;
  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const models::BatchView& batch,
                                  models::BatchStats* stats,
                                  std::vector<float>* outputs) override;
  absl::Status Predict(std::span<const float> params,
                       const models::BatchView& batch,
                       std::vector<float>* outputs) override;

 private:
  // The outcome of what was offered.
  struct Outcome {
    std::optional<absl::Status> status;  // Absent: it is still computed.
    models::BatchStats stats;
  };

  explicit PythonModel(PythonModelOptions options);

  // --- The process -----------------------------------------------------------
  // Starts one unless it runs, after a pause if many died.
  absl::Status Start();
  // Its greeting, and what the model is.
  absl::Status Greet();
  // Hands over the module and its data sets.
  absl::Status SendModule(uint64_t sequence);
  absl::StatusOr<models::ModelDescription> ReadModel();
  absl::Status ReadData();
  // Returns when it asks for a batch. One that died while it had nothing to
  // compute is started again.
  absl::Status Ready();
  absl::Status AwaitNext();
  // The next message; errors are told with the name of the model.
  absl::StatusOr<Request> Receive(absl::Duration patience);
  // The process is to compute no more.
  absl::Status GiveUp(const absl::Status& why);
  // Memory for so many rows. The process is told where it is.
  absl::Status MakeRoom(int64_t rows);
  // Floats in the memory for an example.
  int64_t RowFloats() const;

  // --- What it computes ------------------------------------------------------
  absl::Status Check(std::span<const float> params,
                     const models::BatchView& batch, bool labelled) const;
  absl::Status Bring(std::span<const float> params,
                     const models::BatchView& batch, bool labelled);
  // Offers it, and waits for its end. Empty `grad`: an evaluation.
  template <typename What>
  absl::Status Compute(const What& what, const models::BatchView& batch,
                       std::span<float> grad, models::BatchStats* stats);
  Outcome Answer(const Request& request, const models::BatchView& batch,
                 std::span<float> grad);
  template <typename Body>
  Outcome Answer(const Request& request, const Body& body,
                 const models::BatchView& batch, std::span<float> grad);
  absl::Status TakeSums(const models::BatchView& batch, const PushBody& push,
                        std::span<float> grad);
  void TakeOutputs(int64_t rows, std::vector<float>* outputs) const;
  // Returns the error of a program that failed, for `why`.
  absl::Status Failed(const std::string& why, uint32_t code) const;

  const PythonModelOptions options_;
  models::ModelDescription description_;
  std::map<std::string, double> averages_;
  std::vector<float> initial_;
  std::vector<data::FileFingerprint> data_sets_;

  std::unique_ptr<PythonChild> child_;  // Null: it is to be started.
  std::unique_ptr<Conversation> conversation_;
  std::optional<ProgramMemory> memory_;
  int64_t rows_ = 0;  // For which there is memory.
  // Processes that died since a batch was computed, and when one may be
  // started.
  int deaths_ = 0;
  absl::Time start_at_ = absl::InfinitePast();
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_PYTHON_PYTHON_MODEL_H_
