#include "models/internal/plugin_model.h"

#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/row_kind_number.h"
#include "common/status_macros.h"
#include "models/model_base.h"
#include "models/reference_backend.h"

namespace ebb::models::internal {
namespace {

constexpr int64_t kMaxRowTables = 64;

// Returns what a plugin wrote, or did not.
std::string Text(const EbbError& error) {
  const std::string text(error.text, strnlen(error.text, sizeof(error.text)));
  return text.empty() ? "failed without a word" : text;
}

EbbBatch ForPlugin(const BatchView& batch) {
  EbbBatch view = {};
  view.rows = batch.rows;
  view.features = batch.features;
  if (batch.is_sparse()) {
    view.row_offsets = batch.sparse.row_offsets.data();
    view.columns = batch.sparse.columns.data();
    view.values = batch.sparse.values.data();
  } else {
    view.dense = batch.dense.data();
  }
  if (!batch.labels.empty()) view.labels = batch.labels.data();
  view.epoch = batch.epoch;
  view.shard = batch.shard;
  view.first_position = batch.first_position;
  return view;
}

absl::StatusOr<TableShape> ToTable(const EbbTable& table) {
  constexpr int64_t kMaxParameters = int64_t{1} << 40;
  if (table.name == nullptr || *table.name == '\0') {
    return absl::InvalidArgumentError("a table has no name");
  }
  if (table.dim_count < 1 || table.dims == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("table ", table.name, " has no dimensions"));
  }
  TableShape shape;
  shape.name = table.name;
  int64_t size = 1;
  for (int64_t i = 0; i < table.dim_count; ++i) {
    const int64_t dim = table.dims[i];
    if (dim < 1 || dim > kMaxParameters / size) {
      return absl::InvalidArgumentError(
          absl::StrCat("dimension ", i, " of table ", table.name, " is ", dim));
    }
    size *= dim;
    shape.dims.push_back(dim);
  }
  shape.init = {static_cast<InitRule::Kind>(table.init), table.init_parameter};
  if (absl::Status status = shape.init.Validate(); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("table ", table.name, ": ", status.message()));
  }
  shape.regularized = table.regularized != 0;
  return shape;
}
static_assert(EBB_INIT_ZEROS == static_cast<int>(InitRule::Kind::kZeros) &&
              EBB_INIT_CONSTANT ==
                  static_cast<int>(InitRule::Kind::kConstant) &&
              EBB_INIT_UNIFORM == static_cast<int>(InitRule::Kind::kUniform) &&
              EBB_INIT_NORMAL == static_cast<int>(InitRule::Kind::kNormal));

absl::StatusOr<SparseTableShape> ToRowTable(const EbbRowTable& table) {
  constexpr int32_t kMaxWidth = 4096;
  if (table.name == nullptr || *table.name == '\0') {
    return absl::InvalidArgumentError("a table of rows has no name");
  }
  SparseTableShape shape;
  shape.name = table.name;
  shape.width = table.width;
  const std::optional<RowKind> kind = RowKindOf(table.kind);
  if (!kind || *kind == RowKind::kTrained) {
    return absl::InvalidArgumentError(absl::StrCat(
        "table ", table.name, " has rows of an unknown kind, ", table.kind));
  }
  if (table.width < 1 || table.width > kMaxWidth) {
    return absl::InvalidArgumentError(
        absl::StrCat("table ", table.name, " has rows of width ", table.width,
                     ", 1 to ", kMaxWidth, " possible"));
  }
  shape.kind = *kind;
  return shape;
}
static_assert(EBB_ROWS_ADDITIVE == NumberOf(RowKind::kAdditive) &&
              EBB_ROWS_COUNTS == NumberOf(RowKind::kCounts) &&
              EBB_ROWS_WRITE_ONCE == NumberOf(RowKind::kWriteOnce));

