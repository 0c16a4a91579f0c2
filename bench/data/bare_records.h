// Images in TFRecord files, decoded by the libraries alone, for `ebb bench
// data`.
#ifndef EBB_BENCH_DATA_BARE_RECORDS_H_
#define EBB_BENCH_DATA_BARE_RECORDS_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace ebb::bench {

// Calls `take` with each example of a file of WriteJpegRecords(), whose images
// have so many bytes of pixels: reads a frame, compares its checksums, parses
// it with libprotobuf, and decodes it with libjpeg-turbo. kDataLoss: the file
// is damaged.
absl::Status ReadJpegRecords(
    const std::string& path, int64_t pixels,
    absl::FunctionRef<void(int64_t label, std::span<const uint8_t> pixels)>
        take);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_BARE_RECORDS_H_
