#include "tools/text/when.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

std::optional<absl::Time> ParseWhen(absl::string_view text, absl::Time now,
                                    absl::TimeZone zone) {
  absl::Duration ago;
  if (absl::ParseDuration(text, &ago)) {
    if (ago < absl::ZeroDuration() || ago == absl::InfiniteDuration()) {
      return std::nullopt;
    }
    return now - ago;
  }
  absl::Time time;
  std::string error;
  for (const char* form :
       {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M", absl::RFC3339_full}) {
    if (absl::ParseTime(form, text, zone, &time, &error)) return time;
  }
  const absl::CivilDay today = absl::ToCivilDay(now, zone);
  for (const absl::CivilDay day : {today, today - 1}) {
    const std::string whole =
        absl::StrCat(absl::FormatCivilTime(day), " ", text);
    for (const char* form : {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M"}) {
      if (absl::ParseTime(form, whole, zone, &time, &error) && time <= now) {
        return time;
      }
    }
  }
  return std::nullopt;
}

}  // namespace ebb::tools
