#include "tools/ebb/job/start_values.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/initializer.h"
#include "common/mapped_file.h"
#include "common/status_macros.h"
#include "data/scheme.h"
#include "job/base/keys.h"
#include "job/base/table_name.h"
#include "tools/ebb/model/initial_tensors.h"
#include "tools/ebb/model/tensor_text.h"
#include "tools/tensors/slot_tensors.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

namespace {

namespace fs = std::filesystem;

constexpr char kJobPrefix[] = "job:";

std::vector<int64_t> ShapeOf(const job::DenseTable& table) {
  return table.dims.empty() ? std::vector<int64_t>{table.size} : table.dims;
}

// The file of a tensor in a folder of `ebb checkpoint export`, without .npy.
std::string FileStem(const std::string& tensor) {
  return absl::StrReplaceAll(tensor, {{"/", "."}, {" ", "_"}});
}

// The tensors of another model, wherever they are.
class Source {
 public:
  // `rows`: those of sparse tables are wanted, too.
  static absl::StatusOr<std::shared_ptr<const Source>> Open(
      const std::string& from, const ModelOpener& open, bool rows) {
    std::shared_ptr<Source> made(new Source);
    Source& source = *made;
    source.from_ = from;
    std::error_code error;
    if (const auto job = StartJobOf(from)) {
      EBB_RETURN_IF_ERROR(source.TakeModel(*job, open, rows));
    } else if (data::HasScheme(from)) {
      return absl::InvalidArgumentError(absl::StrCat(
          from,
          ": a model comes from files of this machine, or from a job\n"
          "hint: job:NAME"));
    } else if (!fs::is_directory(from, error)) {
      EBB_RETURN_IF_ERROR(source.ReadSafetensors());
    } else {
      EBB_ASSIGN_OR_RETURN(const bool found, source.ReadNpyFolder());
      const StartJob run = {.name = from, .version = "", .stored = true};
      if (!found) EBB_RETURN_IF_ERROR(source.TakeModel(run, open, rows));
    }
    return std::shared_ptr<const Source>(std::move(made));
  }

  // Null: there is none of this name.
  const TensorView* Find(const std::string& name) const {
    auto it = tensors_.find(files_by_stem_ ? FileStem(name) : name);
    if (it == tensors_.end()) it = tensors_.find(job::UserTableName(name));
    return it == tensors_.end() ? nullptr : &it->second;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  // The tables whose rows there are.
  std::vector<std::string> NamesOfRows() const {
    std::vector<std::string> tables;
    for (const auto& [name, tensor] : tensors_) {
      absl::string_view table = name;
      const std::string end = worker::RowsName("");
      if (absl::ConsumeSuffix(&table, files_by_stem_ ? FileStem(end) : end)) {
        tables.emplace_back(table);
      }
    }
    return tables;
  }
  bool has_state() const { return has_state_; }
  // OtherModel::doubts.
  const std::vector<std::string>& doubts() const { return doubts_; }

 private:
  void Add(TensorView tensor) {
    if (absl::StartsWith(tensor.name, kSlotsPrefix) ||
        (files_by_stem_ && absl::StartsWith(tensor.name, "slots."))) {
      has_state_ = true;
      return;
    }
    if (absl::StartsWith(tensor.name, kAveragesPrefix) ||
        (files_by_stem_ && absl::StartsWith(tensor.name, "averages."))) {
      return;
    }
    std::string name = tensor.name;
    tensors_.emplace(std::move(name), std::move(tensor));
  }

  Source() = default;

  absl::Status ReadSafetensors() {
    EBB_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(from_));
    return ReadSafetensors(std::move(file));
  }
  absl::Status ReadSafetensors(MappedFile file) {
    auto view = ViewSafetensors(file.bytes());
    if (!view.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(from_, ": ", view.status().message()));
    }
    for (TensorView& tensor : view->tensors) Add(std::move(tensor));
    mapped_.push_back(std::move(file));
    return absl::OkStatus();
  }

