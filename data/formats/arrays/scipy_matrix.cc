// https://docs.scipy.org/doc/scipy/reference/generated/scipy.sparse.save_npz.html
#include "data/formats/arrays/scipy_matrix.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

// Numbers that are read at once: a damaged size costs no memory.
constexpr int64_t kNumbersAtOnce = 1 << 16;
// A matrix with more rows than that for each value is taken for damaged.
constexpr int64_t kMostRowsOfValue = 1 << 16;

struct ScipyLayout {
  absl::string_view format;
  std::array<absl::string_view, 3> arrays;  // Empty: one less.
  absl::string_view what;
};

constexpr std::array<ScipyLayout, 5> kScipyLayouts = {{
    {"csr", {"data", "indices", "indptr"}, "by rows"},
    {"csc", {"data", "indices", "indptr"}, "by columns"},
    {"bsr", {"data", "indices", "indptr"}, "in blocks"},
    {"coo", {"data", "row", "col"}, "by places"},
    {"dia", {"data", "offsets", ""}, "by diagonals"},
}};

const ScipyLayout* ScipyLayoutOf(absl::string_view format) {
  for (const ScipyLayout& layout : kScipyLayouts) {
    if (layout.format == format) return &layout;
  }
  return nullptr;
}

absl::StatusOr<std::string> ReadSome(
    size_t most,
    const std::function<absl::StatusOr<size_t>(std::span<char>)>& read) {
  std::string bytes(most, '\0');
  size_t size = 0;
  while (size < most) {
    EBB_ASSIGN_OR_RETURN(const size_t n, read(std::span(bytes).subspan(size)));
    if (n == 0) break;
    size += n;
  }
  bytes.resize(size);
  return bytes;
}

// The text that an array of one text holds: its last bytes, in ASCII or in
// UCS-4, without the zeros.
constexpr size_t kMostTextBytes = 4096;
std::string TextOfArray(absl::string_view bytes) {
  const size_t header = bytes.find('\n');
  std::string text;
  if (header == absl::string_view::npos) return text;
  for (const char c : bytes.substr(header + 1)) {
    if (c != '\0') text.push_back(c);
  }
  return text;
}

absl::StatusOr<std::string> FormatOfArchive(const std::string& archive,
                                            const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(const auto file, open(absl::StrCat(archive, "/format")));
  EBB_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadSome(kMostTextBytes, [&](std::span<char> out) {
                         return file->Read(out);
                       }));
  return TextOfArray(bytes);
}

absl::Status UnknownFormat(const std::string& archive,
                           absl::string_view format) {
  return absl::InvalidArgumentError(absl::StrCat(
      archive, ": has a sparse matrix in the layout ", Excerpt(format),
      ", which ebb does not know; save X.tocsr()"));
}

// The archive that an array is in; empty: none.
absl::string_view ArchiveOf(absl::string_view path) {
  const size_t at = path.rfind(".npz/");
  return at == absl::string_view::npos ? "" : path.substr(0, at + 4);
}

// Calls `take` with all numbers of an array, and then finds its end.
template <typename Number, typename Take>
absl::Status ForEachNumber(NpyArray& array, int64_t count, const Take& take) {
  std::vector<Number> numbers;
  for (int64_t begin = 0; begin < count; begin += kNumbersAtOnce) {
    numbers.resize(std::min(kNumbersAtOnce, count - begin));
    EBB_RETURN_IF_ERROR(array.Read(std::span(numbers)));
    for (size_t i = 0; i < numbers.size(); ++i) {
      EBB_RETURN_IF_ERROR(take(begin + static_cast<int64_t>(i), numbers[i]));
    }
  }
  return array.CheckEnd();
}

absl::StatusOr<std::vector<int64_t>> WholeList(NpyArray& array) {
  if (array.dimensions() != 1) {
    return array.Bad("has shape ", array.ShapeText(),
                     ", but here a list of numbers is needed: one dimension");
  }
  std::vector<int64_t> all;
  EBB_RETURN_IF_ERROR(
      ForEachNumber<int64_t>(array, array.rows(), [&](int64_t, int64_t number) {
        all.push_back(number);
        return absl::OkStatus();
      }));
  return all;
}

