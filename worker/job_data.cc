#include "worker/job_data.h"

#include <utility>

#include "absl/status/status.h"
#include "algorithms/plugin.h"
#include "common/status_macros.h"
#include "job/training.h"
#include "job/traits.h"
#include "job/values.h"
#include "models/plugin.h"

namespace ebb::worker {

namespace {

void SetPaths(const google::protobuf::RepeatedPtrField<std::string>& paths,
              data::SourceSpec* spec) {
  if (paths.empty()) return;  // The rules of a job say so.
  spec->path = paths[0];
  spec->further_paths = {paths.begin() + 1, paths.end()};
}

// Options of a table, ratings or a click log, which have these keys in common.
// `quotes` is how releases read that had no key for it: their jobs do not say.
template <typename Source>
data::TextOptions TextOf(const Source& source, bool quotes) {
  data::TextOptions text;
  if (source.has_delimiter()) {
    text.delimiter = job::ParseDelimiter(source.delimiter());
  }
  text.quotes = source.has_quotes() ? source.quotes() : quotes;
  return text;
}

void SetIdx(const v1::Idx& idx, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kIdx;
  spec->path = idx.prefix();
  spec->idx = {idx.images(), idx.labels()};
}

void SetNpy(const v1::Npy& npy, const v1::Model& model,
            data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kNpy;
  spec->npy = {
      .features = npy.features(),
      .labels = npy.labels(),
      .data = npy.data(),
      .indices = npy.indices(),
      .indptr = npy.indptr(),
      .columns = npy.columns(),
      .keys = npy.has_indptr() && (npy.keys() || job::TraitsOf(model).keyed())};
}

void SetLibsvm(const v1::Libsvm& libsvm, const v1::Model& model,
               data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kLibsvm;
  SetPaths(libsvm.path(), spec);
  // A model of keys takes no other rows.
  spec->libsvm = {libsvm.features(), libsvm.zero_based(),
                  libsvm.keys() || job::TraitsOf(model).keyed()};
}

void SetLibffm(const v1::Libffm& libffm, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kLibffm;
  SetPaths(libffm.path(), spec);
  spec->libffm = {libffm.fields()};
}

void SetRatings(const v1::Ratings& ratings, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kRatings;
  SetPaths(ratings.path(), spec);
  spec->ratings = {TextOf(ratings, false), ratings.user(), ratings.item(),
                   ratings.rating(), ratings.time()};
}

void SetCriteo(const v1::Criteo& criteo, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kCriteo;
  SetPaths(criteo.path(), spec);
  spec->criteo.numeric = criteo.numeric();
  spec->criteo.categories = criteo.categories();
  if (criteo.numbers() == v1::Criteo::NUMBERS_VALUE) {
    spec->criteo.numbers = data::CriteoOptions::Numbers::kValue;
  }
  spec->criteo.text = TextOf(criteo, false);
  spec->criteo.text.missing_values = {criteo.missing_values().begin(),
                                      criteo.missing_values().end()};
  spec->criteo.label = criteo.label();
  spec->criteo.ignore = {criteo.ignore().begin(), criteo.ignore().end()};
}

// What becomes of a table's text.
void SetCategories(const v1::Csv& csv, data::CsvOptions* options) {
  if (csv.categorical_size() > 0) options->categories_by_text = false;
  for (const std::string& column : csv.categorical()) {
    if (column == "auto") options->categories_by_text = true;
    if (column == "auto" || column == "none") continue;
    options->categorical.push_back(column);
  }
  // Jobs that were stored before there were these keys do not have them.
  if (csv.has_one_hot()) options->one_hot = csv.one_hot();
  if (csv.has_hash_buckets()) options->hash_buckets = csv.hash_buckets();
  options->dates = {csv.dates().begin(), csv.dates().end()};
  options->date_parts = csv.date_features() == v1::Csv::DATE_FEATURES_PARTS;
  if (csv.has_day_first()) options->day_first = csv.day_first();
}

void SetCsv(const v1::Csv& csv, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kCsv;
  SetPaths(csv.path(), spec);
  if (csv.has_header()) {
    spec->csv.header = csv.header() ? data::CsvOptions::Header::kYes
                                    : data::CsvOptions::Header::kNo;
  }
  spec->csv.label = csv.label();
  spec->csv.text = TextOf(csv, true);
  spec->csv.text.missing_values = {csv.missing_values().begin(),
                                   csv.missing_values().end()};
  spec->csv.ignore = {csv.ignore().begin(), csv.ignore().end()};
  SetCategories(csv, &spec->csv);
  const auto missing = job::ParseMissing(csv.missing());
  if (!missing) return;
  switch (missing->kind) {
    case job::MissingRule::Kind::kError:
      spec->csv.missing = data::CsvOptions::Missing::kError;
      break;
    case job::MissingRule::Kind::kMean:
      spec->csv.missing = data::CsvOptions::Missing::kMean;
      break;
    case job::MissingRule::Kind::kConstant:
      spec->csv.missing = data::CsvOptions::Missing::kConstant;
      spec->csv.missing_value = missing->constant;
      break;
  }
}

data::SourceSpec SourceOf(const v1::Job& job, const v1::DataSource& source,
                          data::LabelKind labels) {
  data::SourceSpec spec;
  const v1::Data& data = job.data();
  spec.label_kind = labels;
  if (source.has_scale()) spec.scale = source.scale();
  spec.comment = source.comment();
  spec.standardise = data.standardise();
  spec.standardise_labels = data.standardise_labels();
  if (data.on_bad_example() == v1::Data::BAD_EXAMPLE_SKIP) {
    spec.on_bad_example = data::OnBadExample::kSkip;
  }
  switch (source.format_case()) {
    case v1::DataSource::kIdx:
      SetIdx(source.idx(), &spec);
      break;
    case v1::DataSource::kCsv:
      SetCsv(source.csv(), &spec);
      break;
    case v1::DataSource::kLibsvm:
    case v1::DataSource::FORMAT_NOT_SET:  // The rules of a job say so.
      SetLibsvm(source.libsvm(), job.model(), &spec);
      break;
    case v1::DataSource::kLibffm:
      SetLibffm(source.libffm(), &spec);
      break;
    case v1::DataSource::kRatings:
      SetRatings(source.ratings(), &spec);
      break;
    case v1::DataSource::kCriteo:
      SetCriteo(source.criteo(), &spec);
      break;
    case v1::DataSource::kPositions:  // Only programs read them.
      break;
    case v1::DataSource::kNpy:
      SetNpy(source.npy(), job.model(), &spec);
      break;
  }
  return spec;
}

data::Split SplitOf(const v1::Job& job, data::Split::Part part) {
  return {job.data().split(), job.seed(), part};
}

}  // namespace

data::SourceSpec TrainingSource(const v1::Job& job, data::LabelKind labels) {
  data::SourceSpec spec = SourceOf(job, job.data().train(), labels);
  if (job.data().has_split()) {
    spec.split = SplitOf(job, data::Split::Part::kTrain);
  }
  return spec;
}

std::optional<data::SourceSpec> TestSource(
    const v1::Job& job, data::LabelKind labels,
    const std::optional<data::ColumnNames>& columns) {
  const v1::Data& data = job.data();
  if (data.has_test()) {
    data::SourceSpec spec = SourceOf(job, data.test(), labels);
    spec.like = columns;
    return spec;
  }
  if (!data.has_split()) return std::nullopt;
  data::SourceSpec spec = SourceOf(job, data.train(), labels);
  spec.split = SplitOf(job, data::Split::Part::kTest);
  return spec;
}

data::LabelKind LabelKindOf(const data::Index& index) {
  return index.classes.empty() ? data::LabelKind::kReal
                               : data::LabelKind::kClass;
}

LabelScale LabelScaleOf(const v1::Job& job, const data::Index& train) {
  if (!job.data().standardise_labels() || !train.labels) return {};
  const double unit = train.labels->unit();
  const double loss = job.model().has_plugin() ? 1 : unit * unit;
  return {{train.labels->mean, unit}, loss};
}

std::optional<data::ColumnNames> ColumnsOf(
    const v1::Specification& specification) {
  if (!specification.has_columns()) return std::nullopt;
  const v1::Columns& columns = specification.columns();
  return data::ColumnNames{
      {columns.features().begin(), columns.features().end()}, columns.label()};
}

std::optional<v1::Columns> ToProto(
    const std::optional<data::ColumnNames>& columns) {
  if (!columns) return std::nullopt;
  v1::Columns message;
  for (const std::string& name : columns->features) message.add_features(name);
  message.set_label(columns->label);
  return message;
}

absl::StatusOr<data::Dataset> LoadTrainingData(const v1::Job& job,
                                               const data::OpenBytes& open) {
  const v1::Model& model = job.model();
  const auto load = [&](data::LabelKind labels) {
    return data::Dataset::Load(TrainingSource(job, labels), open);
  };
  if (job::PredictsNumbers(job)) return load(data::LabelKind::kReal);
  auto classes = load(data::LabelKind::kClass);
  // In models of keys, `layers` are the hidden ones.
  const bool one_output = !job::TraitsOf(model).keyed() &&
                          !model.layers().empty() &&
                          model.layers(model.layers_size() - 1) == 1;
  const bool fits =
      classes.ok() && (!one_output || classes->index().classes.size() == 2);
  if (!(one_output || model.has_plugin())) return classes;
  if (fits && classes->index().left_out == 0) return classes;
  // Mistakes beside the labels occur both times. If more examples are left out
  // with classes than with numbers, their labels are numbers.
  auto numbers = load(data::LabelKind::kReal);
  const bool same = fits && numbers.ok() &&
                    numbers->index().left_out == classes->index().left_out;
  if (same || (fits && !numbers.ok())) return classes;
  return numbers;
}

models::ModelConfig ModelConfigOf(const v1::Job& job,
                                  const data::Index& train) {
  const v1::Model& model = job.model();
  models::ModelConfig config;
  config.kind = model.kind();
  config.features = train.features;
  config.classes = static_cast<int64_t>(train.classes.size());
  config.layers = {model.layers().begin(), model.layers().end()};
  switch (model.activation()) {
    case v1::Model::ACTIVATION_RELU:
      config.activation = "relu";
      break;
    case v1::Model::ACTIVATION_TANH:
      config.activation = "tanh";
      break;
    case v1::Model::ACTIVATION_SIGMOID:
      config.activation = "sigmoid";
      break;
    default:
      break;
  }
  switch (model.init()) {
    case v1::Model::INIT_GLOROT:
      config.init = "glorot";
      break;
    case v1::Model::INIT_HE:
      config.init = "he";
      break;
    default:
      break;
  }
  config.rank = model.rank();
  config.dim = model.dim();
  config.dropout = model.dropout();
  config.l2 = model.l2();
  config.clip_norm = job.train().clip_norm();
  config.seed = job.seed();
  config.options = {model.options().begin(), model.options().end()};
  return config;
}

absl::StatusOr<std::unique_ptr<models::Model>> CreateModel(
    const v1::Job& job, const data::Index& train,
    const std::vector<std::string>& plugin_folders, models::Registry* registry,
    models::ComputeBackend* backend) {
  if (job::TraitsOf(job.model()).program()) {
    return models::ConfigError("model.kind",
                               "only the programs that trained the model know "
                               "how to compute it",
                               "");
  }
  // The rules of a job say so with the line of its file (job/rules.cc).
  if (!job::TraitsOf(job.model()).keyed() &&
      TrainingSource(job, LabelKindOf(train)).keyed()) {
    return models::ConfigError("model.kind",
                               job.model().kind() +
                                   " learns from columns of numbers, but the "
                                   "examples of data.train are 64-bit keys",
                               "data: {train: {libsvm: FILE}}");
  }
  if (job.model().has_plugin()) {
    EBB_ASSIGN_OR_RETURN(
        const std::string kind,
        models::LoadPlugin(job.model().plugin(), plugin_folders, registry));
    if (kind != job.model().kind()) {
      return models::ConfigError("model.kind",
                                 "the plugin " + job.model().plugin() +
                                     " has the model " + kind + ", not " +
                                     job.model().kind(),
                                 "kind: " + kind);
    }
  }
  return registry->Create(ModelConfigOf(job, train), backend);
}

absl::StatusOr<std::unique_ptr<const Algorithm>> CreateAlgorithm(
    const v1::Job& job, const std::vector<std::string>& plugin_folders) {
  const v1::Algorithm& algorithm = job.algorithm();
  if (algorithm.kind() != v1::Algorithm::KIND_PLUGIN) {
    return job::AlgorithmOf(job);
  }
  return LoadAlgorithm(algorithm.plugin(), plugin_folders,
                       {algorithm.options().begin(), algorithm.options().end()},
                       job.workers().max());
}

}  // namespace ebb::worker
