#include "job/table_name.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ebb::job {
namespace {

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// The byte that "~XX" at the front of the text stands for.
std::optional<char> EscapedAtFront(absl::string_view text) {
  if (text.size() < 3 || text[0] != '~') return std::nullopt;
  const auto high = HexDigit(text[1]);
  const auto low = HexDigit(text[2]);
  if (!high || !low) return std::nullopt;
  return static_cast<char>(*high * 16 + *low);
}

}  // namespace

bool IsTableName(absl::string_view name) {
  if (name.empty() || name.size() > kLongestTableName || name[0] == '.') {
    return false;
  }
  while (!name.empty()) {
    const bool escaped = EscapedAtFront(name).has_value();
    const char c = name[0];
    if (!escaped && !absl::ascii_isalnum(c) && c != '.' && c != '_' &&
        c != '-') {
      return false;
    }
    name.remove_prefix(escaped ? 3 : 1);
  }
  return true;
}

std::string UserTableName(absl::string_view name) {
  std::string made;
  while (!name.empty()) {
    const std::optional<char> escaped = EscapedAtFront(name);
    made.push_back(escaped.value_or(name[0]));
    name.remove_prefix(escaped ? 3 : 1);
  }
  return made;
}

std::string TableNameRule() {
  return absl::StrCat("a name is up to ", kLongestTableName,
                      " letters, digits, '.', '_' and '-', the first no '.'; "
                      "another byte is ~ and its two hexadecimal digits, as "
                      "~2F for /");
}

}  // namespace ebb::job