  // False: there is no .npy file in the folder.
  absl::StatusOr<bool> ReadNpyFolder() {
    files_by_stem_ = true;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(from_, error)) {
      const fs::path& path = entry.path();
      if (path.extension() != ".npy") continue;
      EBB_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path.string()));
      auto tensor = ViewNpy(path.stem().string(), file.bytes());
      if (!tensor.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path.string(), ": ", tensor.status().message()));
      }
      Add(*std::move(tensor));
      mapped_.push_back(std::move(file));
    }
    if (error) {
      return absl::ErrnoToStatus(error.value(),
                                 absl::StrCat("cannot read ", from_));
    }
    files_by_stem_ = !mapped_.empty();
    return files_by_stem_;
  }

  absl::Status TakeModel(const StartJob& job, const ModelOpener& open,
                         bool rows) {
    if (open == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          from_,
          ": this command reads no stored jobs\nhint: `ebb checkpoint "
          "export ",
          job.name, " -o FILE.safetensors`, and start: FILE.safetensors"));
    }
    EBB_ASSIGN_OR_RETURN(OtherModel model, open(job, rows));
    doubts_ = std::move(model.doubts);
    own_ = std::move(model.tables);
    for (const Tensor& tensor : own_) {
      Add({tensor.name,
           TensorType::kFloat32,
           tensor.dims,
           {reinterpret_cast<const char*>(tensor.values.data()),
            tensor.values.size() * sizeof(float)}});
    }
    if (model.rows.bytes().empty()) return absl::OkStatus();
    return ReadSafetensors(std::move(model.rows));
  }

  std::string from_;
  // The tensors are views of these.
  std::vector<MappedFile> mapped_;
  std::vector<Tensor> own_;
  bool files_by_stem_ = false;  // Tensors are called as their files.
  std::map<std::string, TensorView> tensors_;
  bool has_state_ = false;  // It has slots of an optimizer.
  std::vector<std::string> doubts_;
};

// The rows of a sparse table in another model.
struct TakenRows {
  std::string table;  // Its name in the job.
  const TensorView* keys = nullptr;
  const TensorView* rows = nullptr;
};

struct Taken {
  // By dense table: the tensor that it begins with; null: none is taken.
  std::vector<const TensorView*> dense;
  std::vector<TakenRows> rows;
};

bool TakesTable(const v1::Start& start, const std::string& table) {
  return start.tables().empty() ||
         std::ranges::count(start.tables(), table) > 0;
}

// Rows that examples write are never taken.
bool TakesRows(const v1::Start& start, const job::SparseTable& table) {
  return table.kind == RowKind::kTrained && TakesTable(start, table.name);
}

// Compares the tensors of another model with the tables of the job.
class Comparison {
 public:
  Comparison(const v1::Start& start, const StartTables& tables,
             const Source& source)
      : start_(start), tables_(tables), source_(source) {}

  absl::StatusOr<Taken> Run() {
    CheckNames();
    Taken taken;
    std::vector<std::string> fitting;
    for (const job::DenseTable& table : tables_.dense) {
      const TensorView* const tensor =
          TakesTable(start_, table.name) ? Compare(table) : nullptr;
      if (tensor != nullptr) fitting.push_back(table.name);
      taken.dense.push_back(tensor);
    }
    for (const job::SparseTable& table : tables_.sparse) {
      if (!TakesRows(start_, table)) continue;
      const std::optional<TakenRows> rows = Compare(table);
      if (!rows) continue;
      fitting.push_back(table.name);
      taken.rows.push_back(*rows);
    }
    if (fitting.empty() && mistakes_.empty()) {
      mistakes_.push_back("the model has no tables to take");
    }
    if (!mistakes_.empty()) {
      // The last mistake has the hint, for all of them.
      const std::string hint = Hint(fitting);
      if (!hint.empty() && !absl::StrContains(mistakes_.back(), "\nhint: ")) {
        absl::StrAppend(&mistakes_.back(), "\nhint: ", hint);
      }
      return absl::InvalidArgumentError(absl::StrJoin(mistakes_, "\n"));
    }
    return taken;
  }

 private:
  template <typename... What>
  void Wrong(const What&... what) {
    mistakes_.push_back(absl::StrCat(what...));
  }

