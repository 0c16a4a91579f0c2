// Properties of a job that follow from its settings, before its data is read.
#ifndef EBB_JOB_TRAITS_H_
#define EBB_JOB_TRAITS_H_

#include "ebb/v1/job.pb.h"
#include "job/validate.h"

namespace ebb::job {

// Whether there is such a model, as far as it is known which there are: a
// plugin's is known with the facts that it was asked for.
bool KnowsModel(const DataFacts& facts, const v1::Model& model);

// Whether the model is the built-in perceptron.
bool IsPerceptron(const v1::Model& model);

// Whether it is a built-in model with sparse tables, whose examples have keys.
bool TakesKeys(const v1::Model& model);
// Whether it is one of these or a plugin's, which says itself what it has.
bool MayHaveSparseTables(const v1::Model& model);

// Whether labels are numbers whatever they look like: of ratings, with
// model.labels: values, and of linear and matrix_factorisation.
bool PredictsNumbers(const v1::Job& job);

// Whether workers go on by themselves between a pull and a push, so that a push
// does not show the servers single batches.
bool HasLocalRule(v1::Algorithm::Kind algorithm);
// Whether such an algorithm goes with sparse tables.
bool TakesRows(v1::Algorithm::Kind algorithm);

// Whether a step of the rule is about as long as the rate, however small the
// gradient is.
bool StepsAreOfTheRate(const v1::Optimizer& optimizer);

// Whether the filter leaves values out.
bool LeavesOut(v1::Filter::Kind kind);

// Whether examples name their features by keys of sparse tables.
bool HasKeys(const v1::DataSource& source);
// Whether examples name the features they have, and lack most.
bool IsSparse(const v1::DataSource& source);

}  // namespace ebb::job

#endif  // EBB_JOB_TRAITS_H_
