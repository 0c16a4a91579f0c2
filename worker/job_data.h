// Translates what a job says about its data and its model into the terms of
// data/ and models/.
//
//   EBB_ASSIGN_OR_RETURN(data::Dataset train, LoadTrainingData(job));
//   EBB_ASSIGN_OR_RETURN(auto model,
//       CreateModel(job, train.index(), code, &registry, &backend));
//
// `job` has its defaults filled in (job/validate.h).
#ifndef EBB_WORKER_JOB_DATA_H_
#define EBB_WORKER_JOB_DATA_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "algorithms/algorithm.h"
#include "common/plugin_file.h"
#include "common/scores/scores.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "models/backend.h"
#include "models/config.h"
#include "models/model.h"
#include "models/registry.h"
#include "worker/python/python_data.h"
#include "worker/python/python_model.h"
#include "worker/python/python_program.h"

namespace ebb::worker {

// The part of data.train to learn from.
data::SourceSpec TrainingSource(const v1::Job& job, data::LabelKind labels);
// The examples to test on: data.test, or the held-out part of data.train.
// nullopt: the job has neither. `columns` are those of the training data
// (Specification.columns): those of data.test are found by their names.
std::optional<data::SourceSpec> TestSource(
    const v1::Job& job, data::LabelKind labels,
    const std::optional<data::ColumnNames>& columns);

// The column names of a job's training data, and as its specification has
// them.
std::optional<data::ColumnNames> ColumnsOf(
    const v1::Specification& specification);
std::optional<v1::Columns> ToProto(
    const std::optional<data::ColumnNames>& columns);

// The kind of an indexed source's labels.
data::LabelKind LabelKindOf(const data::Index& index);

// Converts the labels, predictions and losses of a job's model to the units of
// the user.
struct LabelScale {
  ValueUnits units;
  // A loss in these units is this times the model's. It converts a squared
  // error. The loss of a plugin is unknown: it stays as it is.
  double loss = 1;
};
LabelScale LabelScaleOf(const v1::Job& job, const data::Index& train);

// For a job that is about to be submitted: reads the training data, and finds
// out whether its labels are classes or numbers. They are numbers where
// job::PredictsNumbers says so; a perceptron with one output tells two classes
// apart if there are two, else it predicts numbers too; a plugin takes classes
// where labels are whole numbers. Blocks; the errors of data::Dataset::Load.
absl::StatusOr<data::Dataset> LoadTrainingData(
    const v1::Job& job, const data::OpenBytes& open = data::OpenFile);

// The code of users that a process may run: from which folders, and by which
// Python (none, if it is empty).
struct UserCode {
  std::vector<std::string> plugin_folders;
  PythonProgram python;
};

// The job's model for data with this index.
models::ModelConfig ModelConfigOf(const v1::Job& job, const data::Index& train);

// Adds the job's plugin, if it names one, to `registry`, which has the
// built-in models, and makes the model. `backend` outlives it. The errors of
// models::LoadPlugin, models::Registry::Create and CreatePythonModel.
absl::StatusOr<std::unique_ptr<models::Model>> CreateModel(
    const v1::Job& job, const data::Index& train, const UserCode& code,
    models::Registry* registry, models::ComputeBackend* backend);

// A module of Python, as it was read.
struct ModuleText {
  PluginText file;
  std::string sha256;  // In hexadecimal digits.
  // The data sets to train and, if there is one of its own, to test on. Empty
  // unless HasPythonData().
  std::vector<PythonDataSet> data;
};
// Reads the module of a job of the kind python, and the files of its data sets,
// once. The errors of ReadPlugin; FailedPrecondition: one is not the one that
// was submitted. Errors of a data set have the payload kFailedData.
absl::StatusOr<ModuleText> ReadModule(const v1::Job& job, const UserCode& code);
// Writes the hashes of what was read into the job.
void SetHashes(const ModuleText& module, v1::Job* job);
// Which examples of `data.train` a job trains or tests on, of data that ebb
// does not read itself; absent: all, and none.
std::optional<data::Split> TrainingSplit(const v1::Job& job);
std::optional<data::Split> TestSplit(const v1::Job& job);
// The index of what a job with HasPythonData() trains or tests on; `found` is
// PythonModel::data_sets(). Without test data there is no second.
data::Index PythonTrainingIndex(
    const v1::Job& job, const std::vector<data::FileFingerprint>& found);
std::optional<data::Index> PythonTestIndex(
    const v1::Job& job, const std::vector<data::FileFingerprint>& found);

// The model of the job's module. The errors of PythonModel::Create.
absl::StatusOr<std::unique_ptr<PythonModel>> CreatePythonModel(
    const v1::Job& job, const data::Index& train, const PythonProgram& python,
    ModuleText module);

// The job's algorithm: of its plugin, if it names one. The errors of
// LoadAlgorithm and job::AlgorithmOf.
absl::StatusOr<std::unique_ptr<const Algorithm>> CreateAlgorithm(
    const v1::Job& job, const std::vector<std::string>& plugin_folders);

}  // namespace ebb::worker

#endif  // EBB_WORKER_JOB_DATA_H_
