// Writes a generated data set: the files of its parts, and its true model
// (docs/generate.md).
#ifndef EBB_TOOLS_EBB_GENERATE_GENERATION_H_
#define EBB_TOOLS_EBB_GENERATE_GENERATION_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "data/generate/generator.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct GenerationTarget {
  // Files are NAME.train..., NAME.test... and NAME.truth.json.
  std::string name;
  int64_t rows = 0;
  int64_t test_rows = 0;  // 0: no such part.
  bool gzip = false;
  bool force = false;  // Replaces files that are there.
  bool json = false;   // Prints the truth instead of a summary.
};

// Prints the progress on the standard error. All files appear when all are
// whole; after an error there are none, and earlier ones stay. kAlreadyExists,
// kInvalidArgument, kCancelled when interrupted; else the system's error.
// `truth` is the beginning of NAME.truth.json.
absl::Status WriteGenerated(const GenerationTarget& target,
                            data::generate::Generator* generator, Json truth);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_GENERATE_GENERATION_H_
