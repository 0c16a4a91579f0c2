// Which arrays there are in an archive of NumPy.
#ifndef EBB_DATA_ARRAY_NAMES_H_
#define EBB_DATA_ARRAY_NAMES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"

namespace ebb::data {

// Returns the names of the arrays in the archive at `path`, FILE.npz, in its
// order: FILE.npz/NAME is the path of one. Blocks, and reads it all. Errors:
// those of `open`; kInvalidArgument, kDataLoss: it is another file, or it is
// damaged.
absl::StatusOr<std::vector<std::string>> ReadArrayNames(
    const std::string& path, const OpenBytes& open = OpenFile);

}  // namespace ebb::data

#endif  // EBB_DATA_ARRAY_NAMES_H_
