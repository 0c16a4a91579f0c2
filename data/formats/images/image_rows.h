// Brings an image to another size, row by row. For decoders.
#ifndef EBB_DATA_FORMATS_IMAGES_IMAGE_ROWS_H_
#define EBB_DATA_FORMATS_IMAGES_IMAGE_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/formats/images/image.h"
#include "data/source.h"

namespace ebb::data::internal {

template <typename... Args>
absl::Status BadImage(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// The error of an image that its EXIF data turns.
absl::Status RefuseTurned(int orientation);

// Takes the rows of an image from the top, and makes one of another size. A new
// pixel is the mean of the area that it covers, in whole numbers.
class ImageRows {
 public:
  // Checks an image of this size, before it is decoded.
  static absl::Status Check(int64_t width, int64_t height,
                            const ImageOptions& options, int64_t most_pixels);

  // An image of width x height pixels becomes `*image`, whose channels its rows
  // have. Check() has taken it.
  ImageRows(int64_t width, int64_t height, const ImageOptions& options,
            Image* image);

  // Returns where the next row stands, for a decoder that writes there.
  // Null: the image gets another size.
  uint8_t* Place();
  // Takes the next row, of width * channels bytes; it may be Place(). Takes no
  // memory, and is called `height` times.
  void Add(const uint8_t* row);

 private:
  bool keeps_size() const {
    return image_.width == width_ && image_.height == height_;
  }

  const int64_t width_;
  const int64_t height_;
  Image& image_;
  int64_t row_ = 0;              // The row of the image that Add() takes next.
  int64_t made_ = 0;             // The rows of `image_` that are made.
  std::vector<int64_t> across_;  // This row, times the width.
  std::vector<int64_t> sums_;    // The next row of `image_`, times all pixels.
};

// Decode a whole file of the format, whose first bytes are right.
absl::Status DecodePng(absl::string_view bytes, const ImageOptions& options,
                       int64_t most_pixels, Image* image);
absl::Status DecodeJpeg(absl::string_view bytes, const ImageOptions& options,
                        int64_t most_pixels, Image* image);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_IMAGES_IMAGE_ROWS_H_
