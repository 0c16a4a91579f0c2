#include "tools/ebb/model/initial_values.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/scheme.h"
#include "datasets/push.h"
#include "tools/ebb/model/initial_tensors.h"
#include "tools/ebb/model/tensor_text.h"
#include "tools/tensors/slot_tensors.h"
#include "tools/tensors/tensor_files.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

namespace {

constexpr char kName[] = "values.f32";

// Why the tensor cannot be the table's, or a slot of it; empty: it can.
std::string Misfit(const job::DenseTable& table, const TensorView& tensor) {
  return MisfitOf(
      tensor,
      table.dims.empty() ? std::vector<int64_t>{table.size} : table.dims,
      "the table of the job");
}

// The state of the optimizers in a file.
struct State {
  int32_t slots = 0;
  // Slot after slot, and in each table after table. Empty: zeros.
  std::vector<absl::string_view> parts;
  std::vector<int64_t> steps;  // By table.
};

// Takes the state of the tables out of the tensors of a file, and adds what is
// wrong with it to `mistakes`.
class StateReader {
 public:
  StateReader(const std::string& path, InitialTensors* tensors,
              std::vector<std::string>* mistakes)
      : path_(path), tensors_(*tensors), mistakes_(*mistakes) {}

  State Read(const std::vector<job::DenseTable>& tables,
             const InitialValues::States& states) {
    const size_t before = mistakes_.size();
    State state;
    for (const auto& of_table : states) {
      state.slots =
          std::max(state.slots, static_cast<int32_t>(of_table.slots.size()));
    }
    state.parts.resize(state.slots * tables.size());
    for (size_t t = 0; t < tables.size(); ++t) {
      for (size_t s = 0; s < states[t].slots.size(); ++s) {
        state.parts[s * tables.size() + t] =
            Slot(tables[t], states[t].optimizer, states[t].slots[s]);
      }
      state.steps.push_back(Steps(tables[t], states[t]));
    }
    NameTheRest();
    if (mistakes_.size() > before) {
      absl::StrAppend(
          &mistakes_.back(),
          "\nhint: a job that goes on from the state of an optimizer needs the "
          "same optimizer. From a file without ",
          kSlotsPrefix,
          "… (`ebb checkpoint export` without --with-slots, in PyTorch a new "
          "optimizer) it begins with the values alone");
    }
    return state;
  }

 private:
  absl::string_view Slot(const job::DenseTable& table,
                         const std::string& optimizer,
                         const std::string& slot) {
    const TensorView* tensor = Take(optimizer, slot, table.name);
    if (tensor == nullptr) {
      missing_.push_back(SlotTensorName(optimizer, slot, table.name));
      return {};
    }
    std::string why = Misfit(table, *tensor);
    if (why.empty()) why = MisfitOfSlot(*tensor, slot);
    if (!why.empty()) mistakes_.push_back(absl::StrCat(path_, ": ", why));
    return tensor->data;
  }

  int64_t Steps(const job::DenseTable& table,
                const server::JobRule::TableState& state) {
    if (state.slots.empty()) return 0;
    const TensorView* tensor = Take(state.optimizer, kStepSlot, table.name);
    if (tensor == nullptr) {
      if (CountsSteps(state.optimizer)) {
        missing_.push_back(
            SlotTensorName(state.optimizer, kStepSlot, table.name));
      }
      return 0;
    }
    const auto steps = StepsIn(*tensor);
    if (!steps) {
      mistakes_.push_back(
          absl::StrCat(path_, ": tensor ", tensor->name,
                       " must be one whole number of steps, from 0 to 2^53"));
    }
    return steps.value_or(0);
  }

  // Names the tensors that the job lacks, and those that it has beside.
  void NameTheRest() {
    if (!missing_.empty()) {
      mistakes_.push_back(
          absl::StrCat(path_, " has no tensor ", Listed(std::move(missing_)),
                       ", which is state that an optimizer of the job keeps"));
    }
    std::vector<std::string> others;
    for (auto it = tensors_.begin(); it != tensors_.end();) {
      if (absl::StartsWith(it->first, kSlotsPrefix)) {
        others.emplace_back(it->first);
        it = tensors_.erase(it);
      } else {
        ++it;
      }
    }
    if (!others.empty()) {
      mistakes_.push_back(
          absl::StrCat(path_, " has state that no optimizer of the job keeps: ",
                       Listed(std::move(others))));
    }
  }

