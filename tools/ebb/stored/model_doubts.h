// What a user of a stored model should know about it.
#ifndef EBB_TOOLS_EBB_STORED_MODEL_DOUBTS_H_
#define EBB_TOOLS_EBB_STORED_MODEL_DOUBTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/ebb/stored/checkpoint_source.h"

namespace ebb::tools {

// A sentence each; none: the job was trained to its end, and all parameters are
// finite. `applied`: the examples that every partition's newest version has, of
// `planned`.
std::vector<std::string> DoubtsOf(int64_t applied, int64_t planned,
                                  std::span<const float> parameters);

// The same of the versions that a model was read from.
std::vector<std::string> DoubtsOf(const JobPlan& plan,
                                  const std::vector<VersionInfo>& versions,
                                  std::span<const float> parameters);

// The same, to stderr. Prints nothing if the versions cannot be listed.
void WarnOfDoubts(CheckpointSource* source, std::span<const float> parameters);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_MODEL_DOUBTS_H_
