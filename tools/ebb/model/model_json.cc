#include "tools/ebb/model/model_json.h"

#include <map>
#include <string>
#include <utility>

#include "data/dense_beside.h"
#include "data/encoding.h"
#include "data/source.h"
#include "job/base/table_name.h"
#include "job/base/traits.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

// Raised when a key changes its meaning; keys may be added without.
constexpr int kFormat = 1;
// With an origin, which a reader of the other must not pass over.
constexpr int kFormatWithOrigin = 2;

// One number for all, one for each, or null.
Json OneOrList(const std::vector<double>& numbers) {
  if (numbers.empty()) return Json();
  return numbers.size() == 1 ? Json(numbers.front()) : ListOf(numbers);
}

data::SourceSpec SourceOf(const StoredModel& stored) {
  return worker::TrainingSource(stored.job, worker::LabelKindOf(stored.index));
}

absl::string_view KindOf(data::ColumnEncoding::Kind kind) {
  using Kind = data::ColumnEncoding::Kind;
  switch (kind) {
    case Kind::kNumber:
      return "number";
    case Kind::kBoolean:
      return "boolean";
    case Kind::kOneHot:
      return "one_hot";
    case Kind::kHashed:
      return "hashed";
    case Kind::kDate:
      return "date";
    case Kind::kDateParts:
      return "date_parts";
    case Kind::kLeftOut:
      return "left_out";
  }
  return "";
}

absl::string_view OrderOf(data::DateOrder order) {
  switch (order) {
    case data::DateOrder::kYearFirst:
      return "year";
    case data::DateOrder::kDayFirst:
      return "day";
    case data::DateOrder::kMonthFirst:
      return "month";
  }
  return "";
}

// How the columns of a table become the numbers of an example.
Json ColumnsJson(const StoredModel& stored) {
  using Kind = data::ColumnEncoding::Kind;
  Json list = Json::List();
  for (size_t i = 0; i < stored.index.encoding.columns.size(); ++i) {
    const data::ColumnEncoding& column = stored.index.encoding.columns[i];
    Json json = Json::Object();
    if (stored.columns) json["name"] = stored.columns->features[i];
    json["kind"] = KindOf(column.kind);
    if (!column.values.empty()) json["values"] = ListOf(column.values);
    if (column.kind == Kind::kHashed) json["buckets"] = column.buckets;
    if (column.kind == Kind::kDate || column.kind == Kind::kDateParts) {
      json["first"] = OrderOf(column.order);
    }
    list.Add(std::move(json));
  }
  return list;
}

// Says what the values of records become. `beside` is null unless the model
// takes numbers beside keys as they are.
Json RecordsJson(const data::SourceSpec& source,
                 const data::DenseBeside* beside) {
  using As = data::RecordFeature::As;
  Json list = Json::List();
  int64_t field = 0;
  for (const data::RecordFeature& feature : source.features) {
    if (feature.as == As::kLabel) continue;
    Json json = Json::Object();
    json["name"] = feature.name;
    json["as"] = feature.as == As::kDense   ? "dense"
                 : feature.as == As::kBytes ? "bytes"
                 : feature.as == As::kKey   ? "key"
                                            : "keys";
    if (!feature.keyed()) json["width"] = feature.width;
    const int64_t its_field = feature.field.value_or(field);
    if (source.keyed()) json["field"] = its_field;
    if (beside != nullptr) {
      const bool dense = beside->IsDense(static_cast<data::Field>(its_field));
      json[dense ? "beside" : "place"] =
          beside->PlaceOf(static_cast<data::Field>(its_field));
    }
    ++field;
    if (feature.most > 0) json["most"] = feature.most;
    if (feature.log) json["log"] = true;
    if (feature.missing) json["missing"] = *feature.missing;
    list.Add(std::move(json));
  }
  return list;
}

