#include "data/formats/foreign.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/bytes/tf_record.h"

namespace ebb::data::internal {
namespace {

using absl::string_view;

struct ForeignFormat {
  string_view magic;
  size_t offset;  // Offset of the magic in the file.
  string_view what;
  string_view advice;  // $FILE is the path.
};

constexpr string_view kPandas =
    "make it CSV, for example with pandas: python3 -c \"import pandas as p; "
    "p.";

constexpr ForeignFormat kForeignFormats[] = {
    {"PK\x03\x04", 0, "a zip archive (.xlsx and .npz files are, too)",
     "unpack it, as `unzip $FILE` does, and name the file that was in it"},
    {"PK\x05\x06", 0, "an empty zip archive", "pack it anew"},
    {"PAR1\x15", 0, "a Parquet file",
     "`ebb data pack $FILE DEST` packs it by pyarrow, and jobs read what is "
     "packed"},
    {string_view("ARROW1\0", 7), 0, "an Arrow (Feather) file",
     "read_feather('$FILE')"},
    {string_view("FEA1\0", 5), 0, "a Feather file", "read_feather('$FILE')"},
    {"\x89HDF\r\n\x1a\n", 0, "an HDF5 file", "read_hdf('$FILE')"},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Excel (or Word) file",
     "read_excel('$FILE')"},
    {string_view("Obj\x01", 4), 0, "an Avro file",
     "make it CSV with the tools of Avro"},
    {string_view("SQLite format 3\0", 16), 0, "an SQLite database",
     "make it CSV, as `sqlite3 -header -csv $FILE 'select * from TABLE'` does"},
    {string_view("ustar\0", 6), 257, "a tar archive",
     "name it by tar: $FILE if it has images; else unpack it, as `tar -xf` "
     "does, and name the file that was in it"},
    {string_view("ustar  \0", 8), 257, "a tar archive",
     "name it by tar: $FILE if it has images; else unpack it, as `tar -xf` "
     "does, and name the file that was in it"},
    {"7z\xbc\xaf\x27\x1c", 0, "a 7z archive",
     "unpack it, as `7z x $FILE` does, and name the file that was in it"},
    {"Rar!\x1a\x07", 0, "a rar archive",
     "unpack it, and name the file that was in it"},
    {"\x1f\x9d", 0, "compressed by the old `compress`",
     "unpack it, as `gzip -d` does"},
    {"\x02\x21\x4c\x18", 0, "compressed in the old form of lz4",
     "compress it anew, as `lz4 -d $FILE | lz4` does"},
    {"%PDF-", 0, "a PDF document", "name the file that holds the data"},
    {"\x89PNG\r\n\x1a\n", 0, "a PNG image",
     "put images into a folder for each class, and name the folder of these "
     "by images: FOLDER"},
    {"\xff\xd8\xff", 0, "a JPEG image",
     "put images into a folder for each class, and name the folder of these "
     "by images: FOLDER"},
    {"version https://git-lfs.github.com/spec/", 0,
     "the pointer of a file that Git LFS keeps elsewhere",
     "fetch it, as `git lfs pull` does"},
};

bool IsPandas(string_view advice) { return absl::StartsWith(advice, "read_"); }

std::string Advice(const ForeignFormat& format, string_view path) {
  std::string text = std::string(format.advice);
  if (IsPandas(text)) {
    text = absl::StrCat(kPandas, text, ".to_csv('$FILE.csv', index=False)\"");
  }
  return absl::StrReplaceAll(text, {{"$FILE", path}});
}

template <typename... Args>
absl::Status Refuse(string_view path, const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": is ", args...));
}

absl::Status Recode(string_view path, string_view encoding) {
  return Refuse(path, "text in ", encoding, "; make it UTF-8, as `iconv -f ",
                encoding, " -t UTF-8 ", path, "` does");
}

// True if nearly all bytes at `first`, `first` + 2, ... are zero, and few of
// the others: what the characters of European text are in UTF-16.
bool HasZerosFrom(string_view front, size_t first) {
  size_t zeros[2] = {0, 0};
  for (size_t i = 0; i < front.size(); ++i) {
    if (front[i] == '\0') ++zeros[i % 2];
  }
  const size_t half = front.size() / 2;
  return zeros[first] > half * 3 / 4 && zeros[1 - first] < half / 4;
}

}  // namespace

absl::Status RefuseForeign(string_view path, string_view front,
                           Content content) {
  if (IsTfRecord(front)) {
    if (content == Content::kTfRecord) return absl::OkStatus();
    return Refuse(path, "a TFRecord file; name it by tf_record: ", path);
  }
  for (const ForeignFormat& format : kForeignFormats) {
    if (front.size() < format.offset ||
        !absl::StartsWith(front.substr(format.offset), format.magic)) {
      continue;
    }
    return Refuse(path, format.what, ", which ebb does not read; ",
                  Advice(format, path));
  }
  string_view text = front;
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n' ||
                           text.front() == '\r' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  if (absl::StartsWithIgnoreCase(text, "<!doctype html") ||
      absl::StartsWithIgnoreCase(text, "<html")) {
    return Refuse(path,
                  "an HTML page; was the page about the file downloaded "
                  "instead of the file itself?");
  }
  if (absl::StartsWithIgnoreCase(text, "@relation")) {
    return Refuse(path,
                  "an ARFF file, as Weka writes them; remove the lines up to "
                  "@data, and write the names of the attributes as a header");
  }
  if (absl::StartsWith(text, "[{\"")) {
    return Refuse(path,
                  "a JSON list; write its objects one a line, as `jq -c '.[]' ",
                  path, "` does, and name them by json_lines");
  }
  if (absl::StartsWith(text, "{\"") && content != Content::kJson) {
    return Refuse(path, "JSON; name it by json_lines: ", path,
                  ", if each line is an object");
  }
  return absl::OkStatus();
}

absl::Status RefuseOtherText(string_view path, string_view front) {
  if (absl::StartsWith(front, string_view("\xff\xfe\0\0", 4)) ||
      absl::StartsWith(front, string_view("\0\0\xfe\xff", 4))) {
    return Recode(path, "UTF-32");
  }
  if (absl::StartsWith(front, "\xff\xfe") ||
      absl::StartsWith(front, "\xfe\xff")) {
    return Recode(path, "UTF-16");
  }
  if (absl::StartsWith(front, "\x93NUMPY")) {
    return Refuse(path,
                  "a NumPy array (.npy), not text; name it by npy: "
                  "{features: ",
                  path, ", labels: FILE}");
  }
  if (HasZerosFrom(front, 1)) return Recode(path, "UTF-16LE");
  if (HasZerosFrom(front, 0)) return Recode(path, "UTF-16BE");
  return absl::OkStatus();
}

}  // namespace ebb::data::internal
