#include "data/formats/images/image.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/bytes/text.h"
#include "data/formats/images/image_rows.h"

namespace ebb::data::internal {
namespace {

struct OtherImage {
  absl::string_view magic;
  size_t offset;
  absl::string_view name;
};

constexpr OtherImage kOtherImages[] = {
    {"GIF8", 0, "a GIF image"},
    {"BM", 0, "a BMP image"},
    {"WEBP", 8, "a WebP image"},
    {absl::string_view("II*\0", 4), 0, "a TIFF image"},
    {absl::string_view("MM\0*", 4), 0, "a TIFF image"},
    {"ftypheic", 4, "a HEIC image"},
    {"ftypavif", 4, "an AVIF image"},
    {"P5", 0, "a PGM image"},
    {"P6", 0, "a PPM image"},
};

}  // namespace

absl::Status DecodeImage(absl::string_view bytes, const ImageOptions& options,
                         int64_t most_pixels, Image* image) {
  if (absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n")) {
    return DecodePng(bytes, options, most_pixels, image);
  }
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) {
    return DecodeJpeg(bytes, options, most_pixels, image);
  }
  if (bytes.empty()) return BadImage("is empty; was it copied whole?");
  for (const OtherImage& other : kOtherImages) {
    if (bytes.size() < other.offset ||
        !absl::StartsWith(bytes.substr(other.offset), other.magic)) {
      continue;
    }
    return BadImage("is ", other.name,
                    "; ebb takes PNG and JPEG: `mogrify -format png` of "
                    "ImageMagick makes PNG of it");
  }
  return BadImage("begins with ", Excerpt(bytes.substr(0, 8)),
                  ", so it is neither PNG nor JPEG; take it away, or make it "
                  "one of these");
}

int ExifOrientation(absl::string_view exif) {
  constexpr int kUpright = 1;
  constexpr uint32_t kOrientation = 0x0112;
  constexpr uint32_t kShort = 3;
  if (exif.size() < 8) return kUpright;
  const bool little = absl::StartsWith(exif, "II");
  if (!little && !absl::StartsWith(exif, "MM")) return kUpright;
  // 0 beyond the end.
  const auto number = [&](size_t at, size_t bytes) {
    uint32_t value = 0;
    if (at > exif.size() || exif.size() - at < bytes) return value;
    for (size_t i = 0; i < bytes; ++i) {
      const size_t place = little ? at + bytes - 1 - i : at + i;
      value = value << 8 | static_cast<uint8_t>(exif[place]);
    }
    return value;
  };
  if (number(2, 2) != 42) return kUpright;
  const size_t directory = number(4, 4);
  const uint32_t entries = number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry > exif.size()) break;
    if (number(entry, 2) != kOrientation) continue;
    const uint32_t value = number(entry + 8, 2);
    return number(entry + 2, 2) == kShort && value >= 1 && value <= 8
               ? static_cast<int>(value)
               : kUpright;
  }
  return kUpright;
}

}  // namespace ebb::data::internal