  // Null: there is none.
  const TensorView* Take(const std::string& optimizer, absl::string_view slot,
                         absl::string_view table) {
    for (const std::string& kind : KindsLike(optimizer)) {
      const TensorView* const tensor =
          TakeTensor(SlotTensorName(kind, slot, table), &tensors_);
      if (tensor != nullptr) return tensor;
    }
    return nullptr;
  }

  const std::string& path_;
  InitialTensors& tensors_;
  std::vector<std::string>& mistakes_;
  std::vector<std::string> missing_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const InitialValues>> InitialValues::Read(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    const Differences& differences, const States* states,
    const InitialRows::Tables* rows) {
  if (data::HasScheme(path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        ": initial values come from a file of this machine, and go to "
        "the cluster with the job"));
  }
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        " is a folder, and no safetensors file\nhint: `ebb checkpoint "
        "export JOB -o FILE.safetensors` writes one"));
  }
  std::shared_ptr<InitialValues> values(new InitialValues);
  values->path_ = path;
  values->dense_tables_ = tables.size();
  EBB_ASSIGN_OR_RETURN(values->file_, MappedFile::Open(path));
  auto file = ViewSafetensors(values->file_.bytes());
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", file.status().message()));
  }
  InitialTensors tensors;
  for (const TensorView& tensor : file->tensors) {
    tensors[tensor.name] = &tensor;
  }
  for (const std::string& name : differences.passed_over) tensors.erase(name);
  std::vector<std::string> mistakes;
  std::vector<std::string> missing;
  for (const job::DenseTable& table : tables) {
    const TensorView* const tensor = TakeTensor(table.name, &tensors);
    if (tensor == nullptr && table.name == differences.zeros_without) {
      values->own_.assign(table.size, 0);
      values->Add({reinterpret_cast<const char*>(values->own_.data()),
                   values->own_.size() * sizeof(float)});
      continue;
    }
    if (tensor == nullptr) {
      missing.push_back(table.name);
      continue;
    }
    if (std::string why = Misfit(table, *tensor); !why.empty()) {
      mistakes.push_back(absl::StrCat(path, ": ", why));
    }
    values->Add(tensor->data);
  }
  if (!missing.empty()) {
    mistakes.push_back(absl::StrCat(path, " has no tensor ", Listed(missing),
                                    ", which the job has"));
  }
  if (rows != nullptr) {
    values->rows_ = InitialRows::Take(path, *rows, &tensors, &mistakes);
  } else {
    for (const std::string& table : differences.sparse_tables) {
      const bool keys =
          TakeTensor(worker::KeysName(table), &tensors) != nullptr;
      const bool rows_too =
          TakeTensor(worker::RowsName(table), &tensors) != nullptr;
      values->has_rows_ |= keys || rows_too;
    }
  }
  std::vector<std::string> others;
  for (const auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, kSlotsPrefix)) {
      values->has_state_ = true;
    } else if (!absl::StartsWith(name, kAveragesPrefix)) {
      others.emplace_back(name);
    }
  }
  if (!others.empty()) {
    mistakes.push_back(absl::StrCat(
        path, " has tensors that the job has no table for: ", Listed(others)));
  }
  if (states != nullptr && values->has_state_) {
    const State state =
        StateReader(path, &tensors, &mistakes).Read(tables, *states);
    if (mistakes.empty()) values->AddState(state.parts, tables);
    values->slots_ = state.slots;
    if (state.slots > 0) values->steps_ = state.steps;
  }
  if (!mistakes.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(mistakes, "\n"));
  }
  if (values->rows_ != nullptr) values->AddRows();
  EBB_RETURN_IF_ERROR(values->MakeManifest());
  return values;
}

absl::StatusOr<std::shared_ptr<const InitialValues>> InitialValues::Of(
    const std::string& called, std::vector<float> values,
    const std::vector<job::DenseTable>& tables,
    std::optional<RowsElsewhere> rows) {
  std::shared_ptr<InitialValues> own(new InitialValues);
  own->path_ = called;
  own->dense_tables_ = tables.size();
  own->own_ = std::move(values);
  const absl::string_view bytes(reinterpret_cast<const char*>(own->own_.data()),
                                own->own_.size() * sizeof(float));
  for (const job::DenseTable& table : tables) {
    const absl::string_view part =
        bytes.substr(own->bytes_, table.size * sizeof(float));
    if (const auto place = FirstNotFinite(part)) {
      return absl::InvalidArgumentError(absl::StrCat(
          table.name, " begins with a value that is not finite, at place ",
          *place));
    }
    own->Add(part);
  }
  if (rows) {
    own->rows_owner_ = std::move(rows->owner);
    std::vector<std::string> mistakes;
    own->rows_ =
        InitialRows::Take(called, rows->tables, &rows->tensors, &mistakes);
    if (!mistakes.empty()) {
      return absl::InvalidArgumentError(absl::StrJoin(mistakes, "\n"));
    }
    if (own->rows_ != nullptr) own->AddRows();
  }
  EBB_RETURN_IF_ERROR(own->MakeManifest());
  return own;
}

