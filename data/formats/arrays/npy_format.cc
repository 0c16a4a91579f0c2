// Arrays of NumPy: a matrix in a .npy file, or a sparse one in three (the data,
// indices and indptr of a scipy.sparse.csr_matrix) or in an archive
// (scipy_matrix.h), and a file of labels. Each may also be an array of an
// archive (npz.h).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/arrays/npy_array.h"
#include "data/formats/arrays/npz.h"
#include "data/formats/arrays/scipy_matrix.h"
#include "data/formats/bad_examples.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/lost_digits.h"
#include "data/formats/options.h"

namespace ebb::data::internal {
namespace {

// The shared part of both readers: labels, bad examples and the ends of files.
class NpyReader : public Reader {
 public:
  absl::StatusOr<bool> Next(Example* example) final {
    for (;;) {
      if (next_ == rows_) {
        for (NpyArray& array : arrays_) EBB_RETURN_IF_ERROR(array.CheckEnd());
        EBB_RETURN_IF_ERROR(bad_.Judge(Name()));
        return false;
      }
      *example = {};
      // Errors are of the files. What is wrong with the example alone is
      // `mistake_`.
      mistake_ = absl::OkStatus();
      EBB_RETURN_IF_ERROR(ReadRow(next_, example));
      EBB_RETURN_IF_ERROR(ReadLabel(example));
      ++next_;
      if (mistake_.ok()) {
        bad_.AddGood();
        return true;
      }
      EBB_RETURN_IF_ERROR(bad_.Add(mistake_));
    }
  }
  std::string Where() const final {
    return absl::StrCat(has_labels_ ? arrays_.back().path() : Name(), "[",
                        next_ - 1, "]");
  }
  LeftOut left_out() const final { return bad_.left_out(); }
  std::vector<FileFingerprint> Fingerprints() const final {
    std::vector<FileFingerprint> all = FurtherFingerprints();
    for (const NpyArray& array : arrays_) {
      all.push_back(array.Fingerprints().front());
    }
    return all;
  }

 protected:
  // The labels are the last of the arrays.
  NpyReader(const SourceSpec& spec, int64_t rows, std::vector<NpyArray> arrays)
      : arrays_(std::move(arrays)),
        scale_(spec.scale),
        label_kind_(spec.label_kind),
        has_labels_(spec.has_labels),
        rows_(rows),
        bad_(spec.on_bad_example) {}

  NpyArray& array(size_t i) { return arrays_[i]; }
  const NpyArray& array(size_t i) const { return arrays_[i]; }

  // Names what has the features, for messages.
  virtual std::string Name() const { return arrays_[0].path(); }
  // Returns those of the files beside the arrays, which stand before them.
  virtual std::vector<FileFingerprint> FurtherFingerprints() const {
    return {};
  }
  // Sets the features of `*example`, which is the row with this number.
  virtual absl::Status ReadRow(int64_t row, Example* example) = 0;

  // Says what is wrong with the example that is being read.
  template <typename... Args>
  void Mistake(const Args&... args) {
    if (!mistake_.ok()) return;
    mistake_ = absl::InvalidArgumentError(absl::StrCat(args...));
  }
  // Makes features of numbers. `place(i)` is where the i-th stands: "X.npy[0]".
  template <typename Place>
  void Scale(std::span<const double> numbers, const Place& place,
             std::vector<float>* values) {
    Scale(
        numbers, place, [](size_t, double number) { return number; }, values);
  }
  // The same, after `move(i, number)`.
  template <typename Place, typename Move>
  void Scale(std::span<const double> numbers, const Place& place,
             const Move& move, std::vector<float>* values) {
    values->resize(numbers.size());
    for (size_t i = 0; i < numbers.size(); ++i) {
      const double number = numbers[i] * scale_;
      if (std::fabs(number) <= std::numeric_limits<float>::max()) {
        (*values)[i] = static_cast<float>(move(i, number));
        continue;
      }
      // ParseFeature() says why the number cannot be a feature.
      Mistake(place(i), ": ",
              ParseFeature(Exact(numbers[i]), scale_).status().message());
    }
  }

 private:
  absl::Status ReadLabel(Example* example) {
    if (!has_labels_) return absl::OkStatus();
    double number;
    EBB_RETURN_IF_ERROR(arrays_.back().Read(std::span<double>(&number, 1)));
    if (IsLabel(number, label_kind_)) {
      example->label = static_cast<float>(number + 0.0);  // -0 is 0.
      return absl::OkStatus();
    }
    Mistake(arrays_.back().path(), "[", next_, "]: label: ",
            ParseLabel(Exact(number), label_kind_).status().message());
    return absl::OkStatus();
  }

