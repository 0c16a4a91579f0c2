// Says what is known of a daemon that gave no answer: whether a process was
// there, and what may have become of the request.
#ifndef EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_
#define EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_

#include <string>

#include "absl/status/status.h"

namespace ebb::tools {

// Describes an Unavailable or DeadlineExceeded in plain words instead of
// gRPC's: "it did not answer in time", "the connection broke", "Connection
// refused".
std::string NoAnswerText(const absl::Status& status);

// Looking may be repeated; a change may have been made unheard.
enum class Asked { kToLook, kToChange };

// The status with the scheduler's address and the next step added, when no
// answer came from it.
absl::Status WithAddress(const absl::Status& status,
                         const std::string& scheduler, Asked asked);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STATUS_NO_ANSWER_H_
