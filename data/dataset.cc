#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/internal/kernels.h"

namespace ebb::data {
namespace {

// Any more and the label is no class, or was forgotten to be called real.
constexpr size_t kMaxClasses = 65536;

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// What to call a source in a message.
const std::string& NameOf(const SourceSpec& spec) {
  return spec.path.empty() ? spec.idx.images : spec.path;
}

// Whether data of this kind can be read with the constants of other data.
absl::Status CheckFit(const SourceSpec& spec, const Reader& reader,
                      const Index& constants) {
  const bool sparse = reader.layout() == Layout::kSparse;
  if (sparse != constants.mean.empty()) {
    return Wrong(NameOf(spec), " is ", sparse ? "sparse" : "dense",
                 ", but the training data is not");
  }
  if ((!sparse || spec.libsvm.features > 0) &&
      reader.features() != constants.features) {
    return Wrong(NameOf(spec), " has ", reader.features(),
                 " features, but the training data has ", constants.features);
  }
  const bool classes = spec.label_kind == LabelKind::kClass;
  if (spec.has_labels && classes == constants.classes.empty()) {
    return Wrong("the labels of ", NameOf(spec), " are ",
                 classes ? "classes" : "real",
                 ", but those of the training data are not");
  }
  return absl::OkStatus();
}

// The number of a class that is in `classes`, or -1.
int64_t ClassOf(const std::vector<float>& classes, float label) {
  const auto at = std::lower_bound(classes.begin(), classes.end(), label);
  return at != classes.end() && *at == label ? at - classes.begin() : -1;
}

absl::Status AddClass(const Reader& reader, float label,
                      std::vector<float>* classes) {
  const auto at = std::lower_bound(classes->begin(), classes->end(), label);
  if (at != classes->end() && *at == label) return absl::OkStatus();
  if (classes->size() == kMaxClasses) {
    return Wrong(reader.Where(), ": label ", label, " makes more than ",
                 kMaxClasses,
                 " classes; if the label is a number to predict, say that it "
                 "is real");
  }
  classes->insert(at, label);
  return absl::OkStatus();
}

// kFailedPrecondition when the files of `spec` are not those of `index`.
absl::Status VerifyFiles(const SourceSpec& spec, const Index& index,
                         const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(const std::vector<NamedFingerprint> files,
                       FingerprintFiles(spec, open));
  for (size_t i = 0; i < files.size(); ++i) {
    if (i < index.files.size() && files[i].fingerprint == index.files[i]) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        files[i].path, " is not the file that was indexed: expected ",
        i < index.files.size() ? ToString(index.files[i]) : "no such file",
        ", found ", ToString(files[i].fingerprint),
        "; bring the old file back, or submit the new one as a new job"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Dataset> Dataset::Load(const SourceSpec& spec,
                                      const OpenBytes& open) {
  return Load(spec, nullptr, open);
}

absl::StatusOr<Dataset> Dataset::LoadLike(const SourceSpec& spec,
                                          const Index& training,
                                          const OpenBytes& open) {
  return Load(spec, &training, open);
}

absl::StatusOr<Dataset> Dataset::LoadIndexed(const SourceSpec& spec,
                                             const Index& index,
                                             const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  if (spec.Meaning() != index.meaning) {
    return absl::FailedPreconditionError(absl::StrCat(
        NameOf(spec), " was indexed with other options: expected [",
        index.meaning, "], found [", spec.Meaning(), "]"));
  }
  absl::StatusOr<Dataset> loaded = Load(spec, &index, open);
  if (loaded.ok() && loaded->index_ == index) return loaded;
  // That the file has changed explains an error better than what in the new
  // one cannot be read.
  EBB_RETURN_IF_ERROR(VerifyFiles(spec, index, open));
  EBB_RETURN_IF_ERROR(loaded.status());
  return absl::FailedPreconditionError(absl::StrCat(
      NameOf(spec), " changed while it was read; wait until it is whole"));
}

absl::StatusOr<Dataset> Dataset::Load(const SourceSpec& spec,
                                      const Index* constants,
                                      const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open));
  Dataset data;
  data.layout_ = reader->layout();
  data.names_ = reader->Names();
  data.index_.meaning = spec.Meaning();
  if (constants != nullptr) {
    EBB_RETURN_IF_ERROR(CheckFit(spec, *reader, *constants));
    data.index_.features = constants->features;
    data.index_.classes = constants->classes;
    data.index_.mean = constants->mean;
    data.index_.stddev = constants->stddev;
  }
  EBB_RETURN_IF_ERROR(data.ReadAll(*reader, spec, constants != nullptr));
  if (data.examples() == 0 || reader->features() == 0) {
    return Wrong(NameOf(spec), " has no ",
                 data.examples() == 0 ? "examples" : "features",
                 spec.split.has_value() ? " in this part of its split" : "");
  }
  data.index_.files = reader->Fingerprints();
  if (constants == nullptr) {
    data.index_.features = reader->features();
    EBB_RETURN_IF_ERROR(data.FindMoments(spec));
  }
  data.Finish(spec);
  return data;
}

absl::Status Dataset::ReadAll(Reader& reader, const SourceSpec& spec,
                              bool constants) {
  const bool classes = spec.has_labels && spec.label_kind == LabelKind::kClass;
  if (sparse()) offsets_.push_back(0);
  Example example;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader.Next(&example));
    if (!more) break;
    ++index_.examples;
    if (spec.has_labels) labels_.push_back(example.label);
    if (classes && !constants) {
      EBB_RETURN_IF_ERROR(AddClass(reader, example.label, &index_.classes));
    } else if (classes && ClassOf(index_.classes, example.label) < 0) {
      return Wrong(reader.Where(), ": label ", example.label,
                   " is none of the ", index_.classes.size(),
                   " classes of the training data, ", index_.classes.front(),
                   " to ", index_.classes.back());
    }
    if (constants && !example.ids.empty() &&
        example.ids.back() >= index_.features) {
      return Wrong(reader.Where(), ": the highest feature id is number ",
                   example.ids.back() + 1, ", but the training data has ",
                   index_.features,
                   " features; say the number of features for both");
    }
    bytes_.insert(bytes_.end(), example.bytes.begin(), example.bytes.end());
    values_.insert(values_.end(), example.values.begin(), example.values.end());
    ids_.insert(ids_.end(), example.ids.begin(), example.ids.end());
    if (sparse()) offsets_.push_back(static_cast<int64_t>(ids_.size()));
  }
  if (classes) {
    for (float& label : labels_) {
      label = static_cast<float>(ClassOf(index_.classes, label));
    }
  }
  return absl::OkStatus();
}

