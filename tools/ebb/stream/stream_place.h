// The place of a growing set, as people name it.
#ifndef EBB_TOOLS_EBB_STREAM_STREAM_PLACE_H_
#define EBB_TOOLS_EBB_STREAM_STREAM_PLACE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/objects/object_store.h"

namespace ebb::tools {

// Opens a folder, or "s3://BUCKET/PREFIX". `make`: a folder is made if it is
// not there. NotFound: there is no such folder. InvalidArgument: it is neither.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStreamPlace(
    const std::string& place, bool make);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STREAM_STREAM_PLACE_H_
