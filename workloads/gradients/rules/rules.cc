#include "workloads/gradients/rules/rules.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/base/workload.h"

namespace ebb::workloads {

std::optional<OtherFigure> GradientRules::InPlaceOf(
    const v1::Job& /*job*/, absl::string_view figure) const {
  if (figure != "perplexity") return std::nullopt;
  return OtherFigure{.why = "is a figure of documents whose topics lda finds",
                     .name = "loss",
                     .bound = "\"<= 0.4\""};
}

namespace {

// Returns the models of tables that look at no labels, by the facts of a job
// that names its model alone.
std::vector<std::string> ModelsWithoutLabels() {
  std::vector<std::string> kinds;
  for (const std::string& kind :
       job::EnumWords(*v1::Model::BuiltIn_descriptor())) {
    v1::Job job;
    job.mutable_model()->set_kind(kind);
    const WorkloadFacts facts = FactsOf(job);
    if (!facts.labels && !facts.documents) kinds.push_back(kind);
  }
  return kinds;
}

// Tables have another label than none, if models look at it.
void CheckLabels(const v1::Job& job, job::Complaints* found) {
  const auto refuse = [&](const v1::DataSource& source, const char* path) {
    if (source.csv().label() != "none") return;
    const std::vector<std::string> kinds = ModelsWithoutLabels();
    found->Add(
        path,
        absl::StrCat("none is for ", absl::StrJoin(kinds, " and "),
                     kinds.size() == 1 ? ", which looks" : ", which look",
                     " at no labels; this model learns to predict a label"),
        "the column to predict, by its name or number");
  };
  refuse(job.data().train(), "data.train.csv.label");
  refuse(job.data().test(), "data.test.csv.label");
}

// Other models than boosted trees multiply with the values.
void RefuseGaps(const v1::Job& job, job::Complaints* found) {
  const auto refuse = [&](const v1::DataSource& source, const char* path) {
    const auto rule = job::ParseMissing(source.csv().missing());
    if (!rule || rule->kind != job::MissingRule::Kind::kKeep) return;
    found->Add(path,
               "keep is for boosted_trees, which tell missing values from "
               "others",
               "missing: mean");
  };
  refuse(job.data().train(), "data.train.csv.missing");
  refuse(job.data().test(), "data.test.csv.missing");
}

}  // namespace

void GradientRules::Check(const v1::Job& job, job::Complaints* found) const {
  CheckExamples(job, found);
  RefuseGaps(job, found);
}

void GradientRules::CheckExamples(const v1::Job& job,
                                  job::Complaints* found) const {
  const v1::Model& model = job.model();
  if (Facts(job).labels) CheckLabels(job, found);
  const v1::DataSource& train = job.data().train();
  const v1::FormatTraits& format = job::TraitsOf(train);
  if (format.text() || format.bags()) {
    found->Add("data.train",
               absl::StrCat("its examples are documents of words, which ",
                            model.kind(), " does not learn from"),
               "model: word_vectors");
    return;
  }
  if (format.packed()) return;  // Only its footer says what it has.
  // The data shows which would do when it is opened.
  if (format.records() && train.features().empty()) return;
  if (!job::TraitsOf(model).keyed()) {
    if (!job::HasKeys(train)) return;
    found->Add("data.train",
               absl::StrCat("its examples are 64-bit keys, but ", model.kind(),
                            " learns from columns of numbers"),
               format.records() ? "features with as: dense, or another model"
                                : "libsvm: FILE, without keys");
    return;
  }
  // A source without a format is refused elsewhere.
  if (job::FormatOf(train) != nullptr) CheckKeyed(job, found);
}

void GradientRules::CheckKeyed(const v1::Job& job,
                               job::Complaints* found) const {
  const v1::DataSource& train = job.data().train();
  if (job::IsSparse(train)) return;
  found->Add("data.train",
             absl::StrCat("its examples are columns of numbers, but ",
                          job.model().kind(), " learns from 64-bit keys"),
             job::TraitsOf(train).records() ? "features with as: key or keys"
                                            : "libsvm: FILE, or libffm: FILE");
}

void GradientRules::CheckAlgorithm(const v1::Job& job,
                                   job::Complaints* found) const {
  if (!job::TraitsOf(job.algorithm().kind()).tasks()) return;
  found->Add("algorithm.kind",
             "tasks makes the parts of a model, and this one has none",
             "model: forest");
}

namespace {

void CheckLayers(const v1::Job& job, const job::SourceFacts& train,
                 job::Complaints* found) {
  const auto& layers = job.model().layers();
  if (layers.size() < 2) return;  // Said elsewhere.
  const int64_t inputs = layers[0];
  const int64_t outputs = layers[layers.size() - 1];
  const int64_t right_outputs = std::max<int64_t>(train.classes, 1);
  const bool outputs_fit =
      outputs == right_outputs || (outputs == 1 && train.classes == 2);
  std::vector<int64_t> right(layers.begin(), layers.end());
  right.front() = train.features;
  if (!outputs_fit) right.back() = right_outputs;
  const std::string hint =
      absl::StrCat("layers: [", absl::StrJoin(right, ", "), "]");
  if (inputs != train.features) {
    found->Add("model.layers",
               absl::StrCat("the first layer has ", inputs,
                            " inputs, but the examples of data.train have ",
                            train.features, " features"),
               hint);
  }
  if (!outputs_fit) {
    const std::string labels =
        train.classes == 0
            ? "the labels of data.train are numbers to predict"
            : absl::StrCat("data.train has ", train.classes, " classes");
    found->Add(
        "model.layers",
        absl::StrCat("the last layer has ", outputs, " outputs, but ", labels),
        hint);
  }
}

}  // namespace

void GradientRules::CheckTrain(const v1::Job& job,
                               const job::SourceFacts& train,
                               job::Complaints* found) const {
  const std::string& kind = job.model().kind();
  const v1::ModelTraits& traits = job::TraitsOf(job.model());
  const auto prediction = traits.prediction();
  const bool tells_two_apart =
      prediction == v1::ModelTraits::PREDICTION_TWO_CLASSES &&
      !job::PredictsNumbers(job);
  const bool is_linear_classifier =
      traits.linear() && !traits.keyed() &&
      prediction != v1::ModelTraits::PREDICTION_NUMBERS;
  if (is_linear_classifier && train.classes == 0) {
    found->Add(
        "model.kind",
        absl::StrCat(kind,
                     " tells classes apart, but the labels of data.train are "
                     "numbers to predict"),
        "kind: linear");
  } else if (prediction != v1::ModelTraits::PREDICTION_NUMBERS &&
             train.classes == 1) {
    found->Add("data.train", "has only one class", "choose another label");
  } else if (tells_two_apart && train.classes > 2) {
    found->Add(
        "model.kind",
        absl::StrCat(
            kind, " tells two classes apart, but data.train has ",
            train.classes,
            train.class_places.empty()
                ? ""
                : absl::StrCat("; the first of each: ", train.class_places)),
        traits.keyed() ? absl::StrCat("keep two of them, or model: {kind: ",
                                      kind == "sparse_logistic" ? "fm" : kind,
                                      ", labels: values}")
                       : "kind: softmax");
  } else if (traits.perceptron()) {
    CheckLayers(job, train, found);
  }
}

void RegisterGradientsRules(RulesSides* sides) {
  sides->Add(job::kGradients, std::make_unique<GradientRules>());
}

}  // namespace ebb::workloads
