// What to say of a daemon that was asked and gave no answer: whether anybody
// was there, and what may have become of what was asked.
#ifndef EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_
#define EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_

#include <string>

#include "absl/status/status.h"

namespace ebb::tools {

// Of an Unavailable or DeadlineExceeded, in words and not in gRPC's own: "it
// did not answer in time", "the connection broke", "Connection refused".
std::string NoAnswerText(const absl::Status& status);

// Looking may be repeated; a change may have been made unheard.
enum class Asked { kToLook, kToChange };

// The status with the scheduler's address and the next step added, when no
// answer came from it.
absl::Status WithAddress(const absl::Status& status,
                         const std::string& scheduler, Asked asked);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_