  std::vector<NpyArray> arrays_;
  const double scale_;
  const LabelKind label_kind_;
  const bool has_labels_;
  const int64_t rows_;
  int64_t next_ = 0;
  BadExamples bad_;
  absl::Status mistake_;
};

class MatrixReader : public NpyReader {
 public:
  MatrixReader(const SourceSpec& spec, const Encoding& encoding, int64_t rows,
               std::vector<NpyArray> arrays)
      : NpyReader(spec, rows, std::move(arrays)),
        encoding_(encoding),
        bytes_(array(0).type().is_byte() && encoding.origins.empty()) {}

  Layout layout() const override {
    return bytes_ ? Layout::kBytes : Layout::kDense;
  }
  int64_t features() const override { return array(0).width(); }
  void LookForConstants() override {
    // Bytes and float32 are what they become.
    const NpyType& type = array(0).type();
    if (type.bytes > 2 && (type.is_whole() || type.bytes > 4)) {
      lost_digits_.emplace(encoding_);
    }
  }
  std::vector<double> Origins() const override {
    if (!lost_digits_) return {};
    return lost_digits_->Origins(features());
  }
  std::vector<std::string> Remarks() const override {
    if (!lost_digits_) return {};
    return lost_digits_->Remarks(
        [this](size_t feature) {
          return absl::StrCat(array(0).path(), ": feature ", feature + 1,
                              " of ", features());
        },
        "Make two columns of it: X // 1000 and X % 1000");
  }

 private:
  absl::Status ReadRow(int64_t row, Example* example) override {
    if (bytes_) {
      byte_row_.resize(features());
      EBB_RETURN_IF_ERROR(array(0).Read(std::span(byte_row_)));
      example->bytes = byte_row_;
      return absl::OkStatus();
    }
    numbers_.resize(features());
    EBB_RETURN_IF_ERROR(lost_digits_ && array(0).type().is_whole()
                            ? ReadWhole()
                            : array(0).Read(std::span(numbers_)));
    Scale(
        numbers_,
        [&](size_t i) {
          return absl::StrCat(array(0).path(), "[", row, ", ", i, "]");
        },
        [&](size_t i, double number) {
          if (lost_digits_) lost_digits_->Add(i, number);
          return number - encoding_.OriginOf(i);
        },
        &values_);
    example->values = values_;
    return absl::OkStatus();
  }

  // Reads a row of whole numbers, and looks for some that no double is.
  absl::Status ReadWhole() {
    whole_.resize(features());
    EBB_RETURN_IF_ERROR(array(0).Read(std::span(whole_)));
    const bool below_zero = array(0).type().kind == 'i';
    for (size_t i = 0; i < whole_.size(); ++i) {
      const absl::int128 number =
          below_zero ? absl::int128(whole_[i])
                     : absl::int128(static_cast<uint64_t>(whole_[i]));
      numbers_[i] = static_cast<double>(number);
      if (std::fabs(numbers_[i]) >= LostDigits::kLargeWhole) {
        lost_digits_->AddLargeWhole(i, number);
      }
    }
    return absl::OkStatus();
  }

  const Encoding encoding_;
  const bool bytes_;  // A feature is a byte.
  std::optional<LostDigits> lost_digits_;
  std::vector<uint8_t> byte_row_;
  std::vector<int64_t> whole_;
  std::vector<double> numbers_;
  std::vector<float> values_;
};

// Reads compressed rows. The arrays are data, indices and indptr.
class SparseNpyReader : public NpyReader {
 public:
  SparseNpyReader(const SourceSpec& spec, int64_t rows,
                  std::vector<NpyArray> arrays)
      : NpyReader(spec, rows, std::move(arrays)),
        keys_(spec.npy.keys),
        columns_(spec.npy.columns) {}

  // Reads the place where the first row begins. Called once, before all else.
  absl::Status Begin() {
    EBB_RETURN_IF_ERROR(array(2).Read(std::span<int64_t>(&end_, 1)));
    if (end_ == 0) return absl::OkStatus();
    return array(2).Bad("begins with ", end_,
                        ", but the first row of a sparse matrix begins at 0");
  }