int64_t Dataset::memory_bytes() const {
  const auto of = [](const auto& values) {
    return static_cast<int64_t>(values.capacity() * sizeof(values[0]));
  };
  return of(labels_) + of(bytes_) + of(values_) + of(ids_) + of(offsets_);
}

absl::Status Dataset::FindMoments(const SourceSpec& spec) {
  if (sparse()) return absl::OkStatus();
  const bool bytes = layout_ == Layout::kBytes;
  internal::Moments moments(features());
  for (int64_t row = 0; row < examples(); ++row) {
    const int64_t begin = row * features();
    if (bytes) {
      moments.AddRow(std::span(bytes_).subspan(begin, features()));
    } else {
      moments.AddRow(std::span(values_).subspan(begin, features()));
    }
  }
  index_.mean = moments.mean();
  index_.stddev = moments.Stddev();
  for (int64_t j = 0; j < features(); ++j) {
    if (moments.count()[j] == 0) {
      return Wrong(NameOf(spec), ": feature ", j + 1, " of ", features(),
                   " has no value at all, so no mean; ignore its column");
    }
    if (bytes) {  // Text is scaled already.
      index_.mean[j] *= spec.scale;
      index_.stddev[j] *= std::fabs(spec.scale);
    }
  }
  return absl::OkStatus();
}

void Dataset::Finish(const SourceSpec& spec) {
  const bool standardise = spec.standardise;
  if (layout_ == Layout::kBytes) {
    if (!standardise) factor_ = {static_cast<float>(spec.scale)};
    for (int64_t j = 0; standardise && j < features(); ++j) {
      const double deviation = index_.stddev[j];
      factor_.push_back(deviation == 0 ? 0 : spec.scale / deviation);
      term_.push_back(deviation == 0 ? 0 : -index_.mean[j] / deviation);
    }
  }
  const bool gaps = spec.csv.missing == CsvOptions::Missing::kMean;
  if (layout_ != Layout::kDense || (!standardise && !gaps)) return;
  float* x = values_.data();
  for (int64_t row = 0; row < examples(); ++row) {
    for (int64_t j = 0; j < features(); ++j, ++x) {
      const double value = std::isnan(*x) ? index_.mean[j] : *x;
      const double deviation = index_.stddev[j];
      if (!standardise) {
        *x = static_cast<float>(value);
      } else if (deviation == 0) {
        *x = 0;
      } else {
        *x = static_cast<float>((value - index_.mean[j]) / deviation);
      }
    }
  }
}

absl::Status Dataset::Gather(std::span<const int64_t> examples,
                             ExampleBatch* out) const {
  for (const int64_t example : examples) {
    if (example < 0 || example >= index_.examples) {
      return Wrong("there is no example ", example, "; the data has ",
                   index_.examples, ", counted from 0");
    }
  }
  out->rows = static_cast<int64_t>(examples.size());
  out->features = features();
  out->sparse = sparse();
  out->labels.clear();
  if (has_labels()) {
    for (const int64_t example : examples) {
      out->labels.push_back(labels_[example]);
    }
  }
  if (sparse()) {
    GatherSparse(examples, out);
  } else {
    GatherDense(examples, out);
  }
  return absl::OkStatus();
}

void Dataset::GatherDense(std::span<const int64_t> examples,
                          ExampleBatch* out) const {
  out->ids.clear();
  out->offsets.clear();
  out->values.resize(examples.size() * features());
  float* to = out->values.data();
  for (const int64_t example : examples) {
    const int64_t begin = example * features();
    if (layout_ == Layout::kDense) {
      std::copy_n(values_.data() + begin, features(), to);
    } else if (term_.empty()) {
      internal::ScaleBytes(std::span(bytes_).subspan(begin, features()),
                           factor_[0], to);
    } else {
      internal::ScaleBytes(std::span(bytes_).subspan(begin, features()),
                           factor_.data(), term_.data(), to);
    }
    to += features();
  }
}

void Dataset::GatherSparse(std::span<const int64_t> examples,
                           ExampleBatch* out) const {
  out->ids.clear();
  out->values.clear();
  out->offsets.assign(1, 0);
  for (const int64_t example : examples) {
    const int64_t begin = offsets_[example];
    const int64_t end = offsets_[example + 1];
    out->ids.insert(out->ids.end(), ids_.begin() + begin, ids_.begin() + end);
    out->values.insert(out->values.end(), values_.begin() + begin,
                       values_.begin() + end);
    out->offsets.push_back(static_cast<int64_t>(out->ids.size()));
  }
}

}  // namespace ebb::data