  // Says what can be written where tables have no tensor, or another shape.
  std::string Hint(const std::vector<std::string>& fitting) const {
    std::vector<std::string> hints;
    const std::vector<std::string> others = Others();
    if (!renames_.empty() && !others.empty()) {
      hints.push_back(absl::StrCat(renames_.front(), "; ", start_.from(),
                                   " has ", Listed(others)));
    }
    if (!fitting.empty()) {
      hints.push_back(absl::StrCat("tables: [", absl::StrJoin(fitting, ", "),
                                   "] takes what fits, and the others begin "
                                   "anew"));
    }
    return absl::StrJoin(hints, "; or ");
  }

  // The tensors that no table takes, with their shapes: those first that a
  // table without one could take.
  std::vector<std::string> Others() const {
    std::vector<std::string> others;
    std::vector<std::string> of_other_shape;
    for (const auto& [name, tensor] : source_.tensors()) {
      if (found_.contains(&tensor)) continue;
      const bool fits = std::ranges::count(missing_, tensor.dims) > 0;
      (fits ? others : of_other_shape)
          .push_back(absl::StrCat(name, " ", ShapeText(tensor.dims)));
    }
    std::ranges::move(of_other_shape, std::back_inserter(others));
    return others;
  }

  // Names that the model does not have.
  void CheckNames() {
    std::vector<std::string> known;
    for (const job::DenseTable& table : tables_.dense) {
      known.push_back(table.name);
    }
    for (const job::SparseTable& table : tables_.sparse) {
      known.push_back(table.name);
      if (table.kind != RowKind::kTrained && start_.tables_size() > 0 &&
          TakesTable(start_, table.name)) {
        Wrong("start.tables: examples write the rows of ", table.name,
              ", so that a job begins without them\nhint: leave it out");
      }
    }
    const auto check = [&](const std::string& name, absl::string_view key) {
      if (std::ranges::count(known, name) > 0) return;
      const std::string near = job::Nearest(name, known);
      Wrong("start.", key, ": the model has no table ", name,
            "\nhint: ", near.empty() ? Listed(known) : near);
    };
    for (const std::string& name : start_.tables()) check(name, "tables");
    const std::map<std::string, std::string> renamed(start_.rename().begin(),
                                                     start_.rename().end());
    for (const auto& [name, other] : renamed) {
      check(name, "rename");
      if (std::ranges::count(known, name) > 0 && !TakesTable(start_, name)) {
        Wrong("start.rename: ", name, " is not among start.tables");
      }
    }
  }

  // Returns the name of the table in the other model.
  const std::string& NameThere(const std::string& table) const {
    const auto renamed = start_.rename().find(table);
    return renamed == start_.rename().end() ? table : renamed->second;
  }

  // Null: there is no such tensor, or it does not fit.
  const TensorView* Compare(const job::DenseTable& table) {
    const std::string& name = NameThere(table.name);
    const TensorView* const tensor = source_.Find(name);
    if (tensor == nullptr) {
      const std::string near = job::Nearest(name, source_.Names());
      Wrong(
          start_.from(), " has no tensor ", name, " for the table ", table.name,
          near.empty() ? ""
                       : absl::StrCat("; there is ", near, ", which rename: {",
                                      table.name, ": ", near, "} takes"));
      missing_.push_back(ShapeOf(table));
      renames_.push_back(absl::StrCat("rename: {", table.name,
                                      ": TENSOR} says which tensor it is"));
      return nullptr;
    }
    found_.insert(tensor);
    const std::vector<int64_t> dims = ShapeOf(table);
    if (tensor->dims != dims) {
      const bool transposed =
          dims.size() == 2 &&
          std::ranges::equal(tensor->dims, std::vector{dims[1], dims[0]});
      Wrong("tensor ", name, " of ", start_.from(), " has the shape ",
            ShapeText(tensor->dims), ", the table ", table.name, " ",
            ShapeText(dims),
            transposed ? ". It may be the transpose, which torch.nn.Linear "
                         "keeps: save weight.T"
                       : "");
      return nullptr;
    }
    if (tensor->type != TensorType::kFloat32) {
      Wrong("tensor ", name, " of ", start_.from(), " is not of float32");
      return nullptr;
    }
    return tensor;
  }

