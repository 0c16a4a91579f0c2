#include "job/base/traits.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "job/base/keys.h"

namespace ebb::job {

namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::EnumValueOptions;

const EnumValueDescriptor* BuiltIn(const v1::Model& model) {
  if (model.has_plugin()) return nullptr;
  const EnumDescriptor& known = *v1::Model::BuiltIn_descriptor();
  for (int i = 1; i < known.value_count(); ++i) {
    if (EnumWord(*known.value(i)) == model.kind()) return known.value(i);
  }
  return nullptr;
}

// The annotations of a value; none for null, a value that is not known.
const EnumValueOptions& OptionsOf(const EnumValueDescriptor* value) {
  return value == nullptr ? EnumValueOptions::default_instance()
                          : value->options();
}

}  // namespace

const v1::OptimizerTraits& TraitsOf(v1::Optimizer::Kind kind) {
  return OptionsOf(v1::Optimizer::Kind_descriptor()->FindValueByNumber(kind))
      .GetExtension(v1::optimizer);
}

const v1::AlgorithmTraits& TraitsOf(v1::Algorithm::Kind kind) {
  return OptionsOf(v1::Algorithm::Kind_descriptor()->FindValueByNumber(kind))
      .GetExtension(v1::algorithm);
}

const v1::FilterTraits& TraitsOf(v1::Filter::Kind kind) {
  return OptionsOf(v1::Filter::Kind_descriptor()->FindValueByNumber(kind))
      .GetExtension(v1::filter);
}

const v1::FormatTraits& TraitsOf(const v1::DataSource& source) {
  const FieldDescriptor* format = FormatOf(source);
  return format == nullptr ? v1::FormatTraits::default_instance()
                           : format->options().GetExtension(v1::data_format);
}

const v1::ModelTraits& TraitsOf(const v1::Model& model) {
  return OptionsOf(BuiltIn(model)).GetExtension(v1::model);
}

const v1::Optimizer& GradientRuleOf(const v1::Job& job) {
  const v1::Algorithm& algorithm = job.algorithm();
  return TraitsOf(algorithm.kind()).runs() ? algorithm.inner()
                                           : job.optimizer();
}

absl::string_view GradientRuleKey(const v1::Job& job) {
  return TraitsOf(job.algorithm().kind()).runs() ? "algorithm.inner"
                                                 : "optimizer";
}

bool CannotShortenSteps(v1::Algorithm::Kind algorithm,
                        v1::Optimizer::Kind of_table) {
  const v1::AlgorithmTraits& traits = TraitsOf(algorithm);
  return traits.by_lateness() && !traits.fits_workers() &&
         TraitsOf(of_table).rates_fall();
}

bool IsOwn(const v1::Model& model) {
  return model.has_plugin() || TraitsOf(model).python();
}

bool KnowsModel(const DataFacts& facts, const v1::Model& model) {
  if (facts.model_kinds.empty()) {
    return model.has_plugin() || BuiltIn(model) != nullptr;
  }
  return std::find(facts.model_kinds.begin(), facts.model_kinds.end(),
                   model.kind()) != facts.model_kinds.end();
}

bool HasSparseTables(const v1::Model& model) {
  return TraitsOf(model).keyed() || !model.sparse_tables().empty();
}

bool MayHaveSparseTables(const v1::Model& model) {
  return HasSparseTables(model) || model.has_plugin();
}

bool IsDenseTable(const v1::Model& model, const std::string& name) {
  return TraitsOf(model).program() ? !model.sparse_tables().contains(name)
                                   : !MayHaveSparseTables(model);
}

bool HoldsOut(const v1::Job& job) {
  return job.data().has_split() || job.has_validate();
}

bool HasTestData(const v1::Job& job) {
  return job.data().has_test() || HoldsOut(job);
}

bool IsEvaluated(const v1::Job& job) {
  return job.has_evaluate() &&
         (HasTestData(job) || TraitsOf(job.model()).program());
}

bool PredictsNumbers(const v1::Job& job) {
  const v1::Model& model = job.model();
  return TraitsOf(job.data().train()).ratings() ||
         model.labels() == v1::Model::LABELS_VALUES ||
         TraitsOf(model).prediction() == v1::ModelTraits::PREDICTION_NUMBERS;
}

const FieldDescriptor* FormatOf(const v1::DataSource& source) {
  return source.GetReflection()->GetOneofFieldDescriptor(
      source, source.GetDescriptor()->FindOneofByName("format"));
}

bool HasFeature(const v1::DataSource& source,
                std::initializer_list<v1::Feature::As> kinds) {
  return std::ranges::any_of(source.features(), [&](const auto& entry) {
    return std::ranges::find(kinds, entry.second.as()) != kinds.end();
  });
}

bool TakesDenseBeside(const v1::Model& model) {
  return !IsOwn(model) &&
         (model.kind() == "wide_deep" || model.kind() == "deepfm");
}

bool HasKeys(const v1::DataSource& source) {
  const v1::FormatTraits& traits = TraitsOf(source);
  if (traits.records()) {
    return HasFeature(source, {v1::Feature::AS_KEY, v1::Feature::AS_KEYS});
  }
  if (traits.text()) return true;  // Numbers of words.
  if (traits.keyed_if().empty()) return traits.keyed();
  const Message& format =
      source.GetReflection()->GetMessage(source, FormatOf(source));
  return format.GetReflection()->GetBool(
      format, format.GetDescriptor()->FindFieldByName(traits.keyed_if()));
}

bool IsArchive(const v1::Npy& npy) {
  return absl::EndsWith(npy.features(), ".npz");
}

bool IsSparse(const v1::DataSource& source) {
  const v1::FormatTraits& traits = TraitsOf(source);
  if (source.has_npy() && IsArchive(source.npy())) return true;
  if (traits.sparse() || traits.bags() || HasKeys(source)) return true;
  if (traits.sparse_if().empty()) return false;
  const Message& format =
      source.GetReflection()->GetMessage(source, FormatOf(source));
  return format.GetReflection()->HasField(
      format, format.GetDescriptor()->FindFieldByName(traits.sparse_if()));
}

std::string HintOfDense(const v1::DataSource& source, std::string hint) {
  if (!source.has_npy() || !IsArchive(source.npy())) return hint;
  return absl::StrCat(hint,
                      "; or name an array in the archive if it is dense: ",
                      source.npy().features(), "/NAME");
}

}  // namespace ebb::job
