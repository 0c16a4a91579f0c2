#include "data/file_look.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "data/bytes/text.h"
#include "data/bytes/tf_record.h"

namespace ebb::data {
namespace {

using absl::string_view;

// How many lines are looked at.
constexpr size_t kMostLines = 4;

// https://www.fon.hum.uva.nl/praat/manual/IDX_file_format.html: two zeros, the
// type of a value, and how many dimensions there are.
bool IsIdx(string_view front) {
  constexpr string_view kTypes = "\x08\x09\x0b\x0c\x0d\x0e";
  constexpr char kMostDimensions = 4;
  return front.size() >= 4 && front[0] == '\0' && front[1] == '\0' &&
         absl::StrContains(kTypes, front[2]) && front[3] >= 1 &&
         front[3] <= kMostDimensions;
}

bool IsImage(string_view front) {
  return absl::StartsWith(front, "\x89PNG\r\n\x1a\n") ||
         absl::StartsWith(front, "\xff\xd8\xff");
}

bool IsTar(string_view front) {
  constexpr size_t kMagic = 257;
  return front.size() > kMagic &&
         absl::StartsWith(front.substr(kMagic), "ustar");
}

// The first lines that are whole and not empty.
std::vector<string_view> LinesOf(string_view front) {
  const bool whole = front.size() < kLookBytes;
  std::vector<string_view> all = absl::StrSplit(front, '\n');
  if (!whole) all.pop_back();
  std::vector<string_view> lines;
  for (const string_view line : all) {
    const string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty()) continue;
    lines.push_back(text);
    if (lines.size() == kMostLines) break;
  }
  return lines;
}

// The parts of number:number: or number:number:number; else 0.
size_t PartsOf(string_view word) {
  const std::vector<string_view> parts = absl::StrSplit(word, ':');
  uint64_t whole = 0;
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (!internal::ParseWhole(parts[i], &whole)) return 0;
  }
  return parts.size() > 1 && internal::IsNumber(parts.back()) ? parts.size()
                                                              : 0;
}

// How many parts the words of all lines have behind the labels, if it is the
// same for all; else 0.
size_t PartsOfWords(const std::vector<string_view>& lines) {
  size_t parts = 0;
  for (string_view line : lines) {
    string_view word = internal::TakeWord(&line);
    if (internal::IsNumber(word)) word = internal::TakeWord(&line);  // A label.
    for (; !word.empty(); word = internal::TakeWord(&line)) {
      const size_t here = PartsOf(word);
      if (here == 0 || (parts != 0 && here != parts)) return 0;
      parts = here;
    }
  }
  return parts;
}

// The fields of a line. Quotes hold a delimiter in one of them.
std::vector<std::string> FieldsOf(string_view line, string_view delimiter) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  while (!line.empty()) {
    if (!quoted && absl::ConsumePrefix(&line, delimiter)) {
      fields.emplace_back();
      continue;
    }
    if (line.front() == '"') {
      quoted = !quoted;
    } else {
      fields.back() += line.front();
    }
    line.remove_prefix(1);
  }
  return fields;
}

bool AreNumbers(const std::vector<std::string>& fields) {
  return std::ranges::all_of(fields, [](const std::string& field) {
    return internal::IsNumber(absl::StripAsciiWhitespace(field));
  });
}

// The look of lines, and the delimiter of their fields.
struct LookOfText {
  FileLook look = FileLook::kUnclear;
  string_view delimiter;
};

LookOfText LookOfLines(const std::vector<string_view>& lines) {
  constexpr size_t kPair = 2, kTriple = 3;
  const size_t parts = PartsOfWords(lines);
  if (parts == kPair) return {FileLook::kPairs};
  if (parts == kTriple) return {FileLook::kTriples};
  for (const string_view delimiter : {"::", "\t", ";", ",", "|"}) {
    bool same = true, header = false;
    size_t columns = 0, numbers = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::vector<std::string> fields = FieldsOf(lines[i], delimiter);
      if (i == 0) columns = fields.size();
      same = same && fields.size() == columns;
      const bool of_numbers = AreNumbers(fields);
      if (i == 0) header = !of_numbers;
      numbers += of_numbers ? 1 : 0;
    }
    if (!same || columns < 2) continue;
    // One line of numbers may stand in a text.
    if (numbers > 1 && numbers + (header ? 1 : 0) == lines.size()) {
      return {FileLook::kNumbers, delimiter};
    }
    // One line of text may have a comma.
    if (lines.size() > 1 || numbers > 0) return {FileLook::kTable, delimiter};
  }
  return {};
}

}  // namespace