// Adds the tables of `rows`, which may be null, to those of its tensors.
absl::Status AddRowTables(const EbbRowPlugin* rows, const EbbModel* model,
                          ModelDescription* description) {
  if (rows == nullptr) return absl::OkStatus();
  std::set<std::string> names;
  for (const TableShape& table : description->tables) names.insert(table.name);
  const EbbRowTable* tables = nullptr;
  const int64_t count = rows->tables(model, &tables);
  if (count < 0 || count > kMaxRowTables || (count > 0 && tables == nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat("it has ", count,
                                                   " tables of rows, 0 to ",
                                                   kMaxRowTables, " possible"));
  }
  for (int64_t i = 0; i < count; ++i) {
    EBB_ASSIGN_OR_RETURN(SparseTableShape table, ToRowTable(tables[i]));
    if (!names.insert(table.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two tables are called ", table.name));
    }
    description->sparse_tables.push_back(std::move(table));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelDescription> ToDescription(const EbbModelShape* shape,
                                               const ModelConfig& config) {
  if (shape == nullptr || shape->tables == nullptr || shape->table_count < 1) {
    return absl::InvalidArgumentError("it has no tables");
  }
  ModelDescription description;
  description.features = config.features;
  std::set<std::string> names;
  for (int64_t i = 0; i < shape->table_count; ++i) {
    EBB_ASSIGN_OR_RETURN(TableShape table, ToTable(shape->tables[i]));
    if (!names.insert(table.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two tables are called ", table.name));
    }
    description.tables.push_back(std::move(table));
  }
  if (shape->outputs < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has ", shape->outputs, " outputs"));
  }
  description.outputs = shape->outputs;
  switch (shape->labels) {
    case EBB_LABELS_VALUE:
      description.labels = LabelKind::kValue;
      return description;
    case EBB_LABELS_BINARY:
      description.labels = LabelKind::kBinary;
      return description;
    case EBB_LABELS_CLASS:
      if (config.classes == 0) {
        return absl::InvalidArgumentError(
            "it tells classes apart, but the labels are values");
      }
      description.labels = LabelKind::kClass;
      description.classes = config.classes;
      return description;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("its labels are of the unknown kind ", shape->labels));
  }
}

// The plugin's part of a model.
class Instance {
 public:
  explicit Instance(std::shared_ptr<const PluginLibrary> library)
      : library_(std::move(library)) {}
  ~Instance() {
    if (model_ != nullptr) plugin().destroy(model_);
  }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  absl::Status Create(const ModelConfig& config) {
    std::vector<EbbOption> options;
    for (const auto& [name, value] : config.options) {
      options.push_back({name.c_str(), value.c_str()});
    }
    EbbModelConfig view = {};
    view.kind = config.kind.c_str();
    view.features = config.features;
    view.classes = config.classes;
    view.layers = config.layers.data();
    view.layer_count = static_cast<int64_t>(config.layers.size());
    view.activation = config.activation.c_str();
    view.init = config.init.c_str();
    view.dropout = config.dropout;
    view.seed = config.seed;
    view.options = options.data();
    view.option_count = static_cast<int64_t>(options.size());
    EbbError error = {};
    if (plugin().create(&view, &model_, &error) != 0) {
      model_ = nullptr;
      // The plugin says which key it is, if it says anything.
      if (*error.text == '\0') {
        return ConfigError("model.kind",
                           absl::StrCat(config.kind, ": ", Text(error)));
      }
      return absl::InvalidArgumentError(Text(error));
    }
    if (model_ == nullptr) {
      return ConfigError("model.kind",
                         absl::StrCat(config.kind, ": its plugin made none"));
    }
    return absl::OkStatus();
  }

  const EbbModelPlugin& plugin() const { return library_->plugin(); }
  const EbbRowPlugin* rows() const { return library_->rows(); }
  EbbModel* model() const { return model_; }

 private:
  std::shared_ptr<const PluginLibrary> library_;
  EbbModel* model_ = nullptr;
};

// A base, so that it is there before ModelBase and goes after it.
struct HostBackendIfNeeded {
  explicit HostBackendIfNeeded(ComputeBackend* backend)
      : own(backend->uses_host_memory() ? nullptr : MakeReferenceBackend()),
        host(own == nullptr ? backend : own.get()) {}

  std::unique_ptr<ComputeBackend> own;
  ComputeBackend* host;
};

class PluginModel final : private HostBackendIfNeeded, public ModelBase {
 public:
  PluginModel(std::unique_ptr<Instance> instance, ModelDescription description,
              const ModelConfig& config, ComputeBackend* backend)
      : HostBackendIfNeeded(backend),
        ModelBase(std::move(description), config, host),
        instance_(std::move(instance)) {
    for (const SparseTableShape& table : this->description().sparse_tables) {
      widths_.push_back(static_cast<size_t>(table.width));
    }
  }

  absl::Status Record(const BatchView& batch, RowSink* sink) override {
    if (instance_->rows() == nullptr || batch.rows == 0) {
      return absl::OkStatus();
    }
    Recorder recorder{sink, widths_, {}};
    const EbbRows rows = {&recorder, &Recorder::Add, &Recorder::Count,
                          &Recorder::Write};
    const EbbBatch view = ForPlugin(batch);
    EbbError error = {};
    const int failed =
        instance_->rows()->record(instance_->model(), &view, &rows, &error);
    EBB_RETURN_IF_ERROR(Result(failed, error));
    return recorder.status;
  }

 private:
  // EbbRows::state points to it. It must know itself which tables there are: a
  // row is as long as its table's rows are wide.
  struct Recorder {
    RowSink* sink;  // Not owned.
    const std::vector<size_t>& widths;
    absl::Status status;

    bool Has(int64_t table) {
      if (table >= 0 && table < static_cast<int64_t>(widths.size())) {
        return true;
      }
      status = absl::InternalError(
          absl::StrCat("the model gives a row of table ", table, ", but has ",
                       widths.size(), " tables of rows"));
      return false;
    }
    static void Add(void* state, int64_t table, uint64_t key,
                    const float* row) {
      auto* const self = static_cast<Recorder*>(state);
      if (!self->Has(table)) return;
      self->sink->Add(table, key, {row, self->widths[table]});
    }
    static void Count(void* state, int64_t table, uint64_t key,
                      const int64_t* row) {
      auto* const self = static_cast<Recorder*>(state);
      if (!self->Has(table)) return;
      self->sink->Count(table, key, {row, self->widths[table]});
    }
    static void Write(void* state, int64_t table, uint64_t key,
                      const void* bytes, int64_t size) {
      auto* const self = static_cast<Recorder*>(state);
      if (!self->Has(table)) return;
      if (size < 0 || size > static_cast<int64_t>(self->widths[table])) {
        self->status = absl::InternalError(
            absl::StrCat("the model writes ", size, " bytes under key ", key,
                         " of a table of ", self->widths[table], " at most"));
        return;
      }
      self->sink->Write(
          table, key,
          {static_cast<const std::byte*>(bytes), static_cast<size_t>(size)});
    }
  };

  absl::Status SumGradient(IncomingValues* params, const BatchView& batch,
                           OutgoingGradient* grad, LossSums* sums) override {
    return Sum(params, batch, grad->data(), sums);
  }
  absl::Status Sum(IncomingValues* params, const BatchView& batch, float* grad,
                   LossSums* sums) {
    const EbbBatch view = ForPlugin(batch);
    EbbSums plugin_sums = {};
    EbbError error = {};
    const int failed =
        instance_->plugin().gradient(instance_->model(), params->ReadAll(),
                                     &view, grad, &plugin_sums, &error);
    *sums = {plugin_sums.loss, plugin_sums.correct};
    return Result(failed, error);
  }

  absl::Status SumLoss(IncomingValues* params, const BatchView& batch,
                       LossSums* sums) override {
    return Sum(params, batch, nullptr, sums);
  }

  absl::Status ComputeOutputs(IncomingValues* params, const BatchView& batch,
                              float* outputs) override {
    EbbBatch view = ForPlugin(batch);
    view.labels = nullptr;
    EbbError error = {};
    const int failed = instance_->plugin().predict(
        instance_->model(), params->ReadAll(), &view, outputs, &error);
    return Result(failed, error);
  }

  absl::Status Result(int failed, const EbbError& error) const {
    if (failed == 0) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("model ", instance_->plugin().kind, ": ", Text(error)));
  }

  const std::unique_ptr<Instance> instance_;
  std::vector<size_t> widths_;  // Widths of the tables of rows.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> MakePluginModel(
    std::shared_ptr<const PluginLibrary> library, const ModelConfig& config,
    ComputeBackend* backend) {
  for (const auto& [key, value] :
       {std::pair("rank", config.rank), std::pair("dim", config.dim)}) {
    if (value == 0) continue;  // The interface has no place for it.
    return ConfigError(absl::StrCat("model.", key),
                       "a model of your own has it as an option",
                       absl::StrCat("options: {", key, ": ", value, "}"));
  }
  auto instance = std::make_unique<Instance>(std::move(library));
  EBB_RETURN_IF_ERROR(instance->Create(config));
  auto description =
      ToDescription(instance->plugin().shape(instance->model()), config);
  if (description.ok()) {
    const absl::Status added =
        AddRowTables(instance->rows(), instance->model(), &*description);
    if (!added.ok()) description = added;
  }
  if (!description.ok()) {
    return ConfigError(
        "model.kind",
        absl::StrCat("the plugin's model ", config.kind,
                     " is not possible: ", description.status().message()));
  }
  // It would be given the numbers of classes in the place of the labels.
  if (description->labels == LabelKind::kValue && config.classes != 0) {
    return ConfigError("model.labels",
                       absl::StrCat(config.kind,
                                    " predicts values, but labels that are all "
                                    "whole numbers are taken for classes, ",
                                    config.classes, " of them here"),
                       "labels: values");
  }
  return std::make_unique<PluginModel>(
      std::move(instance), *std::move(description), config, backend);
}

}  // namespace ebb::models::internal
