#include "worker/job_data.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "algorithms/plugin.h"
#include "common/plugin_file.h"
#include "common/status_macros.h"
#include "common/tls/sha256.h"
#include "data/folds.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/labels.h"
#include "job/program_tables.h"
#include "job/specification.h"
#include "job/training.h"
#include "models/plugin.h"
#include "workloads/seam/worker/worker.h"

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
  const bool archive = job::IsArchive(npy);
  spec->kind = data::SourceKind::kNpy;
  spec->npy = {.features = npy.features(),
               .archive = archive,
               .labels = npy.labels(),
               .data = npy.data(),
               .indices = npy.indices(),
               .indptr = npy.indptr(),
               .columns = npy.columns(),
               .keys = (archive || npy.has_indptr()) &&
                       (npy.keys() || job::TraitsOf(model).keyed())};
}

// Options of images, wherever they are.
template <typename Source>
data::ImageOptions ImageOptionsOf(const Source& source) {
  data::ImageOptions options;
  options.grey = source.grey();
  if (const auto size = job::ParseImageSize(source.size())) {
    options.width = size->width;
    options.height = size->height;
  }
  return options;
}

void SetImages(const v1::Images& images, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kImages;
  spec->path = images.path();
  spec->image = ImageOptionsOf(images);
}

void SetTar(const v1::Tar& tar, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kTar;
  SetPaths(tar.path(), spec);
  spec->image = ImageOptionsOf(tar);
}

void SetLibsvm(const v1::Libsvm& libsvm, const v1::Model& model,
               data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kLibsvm;
  SetPaths(libsvm.path(), spec);
  // A model of keys takes no other rows.
  spec->libsvm = {libsvm.features(), libsvm.zero_based(),
                  libsvm.keys() || job::TraitsOf(model).keyed()};
}

data::RecordFeature::As AsOf(v1::Feature::As as) {
  using As = data::RecordFeature::As;
  switch (as) {
    case v1::Feature::AS_LABEL:
      return As::kLabel;
    case v1::Feature::AS_KEY:
      return As::kKey;
    case v1::Feature::AS_KEYS:
      return As::kKeys;
    case v1::Feature::AS_BYTES:
      return As::kBytes;
    default:  // The rules of a job refuse others.
      return As::kDense;
  }
}

void SetRecords(data::SourceKind kind,
                const google::protobuf::RepeatedPtrField<std::string>& paths,
                const v1::DataSource& source, data::SourceSpec* spec) {
  spec->kind = kind;
  SetPaths(paths, spec);
  for (const auto& [name, feature] : source.features()) {
    data::RecordFeature& made = spec->features.emplace_back();
    made.name = name;
    made.as = AsOf(feature.as());
    if (feature.has_width()) made.width = feature.width();
    if (feature.has_field()) {
      made.field = static_cast<data::Field>(feature.field());
    }
    made.most = feature.most();
    made.log = feature.log();
    if (feature.has_missing()) made.missing = feature.missing();
  }
  std::ranges::sort(spec->features, {}, &data::RecordFeature::name);
}

void SetBags(const v1::Bags& bags, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kBags;
  SetPaths(bags.path(), spec);
  spec->bags.vocabulary = bags.vocabulary();
  spec->has_labels = false;
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

void SetText(const v1::Text& text, data::SourceSpec* spec) {
  spec->kind = data::SourceKind::kText;
  spec->has_labels = false;
  SetPaths(text.path(), spec);
  data::DocumentOptions& documents = spec->documents;
  documents.lines = text.document() == v1::Text::DOCUMENT_LINE;
  documents.lower_case = text.lower_case();
  documents.least_count = text.least_count();
  documents.most_words = text.most_words();
  documents.stop_words = {text.stop_words().begin(), text.stop_words().end()};
  documents.least_words = text.least_words();
}

// Chooses the columns of a table whose text is categories.
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
    case job::MissingRule::Kind::kKeep:
      spec->csv.missing = data::CsvOptions::Missing::kKeep;
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
    case v1::DataSource::kPython:     // Its module does.
      break;
    case v1::DataSource::kNpy:
      SetNpy(source.npy(), job.model(), &spec);
      break;
    case v1::DataSource::kText:
      SetText(source.text(), &spec);
      break;
    case v1::DataSource::kBags:
      SetBags(source.bags(), &spec);
      break;
    case v1::DataSource::kImages:
      SetImages(source.images(), &spec);
      break;
    case v1::DataSource::kTar:
      SetTar(source.tar(), &spec);
      break;
    case v1::DataSource::kPacked:
      spec.kind = data::SourceKind::kPacked;
      spec.path = source.packed().path();
      spec.packed.keyed = job::TraitsOf(job.model()).keyed();
      break;
    case v1::DataSource::kTfRecord:
      SetRecords(data::SourceKind::kTfRecord, source.tf_record().path(), source,
                 &spec);
      break;
    case v1::DataSource::kJsonLines:
      SetRecords(data::SourceKind::kJsonLines, source.json_lines().path(),
                 source, &spec);
      break;
    case v1::DataSource::kProtobuf:
      SetRecords(data::SourceKind::kProtobuf, source.protobuf().path(), source,
                 &spec);
      spec.protobuf = {source.protobuf().descriptors(),
                       source.protobuf().message()};
      break;
  }
  if (!job::HasLabels(job)) {
    spec.has_labels = false;
    spec.csv.label.clear();  // "none".
  }
  spec.dense_beside = job::TakesDenseBeside(job.model());
  workloads::WorkerSideOf(job.model()).Read(job, &spec);
  return spec;
}

