// What a daemon that ended had to say about it.
#ifndef EBB_TOOLS_PROCESS_LAST_WORDS_H_
#define EBB_TOOLS_PROCESS_LAST_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// The last warning or error in a log, of the daemon's last life; empty: there
// is none. What went well says nothing of an end, stacks say it to nobody who
// did not write them, and neither does where all flags are.
std::string LastWords(absl::string_view log);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_LAST_WORDS_H_
