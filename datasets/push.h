// Pushes a folder, or chunks from elsewhere, to where data sets are kept.
//
//   SetStore store = ...;
//   absl::StatusOr<PushResult> pushed = PushFolder("mnist", "mnist", &store,
//   {});
#ifndef EBB_DATASETS_PUSH_H_
#define EBB_DATASETS_PUSH_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/kill_point.h"
#include "datasets/manifest.h"
#include "datasets/target.h"

namespace ebb::datasets {

struct PushProgress {
  // Bytes of the present step: first those that were read for their checksums;
  // then those that are known to be there.
  bool sending = false;
  int64_t done = 0;
  int64_t total = 0;
  int64_t sent = 0;  // The part of these that this push sent.
};

struct PushOptions {
  // Also looks at the published content, and repairs it.
  bool verify = false;
  // Chunks that are under way at once. Default 4; more helps where the way is
  // long.
  int threads = 4;
  // Called by one thread at a time; may be null.
  std::function<void(const PushProgress&)> progress;
  // Asked between chunks; true ends the push with kCancelled. May be null.
  std::function<bool()> stop;
  KillPoints kill_points;
};

struct PushResult {
  std::string id;
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t chunks = 0;
  int64_t chunks_sent = 0;
  // It was there already, and was not looked at.
  bool was_there = false;
};

std::span<const absl::string_view> PushKillPoints();

// Makes the manifest of `folder`, which it reads once for the checksums.
// InvalidArgument, naming all: a file has a name that no data set may have, is
// a symbolic link, or is neither file nor folder. Aborted: a file changed
// meanwhile. NotFound: there is no such folder.
absl::StatusOr<Manifest> ReadFolder(const std::string& folder,
                                    const PushOptions& options);

// Makes one chunk of a content once more: the bytes of which the manifest has
// the checksum. Called by several threads at once. Aborted: it cannot, for what
// it is made of has changed.
using MakeChunk = std::function<absl::StatusOr<std::string>(int64_t chunk)>;

// Pushes the content of the manifest, and blocks until it is published. After
// it was killed, another call sends the missing part. Errors: those of `make`
// and of `target`.
absl::StatusOr<PushResult> PushContent(const Manifest& manifest,
                                       const MakeChunk& make,
                                       absl::string_view name, Target* target,
                                       const PushOptions& options);

// Pushes the folder, and blocks until it is published. After it was killed,
// another call sends the missing part. Errors: those of ReadFolder and of
// `target`. Also Aborted: a file changed while it was sent, and nothing is
// published.
absl::StatusOr<PushResult> PushFolder(const std::string& folder,
                                      absl::string_view name, Target* target,
                                      const PushOptions& options);

}  // namespace ebb::datasets

#endif  // EBB_DATASETS_PUSH_H_
