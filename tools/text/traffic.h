// The bytes of a job's values on their way, and what filters saved.
#ifndef EBB_TOOLS_TEXT_TRAFFIC_H_
#define EBB_TOOLS_TEXT_TRAFFIC_H_

#include <string>

#include "ebb/v1/common.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// "pushed 23.9 MB, 3.94 times less than as float32; pulled ...". Empty: nothing
// travelled.
std::string TrafficText(const v1::Traffic& traffic);
// True if anything went in fewer bytes than as float32.
bool Filtered(const v1::Traffic& traffic);
Json TrafficJson(const v1::Traffic& traffic);

// Adds the second to the first.
void AddTo(const v1::Traffic& some, v1::Traffic* sum);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_TRAFFIC_H_
