// Tables in Markdown, where all columns but the first are numbers.
#ifndef EBB_BENCH_PAGES_MARKDOWN_H_
#define EBB_BENCH_PAGES_MARKDOWN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ebb::tools {

inline std::string MarkdownRow(const std::vector<std::string>& cells) {
  return absl::StrCat("| ", absl::StrJoin(cells, " | "), " |\n");
}

// The names of the columns, and the line below them.
inline std::string MarkdownHeader(const std::vector<std::string>& names) {
  std::string text = MarkdownRow(names) + "|---|";
  for (size_t i = 1; i < names.size(); ++i) text += "--:|";
  return text + "\n";
}

}  // namespace ebb::tools

#endif  // EBB_BENCH_PAGES_MARKDOWN_H_
