// Arrays of NumPy in an archive, which numpy.savez() and savez_compressed()
// write. FILE.npz/NAME is the path of one.
#ifndef EBB_DATA_FORMATS_ARRAYS_NPZ_H_
#define EBB_DATA_FORMATS_ARRAYS_NPZ_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"

namespace ebb::data::internal {

// Returns whether the path is that of an archive, or of an array in one.
bool IsNpz(absl::string_view path);

// Opens such paths, and all others by `open`. An array is read from the front
// of its archive on, as what follows is read of it. Errors: those of `open`;
// kInvalidArgument: the path names no array, or the archive is not as NumPy
// writes it; kNotFound: the archive has no such array; kDataLoss: it is cut or
// damaged, as its checksum says.
OpenBytes WithNpz(OpenBytes open);

// The names of the arrays in the archive at `path`, in its order. Errors: those
// of WithNpz().
absl::StatusOr<std::vector<std::string>> NpzNames(const std::string& path,
                                                  const OpenBytes& open);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_ARRAYS_NPZ_H_