std::string HashOf(absl::string_view text) {
  return absl::BytesToHexString(Sha256(text));
}

// Checks that a file is the one that was submitted: its hash, if there is one.
absl::Status CheckHash(const std::string& path, const std::string& hash,
                       const std::string& submitted) {
  if (submitted.empty() || submitted == hash) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is not what was submitted: its SHA-256 is ", hash, ", not ",
      submitted, "; give this machine the same file, or submit the job anew"));
}

absl::StatusOr<PythonDataSet> ReadDataSet(const v1::PythonData& data,
                                          const v1::Model& model,
                                          const UserCode& code) {
  const FactoryName name = FactoryOf(data, model);
  PythonDataSet set = {
      .name = data.factory(),
      .function = name.function,
      .options = {data.options().begin(), data.options().end()},
      .fingerprint = data.fingerprint()};
  if (name.file.empty()) return set;
  EBB_ASSIGN_OR_RETURN(PluginText file,
                       ReadPlugin(name.file, code.plugin_folders));
  EBB_RETURN_IF_ERROR(CheckHash(file.path, HashOf(file.text), data.sha256()));
  set.path = std::move(file.path);
  set.text = std::move(file.text);
  return set;
}

// `classes`: its labels are, and ebb reads them.
std::optional<data::Split> SplitOf(const v1::Job& job, data::Split::Part part,
                                   bool classes) {
  const v1::Data& data = job.data();
  data::Split split = {.seed = job.seed(), .part = part};
  if (data.has_split()) {
    split.test_fraction = data.split();
    return split;
  }
  if (!data.has_fold() || !job.has_validate()) return std::nullopt;
  const v1::Validate& validate = job.validate();
  split.folds = {.count = validate.folds(),
                 .test = data.fold(),
                 .stratified = validate.has_stratified()
                                   ? validate.stratified()
                                   : classes && !validate.has_group(),
                 .group = validate.group()};
  return split;
}

// The split of a source that ebb reads.
std::optional<data::Split> SplitOf(const v1::Job& job, data::Split::Part part,
                                   const data::SourceSpec& spec) {
  return SplitOf(job, part,
                 spec.has_labels && spec.looks_at_labels &&
                     spec.label_kind == data::LabelKind::kClass);
}

// An error of classes that are too small for the folds, and not of numbers that
// were taken for classes.
bool IsOfFolds(const absl::Status& status, bool two_classes) {
  const auto classes = status.GetPayload(data::kFoldWithoutClass);
  return classes && (!two_classes || *classes == "2");
}

}  // namespace

std::optional<data::Split> TrainingSplit(const v1::Job& job) {
  return SplitOf(job, data::Split::Part::kTrain, /*classes=*/false);
}

std::optional<data::Split> TestSplit(const v1::Job& job) {
  return SplitOf(job, data::Split::Part::kTest, /*classes=*/false);
}

data::SourceSpec TrainingSource(const v1::Job& job, data::LabelKind labels) {
  data::SourceSpec spec = SourceOf(job, job.data().train(), labels);
  spec.split = SplitOf(job, data::Split::Part::kTrain, spec);
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
  data::SourceSpec spec = SourceOf(job, data.train(), labels);
  spec.split = SplitOf(job, data::Split::Part::kTest, spec);
  if (!spec.split) return std::nullopt;
  return spec;
}

data::LabelKind LabelKindOf(const data::Index& index) {
  return index.classes.empty() ? data::LabelKind::kReal
                               : data::LabelKind::kClass;
}

LabelScale LabelScaleOf(const v1::Job& job, const data::Index& train) {
  if (!job.data().standardise_labels() || !train.labels) return {};
  const double unit = train.labels->unit();
  const double loss = job::IsOwn(job.model()) ? 1 : unit * unit;
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
  // A model that looks at no labels takes any.
  if (job::PredictsNumbers(job) ||
      !TrainingSource(job, data::LabelKind::kReal).looks_at_labels) {
    return load(data::LabelKind::kReal);
  }
  auto classes = load(data::LabelKind::kClass);
  // In models of keys, `layers` are the hidden ones.
  const bool one_output = !job::TraitsOf(model).keyed() &&
                          !model.layers().empty() &&
                          model.layers(model.layers_size() - 1) == 1;
  const bool fits =
      classes.ok() && (!one_output || classes->index().classes.size() == 2);
  if (!(one_output || job::IsOwn(model))) return classes;
  if (IsOfFolds(classes.status(), one_output)) return classes;
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
  if (job::TakesDenseBeside(model)) {
    const auto beside = data::DenseBeside::Of(train.meaning, train.features);
    if (beside.ok()) {  // Else CreateModel says so.
      config.features = beside->fields();
      config.beside = beside->width();
    }
  }
  config.classes = static_cast<int64_t>(train.classes.size());
  config.examples = train.examples;
  config.frozen = {job.freeze().begin(), job.freeze().end()};
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
  workloads::WorkerSideOf(model).Configure(job, train, &config);
  return config;
}

