#include "tools/text/shell_word.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace ebb::tools {

std::string ShellWord(absl::string_view word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("@%+=:,./-_", c);
  });
  return plain ? std::string(word)
               : absl::StrCat(
                     "'", absl::StrReplaceAll(word, {{"'", "'\"'\"'"}}), "'");
}

}  // namespace ebb::tools
