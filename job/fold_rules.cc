#include "job/fold_rules.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {
namespace {

// Which data has folds.
void CheckFoldsOf(const v1::Job& job, Complaints* found) {
  const v1::Data& data = job.data();
  if (TraitsOf(job.model()).program()) {
    found->Add("validate",
               "programs that evaluate have test data of their own; they hold "
               "it out themselves",
               "leave it out");
    return;
  }
  if (data.has_test()) {
    found->Add("validate", "tests on each fold, and data.test is not tested on",
               "keep one of the two");
  }
  if (data.has_split()) {
    found->Add("validate", "tests on each fold, and data.split holds out more",
               "keep one of the two");
  }
  if (TraitsOf(data.train()).packed()) {
    found->Add("validate",
               "needs the examples in memory, and a packed set is read window "
               "by window",
               "data: {train: …}, the files that were packed");
  }
  if (!workloads::FactsOf(job).evaluates) {
    found->Add("validate",
               "needs evaluations while a job trains, which this model does "
               "not have",
               "data: {split: 0.2}, and several runs with another seed");
  }
}

void CheckKinds(const v1::Job& job, Complaints* found) {
  const v1::Validate& validate = job.validate();
  const v1::DataSource& train = job.data().train();
  const bool python = TraitsOf(train).python();
  if (validate.stratified()) {
    const std::string path = "validate.stratified";
    const std::string hint = "stratified: false";
    if (PredictsNumbers(job) || !workloads::FactsOf(job).labels) {
      found->Add(path, "needs classes, of which this model knows none", hint);
    } else if (python) {
      found->Add(path, "needs labels that ebb reads, and Python reads these",
                 hint);
    } else if (validate.has_group()) {
      found->Add(path, "cannot stand beside group: a group is in one fold",
                 "keep one of the two");
    }
  }
  if (validate.has_group() && FormatOf(train) != nullptr && !train.has_csv()) {
    found->Add("validate.group",
               "is a column of a table, and this data has no columns",
               "leave it out, or data: {train: {csv: FILE}}");
  }
}

}  // namespace

void CheckFoldRules(const v1::Job& job, Complaints* found) {
  const v1::Data& data = job.data();
  if (!job.has_validate()) {
    if (!data.has_fold()) return;
    found->Add("data.fold", "is a fold of `validate`, which the job lacks",
               "validate: 5");
    return;
  }
  CheckFoldsOf(job, found);
  CheckKinds(job, found);
  const int64_t folds = job.validate().folds();
  // With fewer, the number of folds is wrong, and not the fold.
  constexpr int64_t kFewest = 2;
  if (data.has_fold() && folds >= kFewest && data.fold() >= folds) {
    found->Add("data.fold",
               absl::StrCat(data.fold(), " is not one of ", folds,
                            " folds, which count from 0"),
               "leave it out: ebb sets it");
  }
}

}  // namespace ebb::job
