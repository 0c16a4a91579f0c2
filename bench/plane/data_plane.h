// How worker and server of a benchmark reach each other.
#ifndef EBB_BENCH_PLANE_DATA_PLANE_H_
#define EBB_BENCH_PLANE_DATA_PLANE_H_

#include "absl/strings/string_view.h"

namespace ebb::bench {

enum class DataPlane { kGrpc, kBulk, kShared };

// Returns the plane that --transport calls "grpc", "bulk" or "shm".
inline DataPlane DataPlaneOf(absl::string_view transport) {
  if (transport == "shm") return DataPlane::kShared;
  return transport == "bulk" ? DataPlane::kBulk : DataPlane::kGrpc;
}

}  // namespace ebb::bench

#endif  // EBB_BENCH_PLANE_DATA_PLANE_H_
