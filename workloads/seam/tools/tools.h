// The side of a workload that commands know: what a job begins with and takes,
// what of it is stored, how that is exported, and which figures a report has.
//
//   class MyTools final : public GradientTools {
//     absl::Status Assemble(tools::StoredModel* stored) const override;
//   };
//
//   void RegisterMineTools(ToolsSides* sides) {
//     sides->Add("mine", std::make_unique<MyTools>());
//   }
//
// The build calls the function if workloads/mine/CMakeLists.txt has a TOOLS
// side. A workload without one has that of the gradients.
#ifndef EBB_WORKLOADS_SEAM_TOOLS_TOOLS_H_
#define EBB_WORKLOADS_SEAM_TOOLS_TOOLS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "job/specification.h"
#include "models/model.h"
#include "protocol/plan.h"
#include "tools/ebb/model/beginning.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/ebb/model/job_sizes.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/questions.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/ebb/model/stored_run.h"
#include "workloads/seam/rules/registry.h"

namespace ebb::workloads {

// The nature of a workload, for what commands say of its jobs.
struct ToolsFacts {
  // Its model is made of trees, so updates and how late they are say nothing.
  bool trees = false;
  bool loss = true;  // What is pushed has a loss.
  // Its job ends when the model has all of its parts, after any epochs.
  bool ends_itself = false;
  // The advice against a model that learns its training data by heart. Empty:
  // as for any.
  std::string against_rote;
  // The models that answer questions in place of predicting examples, and their
  // subject: "word vectors" and "words". Empty: its models predict.
  std::string answers;
  std::string about;
};

// Immutable, so thread-safe.
class ToolsSide {
 public:
  virtual ~ToolsSide() = default;

  virtual ToolsFacts Facts() const { return {}; }

  // Chooses from the data what the job begins with, and checks that it can
  // begin. May set keys of the job, which has its defaults. The message of an
  // error has a line for each mistake, in data.train if it names no key.
  virtual absl::StatusOr<tools::Beginning> Begin(
      const tools::BeginInput& /*input*/, v1::Job* /*job*/) const {
    return tools::Beginning();
  }
  // Returns the extent by which `ebb job check` judges a batch's size.
  virtual tools::DataExtent ExtentOf(const v1::Model& /*model*/,
                                     const data::Dataset& train) const {
    return {train.memory_bytes(), train.features(), train.entries()};
  }
  // Adds what the tasks of a job take, of data with this index.
  virtual void AddSizes(const v1::Job& /*job*/, const JobPlan& /*plan*/,
                        const data::Index& /*train*/,
                        tools::JobSizes* /*sizes*/) const {}
  // How the file of `model.initial` may differ from the tables.
  virtual tools::InitialValues::Differences Differences() const { return {}; }
  // Reads that file. `origins` are those of the features (origins.h). The
  // errors of InitialValues::Read and CheckOrigins.
  virtual absl::StatusOr<std::shared_ptr<const tools::InitialValues>>
  ReadInitial(const v1::Job& job, const std::vector<job::DenseTable>& tables,
              const tools::InitialValues::Differences& differences,
              const std::vector<double>& origins) const = 0;

  // Checks that the job's model has these parts. InvalidArgument names the flag
  // that asks for one that it lacks.
  virtual absl::Status CheckParts(const v1::Job& /*job*/,
                                  const tools::StoredParts& /*parts*/) const {
    return absl::OkStatus();
  }
  // Makes what the model computes with of the rows that were read, if these are
  // not it. NotFound: there is too little for a model yet. DataLoss: the job
  // cannot have such rows.
  virtual absl::Status Assemble(tools::StoredModel* /*stored*/) const {
    return absl::OkStatus();
  }

  // The tensors, and what they mean. It refers to the model.
  virtual tools::ModelExport Export(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const = 0;
  // Folds the scaling of the data into the layers that Export wrote.
  // InvalidArgument: the model has none that take it.
  virtual absl::Status Fold(const tools::StoredModel& stored,
                            const models::ModelDescription& description,
                            tools::ModelExport* all) const = 0;
  // "386 parameters": what an export has, for people.
  virtual std::string ContentText(const tools::StoredModel& stored) const = 0;
  // Lines about the values. Empty: there is nothing to say.
  virtual std::string ValuesText(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const = 0;

  using Load = absl::FunctionRef<absl::StatusOr<tools::StoredRun>()>;
  // Measures the model of a run that has ended, and is complete or not. `load`
  // reads what is stored of it. Nothing: workers have measured it, or there is
  // too little for a model. Errors say what cannot be measured.
  virtual absl::StatusOr<std::optional<tools::ModelFigures>> Measure(
      bool /*complete*/, const v1::Job& /*job*/, Load /*load*/) const {
    return std::nullopt;
  }
  // Says what is wrong with a job of which this became; empty: nothing.
  virtual std::string Problem(const v1::JobStatus& /*status*/) const {
    return "";
  }
  // "12 trees, grown in 24 passes over 3,000 examples": by what the model was
  // made. `figures` may be null. Empty: by epochs.
  virtual std::string WorkText(const tools::ModelFigures* /*figures*/,
                               int64_t /*epochs*/, int64_t /*examples*/) const {
    return "";
  }

  // Makes what answers questions about the model, which outlives it. Null: its
  // models predict examples. DataLoss: an export has other values.
  virtual absl::StatusOr<std::unique_ptr<tools::Questions>> Ask(
      const tools::StoredModel& /*stored*/) const {
    return nullptr;
  }
};

using ToolsSides = Registry<std::unique_ptr<const ToolsSide>>;

// The side of the model's workload. It lives for ever.
const ToolsSide& ToolsOf(const v1::Model& model);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_SEAM_TOOLS_TOOLS_H_
