// Packs sources: reads their examples once, puts them in a random order, and
// writes them as packed sets (docs/formats/packed.md).
//
//   EBB_ASSIGN_OR_RETURN(
//       std::vector<PackedFacts> facts,
//       PackSources({{"train", spec}, {"test", test_spec}}, "shirts.packed",
//       {}));
#ifndef EBB_DATA_PACK_PACKER_H_
#define EBB_DATA_PACK_PACKER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/kill_point.h"
#include "data/byte_source.h"
#include "data/fingerprint.h"
#include "data/source.h"

namespace ebb::data::pack {

struct PackProgress {
  std::string set;
  bool writing = false;  // Else the source is being read.
  int64_t examples = 0;
  int64_t total = 0;  // 0: not known yet.
};

struct PackOptions {
  uint64_t seed = 1;  // The order follows from it.
  // Examples of a window. 0: 16384, or fewer so that it takes 64 MiB at most.
  int64_t window = 0;
  bool compress = true;  // With zstd, where that makes a column smaller.
  // The memory for examples to be put in order. Default 256 MiB.
  int64_t memory_bytes = int64_t{256} << 20;
  // Called every few thousand examples; true: stop.
  std::function<bool(const PackProgress&)> progress;
  KillPoints kill_points;
};

std::span<const absl::string_view> PackKillPoints();

// One set: the folder of its name below that of the sets, or that folder
// itself, if the name is empty.
struct PackSource {
  std::string name;
  SourceSpec spec;
};

struct PackedFacts {
  std::string name;
  FileFingerprint id;  // Its bytes are those of all files.
  int64_t examples = 0;
  int64_t features = 0;
  int64_t classes = 0;
  int64_t window = 0;
  int64_t windows = 0;
  int64_t left_out = 0;
  bool keyed = false;
  bool sparse = false;
  std::vector<std::string> remarks;  // The same as Dataset::remarks().
};

// Packs the sources into `folder`, which must not be there, or be empty. The
// constants of the first hold for all. Whether labels are classes is found out.
// Works in FOLDER.packing, and renames it at the end: there is all of the sets
// or nothing. An error leaves nothing there. What a killed process left there
// is removed by the next call. Blocks on the disk. kAlreadyExists: the folder
// is there. kFailedPrecondition: another process packs to it. kCancelled:
// `progress` said so. Else the errors of the readers and of writing.
absl::StatusOr<std::vector<PackedFacts>> PackSources(
    const std::vector<PackSource>& sources, const std::string& folder,
    const PackOptions& options, const OpenBytes& open = OpenFile);

}  // namespace ebb::data::pack

#endif  // EBB_DATA_PACK_PACKER_H_