  Layout layout() const override {
    return keys_ ? Layout::kKeyed : Layout::kSparse;
  }
  int64_t features() const override { return keys_ ? 1 : columns_; }

 private:
  absl::Status ReadRow(int64_t row, Example* example) override {
    const int64_t begin = end_;
    EBB_RETURN_IF_ERROR(array(2).Read(std::span<int64_t>(&end_, 1)));
    // Both arrays are as long as each other.
    const int64_t entries = array(0).rows();
    constexpr int64_t kMost = kMaxExampleBytes / 8;
    const bool last = row + 2 == array(2).rows();
    if (end_ < begin || end_ > entries || end_ - begin > kMost ||
        (last && end_ != entries)) {
      return array(2).Bad(
          "row ", row, " is from ", begin, " to ", end_, ", but ",
          end_ - begin > kMost && end_ <= entries
              ? absl::StrCat("a row has at most ", kMost, " values")
              : absl::StrCat("rows ascend, and the last one ends at ", entries,
                             ", the number of values"));
    }
    numbers_.resize(end_ - begin);
    indices_.resize(end_ - begin);
    EBB_RETURN_IF_ERROR(array(0).Read(std::span(numbers_)));
    EBB_RETURN_IF_ERROR(array(1).Read(std::span(indices_)));
    const auto place = [&](size_t file, size_t i) {
      return absl::StrCat(array(file).path(), "[", begin + i, "] (row ", row,
                          ")");
    };
    CheckIndices(place);
    Scale(
        numbers_, [&](size_t i) { return place(0, i); }, &values_);
    if (!Ascends()) SortAndSum(row);
    if (keys_) {
      row_.Clear();
      for (size_t i = 0; i < values_.size(); ++i) {
        row_.Add(0, static_cast<uint64_t>(indices_[i]), values_[i]);
      }
      *example = row_.AsExample();
    } else {
      ids_.assign(indices_.begin(), indices_.end());
      example->values = values_;
      example->ids = ids_;
    }
    return absl::OkStatus();
  }

  // Keys may be any 64 bits; in an array of signed numbers they may be below 0.
  bool below_zero() const { return array(1).type().kind == 'i'; }
  bool Less(int64_t a, int64_t b) const {
    return below_zero() ? a < b
                        : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
  }

  template <typename Place>
  void CheckIndices(const Place& place) {
    if (keys_) return;
    for (size_t i = 0; i < indices_.size(); ++i) {
      const int64_t index = indices_[i];
      if (below_zero() && index < 0) {
        Mistake(place(1, i), " is ", index, ", but indices count from 0");
      } else if (!Less(index, columns_)) {
        Mistake(place(1, i), " is ",
                below_zero() ? absl::StrCat(index)
                             : absl::StrCat(static_cast<uint64_t>(index)),
                ", but the matrix has ", columns_, " columns, counted from 0");
      }
    }
  }

  bool Ascends() const {
    for (size_t i = 1; i < indices_.size(); ++i) {
      if (!Less(indices_[i - 1], indices_[i])) return false;
    }
    return true;
  }

  // SciPy means it so: entries in any order, and those of one column add up.
  void SortAndSum(int64_t row) {
    std::vector<size_t> order(indices_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](size_t a, size_t b) {
      return Less(indices_[a], indices_[b]);
    });
    std::vector<double> sums;
    std::vector<int64_t> indices;
    const bool booleans = array(0).type().kind == 'b';
    for (const size_t i : order) {
      if (indices.empty() || indices.back() != indices_[i]) {
        indices.push_back(indices_[i]);
        sums.push_back(numbers_[i]);
      } else {
        double& sum = sums.back();
        sum = booleans ? std::max(sum, numbers_[i]) : sum + numbers_[i];
      }
    }
    indices_ = std::move(indices);
    numbers_ = std::move(sums);
    Scale(
        numbers_,
        [&](size_t i) {
          return absl::StrCat(array(0).path(), " (row ", row, ", column ",
                              indices_[i], ")");
        },
        &values_);
  }

  const bool keys_;
  const int64_t columns_;
  int64_t end_ = 0;  // The last row that was read ends there.
  std::vector<double> numbers_;
  std::vector<int64_t> indices_;
  std::vector<float> values_;
  std::vector<int32_t> ids_;
  KeyedRow row_;
};

// Reads the matrix of an archive, whatever its layout. The only array may be
// that of the labels.
class ArchiveReader : public NpyReader {
 public:
  ArchiveReader(const SourceSpec& spec, ScipyMatrix matrix,
                std::vector<NpyArray> labels)
      : NpyReader(spec, matrix.rows(), std::move(labels)),
        path_(spec.npy.features),
        keys_(spec.npy.keys),
        matrix_(std::move(matrix)) {}

