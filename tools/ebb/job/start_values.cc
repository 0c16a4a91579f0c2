#include "tools/ebb/job/start_values.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
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
#include "data/remote_files.h"
#include "datasets/push.h"
#include "job/keys.h"
#include "tools/ebb/job/tensor_text.h"
#include "tools/tensors/slot_tensors.h"

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
  static absl::StatusOr<Source> Open(const std::string& from,
                                     const ModelOpener& open) {
    Source source;
    source.from_ = from;
    std::error_code error;
    if (const auto job = StartJobOf(from)) {
      EBB_RETURN_IF_ERROR(source.TakeModel(job->name, job->version, open));
    } else if (datasets::IsUri(from) || data::IsRemote(from)) {
      return absl::InvalidArgumentError(absl::StrCat(
          from,
          ": a model comes from files of this machine, or from a job\n"
          "hint: job:NAME"));
    } else if (!fs::is_directory(from, error)) {
      EBB_RETURN_IF_ERROR(source.ReadSafetensors());
    } else {
      EBB_ASSIGN_OR_RETURN(const bool found, source.ReadNpyFolder());
      if (!found) EBB_RETURN_IF_ERROR(source.TakeModel(from, "", open));
    }
    return source;
  }

  // Null: there is none of this name.
  const TensorView* Find(const std::string& name) const {
    const auto it = tensors_.find(files_by_stem_ ? FileStem(name) : name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  bool has_state() const { return has_state_; }

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

  absl::Status ReadSafetensors() {
    EBB_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(from_));
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

  absl::Status TakeModel(const std::string& name, const std::string& version,
                         const ModelOpener& open) {
    if (open == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          from_,
          ": this command reads no stored jobs\nhint: `ebb checkpoint "
          "export ",
          name, " -o FILE.safetensors`, and start: FILE.safetensors"));
    }
    EBB_ASSIGN_OR_RETURN(own_, open(name, version));
    for (const Tensor& tensor : own_) {
      Add({tensor.name,
           TensorType::kFloat32,
           tensor.dims,
           {reinterpret_cast<const char*>(tensor.values.data()),
            tensor.values.size() * sizeof(float)}});
    }
    return absl::OkStatus();
  }

  std::string from_;
  // What the tensors are views of.
  std::vector<MappedFile> mapped_;
  std::vector<Tensor> own_;
  bool files_by_stem_ = false;  // Tensors are called as their files.
  std::map<std::string, TensorView> tensors_;
  bool has_state_ = false;  // It has slots of an optimizer.
};

// Compares the tensors of another model with the tables of the job.
class Comparison {
 public:
  Comparison(const v1::Start& start, const std::vector<job::DenseTable>& tables,
             const Source& source)
      : start_(start), tables_(tables), source_(source) {}

  // By table: the tensor that it begins with; null: none is taken.
  absl::StatusOr<std::vector<const TensorView*>> Run() {
    CheckNames();
    std::vector<const TensorView*> taken;
    std::vector<std::string> fitting;
    for (const job::DenseTable& table : tables_) {
      const TensorView* const tensor =
          Takes(table.name) ? Compare(table) : nullptr;
      if (tensor != nullptr) fitting.push_back(table.name);
      taken.push_back(tensor);
    }
    if (fitting.empty() && mistakes_.empty()) {
      mistakes_.push_back("the model has no dense tables to take");
    }
    if (!mistakes_.empty()) {
      // The last mistake has the hint, for all of them.
      if (!fitting.empty() &&
          !absl::StrContains(mistakes_.back(), "\nhint: ")) {
        absl::StrAppend(&mistakes_.back(), "\nhint: tables: [",
                        absl::StrJoin(fitting, ", "),
                        "] takes what fits, and the others begin anew");
      }
      return absl::InvalidArgumentError(absl::StrJoin(mistakes_, "\n"));
    }
    return taken;
  }

 private:
  bool Takes(const std::string& table) const {
    return start_.tables_size() == 0 ||
           std::ranges::count(start_.tables(), table) > 0;
  }