// The texts of the classes, or their labels, which are whole numbers then.
Json ClassesJson(const data::Index& index) {
  if (!index.encoding.classes.empty()) {
    Json list = Json::List();
    for (size_t c = 0; c < index.classes.size(); ++c) {
      list.Add(index.ClassText(static_cast<int64_t>(c)));
    }
    return list;
  }
  return ListOf(
      std::vector<int64_t>(index.classes.begin(), index.classes.end()));
}

// The scale of each feature: only numbers are scaled, not categories and dates.
std::vector<double> ScaleOfColumns(const data::Encoding& encoding,
                                   double scale) {
  std::vector<double> scales;
  for (const data::ColumnEncoding& column : encoding.columns) {
    const bool number = column.kind == data::ColumnEncoding::Kind::kNumber;
    scales.insert(scales.end(), column.width(), number ? scale : 1);
  }
  return scales;
}

Json StartOf(const InitRule& rule, uint64_t seed) {
  Json json = Json::Object();
  switch (rule.kind) {
    case InitRule::Kind::kZeros:
      json["rule"] = "zeros";
      return json;
    case InitRule::Kind::kConstant:
      json["rule"] = "constant";
      break;
    case InitRule::Kind::kUniform:
      json["rule"] = "uniform";
      break;
    case InitRule::Kind::kNormal:
      json["rule"] = "normal";
      break;
  }
  json["parameter"] = static_cast<double>(rule.parameter);
  if (rule.kind != InitRule::Kind::kConstant) json["seed"] = seed;
  return json;
}

}  // namespace

Scaling ScalingOf(const StoredModel& stored) {
  const data::SourceSpec source = SourceOf(stored);
  Scaling scaling;
  scaling.scale = {source.scale};
  // A packed set has features that were made before, and scales them all.
  if (source.scale != 1 && source.kind != data::SourceKind::kPacked &&
      !stored.index.encoding.columns.empty()) {
    scaling.scale = ScaleOfColumns(stored.index.encoding, source.scale);
  }
  scaling.origin = stored.index.encoding.origins;
  if (source.kind == data::SourceKind::kCsv) {
    if (source.csv.missing == data::CsvOptions::Missing::kMean) {
      scaling.missing = stored.index.mean;
    } else if (source.csv.missing == data::CsvOptions::Missing::kConstant) {
      for (const double scale : scaling.scale) {
        scaling.missing.push_back(source.csv.missing_value * scale);
      }
      if (!scaling.origin.empty()) {
        scaling.missing.resize(scaling.origin.size(), scaling.missing.front());
        for (size_t i = 0; i < scaling.origin.size(); ++i) {
          scaling.missing[i] -= scaling.origin[i];
        }
      }
    }
  }
  if (source.standardise) {
    scaling.mean = stored.index.mean;
    scaling.deviation = stored.index.stddev;
  }
  scaling.labels = worker::LabelScaleOf(stored.job, stored.index).units;
  return scaling;
}

Json DescribeHead(const StoredModel& stored, const Scaling& scaling) {
  Json json = Json::Object();
  json["format"] = scaling.origin.empty() ? kFormat : kFormatWithOrigin;
  json["name"] = stored.job.name();
  json["model"] = stored.job.model().kind();
  if (stored.is_average) json["averages"] = true;
  if (!stored.incomplete.empty()) json["incomplete"] = stored.incomplete;
  return json;
}