  Layout layout() const override {
    return keys_ ? Layout::kKeyed : Layout::kSparse;
  }
  int64_t features() const override { return keys_ ? 1 : matrix_.columns(); }

 private:
  std::string Name() const override { return path_; }
  std::vector<FileFingerprint> FurtherFingerprints() const override {
    return matrix_.fingerprints();
  }
  absl::Status ReadRow(int64_t row, Example* example) override {
    const std::span<const MatrixEntry> entries = matrix_.TakeRow();
    constexpr size_t kMost = kMaxExampleBytes / 8;
    if (entries.size() > kMost) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, ": row ", row, " has ", entries.size(),
                       " values, but a row has at most ", kMost));
    }
    numbers_.clear();
    ids_.clear();
    for (const MatrixEntry& entry : entries) {
      numbers_.push_back(entry.value);
      ids_.push_back(static_cast<int32_t>(entry.column));
    }
    Scale(
        numbers_,
        [&](size_t i) {
          return absl::StrCat(path_, " (row ", row, ", column ", ids_[i], ")");
        },
        &values_);
    if (!keys_) {
      example->values = values_;
      example->ids = ids_;
      return absl::OkStatus();
    }
    row_.Clear();
    for (size_t i = 0; i < values_.size(); ++i) {
      row_.Add(0, static_cast<uint64_t>(ids_[i]), values_[i]);
    }
    *example = row_.AsExample();
    return absl::OkStatus();
  }

  const std::string path_;
  const bool keys_;
  ScipyMatrix matrix_;
  std::vector<double> numbers_;
  std::vector<float> values_;
  std::vector<int32_t> ids_;
  KeyedRow row_;
};

absl::Status ValidateNpy(const SourceSpec& spec) {
  const NpyOptions& npy = spec.npy;
  const bool all = !npy.data.empty() && !npy.indices.empty();
  const bool any =
      !npy.indptr.empty() || !npy.data.empty() || !npy.indices.empty();
  if (!spec.path.empty() || !spec.further_paths.empty()) {
    return WrongOption(
        "a .npy source has no path; name its files: features and labels, or "
        "data, indices, indptr and labels");
  }
  if (any == !npy.features.empty() || (any && !(all && !npy.indptr.empty()))) {
    return WrongOption(
        "a .npy source needs either features, a matrix, or data, indices and "
        "indptr, a sparse one");
  }
  if (spec.has_labels && npy.labels.empty()) {
    return WrongOption("the .npy source names no labels file beside ",
                       spec.Name(), "; name it, or say that it has no labels");
  }
  if (any && !npy.keys && (npy.columns < 1 || npy.columns > kMaxFeatures)) {
    return WrongOption("columns ", npy.columns, " is not between 1 and ",
                       kMaxFeatures);
  }
  if (!spec.comment.empty()) {
    return WrongOption(".npy files have no lines, so none that begin with ",
                       Quoted(spec.comment), "; leave out comment");
  }
  return absl::OkStatus();
}

Layout LayoutOfNpy(const SourceSpec& spec) {
  if (!spec.npy.sparse()) return Layout::kDense;
  return spec.npy.keys ? Layout::kKeyed : Layout::kSparse;
}

std::string MeaningOfNpy(const SourceSpec& spec, absl::string_view common) {
  if (!spec.npy.sparse()) return absl::StrCat("npy", common);
  if (spec.npy.keys) return absl::StrCat("npy-keys", common);
  if (spec.npy.archive) return absl::StrCat("npy-rows", common);
  return absl::StrCat("npy-rows", common, " columns=", spec.npy.columns);
}

absl::StatusOr<std::vector<Input>> OpenNpyFiles(const SourceSpec& spec,
                                                const OpenBytes& open) {
  const NpyOptions& npy = spec.npy;
  const OpenBytes open_array = WithNpz(open);
  std::vector<std::string> paths = {npy.features};
  if (npy.archive) {
    EBB_ASSIGN_OR_RETURN(paths, ScipyArrays(npy.features, open_array));
  } else if (npy.sparse()) {
    EBB_RETURN_IF_ERROR(CheckRowsOfArchive(npy.data, npy.indices, npy.indptr,
                                           npy.columns, open_array));
    paths = {npy.data, npy.indices, npy.indptr};
  }
  if (spec.has_labels) paths.push_back(npy.labels);
  std::vector<Input> files;
  for (const std::string& path : paths) {
    EBB_ASSIGN_OR_RETURN(Input file, Input::Open(path, open_array));
    files.push_back(std::move(file));
  }
  return files;
}