  // Names that the model does not have.
  void CheckNames() {
    std::vector<std::string> known;
    for (const job::DenseTable& table : tables_) known.push_back(table.name);
    const auto check = [&](const std::string& name, absl::string_view key) {
      if (std::ranges::count(known, name) > 0) return;
      const std::string near = job::Nearest(name, known);
      mistakes_.push_back(
          absl::StrCat("start.", key, ": the model has no dense table ", name,
                       "\nhint: ", near.empty() ? Listed(known) : near));
    };
    for (const std::string& name : start_.tables()) check(name, "tables");
    const std::map<std::string, std::string> renamed(start_.rename().begin(),
                                                     start_.rename().end());
    for (const auto& [name, other] : renamed) {
      check(name, "rename");
      if (std::ranges::count(known, name) > 0 && !Takes(name)) {
        mistakes_.push_back(
            absl::StrCat("start.rename: ", name, " is not among start.tables"));
      }
    }
  }

  // Null: there is no such tensor, or it does not fit.
  const TensorView* Compare(const job::DenseTable& table) {
    const auto renamed = start_.rename().find(table.name);
    const std::string name =
        renamed == start_.rename().end() ? table.name : renamed->second;
    const TensorView* const tensor = source_.Find(name);
    if (tensor == nullptr) {
      const std::string near = job::Nearest(name, source_.Names());
      mistakes_.push_back(absl::StrCat(
          start_.from(), " has no tensor ", name, " for the table ", table.name,
          near.empty() ? ""
                       : absl::StrCat("; there is ", near, ", which rename: {",
                                      table.name, ": ", near, "} takes")));
      return nullptr;
    }
    const std::vector<int64_t> dims = ShapeOf(table);
    if (tensor->dims != dims) {
      const bool transposed =
          dims.size() == 2 &&
          std::ranges::equal(tensor->dims, std::vector{dims[1], dims[0]});
      mistakes_.push_back(absl::StrCat(
          "tensor ", name, " of ", start_.from(), " has the shape ",
          ShapeText(tensor->dims), ", the table ", table.name, " ",
          ShapeText(dims),
          transposed ? ". It may be the transpose, which torch.nn.Linear "
                       "keeps: save weight.T"
                     : ""));
      return nullptr;
    }
    if (tensor->type != TensorType::kFloat32) {
      mistakes_.push_back(absl::StrCat("tensor ", name, " of ", start_.from(),
                                       " is not of float32"));
      return nullptr;
    }
    return tensor;
  }

  const v1::Start& start_;
  const std::vector<job::DenseTable>& tables_;
  const Source& source_;
  std::vector<std::string> mistakes_;
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

}  // namespace

std::optional<StartJob> StartJobOf(absl::string_view from) {
  if (!absl::ConsumePrefix(&from, kJobPrefix)) return std::nullopt;
  const size_t at = from.find('@');
  if (at == absl::string_view::npos) return StartJob{std::string(from), ""};
  return StartJob{std::string(from.substr(0, at)),
                  std::string(from.substr(at + 1))};
}

absl::StatusOr<StartValues> ReadStart(
    const v1::Start& start, const std::vector<job::DenseTable>& tables,
    const StartOtherwise& otherwise, const ModelOpener& open) {
  EBB_ASSIGN_OR_RETURN(const Source source, Source::Open(start.from(), open));
  Comparison comparison(start, tables, source);
  EBB_ASSIGN_OR_RETURN(const std::vector<const TensorView*> taken,
                       comparison.Run());
  StartValues out;
  EBB_ASSIGN_OR_RETURN(
      out.values,
      InitialValues::Of(start.from(), VectorOf(tables, taken, otherwise),
                        tables));
  std::vector<std::string> left;
  std::set<std::string> used;
  for (const TensorView* tensor : taken) {
    if (tensor != nullptr) used.insert(tensor->name);
  }
  for (const std::string& name : source.Names()) {
    if (!used.contains(name)) left.push_back(name);
  }
  if (!left.empty()) {
    out.notes.push_back(absl::StrCat("start: of ", start.from(),
                                     " these are "
                                     "not taken: ",
                                     Listed(std::move(left))));
  }
  std::vector<std::string> anew;
  for (size_t t = 0; t < tables.size(); ++t) {
    if (taken[t] == nullptr) anew.push_back(tables[t].name);
  }
  if (!anew.empty()) {
    out.notes.push_back(absl::StrCat("start: these tables begin anew: ",
                                     Listed(std::move(anew))));
  }
  if (source.has_state()) {
    out.notes.push_back(absl::StrCat(
        "start: ", start.from(),
        " has the state of an optimizer, too, which "
        "is not taken: optimizers begin anew. `model: {initial: FILE}` takes "
        "it, with all tables"));
  }
  return out;
}

}  // namespace ebb::tools
