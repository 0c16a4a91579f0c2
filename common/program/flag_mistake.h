// What is wrong with a command line, in words that say what would be right.
#ifndef EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_
#define EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_

#include <string>

#include "CLI/CLI.hpp"

namespace ebb {

// Of a command line that `app` could not parse: "ebb run: there is no flag
// --wrokers; is it --workers?", else what the parser says of it. Of a value
// that stands in the environment, with the name of its variable.
std::string FlagMistake(const CLI::App& app, const CLI::ParseError& error,
                        int argc, const char* const* argv);

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_FLAG_MISTAKE_H_
