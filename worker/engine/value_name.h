// Names a value of a table for people.
#ifndef EBB_WORKER_ENGINE_VALUE_NAME_H_
#define EBB_WORKER_ENGINE_VALUE_NAME_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb::worker {

// "a.weight[3, 5]": the value at this place of a table, the last index running
// fastest.
std::string NameOfValue(absl::string_view table, std::span<const int64_t> dims,
                        int64_t place);

}  // namespace ebb::worker

#endif  // EBB_WORKER_ENGINE_VALUE_NAME_H_
