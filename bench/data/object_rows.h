// Objects of a bucket, put and read by ebb and by curl.
#ifndef EBB_BENCH_DATA_OBJECT_ROWS_H_
#define EBB_BENCH_DATA_OBJECT_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/common/paired.h"
#include "bench/common/watch.h"

namespace ebb::bench {

struct ObjectRowsOptions {
  // "s3://BUCKET/PREFIX"; the environment has its server and the keys.
  std::string bucket;
  int pairs = 7;
  // All samples together take half a gigabyte of a server that keeps what is
  // deleted for a while.
  int64_t object_bytes = int64_t{16} << 20;
  int objects = 2;  // In a sample, one after the other.
  Watch watch;
};

// One connection each. Leaves no object behind. Blocks for a minute.
// InvalidArgument: `bucket` is another kind of URL. Else the errors of
// ObjectStore.
absl::StatusOr<std::vector<Row>> MeasureObjects(
    const ObjectRowsOptions& options);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_OBJECT_ROWS_H_
