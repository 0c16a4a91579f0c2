// Writing JSON: values that are built like literals and keep their order.
//
//   Json report = Json::Object();
//   report["accuracy"] = 0.879;
//   report["workers"].Add("worker-0");
//   std::cout << report.ToString();
#ifndef EBB_TOOLS_TEXT_JSON_H_
#define EBB_TOOLS_TEXT_JSON_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// A value; null at first. Becomes an object by [], a list by Add().
class Json {
 public:
  Json() = default;
  Json(bool value) : value_(value) {}    // NOLINT: as in a literal
  Json(double value) : value_(value) {}  // NOLINT
  Json(std::string value) : value_(std::move(value)) {}          // NOLINT
  Json(absl::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(const char* value) : value_(std::string(value)) {}        // NOLINT
  template <std::integral Int>
  Json(Int value) {  // NOLINT
    if constexpr (std::unsigned_integral<Int>) {
      value_ = static_cast<uint64_t>(value);
    } else {
      value_ = static_cast<int64_t>(value);
    }
  }

  static Json Object() { return Json(Members{}); }
  static Json List() { return Json(Elements{}); }

  // The member of this name; made, as null, if there is none. Another value
  // becomes an object first.
  Json& operator[](absl::string_view key);
  // Appends. Another value becomes a list first.
  void Add(Json element);

  // Indented by two spaces; lists of plain values stand on one line. Numbers
  // that are not finite become null. Ends with a line break.
  std::string ToString() const;
  // On one line, without a line break.
  std::string ToLine() const;

 private:
  using Members = std::vector<std::pair<std::string, Json>>;
  using Elements = std::vector<Json>;
  explicit Json(Members members) : value_(std::move(members)) {}
  explicit Json(Elements elements) : value_(std::move(elements)) {}

  bool IsPlain() const;
  void Append(int indent, std::string* out) const;
  void AppendPlain(std::string* out) const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string,
               Elements, Members>
      value_;
};

// `text` as a JSON string, with quotes. Bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_JSON_H_