  // Absent: there are no such rows, or they do not fit.
  std::optional<TakenRows> Compare(const job::SparseTable& table) {
    const std::string& name = NameThere(table.name);
    const std::string keys_name = worker::KeysName(name);
    const std::string rows_name = worker::RowsName(name);
    const TakenRows taken = {table.name, source_.Find(keys_name),
                             source_.Find(rows_name)};
    if (taken.keys == nullptr && taken.rows == nullptr) {
      const std::string near = job::Nearest(name, source_.NamesOfRows());
      Wrong(
          start_.from(), " has no rows for the sparse table ", table.name,
          ", which would be ", keys_name, " and ", rows_name,
          near.empty() || near == name
              ? ""
              : absl::StrCat("; there are those of ", near, ", which rename: {",
                             table.name, ": ", near, "} takes"));
      renames_.push_back(absl::StrCat("rename: {", table.name, ": NAME} takes ",
                                      worker::KeysName("NAME"), " and ",
                                      worker::RowsName("NAME")));
      return std::nullopt;
    }
    found_.insert({taken.keys, taken.rows});
    if (taken.keys == nullptr || taken.rows == nullptr) {
      Wrong(start_.from(), " has ",
            taken.keys == nullptr ? rows_name : keys_name, " without ",
            taken.keys == nullptr ? keys_name : rows_name);
      return std::nullopt;
    }
    const bool integers = taken.keys->type == TensorType::kUint64 ||
                          taken.keys->type == TensorType::kInt64;
    if (!integers || taken.keys->dims.size() != 1) {
      Wrong("tensor ", keys_name, " of ", start_.from(), ", of the shape ",
            ShapeText(taken.keys->dims),
            ", must be one list of uint64 or int64");
      return std::nullopt;
    }
    const std::vector<int64_t> dims = {taken.keys->dims[0], table.width};
    if (taken.rows->dims != dims) {
      Wrong("tensor ", rows_name, " of ", start_.from(), " has the shape ",
            ShapeText(taken.rows->dims), ", the rows of table ", table.name,
            " ", ShapeText(dims));
      return std::nullopt;
    }
    if (taken.rows->type != TensorType::kFloat32) {
      Wrong("tensor ", rows_name, " of ", start_.from(), " is not of float32");
      return std::nullopt;
    }
    return taken;
  }

  const v1::Start& start_;
  const StartTables& tables_;
  const Source& source_;
  std::vector<std::string> mistakes_;
  // The tensors that have the name of a table.
  std::set<const TensorView*> found_;
  // The shapes of the dense tables without a tensor.
  std::vector<std::vector<int64_t>> missing_;
  // The lines to write for the tables without one.
  std::vector<std::string> renames_;
};

// The whole vector of the job.
std::vector<float> VectorOf(const std::vector<job::DenseTable>& tables,
                            const std::vector<const TensorView*>& taken,
                            const StartOtherwise& otherwise) {
  size_t size = 0;
  for (const job::DenseTable& table : tables) size += table.size;
  std::vector<float> values = otherwise.values;
  values.resize(size);
  std::span<float> rest = values;
  for (size_t t = 0; t < tables.size(); ++t) {
    const std::span<float> part = rest.first(tables[t].size);
    rest = rest.subspan(part.size());
    if (taken[t] != nullptr && !part.empty()) {
      std::memcpy(part.data(), taken[t]->data.data(), part.size_bytes());
    } else if (taken[t] == nullptr && otherwise.values.empty()) {
      FillInitial(tables[t].init, otherwise.seed, tables[t].name, 0, part);
    }
  }
  return values;
}