void InitialValues::AddState(const std::vector<absl::string_view>& parts,
                             const std::vector<job::DenseTable>& tables) {
  // Views of it stay.
  int64_t most = 0;
  for (const job::DenseTable& table : tables) most = std::max(most, table.size);
  if (std::ranges::any_of(parts, &absl::string_view::empty)) {
    zeros_.resize(most);
  }
  const absl::string_view zeros(reinterpret_cast<const char*>(zeros_.data()),
                                zeros_.size() * sizeof(float));
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t size = tables[i % tables.size()].size * sizeof(float);
    Add(parts[i].empty() ? zeros.substr(0, size) : parts[i]);
  }
}

void InitialValues::AddRows() {
  has_rows_ = true;
  rows_begin_ = bytes_;
  bytes_ += rows_->bytes();
  if (!rows_->has_state()) return;
  if (slots_ == 0) steps_.assign(dense_tables_, 0);
  steps_.insert(steps_.end(), rows_->steps().begin(), rows_->steps().end());
}

void InitialValues::Add(absl::string_view table) {
  if (table.empty()) return;
  tables_.push_back(table);
  begins_.push_back(bytes_);
  bytes_ += static_cast<int64_t>(table.size());
}

absl::Status InitialValues::MakeManifest() {
  datasets::DataFile content = {kName, bytes_, {}};
  for (int64_t at = 0; at < bytes_; at += datasets::kChunkBytes) {
    const int64_t size = std::min(datasets::kChunkBytes, bytes_ - at);
    content.chunks.push_back(datasets::ChecksumOf(Bytes(at, size)));
  }
  EBB_ASSIGN_OR_RETURN(manifest_,
                       datasets::Manifest::Make({std::move(content)}));
  return absl::OkStatus();
}

std::string InitialValues::Bytes(int64_t first, int64_t size) const {
  std::string out;
  out.reserve(size);
  const int64_t dense = rows_ != nullptr ? rows_begin_ : bytes_;
  const int64_t of_rows = std::max<int64_t>(0, first + size - dense);
  if (of_rows > 0) {
    const int64_t behind = std::max<int64_t>(0, first - dense);
    const int64_t before = std::min(size, std::max<int64_t>(0, dense - first));
    if (before > 0) out = Bytes(first, before);
    rows_->Append(behind, size - before, &out);
    return out;
  }
  auto table = static_cast<size_t>(
      std::upper_bound(begins_.begin(), begins_.end(), first) -
      begins_.begin() - 1);
  while (static_cast<int64_t>(out.size()) < size) {
    const auto rest = size - static_cast<int64_t>(out.size());
    absl::StrAppend(&out, tables_[table].substr(first - begins_[table], rest));
    if (++table < begins_.size()) first = begins_[table];
  }
  return out;
}

v1::InitialValues InitialValues::ToProto() const {
  v1::InitialValues message;
  message.set_id(manifest_.id());
  message.set_bytes(bytes_);
  message.set_slots(slots_);
  message.mutable_steps()->Add(steps_.begin(), steps_.end());
  return message;
}

absl::Status InitialValues::Push(datasets::Target* target) const {
  const auto make = [this](int64_t chunk) -> absl::StatusOr<std::string> {
    const datasets::Manifest::Place place = manifest_.PlaceOf(chunk);
    std::string bytes = Bytes(place.offset, place.size);
    if (!(datasets::ChecksumOf(bytes) == manifest_.ChecksumOfChunk(chunk))) {
      return absl::AbortedError(absl::StrCat(path_, " has changed meanwhile"));
    }
    return bytes;
  };
  // There is no other way to mend what is damaged there.
  const auto pushed = datasets::PushContent(
      manifest_, make, datasets::InitialSetOf(manifest_.id()), target,
      {.verify = true});
  if (absl::IsUnimplemented(pushed.status())) {
    return absl::UnimplementedError(
        "model.initial: this scheduler keeps no initial values; update it");
  }
  return pushed.status();
}

}  // namespace ebb::tools
