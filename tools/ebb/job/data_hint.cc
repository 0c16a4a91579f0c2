#include "tools/ebb/job/data_hint.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ebb::tools {

namespace {

// Returns what follows "# NAME:", on one line.
std::string CommentOf(const std::vector<absl::string_view>& lines,
                      absl::string_view name) {
  const std::string start = absl::StrCat("# ", name, ":");
  std::string text;
  bool more = false;
  for (absl::string_view line : lines) {
    if (!absl::ConsumePrefix(&line, more ? "#" : start)) {
      if (more) break;
      continue;
    }
    more = absl::ConsumeSuffix(&line, "\\");
    absl::StrAppend(&text, text.empty() ? "" : " ",
                    absl::StripAsciiWhitespace(line));
    if (!more) break;
  }
  return text;
}

}  // namespace

std::string DataHint(absl::string_view job_file) {
  const std::vector<absl::string_view> lines = absl::StrSplit(job_file, '\n');
  const std::string data = CommentOf(lines, "data");
  const std::string stand_in = CommentOf(lines, "stand-in");
  std::string hint;
  if (!data.empty()) absl::StrAppend(&hint, "get the data by: ", data);
  if (!stand_in.empty()) {
    absl::StrAppend(&hint, hint.empty() ? "" : "; or ",
                    "make other data of its shape by: ", stand_in);
  }
  return hint;
}

}  // namespace ebb::tools
