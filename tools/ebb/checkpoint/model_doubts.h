// Warns the user of a stored model of what to know about it.
#ifndef EBB_TOOLS_EBB_CHECKPOINT_MODEL_DOUBTS_H_
#define EBB_TOOLS_EBB_CHECKPOINT_MODEL_DOUBTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/ebb/checkpoint/checkpoint_source.h"

namespace ebb::tools {

// Why a model is not the result of its job, as a sentence; empty: it is.
// `applied`: the examples that every partition's newest version has, of
// `planned`.
std::string IncompleteText(int64_t applied, int64_t planned);
// The same of the versions that a model is read from.
std::string IncompleteText(const JobPlan& plan,
                           const std::vector<VersionInfo>& versions);

// A sentence each; none: the job was trained to its end, and all parameters are
// finite. `incomplete` is an IncompleteText.
std::vector<std::string> DoubtsOf(const std::string& incomplete,
                                  std::span<const float> parameters);

// The same, to stderr.
void WarnOfDoubts(const std::string& incomplete,
                  std::span<const float> parameters);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CHECKPOINT_MODEL_DOUBTS_H_
