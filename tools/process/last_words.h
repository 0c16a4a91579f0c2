// Finds what the log of a daemon says of its end and its failures.
#ifndef EBB_TOOLS_PROCESS_LAST_WORDS_H_
#define EBB_TOOLS_PROCESS_LAST_WORDS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// The last warning or error in a log, of the daemon's last life; empty: there
// is none. It leaves out successes, which do not explain an end; stacks, which
// help only developers; and the pointer to the list of flags.
std::string LastWords(absl::string_view log);

// Why the last batch failed that a worker could not compute, by its log; empty:
// it computed all.
std::string LastFailedBatch(absl::string_view log);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_LAST_WORDS_H_
