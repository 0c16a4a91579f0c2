#include "tools/text/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/utf8.h"

namespace ebb::tools {

namespace {

constexpr int kOneLine = -1;

// `one` appends an element of `list`, given its own indentation.
template <typename List, typename One>
void AppendAll(const List& list, char open, char close, int indent,
               const One& one, std::string* out) {
  out->push_back(open);
  const bool lines = indent != kOneLine && !list.empty();
  const std::string margin(lines ? indent + 2 : 0, ' ');
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out->append(lines ? "," : ", ");
    if (lines) absl::StrAppend(out, "\n", margin);
    one(list[i], lines ? indent + 2 : kOneLine);
  }
  if (lines) absl::StrAppend(out, "\n", std::string(indent, ' '));
  out->push_back(close);
}

}  // namespace

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) {
      absl::StrAppend(&out, "\xef\xbf\xbd");
      text.remove_prefix(1);
      continue;
    }
    const char c = text.front();
    if (length > 1) {
      absl::StrAppend(&out, text.substr(0, length));
    } else if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", text.substr(0, 1));
    } else if (c == '\n') {
      absl::StrAppend(&out, "\\n");
    } else if (c == '\t') {
      absl::StrAppend(&out, "\\t");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, absl::StrFormat("\\u%04x", c));
    } else {
      out.push_back(c);
    }
    text.remove_prefix(length);
  }
  out.push_back('"');
  return out;
}

Json& Json::operator[](absl::string_view key) {
  if (!std::holds_alternative<Members>(value_)) value_ = Members{};
  auto& members = std::get<Members>(value_);
  const auto it = std::ranges::find_if(
      members, [&](const auto& member) { return member.first == key; });
  if (it != members.end()) return it->second;
  return members.emplace_back(std::string(key), Json()).second;
}

void Json::Add(Json element) {
  if (!std::holds_alternative<Elements>(value_)) value_ = Elements{};
  std::get<Elements>(value_).push_back(std::move(element));
}

bool Json::IsPlain() const {
  return !std::holds_alternative<Members>(value_) &&
         !std::holds_alternative<Elements>(value_);
}

void Json::AppendPlain(std::string* out) const {
  if (const auto* flag = std::get_if<bool>(&value_)) {
    absl::StrAppend(out, *flag ? "true" : "false");
  } else if (const auto* whole = std::get_if<int64_t>(&value_)) {
    absl::StrAppend(out, *whole);
  } else if (const auto* large = std::get_if<uint64_t>(&value_)) {
    absl::StrAppend(out, *large);
  } else if (const auto* real = std::get_if<double>(&value_);
             real != nullptr && std::isfinite(*real)) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof(text), *real).ptr;
    out->append(text, end);
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    absl::StrAppend(out, JsonString(*text));
  } else {
    absl::StrAppend(out, "null");
  }
}

void Json::Append(int indent, std::string* out) const {
  if (const auto* members = std::get_if<Members>(&value_)) {
    const auto one = [out](const auto& member, int deeper) {
      absl::StrAppend(out, JsonString(member.first), ": ");
      member.second.Append(deeper, out);
    };
    AppendAll(*members, '{', '}', indent, one, out);
  } else if (const auto* elements = std::get_if<Elements>(&value_)) {
    const bool plain = std::ranges::all_of(*elements, &Json::IsPlain);
    const auto one = [out](const Json& element, int deeper) {
      element.Append(deeper, out);
    };
    AppendAll(*elements, '[', ']', plain ? kOneLine : indent, one, out);
  } else {
    AppendPlain(out);
  }
}

std::string Json::ToString() const {
  std::string out;
  Append(0, &out);
  out.push_back('\n');
  return out;
}

std::string Json::ToLine() const {
  std::string out;
  Append(kOneLine, &out);
  return out;
}

}  // namespace ebb::tools
