#include "data/formats/options.h"

#include <xxhash.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace ebb::data::internal {

absl::Status ValidateText(const TextOptions& text) {
  if (!text.delimiter.has_value() || *text.delimiter == kWhitespace) {
    return absl::OkStatus();
  }
  const std::string& delimiter = *text.delimiter;
  const bool part_of_a_field =
      std::any_of(delimiter.begin(), delimiter.end(), [](char c) {
        return c == '\0' || absl::ascii_isalnum(c) ||
               absl::StrContains("\"\r\n+-.", c);
      });
  if (!delimiter.empty() && delimiter.size() <= kMaxDelimiterBytes &&
      !part_of_a_field) {
    return absl::OkStatus();
  }
  return WrongOption("delimiter ", Quoted(delimiter),
                     " can be part of a field; use a comma, semicolon, tab, "
                     "bar, space or whitespace");
}

std::string Exact(double value) { return absl::StrFormat("%.17g", value); }

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(text), "'");
}

std::string QuotedList(const std::vector<std::string>& texts) {
  return absl::StrCat("[",
                      absl::StrJoin(texts, ",",
                                    [](std::string* out, const auto& text) {
                                      absl::StrAppend(out, Quoted(text));
                                    }),
                      "]");
}

void AppendNamed(absl::string_view key, absl::string_view value,
                 std::string* meaning) {
  if (value.empty()) return;
  absl::StrAppend(meaning, " ", key, "=", Quoted(value));
}

void AppendList(absl::string_view key, const std::vector<std::string>& values,
                std::string* meaning) {
  if (values.empty()) return;
  absl::StrAppend(meaning, " ", key, "=", QuotedList(values));
}

std::string MeaningOf(const TextOptions& text, bool quotes) {
  std::string meaning;
  if (text.quotes != quotes) {
    absl::StrAppend(&meaning, " quotes=", text.quotes ? "yes" : "no");
  }
  AppendList("missing_values", text.missing_values, &meaning);
  return meaning;
}

std::string MeaningOf(const std::optional<ColumnNames>& like) {
  if (!like.has_value()) return "";
  std::string bytes;
  for (const std::string& name : like->features) {
    absl::StrAppend(&bytes, name.size(), ":", name);
  }
  absl::StrAppend(&bytes, like->label);
  return absl::StrFormat(" like=%016x",
                         XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace ebb::data::internal
