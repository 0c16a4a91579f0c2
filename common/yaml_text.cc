#include "common/yaml_text.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb {
namespace {

// True if YAML reads the text as itself without quotes, in a flow map too.
bool IsPlain(absl::string_view text) {
  if (text.empty() || absl::EqualsIgnoreCase(text, "null")) return false;
  const char first = text.front();
  if (!absl::ascii_isalnum(first) && first != '/' && first != '_' &&
      !absl::StartsWith(text, "./") && !absl::StartsWith(text, "../")) {
    // A negative number is plain; other dashes mean lists.
    if (first != '-' || text.size() < 2 || !absl::ascii_isdigit(text[1])) {
      return false;
    }
  }
  if (text.back() == ' ') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("/_-.+ ", c);
  });
}

}  // namespace

std::string QuoteYaml(absl::string_view text) {
  return IsPlain(text) ? std::string(text) : InYamlQuotes(text);
}

std::string InYamlQuotes(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace ebb
