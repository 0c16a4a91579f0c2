// The numbers of one .npy file, which numpy.save() writes:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#ifndef EBB_DATA_FORMATS_ARRAYS_NPY_ARRAY_H_
#define EBB_DATA_FORMATS_ARRAYS_NPY_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/fingerprint.h"
#include "data/formats/input.h"

namespace ebb::data::internal {

// The type of the elements.
struct NpyType {
  char kind = 'f';       // f: float, i: int, u: unsigned int, b: bool.
  int bytes = 4;         // The size of an element.
  bool swapped = false;  // The bytes stand in the other order than here.

  bool is_byte() const { return bytes == 1 && kind != 'i'; }
  bool is_whole() const { return kind != 'f'; }
};

// The content of the header.
struct NpyHeader {
  NpyType type;
  std::vector<int64_t> shape;
};

// The header of an array that ebb can read, from the text of a Python
// dictionary. The error does not name the file.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text);

// Reads an array from front to back. Errors begin with the path. Not thread
// safe.
class NpyArray {
 public:
  // Reads the header. kInvalidArgument unless this is an array of numbers in C
  // order.
  static absl::StatusOr<NpyArray> Open(Input file);

  const NpyType& type() const { return header_.type; }
  // "(150, 4)", as NumPy writes it.
  std::string ShapeText() const;
  size_t dimensions() const { return header_.shape.size(); }
  // The first dimension, and the product of the others.
  int64_t rows() const { return header_.shape[0]; }
  int64_t size(size_t dimension) const { return header_.shape[dimension]; }
  int64_t width() const { return width_; }
  const std::string& path() const { return file_.path(); }
  std::vector<FileFingerprint> Fingerprints() const {
    return file_.Fingerprints();
  }

  // Fill `out` with the next elements. kInvalidArgument if the file ends before
  // them. The second is for whole numbers, the third for bytes.
  absl::Status Read(std::span<double> out);
  absl::Status Read(std::span<int64_t> out);
  absl::Status Read(std::span<uint8_t> out);
  // kInvalidArgument if the file goes on after the elements that were read.
  absl::Status CheckEnd();

  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_.path(), ": ", args...));
  }

 private:
  NpyArray(Input file, NpyHeader header, int64_t width)
      : file_(std::move(file)), header_(std::move(header)), width_(width) {}

  // Sets raw_ to the bytes of the next `count` elements.
  absl::Status ReadRaw(size_t count);
  template <typename Number>
  absl::Status ReadNumbers(std::span<Number> out);

  Input file_;
  NpyHeader header_;
  int64_t width_;
  std::vector<char> raw_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_ARRAYS_NPY_ARRAY_H_
