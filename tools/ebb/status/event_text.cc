#include "tools/ebb/status/event_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "tools/text/console.h"

namespace ebb::tools {

std::string KindWord(v1::Event::Kind kind) {
  return absl::AsciiStrToLower(
      absl::StripPrefix(v1::Event::Kind_Name(kind), "KIND_"));
}

std::string EventsText(const v1::GetStatusResponse& status, int most) {
  TextTable table({"AGO", "EVENT", "WHAT"}, {0});
  const int first = std::max(0, status.events_size() - most);
  for (int i = first; i < status.events_size(); ++i) {
    const v1::Event& event = status.events(i);
    const absl::Duration age =
        absl::Milliseconds(status.now_unix_ms() - event.unix_ms());
    table.Add({AgeText(std::max(age, absl::ZeroDuration())),
               KindWord(event.kind()), event.text()});
  }
  return table.empty() ? "" : table.ToString();
}

Json EventsJson(const v1::GetStatusResponse& status) {
  Json events = Json::List();
  for (const v1::Event& event : status.events()) {
    Json one = Json::Object();
    one["number"] = event.number();
    one["unix_ms"] = event.unix_ms();
    one["kind"] = KindWord(event.kind());
    one["job"] = event.job();
    one["subject"] = event.subject();
    one["text"] = event.text();
    events.Add(std::move(one));
  }
  return events;
}

}  // namespace ebb::tools