Json FeaturesJson(const StoredModel& stored, const Scaling& scaling) {
  const data::SourceSpec source = SourceOf(stored);
  Json json = Json::Object();
  json["source"] = source.format_word();
  const auto beside =
      data::DenseBeside::Of(stored.index.meaning, stored.index.features);
  const bool dense = source.dense_beside && beside.ok() && beside->width() > 0;
  if (!source.features.empty()) {
    json["records"] = RecordsJson(source, dense ? &*beside : nullptr);
  }
  if (source.keyed()) {
    json["fields"] = stored.index.features;
    if (dense) {
      json["beside"] = beside->width();
      json["places"] = beside->fields();
    }
    // Words are hashed: XXH64 with the field as seed (docs/sparse-data.md).
    json["keys"] = source.hashes_words()
                       ? "xxh64 of the word, seeded with the field"
                       : "the numbers of the file";
    json["scale"] = OneOrList(scaling.scale);
    return json;
  }
  json["count"] = stored.index.features;
  if (source.kind == data::SourceKind::kLibsvm) {
    json["first_index"] = source.libsvm.zero_based ? 0 : 1;
  }
  const data::Encoding& encoding = stored.index.encoding;
  const std::vector<std::string> columns =
      stored.columns ? stored.columns->features : std::vector<std::string>();
  if (!encoding.columns.empty()) json["columns"] = ColumnsJson(stored);
  const std::vector<std::string> names = encoding.FeatureNames(columns);
  if (!names.empty()) json["names"] = ListOf(names);
  if (!source.csv.text.missing_values.empty()) {
    json["missing_values"] = ListOf(source.csv.text.missing_values);
  }
  json["scale"] = OneOrList(scaling.scale);
  if (!scaling.origin.empty()) json["origin"] = ListOf(scaling.origin);
  json["missing"] = OneOrList(scaling.missing);
  json["mean"] = scaling.mean.empty() ? Json() : ListOf(scaling.mean);
  json["deviation"] =
      scaling.deviation.empty() ? Json() : ListOf(scaling.deviation);
  return json;
}

Json TablesJson(const StoredModel& stored) {
  Json list = Json::List();
  for (const job::SparseTable& table : stored.sparse_tables) {
    Json json = Json::Object();
    const std::string name = job::UserTableName(table.name);
    json["name"] = name;
    json["keys"] = name + "/keys";
    json["rows"] = name + "/rows";
    json["width"] = table.width;
    if (table.kind == RowKind::kTrained) {
      json["without_row"] = StartOf(table.init, stored.job.seed());
    }
    list.Add(std::move(json));
  }
  return list;
}

Json ModuleJson(const v1::Job& job) {
  const v1::Model& model = job.model();
  Json json = Json::Object();
  json["file"] = model.module();
  json["class"] = model.class_();
  json["sha256"] = model.sha256();
  json["seed"] = job.seed();
  json["options"] = Json::Object();
  // In an order that is the same each time.
  for (const auto& [name, value] : std::map<std::string, std::string>(
           model.options().begin(), model.options().end())) {
    json["options"][name] = value;
  }
  return json;
}

Json LayersJson(const std::vector<Layer>& layers) {
  Json list = Json::List();
  for (const Layer& layer : layers) {
    Json json = Json::Object();
    json["weights"] = layer.weights;
    json["bias"] = layer.bias;
    json["shape"].Add(layer.inputs);
    json["shape"].Add(layer.outputs);
    json["function"] = layer.function;
    list.Add(std::move(json));
  }
  return list;
}

Json LabelsJson(const StoredModel& stored, const Scaling& scaling) {
  Json json = Json::Object();
  if (stored.columns && !stored.columns->label.empty()) {
    json["name"] = stored.columns->label;
  }
  if (stored.index.classes.empty()) {
    json["kind"] = "values";
    json["mean"] = scaling.labels.mean;
    json["deviation"] = scaling.labels.unit;
  } else {
    json["kind"] = "classes";
    json["classes"] = ClassesJson(stored.index);
  }
  return json;
}

std::string OutputFunction(models::LabelKind labels) {
  switch (labels) {
    case models::LabelKind::kValue:
      return "identity";
    case models::LabelKind::kNone:
      return "nearest";
    case models::LabelKind::kBinary:
      return "sigmoid";
    case models::LabelKind::kClass:
      return "softmax";
  }
  return "identity";
}

absl::string_view OutputMeaning(models::LabelKind labels) {
  switch (labels) {
    case models::LabelKind::kValue:
      return "value";
    case models::LabelKind::kNone:
      return "number of the cluster, from 0";
    case models::LabelKind::kBinary:
      return "probability of the second class";
    case models::LabelKind::kClass:
      return "probability of each class";
  }
  return "value";
}

}  // namespace ebb::tools
