#include "tools/text/traffic.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb::tools {

namespace {

std::string Direction(absl::string_view what, int64_t bytes,
                      int64_t as_floats) {
  std::string text =
      absl::StrFormat("%s %.1f MB", what, static_cast<double>(bytes) / 1e6);
  if (bytes > 0 && bytes < as_floats) {
    absl::StrAppendFormat(
        &text, ", %.2f times less than as float32",
        static_cast<double>(as_floats) / static_cast<double>(bytes));
  }
  return text;
}

}  // namespace

std::string TrafficText(const v1::Traffic& traffic) {
  if (traffic.pushed_as_floats() + traffic.pulled_as_floats() == 0) return "";
  return absl::StrCat(
      Direction("pushed", traffic.pushed(), traffic.pushed_as_floats()), "; ",
      Direction("pulled", traffic.pulled(), traffic.pulled_as_floats()));
}

bool Filtered(const v1::Traffic& traffic) {
  return traffic.pushed() < traffic.pushed_as_floats() ||
         traffic.pulled() < traffic.pulled_as_floats();
}

Json TrafficJson(const v1::Traffic& traffic) {
  Json json = Json::Object();
  json["pushed_bytes"] = traffic.pushed();
  json["pushed_bytes_as_float32"] = traffic.pushed_as_floats();
  json["pulled_bytes"] = traffic.pulled();
  json["pulled_bytes_as_float32"] = traffic.pulled_as_floats();
  return json;
}

void AddTo(const v1::Traffic& some, v1::Traffic* sum) {
  sum->set_pushed(sum->pushed() + some.pushed());
  sum->set_pushed_as_floats(sum->pushed_as_floats() + some.pushed_as_floats());
  sum->set_pulled(sum->pulled() + some.pulled());
  sum->set_pulled_as_floats(sum->pulled_as_floats() + some.pulled_as_floats());
}

}  // namespace ebb::tools
