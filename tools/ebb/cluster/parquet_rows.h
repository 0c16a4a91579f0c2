// Tables in Parquet files, for `ebb data pack`. A process of Python reads them
// by pyarrow and writes CSV to a pipe, so that they are read with all options
// of tables. ebb has no reader of its own: pyarrow follows the format.
#ifndef EBB_TOOLS_EBB_CLUSTER_PARQUET_ROWS_H_
#define EBB_TOOLS_EBB_CLUSTER_PARQUET_ROWS_H_

#include <memory>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "data/byte_source.h"

namespace ebb::tools {

// True if the path, or the pattern, ends with .parquet.
bool IsParquet(absl::string_view path);

// Remarks about the files, such as which columns were left out.
using ParquetNotes = std::set<std::string>;

// Opens such files as CSV with a header, and all others by `open`. The process
// is `python3`, or EBB_PYTHON. The index of a pandas frame is left out. Notes
// go to `notes`, unless it is null; they belong to the thread that reads the
// rows. Errors are those of `open`, and:
//   kFailedPrecondition: there is no Python, or no pyarrow. The message says
//     what to install.
//   kInvalidArgument, also at the end of the bytes: the file is damaged, or a
//     table has no columns of that type. The message names the column.
data::OpenBytes WithParquet(data::OpenBytes open,
                            std::shared_ptr<ParquetNotes> notes = nullptr);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_PARQUET_ROWS_H_
