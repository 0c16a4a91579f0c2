// Which format a file seems to have, for messages about files that are not what
// a reader expects.
#ifndef EBB_DATA_FILE_LOOK_H_
#define EBB_DATA_FILE_LOOK_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::data {

enum class FileLook {
  kUnclear,  // Any text, and all that is not listed here.
  kTable,    // Lines with as many fields as each other: csv, ratings, criteo.
  kNumbers,  // A table of numbers alone in two lines or more, save a header.
  kPairs,    // Lines of number:number: libsvm, bags.
  kTriples,  // Lines of number:number:number: libffm.
  kJson,
  kNpy,
  kIdx,
  kImage,
  kTar,
  kTfRecord
};

// How much of a file is enough to tell.
inline constexpr size_t kLookBytes = 4096;

// Returns the look of a file whose first bytes, decompressed, are `front`: the
// whole file, or kLookBytes of it.
FileLook LookOf(absl::string_view front);

// The delimiter between the fields of a table that begins so; empty: the bytes
// are not those of a table.
absl::string_view DelimiterOf(absl::string_view front);

// True if a file of this look could be of this format. An unclear one could.
bool CouldBe(SourceKind kind, FileLook look);

// Says what such a file is, for a message: "a table, whose columns ...". Empty
// for an unclear one.
absl::string_view TextOf(FileLook look);

// Says what files of a format have, for a message: "sparse rows such as ...".
absl::string_view ContentOf(SourceKind kind);

}  // namespace ebb::data

#endif  // EBB_DATA_FILE_LOOK_H_
