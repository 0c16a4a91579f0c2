// The two seams of data sets: where one is pushed to, and where its chunks come
// from. A folder (set_store.h) is both, and so is a daemon that has one
// (rpc/data_sets.h).
#ifndef EBB_DATASETS_TARGET_H_
#define EBB_DATASETS_TARGET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::datasets {

// Thread-safe; all calls block. Beside the codes named there:
// InvalidArgument     a malformed name, id or manifest; or no such chunk
// ResourceExhausted   there is no room
// Unavailable         it is not there, or its disk fails
class Target {
 public:
  struct Begun {
    // Names the content in the next calls.
    std::string id;
    // The set has this content already: there is nothing to do.
    bool published = false;
  };

  virtual ~Target() = default;
  // Begins to push the content of `manifest`, or continues that push, and gives
  // up any other unpublished push under this name. `verify`: also looks at the
  // published content. Idempotent. FailedPrecondition: something that was not
  // pushed has that name.
  virtual absl::StatusOr<Begun> BeginPush(absl::string_view name,
                                          absl::string_view manifest,
                                          bool verify) = 0;
  // Returns which of the chunks [first, first + count) are missing or damaged,
  // in ascending order; reads those that were not looked at yet. Idempotent.
  // Aborted: another push of this name has begun.
  virtual absl::StatusOr<std::vector<int64_t>> FindMissing(
      absl::string_view name, absl::string_view id, int64_t first,
      int64_t count) = 0;
  // Idempotent. DataLoss: these bytes are not that chunk. Aborted: as above.
  virtual absl::Status PutChunk(absl::string_view name, absl::string_view id,
                                int64_t chunk, absl::string_view bytes) = 0;
  // Makes it the set of this name, durably and at once. Idempotent.
  // FailedPrecondition: a chunk was not seen to be whole; ask FindMissing for
  // all. Aborted: as above.
  virtual absl::Status Publish(absl::string_view name,
                               absl::string_view id) = 0;
};

// Chunks that are asked for at once, at most.
inline constexpr int64_t kMaxFound = 256;

// Thread-safe; all calls block.
class Source {
 public:
  virtual ~Source() = default;
  // The manifest of the set as it is published. NotFound: there is none.
  virtual absl::StatusOr<std::string> GetManifest(absl::string_view name) = 0;
  // A chunk of that content. Aborted: the set was replaced or removed.
  // DataLoss: it is damaged there. The caller checks it, too.
  virtual absl::StatusOr<std::string> GetChunk(absl::string_view name,
                                               absl::string_view id,
                                               int64_t chunk) = 0;
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_TARGET_H_
