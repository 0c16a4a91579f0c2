// Sizes on the command line and in the environment.
#ifndef EBB_COMMON_PROGRAM_SIZE_FLAG_H_
#define EBB_COMMON_PROGRAM_SIZE_FLAG_H_

#include "CLI/CLI.hpp"

namespace ebb {

// For Option::transform: "64MiB", "64 mb" and "67108864" become 67108864; each
// unit is 1024 of the one before. Refuses negative values, fractions, and
// values beyond int64_t, so that the value fits any 64-bit integer.
CLI::Validator SizeValue();

}  // namespace ebb

#endif  // EBB_COMMON_PROGRAM_SIZE_FLAG_H_
