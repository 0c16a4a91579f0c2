// Explains a mistake in a command line, and says what would be right.
#ifndef EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_
#define EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_

#include <string>

#include "CLI/CLI.hpp"

namespace ebb {

// Describes a command line that `app` could not parse: "ebb run: there is no
// flag --wrokers; is it --workers?", else the parser's text. If the value is
// from the environment, the text names the variable.
std::string FlagMistake(const CLI::App& app, const CLI::ParseError& error,
                        int argc, const char* const* argv);

// Says which argument of the line is empty: mostly a variable of the shell was
// not set. Empty: none is. "--flag=" is meant, and so is all behind "--".
std::string EmptyArgument(const CLI::App& app, int argc,
                          const char* const* argv);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_
