#include "job/expectations.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/scores/figures.h"
#include "common/scores/perplexity.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

// Absent: it is not known yet, or the affair of the user's own model.
std::optional<Task> TaskOf(const v1::Job& job, const DataFacts& facts) {
  if (IsOwn(job.model())) return std::nullopt;
  if (PredictsNumbers(job)) return Task::kValues;
  const v1::ModelTraits& traits = TraitsOf(job.model());
  if (traits.prediction() == v1::ModelTraits::PREDICTION_TWO_CLASSES) {
    return Task::kTwoClasses;
  }
  if (!facts.train.has_value()) return std::nullopt;
  const int64_t classes = facts.train->classes;
  if (classes == 2) return Task::kTwoClasses;
  if (classes > 2) return Task::kClasses;
  // Softmax regression is refused for such labels, by another rule.
  if (classes == 0 && !traits.linear() && !traits.program()) {
    return Task::kValues;
  }
  return std::nullopt;
}

std::optional<UnfitFigure> UnfitForTask(const FigureKind& figure, Task task,
                                        const DataFacts& facts) {
  if (figure.Suits(task)) return std::nullopt;
  if (task == Task::kValues) {
    return UnfitFigure{absl::StrCat(figure.title,
                                    " is a figure of classes, but the model "
                                    "predicts numbers"),
                       "rmse", "\"<= 10\""};
  }
  if (figure.values) {
    return UnfitFigure{absl::StrCat(figure.title,
                                    " is a figure of numbers to predict, but "
                                    "the labels are classes"),
                       "accuracy", "\">= 0.87\""};
  }
  return UnfitFigure{absl::StrCat(figure.title,
                                  " is a figure of two classes, but data.train "
                                  "has ",
                                  facts.train->classes),
                     "f1", "\">= 0.8\""};
}

void CheckRange(const FigureKind& figure, const std::string& wanted,
                Complaints* found) {
  const auto comparison = ParseComparison(wanted);
  if (!comparison.has_value()) return;  // Said elsewhere.
  const double bound = comparison->bound;
  const std::string path = absl::StrCat("expect.", figure.name);
  if (figure.name == kPerplexity) {
    if (bound >= 1) return;
    found->Add(path,
               absl::StrCat("perplexity is never below 1, and so must be ",
                            NumberText(bound)),
               "perplexity: \"<= 600\"");
    return;
  }
  const bool is_error =
      figure.name == kLogLoss || figure.name == kRmse || figure.name == kMae;
  if (is_error) {
    if (bound >= 0) return;
    found->Add(path,
               absl::StrCat(figure.title, " is never below 0, and so must be ",
                            NumberText(bound)),
               absl::StrCat(figure.name, ": \"<= 0.4\""));
  } else if (figure.name == kR2) {
    if (bound <= 1) return;
    found->Add(path,
               absl::StrCat(figure.title, " is at most 1, and so must be ",
                            NumberText(bound)),
               absl::StrCat(figure.name, ": \">= 0.5\""));
  } else if (bound < 0 || bound > 1) {
    const bool low = figure.name == kCalibrationError;
    found->Add(
        path,
        absl::StrCat(figure.title, " lies between 0 and 1, and so must ",
                     NumberText(bound)),
        absl::StrCat(figure.name, low ? ": \"<= 0.05\"" : ": \">= 0.87\""));
  }
}

}  // namespace

std::vector<ExpectedFigure> ExpectationsOf(const v1::Expect& expect) {
  std::vector<ExpectedFigure> given;
  const google::protobuf::Descriptor& fields = *v1::Expect::descriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = fields.field(i);
    if (!expect.GetReflection()->HasField(expect, field)) continue;
    given.push_back(
        {field->name(), expect.GetReflection()->GetString(expect, field)});
  }
  return given;
}

std::optional<UnfitFigure> FindUnfit(const v1::Job& job, const DataFacts& facts,
                                     absl::string_view name) {
  const FigureKind* figure = FindFigureKind(name);
  if (figure == nullptr) return std::nullopt;  // The loss, which every job has.
  const v1::ModelTraits& model = TraitsOf(job.model());
  if (const auto other =
          workloads::RulesOf(job.model()).InPlaceOf(job, figure->name)) {
    return UnfitFigure{other->why, other->name, other->bound};
  }
  if (figure->name == kPerplexity) return std::nullopt;
  if (model.program() && figure->name != kAccuracy) {
    return UnfitFigure{
        "programs tell the loss and the accuracy of an "
        "evaluation, and no more",
        "accuracy", "\">= 0.87\""};
  }
  const std::optional<Task> task = TaskOf(job, facts);
  return task.has_value() ? UnfitForTask(*figure, *task, facts) : std::nullopt;
}

void CheckExpectations(const v1::Job& job, const DataFacts& facts,
                       Complaints* found) {
  const bool program = TraitsOf(job.model()).program();
  const bool tested = HasTestData(job) || (program && job.has_evaluate());
  const std::vector<ExpectedFigure> given = ExpectationsOf(job.expect());
  if (!tested) {
    if (given.empty()) return;
    found->Add("expect", "there is no test data",
               program ? "evaluate: 1 epoch, by programs with test data"
                       : "data: {test: …}, or data: {split: 0.2}");
    return;
  }
  for (const ExpectedFigure& one : given) {
    const FigureKind* figure = FindFigureKind(one.figure);
    if (figure == nullptr) continue;
    const auto unfit = FindUnfit(job, facts, one.figure);
    if (unfit) {
      found->Add(absl::StrCat("expect.", one.figure), unfit->what,
                 absl::StrCat(unfit->instead, ": ", unfit->bound));
    } else {
      CheckRange(*figure, one.wanted, found);
    }
  }
}

}  // namespace ebb::job
