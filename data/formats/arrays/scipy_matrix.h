// A sparse matrix in the archive that scipy.sparse.save_npz() writes, in any of
// its layouts: csr, csc, coo, bsr and dia.
#ifndef EBB_DATA_FORMATS_ARRAYS_SCIPY_MATRIX_H_
#define EBB_DATA_FORMATS_ARRAYS_SCIPY_MATRIX_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/formats/arrays/npy_array.h"
#include "data/formats/input.h"

namespace ebb::data::internal {

struct MatrixEntry {
  int64_t row = 0;
  int64_t column = 0;
  double value = 0;
};

// The paths of all that says what the matrix is: its format, its shape, and the
// arrays of its layout. `open` opens arrays of archives (npz.h).
// kInvalidArgument: the archive is not of a sparse matrix, or its layout is not
// known.
absl::StatusOr<std::vector<std::string>> ScipyArrays(const std::string& archive,
                                                     const OpenBytes& open);

// kInvalidArgument if the three parts are arrays of one archive that says they
// are not the rows of a matrix, or has another number of rows or columns.
// `columns` is 0 for keys.
absl::Status CheckRowsOfArchive(absl::string_view data,
                                absl::string_view indices,
                                absl::string_view indptr, int64_t columns,
                                const OpenBytes& open);

// All entries, by row and then by column. Those of one place are one entry,
// with their sum. Not thread safe.
class ScipyMatrix {
 public:
  // Reads the files of ScipyArrays(), each to its end. kInvalidArgument: they
  // do not fit together.
  static absl::StatusOr<ScipyMatrix> Read(std::vector<Input> files);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  // The entries of the next row. Valid until this is moved.
  std::span<const MatrixEntry> TakeRow();
  const std::vector<FileFingerprint>& fingerprints() const {
    return fingerprints_;
  }

 private:
  ScipyMatrix() = default;
  // Reads the arrays of the layout, which are those of `arrays`.
  absl::Status ReadRows(std::vector<NpyArray>& arrays, bool by_columns);
  absl::Status ReadBlocks(std::vector<NpyArray>& arrays);
  absl::Status ReadPlaces(std::vector<NpyArray>& arrays);
  absl::Status ReadDiagonals(std::vector<NpyArray>& arrays);
  // Adds an entry that `array` has. Errors: there is no such place.
  absl::Status Add(const NpyArray& array, int64_t row, int64_t column,
                   double value);
  void SortAndSum(bool booleans);

  int64_t rows_ = 0;
  int64_t columns_ = 0;
  std::vector<MatrixEntry> entries_;
  size_t next_ = 0;  // The first entry of the row that is next,
  int64_t row_ = 0;  // which this is.
  std::vector<FileFingerprint> fingerprints_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_ARRAYS_SCIPY_MATRIX_H_
