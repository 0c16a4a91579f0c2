// The recent events of a scheduler, for people and programs.
#ifndef EBB_TOOLS_EBB_STATUS_EVENT_TEXT_H_
#define EBB_TOOLS_EBB_STATUS_EVENT_TEXT_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// "server_away".
std::string KindWord(v1::Event::Kind kind);

// A line for each of the last `most` events, oldest first: its age, its kind
// and its text.
std::string EventsText(const v1::GetStatusResponse& status, int most);

// All events, oldest first.
Json EventsJson(const v1::GetStatusResponse& status);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_EVENT_TEXT_H_
