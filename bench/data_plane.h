// How worker and server of a benchmark reach each other.
#ifndef EBB_BENCH_DATA_PLANE_H_
#define EBB_BENCH_DATA_PLANE_H_

namespace ebb::bench {

enum class DataPlane { kGrpc, kBulk, kShared };

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_PLANE_H_