// The number of examples.
int64_t RowsOf(const SourceSpec& spec, const std::vector<NpyArray>& arrays) {
  return spec.npy.sparse() ? arrays[2].rows() - 1 : arrays[0].rows();
}

absl::Status CheckShapes(const SourceSpec& spec,
                         const std::vector<NpyArray>& arrays) {
  for (size_t i = 0; i < arrays.size(); ++i) {
    const bool matrix = i == 0 && !spec.npy.sparse();
    if (matrix ? arrays[i].dimensions() < 2 : arrays[i].width() != 1) {
      return arrays[i].Bad(
          "has shape ", arrays[i].ShapeText(), ", but ",
          matrix ? "examples are the rows of a matrix; save X.reshape(-1, 1) "
                   "if there is one feature"
                 : "here a list of numbers is needed: one dimension");
    }
  }
  const int64_t rows = RowsOf(spec, arrays);
  if (spec.npy.sparse()) {
    if (rows < 0) return arrays[2].Bad("is empty; it has the end of each row");
    if (arrays[0].rows() != arrays[1].rows()) {
      return arrays[0].Bad("has ", arrays[0].rows(), " values, but ",
                           arrays[1].path(), " has ", arrays[1].rows(),
                           " indices; the files belong to different matrices");
    }
    for (size_t i = 1; i < 3; ++i) {
      if (arrays[i].type().is_whole()) continue;
      return arrays[i].Bad("has floats, but indices are whole numbers");
    }
  }
  if (spec.has_labels && arrays.back().rows() != rows) {
    return arrays[0].Bad("has ", rows, " examples, but ", arrays.back().path(),
                         " has ", arrays.back().rows(),
                         " labels; the files belong to different data");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Reader>> OpenArchive(const SourceSpec& spec,
                                                    std::vector<Input> files) {
  std::vector<NpyArray> labels;
  if (spec.has_labels) {
    EBB_ASSIGN_OR_RETURN(NpyArray array,
                         NpyArray::Open(std::move(files.back())));
    files.pop_back();
    if (array.width() != 1) {
      return array.Bad("has shape ", array.ShapeText(),
                       ", but here a list of numbers is needed: one dimension");
    }
    labels.push_back(std::move(array));
  }
  EBB_ASSIGN_OR_RETURN(ScipyMatrix matrix, ScipyMatrix::Read(std::move(files)));
  if (spec.has_labels && labels.back().rows() != matrix.rows()) {
    return absl::InvalidArgumentError(absl::StrCat(
        spec.npy.features, ": has ", matrix.rows(), " examples, but ",
        labels.back().path(), " has ", labels.back().rows(),
        " labels; the files belong to different data"));
  }
  return std::make_unique<ArchiveReader>(spec, std::move(matrix),
                                         std::move(labels));
}

absl::StatusOr<std::unique_ptr<Reader>> OpenNpy(const SourceSpec& spec,
                                                const Encoding& encoding,
                                                std::vector<Input> files) {
  if (spec.npy.archive) return OpenArchive(spec, std::move(files));
  std::vector<NpyArray> arrays;
  for (Input& file : files) {
    EBB_ASSIGN_OR_RETURN(NpyArray array, NpyArray::Open(std::move(file)));
    arrays.push_back(std::move(array));
  }
  EBB_RETURN_IF_ERROR(CheckShapes(spec, arrays));
  const int64_t rows = RowsOf(spec, arrays);
  if (!spec.npy.sparse()) {
    return std::make_unique<MatrixReader>(spec, encoding, rows,
                                          std::move(arrays));
  }
  auto reader =
      std::make_unique<SparseNpyReader>(spec, rows, std::move(arrays));
  EBB_RETURN_IF_ERROR(reader->Begin());
  return reader;
}

}  // namespace

Format NpyFormat() {
  return {.kind = SourceKind::kNpy,
          .word = "npy",
          .layout = LayoutOfNpy,
          .validate = ValidateNpy,
          .meaning = MeaningOfNpy,
          .files = OpenNpyFiles,
          .open = OpenNpy};
}

}  // namespace ebb::data::internal
