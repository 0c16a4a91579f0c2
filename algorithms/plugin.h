// Algorithms from shared objects of users (plugin_api.h).
#ifndef EBB_ALGORITHMS_PLUGIN_H_
#define EBB_ALGORITHMS_PLUGIN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "algorithms/algorithm.h"

namespace ebb {

// Loads the algorithm of the shared object at `path` (from the folders that
// PluginFile::Open allows), with these options. `workers` is the most in the
// job; 0: any number. The object stays loaded while it or a rule of it exists.
//
// Errors: those of PluginFile::Open. InvalidArgument: it is not a plugin, or
// one for another version of the interface; it refuses the options; or its plan
// is not valid.
absl::StatusOr<std::unique_ptr<const Algorithm>> LoadAlgorithm(
    absl::string_view path, const std::vector<std::string>& allowed_folders,
    const std::map<std::string, std::string>& options, int64_t workers);

}  // namespace ebb

#endif  // EBB_ALGORITHMS_PLUGIN_H_
