// The files of a table, all but IDX ones, as one input.
#ifndef EBB_DATA_FORMATS_TABLE_FILES_H_
#define EBB_DATA_FORMATS_TABLE_FILES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/byte_source.h"
#include "data/formats/input.h"
#include "data/source.h"

namespace ebb::data::internal {

// More files than this are rather a mistake than a table.
inline constexpr size_t kMaxFilesOfTable = 65536;

// Their paths, in their order. The errors of OpenBytes, and kInvalidArgument
// for a file that is named twice, and for too many.
absl::StatusOr<std::vector<std::string>> TableFiles(const SourceSpec& spec,
                                                    const OpenBytes& open);

// Opens the first of them, and passes over the comments of all. The errors of
// TableFiles().
absl::StatusOr<Input> OpenTableFiles(const SourceSpec& spec,
                                     const OpenBytes& open,
                                     const InputOptions& options = {});

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLE_FILES_H_
