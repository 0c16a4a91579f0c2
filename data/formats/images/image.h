// Pixels of PNG and JPEG images.
#ifndef EBB_DATA_FORMATS_IMAGES_IMAGE_H_
#define EBB_DATA_FORMATS_IMAGES_IMAGE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::data::internal {

// Larger images are refused before there is any memory for them.
inline constexpr int64_t kMostPixels = int64_t{1} << 28;
// The longest file of an image.
inline constexpr int64_t kMostImageBytes = int64_t{256} << 20;

struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;         // 1: grey. 3: red, green and blue.
  std::vector<uint8_t> pixels;  // (height, width, channels).
};

// Decodes `bytes`, all of a file, and scales them as `options` say. A new pixel
// is the mean of the area that it covers in the image. Holds little more than
// the result in memory, unless the image is interlaced or progressive.
// kInvalidArgument says what is wrong, as a message about the file ends: "is
// cut ...". What is read is a function of the bytes alone.
absl::Status DecodeImage(absl::string_view bytes, const ImageOptions& options,
                         int64_t most_pixels, Image* image);

// The orientation in a block of EXIF data, which begins with its byte order: 1
// if the image stands upright, or says nothing.
int ExifOrientation(absl::string_view exif);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_IMAGES_IMAGE_H_
