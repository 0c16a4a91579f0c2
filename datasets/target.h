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
// InvalidArgument     what is no name, id, manifest, or chunk of the set
// ResourceExhausted   there is no room
// Unavailable         it is not there, or its disk fails
class Target {
 public:
  struct Begun {
    // Names what is pushed, in the calls that follow.
    std::string id;
    // The set has this content already: there is nothing to do.
    bool published = false;
  };

  virtual ~Target() = default;
  // Begins to push, or goes on with, what `manifest` says, and gives up what
  // was pushed under this name before and is not published. `verify`: also
  // looks at what is published. Idempotent. FailedPrecondition: something that
  // is no data set has that name.
  virtual absl::StatusOr<Begun> BeginPush(absl::string_view name,
                                          absl::string_view manifest,
                                          bool verify) = 0;
  // Which of the chunks [first, first + count) are not there, or not whole, in
  // ascending order; reads those that nobody has looked at. Idempotent.
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
  // DataLoss: it is damaged there. Who asks checks it, too.
  virtual absl::StatusOr<std::string> GetChunk(absl::string_view name,
                                               absl::string_view id,
                                               int64_t chunk) = 0;
};

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_TARGET_H_
