// Decompression of bytes from anywhere.
#ifndef EBB_DATA_COMPRESSION_DECOMPRESSED_H_
#define EBB_DATA_COMPRESSION_DECOMPRESSED_H_

#include <memory>
#include <string>

#include "data/byte_source.h"

namespace ebb::data::internal {

// Passes `inner` through, decompressed if it begins as a compressed file does.
// Errors call it `name`.
std::unique_ptr<ByteSource> Decompressed(std::string name,
                                         std::unique_ptr<ByteSource> inner);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_COMPRESSION_DECOMPRESSED_H_