FileLook LookOf(string_view front) {
  if (absl::StartsWith(front, "\x93NUMPY")) return FileLook::kNpy;
  if (IsIdx(front)) return FileLook::kIdx;
  if (IsImage(front)) return FileLook::kImage;
  if (IsTar(front)) return FileLook::kTar;
  if (internal::IsTfRecord(front)) return FileLook::kTfRecord;
  if (absl::StrContains(front, '\0')) return FileLook::kUnclear;
  const std::vector<string_view> lines = LinesOf(front);
  if (lines.empty()) return FileLook::kUnclear;
  const bool json = absl::StartsWith(lines.front(), "{\"") ||
                    absl::StartsWith(lines.front(), "[{\"");
  return json ? FileLook::kJson : LookOfLines(lines).look;
}

string_view DelimiterOf(string_view front) {
  const FileLook look = LookOf(front);
  if (look != FileLook::kTable && look != FileLook::kNumbers) return "";
  return LookOfLines(LinesOf(front)).delimiter;
}

bool CouldBe(SourceKind kind, FileLook look) {
  if (look == FileLook::kUnclear) return true;
  const bool table = look == FileLook::kTable || look == FileLook::kNumbers;
  switch (kind) {
    case SourceKind::kCsv:
    case SourceKind::kRatings:
    case SourceKind::kCriteo:
      return table;
    case SourceKind::kLibsvm:
    case SourceKind::kBags:
      return look == FileLook::kPairs;
    case SourceKind::kLibffm:
      return look == FileLook::kTriples;
    case SourceKind::kText:  // Each sentence may have one comma.
      return look == FileLook::kTable || look == FileLook::kJson;
    case SourceKind::kNpy:
      return look == FileLook::kNpy;
    case SourceKind::kIdx:
      return look == FileLook::kIdx;
    case SourceKind::kImages:
      return look == FileLook::kImage;
    case SourceKind::kTar:
      return look == FileLook::kTar;
    case SourceKind::kTfRecord:
      return look == FileLook::kTfRecord;
    case SourceKind::kJsonLines:
      return look == FileLook::kJson;
    case SourceKind::kPacked:
      return false;
    case SourceKind::kProtobuf:  // Its bytes may look like anything.
      return true;
  }
  return true;
}

string_view TextOf(FileLook look) {
  switch (look) {
    case FileLook::kUnclear:
      return "";
    case FileLook::kTable:
    case FileLook::kNumbers:
      return "a table of columns (csv)";
    case FileLook::kPairs:
      return "rows of id:value (libsvm)";
    case FileLook::kTriples:
      return "rows of field:id:value (libffm)";
    case FileLook::kJson:
      return "JSON (json_lines)";
    case FileLook::kNpy:
      return "a NumPy array (npy)";
    case FileLook::kIdx:
      return "an IDX file (idx)";
    case FileLook::kImage:
      return "a PNG or JPEG image (images)";
    case FileLook::kTar:
      return "a tar archive (tar)";
    case FileLook::kTfRecord:
      return "a TFRecord file (tf_record)";
  }
  return "";
}

string_view ContentOf(SourceKind kind) {
  switch (kind) {
    case SourceKind::kIdx:
      return "images in an IDX file (idx)";
    case SourceKind::kCsv:
      return "tables of columns (csv)";
    case SourceKind::kLibsvm:
      return "sparse rows such as 3:0.5 7:1 (libsvm)";
    case SourceKind::kLibffm:
      return "sparse rows such as 0:3:0.5 1:7:1 (libffm)";
    case SourceKind::kRatings:
      return "tables of users and items (ratings)";
    case SourceKind::kCriteo:
      return "click logs, which are tables (criteo)";
    case SourceKind::kNpy:
      return "arrays of NumPy (npy)";
    case SourceKind::kText:
      return "plain text (text)";
    case SourceKind::kBags:
      return "bags of words such as 2 3:1 7:4 (bags)";
    case SourceKind::kPacked:
      return "packed sets, which `ebb data pack` makes (packed)";
    case SourceKind::kImages:
      return "folders of PNG or JPEG images (images)";
    case SourceKind::kTar:
      return "tar archives of images (tar)";
    case SourceKind::kTfRecord:
      return "TFRecord files (tf_record)";
    case SourceKind::kJsonLines:
      return "lines of JSON (json_lines)";
    case SourceKind::kProtobuf:
      return "protobuf messages (protobuf)";
  }
  return "";
}

}  // namespace ebb::data