// Checks where the parts of something compressed begin, and where they end.
absl::Status CheckStarts(const NpyArray& array, std::span<const int64_t> starts,
                         int64_t parts, int64_t entries) {
  if (std::ssize(starts) != parts + 1) {
    return array.Bad("has ", starts.size(), " numbers instead of ", parts + 1,
                     ", as the shape of the matrix says");
  }
  if (starts.front() != 0 || starts.back() != entries ||
      !std::ranges::is_sorted(starts)) {
    return array.Bad("does not ascend from 0 to ", entries,
                     ", the number of values; save the matrix anew");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ScipyArrays(const std::string& archive,
                                                     const OpenBytes& open) {
  absl::StatusOr<std::string> format = FormatOfArchive(archive, open);
  if (absl::IsNotFound(format.status())) {
    // Says which arrays there are.
    const absl::Status of_archive = open(archive).status();
    return of_archive.ok() ? format.status() : of_archive;
  }
  EBB_RETURN_IF_ERROR(format.status());
  const ScipyLayout* const layout = ScipyLayoutOf(*format);
  if (layout == nullptr) return UnknownFormat(archive, *format);
  std::vector<std::string> paths = {absl::StrCat(archive, "/format"),
                                    absl::StrCat(archive, "/shape")};
  for (const absl::string_view array : layout->arrays) {
    if (!array.empty()) paths.push_back(absl::StrCat(archive, "/", array));
  }
  return paths;
}

absl::Status CheckRowsOfArchive(absl::string_view data,
                                absl::string_view indices,
                                absl::string_view indptr, int64_t columns,
                                const OpenBytes& open) {
  const std::string archive(ArchiveOf(indptr));
  if (archive.empty() || ArchiveOf(data) != archive ||
      ArchiveOf(indices) != archive) {
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> format = FormatOfArchive(archive, open);
  if (!format.ok() && !absl::IsNotFound(format.status())) {
    return format.status();
  }
  if (format.ok() && *format != "csr") {
    const ScipyLayout* const layout = ScipyLayoutOf(*format);
    if (layout == nullptr) return UnknownFormat(archive, *format);
    return absl::InvalidArgumentError(
        absl::StrCat(archive, ": has its matrix in the layout ", *format,
                     ", which is ", layout->what,
                     ", and the parts data, indices and indptr are taken for "
                     "rows; name the archive alone, as features: ",
                     archive));
  }
  const std::string shape_path = absl::StrCat(archive, "/shape");
  if (absl::IsNotFound(open(shape_path).status())) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(Input file, Input::Open(shape_path, open));
  EBB_ASSIGN_OR_RETURN(NpyArray array, NpyArray::Open(std::move(file)));
  if (!array.type().is_whole() || array.dimensions() != 1 ||
      array.rows() != 2) {
    return absl::OkStatus();  // It is of something else.
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, WholeList(array));
  EBB_ASSIGN_OR_RETURN(Input starts_file, Input::Open(indptr, open));
  EBB_ASSIGN_OR_RETURN(const NpyArray starts,
                       NpyArray::Open(std::move(starts_file)));
  if (starts.rows() - 1 != shape[0]) {
    return starts.Bad("has ", starts.rows(), " numbers, which makes ",
                      starts.rows() - 1, " rows, but ", shape_path, " says ",
                      shape[0], " rows and ", shape[1],
                      " columns; if the matrix is stored by columns (csc), "
                      "save X.tocsr()");
  }
  if (columns > 0 && columns < shape[1]) {
    return absl::InvalidArgumentError(
        absl::StrCat("columns: ", columns, " is less than the ", shape[1],
                     " columns that ", shape_path, " says"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ScipyMatrix> ScipyMatrix::Read(std::vector<Input> files) {
  ScipyMatrix matrix;
  EBB_ASSIGN_OR_RETURN(const std::string bytes,
                       ReadSome(kMostTextBytes, [&](std::span<char> out) {
                         return files[0].Read(out);
                       }));
  matrix.fingerprints_ = files[0].Fingerprints();
  const std::string format = TextOfArray(bytes);
  std::vector<NpyArray> arrays;
  for (size_t i = 1; i < files.size(); ++i) {
    EBB_ASSIGN_OR_RETURN(NpyArray array, NpyArray::Open(std::move(files[i])));
    arrays.push_back(std::move(array));
  }
  const ScipyLayout* const layout = ScipyLayoutOf(format);
  const auto wanted =
      layout == nullptr ? 0 : 3 - std::ranges::count(layout->arrays, "");
  if (std::ssize(arrays) != wanted + 1) {  // The shape comes first.
    return arrays[0].Bad("changed while it was read; wait until it is whole");
  }
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, WholeList(arrays[0]));
  if (shape.size() != 2 || shape[0] < 0 || shape[1] < 1 ||
      shape[0] >= std::numeric_limits<int32_t>::max() ||
      shape[1] > kMaxFeatures) {
    return arrays[0].Bad(
        "says that the matrix is not of rows and between 1 and ", kMaxFeatures,
        " columns, but examples are the rows of a matrix");
  }
  matrix.rows_ = shape[0];
  matrix.columns_ = shape[1];
  std::vector<NpyArray> parts(std::make_move_iterator(arrays.begin() + 1),
                              std::make_move_iterator(arrays.end()));
  if (format == "csr" || format == "csc") {
    EBB_RETURN_IF_ERROR(matrix.ReadRows(parts, format == "csc"));
  } else if (format == "bsr") {
    EBB_RETURN_IF_ERROR(matrix.ReadBlocks(parts));
  } else if (format == "coo") {
    EBB_RETURN_IF_ERROR(matrix.ReadPlaces(parts));
  } else {
    EBB_RETURN_IF_ERROR(matrix.ReadDiagonals(parts));
  }
  if (matrix.rows_ / kMostRowsOfValue > std::ssize(matrix.entries_)) {
    return arrays[0].Bad("says that there are ", matrix.rows_, " rows, for ",
                         matrix.entries_.size(), " values; save it anew");
  }
  matrix.SortAndSum(parts[0].type().kind == 'b');
  matrix.fingerprints_.push_back(arrays[0].Fingerprints().front());
  for (const NpyArray& part : parts) {
    matrix.fingerprints_.push_back(part.Fingerprints().front());
  }
  return matrix;
}

absl::Status ScipyMatrix::Add(const NpyArray& array, int64_t row,
                              int64_t column, double value) {
  if (row < 0 || row >= rows_ || column < 0 || column >= columns_) {
    return array.Bad("has a value in row ", row, " and column ", column,
                     ", counted from 0, but the matrix has ", rows_,
                     " rows and ", columns_, " columns");
  }
  entries_.push_back({row, column, value});
  return absl::OkStatus();
}

absl::Status ScipyMatrix::ReadRows(std::vector<NpyArray>& arrays,
                                   bool by_columns) {
  NpyArray& data = arrays[0];
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> indices,
                       WholeList(arrays[1]));
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> starts, WholeList(arrays[2]));
  if (data.dimensions() != 1 || data.rows() != std::ssize(indices)) {
    return data.Bad("has shape ", data.ShapeText(), ", but ", arrays[1].path(),
                    " has ", indices.size(), " indices");
  }
  EBB_RETURN_IF_ERROR(CheckStarts(arrays[2], starts,
                                  by_columns ? columns_ : rows_, data.rows()));
  int64_t part = 0;
  return ForEachNumber<double>(data, data.rows(), [&](int64_t i, double value) {
    while (starts[part + 1] <= i) ++part;
    return by_columns ? Add(arrays[1], indices[i], part, value)
                      : Add(arrays[1], part, indices[i], value);
  });
}

// A block of zeros beside other values has them, too.
absl::Status ScipyMatrix::ReadBlocks(std::vector<NpyArray>& arrays) {
  NpyArray& data = arrays[0];
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> indices,
                       WholeList(arrays[1]));
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> starts, WholeList(arrays[2]));
  if (data.dimensions() != 3 || data.rows() != std::ssize(indices)) {
    return data.Bad("has shape ", data.ShapeText(), ", but ", arrays[1].path(),
                    " has ", indices.size(),
                    " indices, and blocks have rows and columns");
  }
  const int64_t height = data.size(1), width = data.size(2);
  if (rows_ % height != 0 || columns_ % width != 0) {
    return data.Bad("has blocks of ", height, " by ", width,
                    ", which do not fill a matrix of ", rows_, " by ",
                    columns_);
  }
  EBB_RETURN_IF_ERROR(
      CheckStarts(arrays[2], starts, rows_ / height, data.rows()));
  int64_t part = 0;
  const int64_t size = height * width;
  return ForEachNumber<double>(
      data, data.rows() * size, [&](int64_t i, double value) {
        const int64_t block = i / size, within = i % size;
        while (starts[part + 1] <= block) ++part;
        if (indices[block] < 0 || indices[block] >= columns_ / width) {
          return Add(arrays[1], part, -1, value);
        }
        if (value == 0) return absl::OkStatus();
        return Add(arrays[1], part * height + within / width,
                   indices[block] * width + within % width, value);
      });
}

absl::Status ScipyMatrix::ReadPlaces(std::vector<NpyArray>& arrays) {
  NpyArray& data = arrays[0];
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> rows, WholeList(arrays[1]));
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> columns,
                       WholeList(arrays[2]));
  if (data.dimensions() != 1 || data.rows() != std::ssize(rows) ||
      data.rows() != std::ssize(columns)) {
    return data.Bad("has shape ", data.ShapeText(), ", but ", arrays[1].path(),
                    " has ", rows.size(), " rows, and ", arrays[2].path(), " ",
                    columns.size(), " columns");
  }
  return ForEachNumber<double>(data, data.rows(), [&](int64_t i, double value) {
    return Add(data, rows[i], columns[i], value);
  });
}

