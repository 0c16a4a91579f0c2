#include "tools/ebb/job/initial_values.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/remote_files.h"
#include "datasets/push.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

namespace {

constexpr char kName[] = "values.f32";
constexpr size_t kNamesListed = 20;

std::string ShapeText(const std::vector<int64_t>& dims) {
  return absl::StrCat("(", absl::StrJoin(dims, ", "), ")");
}

std::string Listed(std::vector<std::string> names) {
  const size_t all = names.size();
  if (all > kNamesListed) {
    names.resize(kNamesListed);
    names.push_back(absl::StrCat("and ", all - kNamesListed, " more"));
  }
  return absl::StrJoin(names, ", ");
}

// The place of the first value that is not finite; absent: all are.
std::optional<int64_t> FirstNotFinite(absl::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    if (!std::isfinite(value)) return static_cast<int64_t>(at / sizeof(value));
  }
  return std::nullopt;
}

// Why the tensor cannot be the table's; empty: it can.
std::string Misfit(const job::DenseTable& table, const TensorView& tensor) {
  const std::vector<int64_t> dims =
      table.dims.empty() ? std::vector<int64_t>{table.size} : table.dims;
  if (tensor.dims != dims) {
    return absl::StrCat("tensor ", table.name, " has the shape ",
                        ShapeText(tensor.dims), ", the table of the job ",
                        ShapeText(dims));
  }
  if (tensor.type != TensorType::kFloat32) {
    return absl::StrCat("tensor ", table.name, " is not of float32");
  }
  if (const auto place = FirstNotFinite(tensor.data)) {
    return absl::StrCat("tensor ", table.name,
                        " has a value that is not "
                        "finite, at place ",
                        *place);
  }
  return "";
}

}  // namespace

absl::StatusOr<std::shared_ptr<const InitialValues>> InitialValues::Read(
    const std::string& path, const std::vector<job::DenseTable>& tables,
    const Differences& differences) {
  if (datasets::IsUri(path) || data::IsRemote(path)) {
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
  EBB_ASSIGN_OR_RETURN(values->file_, MappedFile::Open(path));
  auto file = ViewSafetensors(values->file_.bytes());
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", file.status().message()));
  }
  std::map<absl::string_view, const TensorView*> tensors;
  for (const TensorView& tensor : file->tensors) {
    tensors[tensor.name] = &tensor;
  }
  for (const std::string& name : differences.passed_over) tensors.erase(name);
  std::vector<std::string> mistakes;
  std::vector<std::string> missing;
  for (const job::DenseTable& table : tables) {
    const auto it = tensors.find(table.name);
    if (it == tensors.end() && table.name == differences.zeros_without) {
      values->own_.assign(table.size, 0);
      values->Add({reinterpret_cast<const char*>(values->own_.data()),
                   values->own_.size() * sizeof(float)});
      continue;
    }
    if (it == tensors.end()) {
      missing.push_back(table.name);
      continue;
    }
    const TensorView& tensor = *it->second;
    if (std::string why = Misfit(table, tensor); !why.empty()) {
      mistakes.push_back(absl::StrCat(path, ": ", why));
    }
    tensors.erase(it);
    values->Add(tensor.data);
  }
  if (!missing.empty()) {
    mistakes.push_back(absl::StrCat(path, " has no tensor ", Listed(missing),
                                    ", which the job has"));
  }
  if (!tensors.empty()) {
    std::vector<std::string> others;
    for (const auto& [name, tensor] : tensors) others.emplace_back(name);
    mistakes.push_back(absl::StrCat(
        path, " has tensors that the job has no table for: ", Listed(others)));
  }
  if (!mistakes.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(mistakes, "\n"));
  }
  EBB_RETURN_IF_ERROR(values->MakeManifest());
  return values;
}

absl::StatusOr<std::shared_ptr<const InitialValues>> InitialValues::Of(
    const std::string& called, std::vector<float> values,
    const std::vector<job::DenseTable>& tables) {
  std::shared_ptr<InitialValues> own(new InitialValues);
  own->path_ = called;
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
  EBB_RETURN_IF_ERROR(own->MakeManifest());
  return own;
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
