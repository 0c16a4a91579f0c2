// Images decoded by their libraries alone.
#ifndef EBB_BENCH_DATA_BARE_IMAGES_H_
#define EBB_BENCH_DATA_BARE_IMAGES_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::bench {

// Decode an image of the size and the colours of `pixels`. False: it cannot be
// decoded. Nothing else is checked.
bool DecodeBarePng(absl::string_view file, std::vector<uint8_t>* pixels);
bool DecodeBareJpeg(absl::string_view file, std::vector<uint8_t>* pixels);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_BARE_IMAGES_H_
