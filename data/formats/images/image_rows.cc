#include "data/formats/images/image_rows.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "data/formats/input.h"

namespace ebb::data::internal {

namespace {

// The sum of each new pixel's area in a row.
template <int channels>
void ScaleAcross(const uint8_t* row, int64_t width, int64_t new_width,
                 int64_t* out) {
  for (int64_t x = 0; x < new_width; ++x, out += channels) {
    const int64_t begin = x * width;
    const int64_t end = begin + width;
    std::fill_n(out, channels, 0);
    for (int64_t i = begin / new_width; i * new_width < end; ++i) {
      const int64_t part =
          std::min(end, (i + 1) * new_width) - std::max(begin, i * new_width);
      for (int c = 0; c < channels; ++c) out[c] += part * row[i * channels + c];
    }
  }
}

// Divides sums of bytes by the area, and rounds.
template <typename Unsigned>
void Divide(const std::vector<int64_t>& sums, int64_t area, uint8_t* out) {
  const auto divisor = static_cast<Unsigned>(area);
  for (size_t i = 0; i < sums.size(); ++i) {
    out[i] = static_cast<uint8_t>(
        (static_cast<Unsigned>(sums[i]) + divisor / 2) / divisor);
  }
}

}  // namespace

absl::Status RefuseTurned(int orientation) {
  return BadImage("is turned or mirrored by its EXIF data (orientation ",
                  orientation,
                  "), and ebb takes pixels as they stand; turn the pixels, as "
                  "`mogrify -auto-orient` of ImageMagick does");
}

absl::Status ImageRows::Check(int64_t width, int64_t height,
                              const ImageOptions& options,
                              int64_t most_pixels) {
  if (width < 1 || height < 1) return BadImage("has no pixels");
  if (width > most_pixels / height) {
    return BadImage("has ", width, "x", height, " pixels; at most ",
                    most_pixels, " are possible");
  }
  const int64_t features = width * height * (options.grey ? 1 : 3);
  if (options.width == 0 && features > kMaxExampleBytes) {
    return BadImage("has ", width, "x", height, " pixels, which would be ",
                    features, " features; at most ", kMaxExampleBytes,
                    " are possible, so scale the images, as size: 224x224");
  }
  return absl::OkStatus();
}

ImageRows::ImageRows(int64_t width, int64_t height, const ImageOptions& options,
                     Image* image)
    : width_(width), height_(height), image_(*image) {
  image_.width = options.width > 0 ? options.width : width;
  image_.height = options.height > 0 ? options.height : height;
  const size_t bytes_of_a_row = image_.width * image_.channels;
  image_.pixels.resize(bytes_of_a_row * image_.height);
  if (keeps_size()) return;
  across_.resize(bytes_of_a_row);
  sums_.assign(bytes_of_a_row, 0);
}

uint8_t* ImageRows::Place() {
  if (!keeps_size()) return nullptr;
  return image_.pixels.data() + row_ * width_ * image_.channels;
}

// A pixel x of the image lies between x * W and (x + 1) * W, where W is the new
// width. A new pixel lies between X * w and (X + 1) * w. So all areas are whole
// numbers, and those of rows likewise. A sum is at most 255 * kMostPixels.
void ImageRows::Add(const uint8_t* row) {
  const int64_t channels = image_.channels;
  const int64_t new_width = image_.width;
  const int64_t new_height = image_.height;
  if (uint8_t* const place = Place(); place != nullptr) {
    if (row != place) std::copy_n(row, width_ * channels, place);
    ++row_;
    return;
  }
  if (channels == 1) {
    ScaleAcross<1>(row, width_, new_width, across_.data());
  } else {
    ScaleAcross<3>(row, width_, new_width, across_.data());
  }
  const int64_t top = row_ * new_height;
  const int64_t bottom = top + new_height;
  const int64_t area = width_ * height_;
  while (made_ < new_height && made_ * height_ < bottom) {
    const int64_t begin = made_ * height_;
    const int64_t end = begin + height_;
    const int64_t part = std::min(end, bottom) - std::max(begin, top);
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += part * across_[i];
    if (end > bottom) break;  // The next row has more of it.
    uint8_t* const out = image_.pixels.data() + made_ * std::ssize(sums_);
    // A division of 32 bits takes a fraction of the time.
    if (area <= (int64_t{1} << 23)) {
      Divide<uint32_t>(sums_, area, out);
    } else {
      Divide<uint64_t>(sums_, area, out);
    }
    std::fill(sums_.begin(), sums_.end(), 0);
    ++made_;
  }
  ++row_;
}

}  // namespace ebb::data::internal
