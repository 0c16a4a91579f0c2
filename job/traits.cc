#include "job/traits.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/string_view.h"

namespace ebb::job {

bool KnowsModel(const DataFacts& facts, const v1::Model& model) {
  constexpr absl::string_view kOwn[] = {
      "linear",          "logistic", "softmax", "mlp",
      "sparse_logistic", "fm",       "ffm",     "matrix_factorisation",
      "wide_deep",       "deepfm"};
  const auto among = [&](const auto& kinds) {
    return std::find(std::begin(kinds), std::end(kinds), model.kind()) !=
           std::end(kinds);
  };
  return facts.model_kinds.empty() ? model.has_plugin() || among(kOwn)
                                   : among(facts.model_kinds);
}

bool IsPerceptron(const v1::Model& model) {
  return model.kind() == "mlp" && !model.has_plugin();
}

bool TakesKeys(const v1::Model& model) {
  constexpr absl::string_view kKinds[] = {
      "sparse_logistic", "fm",     "ffm",
      "wide_deep",       "deepfm", "matrix_factorisation"};
  return !model.has_plugin() && std::find(std::begin(kKinds), std::end(kKinds),
                                          model.kind()) != std::end(kKinds);
}

bool MayHaveSparseTables(const v1::Model& model) {
  return TakesKeys(model) || model.has_plugin();
}

bool PredictsNumbers(const v1::Job& job) {
  const v1::Model& model = job.model();
  return job.data().train().has_ratings() ||
         model.labels() == v1::Model::LABELS_VALUES ||
         (!model.has_plugin() &&
          (model.kind() == "linear" || model.kind() == "matrix_factorisation"));
}

bool HasLocalRule(v1::Algorithm::Kind algorithm) {
  return algorithm != v1::Algorithm::KIND_UNSPECIFIED &&
         algorithm != v1::Algorithm::KIND_SGD &&
         algorithm != v1::Algorithm::KIND_DYNSGD &&
         algorithm != v1::Algorithm::KIND_LBFGS;
}

bool TakesRows(v1::Algorithm::Kind algorithm) {
  return algorithm == v1::Algorithm::KIND_GEO ||
         algorithm == v1::Algorithm::KIND_DOWNPOUR ||
         algorithm == v1::Algorithm::KIND_ADAG;
}

bool StepsAreOfTheRate(const v1::Optimizer& optimizer) {
  return optimizer.kind() == v1::Optimizer::KIND_ADAM ||
         optimizer.kind() == v1::Optimizer::KIND_RMSPROP;
}

bool LeavesOut(v1::Filter::Kind kind) {
  return kind == v1::Filter::KIND_THRESHOLD || kind == v1::Filter::KIND_TOP_K;
}

bool HasKeys(const v1::DataSource& source) {
  return source.has_libffm() || source.has_ratings() || source.has_criteo() ||
         source.libsvm().keys();
}

bool IsSparse(const v1::DataSource& source) {
  return source.has_libsvm() || HasKeys(source);
}

}  // namespace ebb::job