// The values, and behind them the rows that are taken. The other model has the
// memory of these.
absl::StatusOr<std::shared_ptr<const InitialValues>> WithRows(
    const std::string& called, std::vector<float> values,
    const std::vector<job::DenseTable>& dense,
    const std::vector<TakenRows>& taken, InitialRows::Tables tables,
    std::shared_ptr<const void> owner) {
  // What another optimizer gathered is not taken.
  for (auto& state : tables.states) state.slots.clear();
  std::deque<std::string> names;  // They stay where they are.
  InitialTensors tensors;
  for (const TakenRows& rows : taken) {
    tensors[names.emplace_back(worker::KeysName(rows.table))] = rows.keys;
    tensors[names.emplace_back(worker::RowsName(rows.table))] = rows.rows;
  }
  return InitialValues::Of(
      called, std::move(values), dense,
      InitialValues::RowsElsewhere{std::move(tables), std::move(tensors),
                                   std::move(owner)});
}

// Returns what people should know of what is taken, and of what is not.
std::vector<std::string> NotesOf(const v1::Start& start,
                                 const StartTables& tables, const Taken& taken,
                                 const Source& source) {
  std::vector<std::string> notes;
  for (const std::string& doubt : source.doubts()) {
    notes.push_back(
        absl::StrCat("warning: start: ", start.from(), ": ", doubt));
  }
  std::set<std::string> used;
  for (const TensorView* tensor : taken.dense) {
    if (tensor != nullptr) used.insert(tensor->name);
  }
  std::set<std::string> with_rows;
  for (const TakenRows& rows : taken.rows) {
    used.insert({rows.keys->name, rows.rows->name});
    with_rows.insert(rows.table);
  }
  std::vector<std::string> left;
  for (const std::string& name : source.Names()) {
    if (!used.contains(name)) left.push_back(name);
  }
  if (!left.empty()) {
    notes.push_back(
        absl::StrCat("start: of ", start.from(),
                     " these are not taken: ", Listed(std::move(left))));
  }
  std::vector<std::string> anew;
  for (size_t t = 0; t < tables.dense.size(); ++t) {
    if (taken.dense[t] == nullptr) anew.push_back(tables.dense[t].name);
  }
  for (const job::SparseTable& table : tables.sparse) {
    if (!with_rows.contains(table.name)) anew.push_back(table.name);
  }
  if (!anew.empty()) {
    notes.push_back(absl::StrCat("start: these tables begin anew: ",
                                 Listed(std::move(anew))));
  }
  if (source.has_state()) {
    notes.push_back(absl::StrCat(
        "start: ", start.from(),
        " has the state of an optimizer, too, which is not taken: optimizers "
        "begin anew. `model: {initial: FILE}` takes it, with all tables"));
  }
  return notes;
}

}  // namespace

std::optional<StartJob> StartJobOf(absl::string_view from) {
  if (!absl::ConsumePrefix(&from, kJobPrefix)) return std::nullopt;
  const size_t at = from.find('@');
  StartJob job;
  job.name = std::string(from.substr(0, at));
  if (at != absl::string_view::npos) {
    job.version = std::string(from.substr(at + 1));
  }
  // No job has a slash in its name.
  job.stored = absl::StrContains(job.name, '/');
  return job;
}

absl::StatusOr<StartValues> ReadStart(const v1::Start& start,
                                      const StartTables& tables,
                                      const StartOtherwise& otherwise,
                                      const ModelOpener& open) {
  const bool wants_rows = std::ranges::any_of(
      tables.sparse,
      [&](const job::SparseTable& table) { return TakesRows(start, table); });
  EBB_ASSIGN_OR_RETURN(const std::shared_ptr<const Source> source,
                       Source::Open(start.from(), open, wants_rows));
  EBB_ASSIGN_OR_RETURN(const Taken taken,
                       Comparison(start, tables, *source).Run());
  StartValues out;
  EBB_ASSIGN_OR_RETURN(
      out.values,
      InitialValues::Of(start.from(),
                        VectorOf(tables.dense, taken.dense, otherwise),
                        tables.dense));
  if (!taken.rows.empty()) {
    out.with_rows = [called = start.from(), dense = tables.dense, otherwise,
                     taken, source](InitialRows::Tables rows) {
      return WithRows(called, VectorOf(dense, taken.dense, otherwise), dense,
                      taken.rows, std::move(rows), source);
    };
  }
  out.notes = NotesOf(start, tables, taken, *source);
  return out;
}

}  // namespace ebb::tools
