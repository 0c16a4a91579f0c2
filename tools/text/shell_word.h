// Words of a command that people copy into a shell.
#ifndef EBB_TOOLS_TEXT_SHELL_WORD_H_
#define EBB_TOOLS_TEXT_SHELL_WORD_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// Returns the word as a shell reads it: quoted if it needs that.
std::string ShellWord(absl::string_view word);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_SHELL_WORD_H_
