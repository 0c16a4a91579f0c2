#include "job/base/table_name.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/utf8.h"
#include "job/base/values.h"

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

bool NeedsNoEscape(char c, bool first) {
  return absl::ascii_isalnum(c) || c == '_' || c == '-' || (c == '.' && !first);
}

// Returns what the name stands for. Nothing: a byte is escaped that need not
// be, or it is not UTF-8.
std::optional<std::string> Unescaped(absl::string_view name) {
  std::string made;
  bool first = true;
  while (!name.empty()) {
    const std::optional<char> escaped = EscapedAtFront(name);
    if (escaped && NeedsNoEscape(*escaped, first)) return std::nullopt;
    first = name[0] == '/';  // Tensors have their table's name behind one.
    made.push_back(escaped.value_or(name[0]));
    name.remove_prefix(escaped ? 3 : 1);
  }
  if (!IsUtf8(made)) return std::nullopt;
  return made;
}

}  // namespace

bool IsTableName(absl::string_view name) {
  if (name.empty() || name.size() > kLongestTableName || !Unescaped(name)) {
    return false;
  }
  for (bool first = true; !name.empty(); first = false) {
    const bool escaped = EscapedAtFront(name).has_value();
    if (!escaped && !NeedsNoEscape(name[0], first)) return false;
    name.remove_prefix(escaped ? 3 : 1);
  }
  return true;
}

std::string UserTableName(absl::string_view name) {
  return Unescaped(name).value_or(std::string(name));
}

std::string TableNameRule() {
  return absl::StrCat("a name is up to ", kLongestTableName,
                      " letters, digits, '.', '_' and '-', the first no '.'; "
                      "any other byte of UTF-8, and only such a byte, is ~ and "
                      "its two hexadecimal digits, as ~2F for /");
}

}  // namespace ebb::job
