// Properties of a job that follow from its settings, before its data is read.
#ifndef EBB_JOB_BASE_TRAITS_H_
#define EBB_JOB_BASE_TRAITS_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/key.pb.h"
#include "google/protobuf/descriptor.h"
#include "job/base/data_facts.h"

namespace ebb::job {

// Returns what a kind is, as job.proto says beside its enum value, or a format
// beside its field; empty traits for a value that has none or is not known. The
// results live for ever.
const v1::OptimizerTraits& TraitsOf(v1::Optimizer::Kind kind);
const v1::AlgorithmTraits& TraitsOf(v1::Algorithm::Kind kind);
const v1::FilterTraits& TraitsOf(v1::Filter::Kind kind);
// Empty traits for a source that names no data.
const v1::FormatTraits& TraitsOf(const v1::DataSource& source);
// A plugin's model has empty traits: it says itself what it is.
const v1::ModelTraits& TraitsOf(const v1::Model& model);

// Returns the rule of the steps along gradients, and its key: the job's
// optimizer, or where pushes are runs that of the workers' steps.
const v1::Optimizer& GradientRuleOf(const v1::Job& job);
absl::string_view GradientRuleKey(const v1::Job& job);

// True if the algorithm shortens late steps in every table, and this rule of a
// table cannot. The default algorithm leaves such a table its whole steps.
bool CannotShortenSteps(v1::Algorithm::Kind algorithm,
                        v1::Optimizer::Kind of_table);

// Returns whether the model is of the user's own: a plugin's, or a module's of
// Python. It says itself what it is.
bool IsOwn(const v1::Model& model);

// Returns whether there is such a model, as far as it is known which there are:
// the facts of a job with a plugin name the plugin's.
bool KnowsModel(const DataFacts& facts, const v1::Model& model);

// Returns whether the model has sparse tables; of a plugin's this is unknown.
bool HasSparseTables(const v1::Model& model);
// The same, or the model is a plugin's, which may have some.
bool MayHaveSparseTables(const v1::Model& model);
// Returns whether a table of this name is dense if the model has it. False for
// models with keys and for plugins, whose tables only they themselves know.
bool IsDenseTable(const v1::Model& model, const std::string& name);

// True if the job tests on a part of its training data: data.split, or a fold.
bool HoldsOut(const v1::Job& job);
// Returns whether the job has test data that ebb reads.
bool HasTestData(const v1::Job& job);
// Returns whether there are examples to evaluate the model on: the job's test
// data, or that of programs, and the job says how often.
bool IsEvaluated(const v1::Job& job);

// Returns whether labels are numbers, however they look: those of ratings, with
// model.labels: values, and of models that predict only numbers.
bool PredictsNumbers(const v1::Job& job);

// The field of DataSource that is the source's format. Null where it names no
// data.
const google::protobuf::FieldDescriptor* FormatOf(const v1::DataSource& source);

// Returns whether `features` of the source has one of these kinds.
bool HasFeature(const v1::DataSource& source,
                std::initializer_list<v1::Feature::As> kinds);

// Returns whether examples name their features by keys of sparse tables.
bool HasKeys(const v1::DataSource& source);
// Returns whether the model takes numbers beside keys as they are. Other models
// over keys take each as the value of a key.
bool TakesDenseBeside(const v1::Model& model);
// Returns whether the features are a whole archive, and no array in one: then
// it has a sparse matrix.
bool IsArchive(const v1::Npy& npy);
// Returns whether examples name the features they have, and lack most.
bool IsSparse(const v1::DataSource& source);
// The hint if data is sparse and must not be. It adds what to write if a dense
// array in a whole archive was meant.
std::string HintOfDense(const v1::DataSource& source, std::string hint);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_TRAITS_H_