// data[d, j] is the value in column j of the diagonal with offset d, so in row
// j - offset. Places outside of the matrix are not used.
absl::Status ScipyMatrix::ReadDiagonals(std::vector<NpyArray>& arrays) {
  NpyArray& data = arrays[0];
  EBB_ASSIGN_OR_RETURN(const std::vector<int64_t> offsets,
                       WholeList(arrays[1]));
  if (data.dimensions() != 2 || data.rows() != std::ssize(offsets)) {
    return data.Bad("has shape ", data.ShapeText(), ", but ", arrays[1].path(),
                    " has ", offsets.size(), " offsets");
  }
  const int64_t width = data.width();
  return ForEachNumber<double>(
      data, data.rows() * width, [&](int64_t i, double value) {
        const int64_t column = i % width;
        const int64_t offset = offsets[i / width];
        if (value == 0 || column >= columns_ || offset > column ||
            offset <= column - rows_) {
          return absl::OkStatus();
        }
        return Add(data, column - offset, column, value);
      });
}

void ScipyMatrix::SortAndSum(bool booleans) {
  const auto before = [](const MatrixEntry& a, const MatrixEntry& b) {
    return a.row != b.row ? a.row < b.row : a.column < b.column;
  };
  if (!std::ranges::is_sorted(entries_, before)) {
    std::ranges::stable_sort(entries_, before);
  }
  size_t size = 0;
  for (const MatrixEntry& entry : entries_) {
    if (size > 0 && !before(entries_[size - 1], entry)) {
      double& value = entries_[size - 1].value;
      value = booleans ? std::max(value, entry.value) : value + entry.value;
      continue;
    }
    entries_[size++] = entry;
  }
  entries_.resize(size);
}

std::span<const MatrixEntry> ScipyMatrix::TakeRow() {
  const size_t begin = next_;
  while (next_ < entries_.size() && entries_[next_].row == row_) ++next_;
  ++row_;
  return std::span(entries_).subspan(begin, next_ - begin);
}

}  // namespace ebb::data::internal