absl::StatusOr<ModuleText> ReadModule(const v1::Job& job,
                                      const UserCode& code) {
  const v1::Model& model = job.model();
  EBB_ASSIGN_OR_RETURN(PluginText file,
                       ReadPlugin(model.module(), code.plugin_folders));
  std::string hash = HashOf(file.text);
  EBB_RETURN_IF_ERROR(CheckHash(file.path, hash, model.sha256()));
  ModuleText module = {std::move(file), std::move(hash), {}};
  if (!HasPythonData(job)) return module;
  std::vector<const v1::PythonData*> sets = {&job.data().train().python()};
  if (job.data().has_test()) sets.push_back(&job.data().test().python());
  for (const v1::PythonData* set : sets) {
    auto read = ReadDataSet(*set, model, code);
    if (!read.ok()) {
      absl::Status status = read.status();
      status.SetPayload(kFailedData,
                        absl::Cord(absl::StrCat(module.data.size())));
      return status;
    }
    module.data.push_back(*std::move(read));
  }
  return module;
}

void SetHashes(const ModuleText& module, v1::Job* job) {
  job->mutable_model()->set_sha256(module.sha256);
  for (size_t i = 0; i < module.data.size(); ++i) {
    if (module.data[i].path.empty()) continue;  // It is the module's.
    v1::DataSource& source = i == 0 ? *job->mutable_data()->mutable_train()
                                    : *job->mutable_data()->mutable_test();
    source.mutable_python()->set_sha256(HashOf(module.data[i].text));
  }
}

data::Index PythonTrainingIndex(
    const v1::Job& job, const std::vector<data::FileFingerprint>& found) {
  return IndexOfPython(job.data().train().python(), found.front(),
                       TrainingSplit(job));
}

std::optional<data::Index> PythonTestIndex(
    const v1::Job& job, const std::vector<data::FileFingerprint>& found) {
  if (job.data().has_test()) {
    return IndexOfPython(job.data().test().python(), found.back(),
                         std::nullopt);
  }
  const auto split = TestSplit(job);
  if (!split) return std::nullopt;
  return IndexOfPython(job.data().train().python(), found.front(), split);
}

absl::StatusOr<std::unique_ptr<PythonModel>> CreatePythonModel(
    const v1::Job& job, const data::Index& train, const PythonProgram& python,
    ModuleText module) {
  const v1::Model& model = job.model();
  PythonModelOptions options = {
      .program = python,
      .path = std::move(module.file.path),
      .text = std::move(module.file.text),
      .class_name = model.class_(),
      .options = {model.options().begin(), model.options().end()},
      .data = std::move(module.data),
      .features = train.features,
      .classes = static_cast<int64_t>(train.classes.size()),
      .seed = job.seed(),
      .clip_norm = job.train().clip_norm(),
      .tables = {}};
  EBB_ASSIGN_OR_RETURN(const std::vector<job::DenseTable> tables,
                       job::ProgramTablesOf(model));
  for (const job::DenseTable& table : tables) {
    options.tables.push_back({table.name, table.dims, table.init});
  }
  return PythonModel::Create(std::move(options));
}

absl::StatusOr<std::unique_ptr<models::Model>> CreateModel(
    const v1::Job& job, const data::Index& train, const UserCode& code,
    models::Registry* registry, models::ComputeBackend* backend) {
  if (job::TraitsOf(job.model()).python()) {
    EBB_ASSIGN_OR_RETURN(ModuleText module, ReadModule(job, code));
    return CreatePythonModel(job, train, code.python, std::move(module));
  }
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
    EBB_ASSIGN_OR_RETURN(const std::string kind,
                         models::LoadPlugin(job.model().plugin(),
                                            code.plugin_folders, registry));
    if (kind != job.model().kind()) {
      return models::ConfigError("model.kind",
                                 "the plugin " + job.model().plugin() +
                                     " has the model " + kind + ", not " +
                                     job.model().kind(),
                                 "kind: " + kind);
    }
  }
  if (job::TakesDenseBeside(job.model())) {
    const absl::Status beside =
        data::DenseBeside::Of(train.meaning, train.features).status();
    if (!beside.ok()) {
      return models::ConfigError("data.train", std::string(beside.message()));
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
