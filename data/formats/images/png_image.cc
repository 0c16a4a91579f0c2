// PNG, by libpng.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/formats/images/image_rows.h"

namespace ebb::data::internal {
namespace {

// libpng takes memory for a row before any of it is read.
constexpr int64_t kMostWidth = int64_t{1} << 20;

// An interlaced image is decoded as a whole.
constexpr int64_t kMostInterlacedBytes = int64_t{256} << 20;

// libpng leaves a function by longjmp() where a file is wrong. So the functions
// that call it have no objects of their own, and return false then.
class PngDecoder {
 public:
  explicit PngDecoder(absl::string_view bytes) : rest_(bytes) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  absl::Status Decode(const ImageOptions& options, int64_t most_pixels,
                      Image* image) {
    if (!ReadInfo()) return Why();
    const int64_t width = png_get_image_width(png_, info_);
    const int64_t height = png_get_image_height(png_, info_);
    if (png_get_bit_depth(png_, info_) == 16) {
      return BadImage(
          "has 16 bits a value, and ebb takes 8; `mogrify -depth 8` of "
          "ImageMagick makes it so");
    }
    EBB_RETURN_IF_ERROR(ImageRows::Check(width, height, options, most_pixels));
    if (width > kMostWidth) {
      return BadImage("is ", width, " pixels wide; at most ", kMostWidth,
                      " are possible");
    }
    if (!Begin()) return Why();
    channels_ = png_get_channels(png_, info_);
    const auto bytes_of_a_row =
        static_cast<int64_t>(png_get_rowbytes(png_, info_));
    if (bytes_of_a_row != width * channels_) {
      return BadImage("has rows of ", bytes_of_a_row, " bytes");
    }
    const int64_t held = passes_ > 1 ? height : 1;
    if (passes_ > 1 && held * bytes_of_a_row > kMostInterlacedBytes) {
      return BadImage("is interlaced and takes ", held * bytes_of_a_row,
                      " bytes; at most ", kMostInterlacedBytes,
                      " are possible, so write it without interlacing, as "
                      "`mogrify -interlace none` does");
    }
    image->channels = options.grey ? 1 : 3;
    ImageRows rows(width, height, options, image);
    made_.resize(width * image->channels);
    held_.resize(held * bytes_of_a_row);
    for (int pass = 0; pass + 1 < passes_; ++pass) {
      for (int64_t y = 0; y < height; ++y) {
        if (!ReadRow(&held_[y * bytes_of_a_row])) return Why();
      }
    }
    for (int64_t y = 0; y < height; ++y) {
      uint8_t* const row = &held_[passes_ > 1 ? y * bytes_of_a_row : 0];
      if (!ReadRow(row)) return Why();
      if (channels_ == image->channels) {
        rows.Add(row);
        continue;
      }
      if (!Convert(row, width, options.grey)) {
        return BadImage(
            "has transparent pixels, and ebb takes opaque ones; `mogrify "
            "-background white -flatten` of ImageMagick fills them");
      }
      rows.Add(made_.data());
    }
    if (!End()) return Why();
    png_bytep exif = nullptr;
    png_uint_32 exif_bytes = 0;
    if (png_get_eXIf_1(png_, info_, &exif_bytes, &exif) != 0) {
      const int orientation =
          ExifOrientation({reinterpret_cast<const char*>(exif), exif_bytes});
      if (orientation != 1) return RefuseTurned(orientation);
    }
    return absl::OkStatus();
  }

 private:
  bool ReadInfo() {
    png_ =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    if (png_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    png_set_read_fn(png_, this, OnRead);
    // Their product is what counts.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png_, info_);
    return true;
  }

  // Rows become bytes of 1 to 4 channels.
  bool Begin() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_expand(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool ReadRow(uint8_t* row) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }

  bool End() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_end(png_, info_);
    return true;
  }

  // Makes `made_` of a row. False where a pixel is not opaque.
  bool Convert(const uint8_t* row, int64_t width, bool grey) {
    const bool colour = channels_ >= 3;
    const bool alpha = channels_ % 2 == 0;
    uint8_t* out = made_.data();
    for (int64_t x = 0; x < width; ++x, row += channels_) {
      if (alpha && row[channels_ - 1] != 255) return false;
      if (!grey) {
        *out++ = row[0];
        *out++ = row[colour ? 1 : 0];
        *out++ = row[colour ? 2 : 0];
      } else if (!colour) {
        *out++ = row[0];
      } else {
        // ITU-R 601, in 2^-16ths, as JPEG and Pillow weigh colours.
        constexpr uint32_t kHalf = 1 << 15;
        *out++ = static_cast<uint8_t>(
            (row[0] * 19595U + row[1] * 38470U + row[2] * 7471U + kHalf) >> 16);
      }
    }
    return true;
  }

  absl::Status Why() const {
    if (cut_) {
      return BadImage(
          "is cut: the PNG image ends within it; was it copied whole?");
    }
    return BadImage("is damaged, says libpng: ",
                    why_[0] == '\0' ? "no memory" : why_);
  }

  static void OnRead(png_structp png, png_bytep out, size_t bytes) {
    auto* const self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (self->rest_.size() < bytes) {
      self->cut_ = true;
      png_error(png, "cut");
    }
    std::memcpy(out, self->rest_.data(), bytes);
    self->rest_.remove_prefix(bytes);
  }
  [[noreturn]] static void OnError(png_structp png, png_const_charp text) {
    auto* const self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self->why_, text, sizeof(self->why_) - 1);
    png_longjmp(png, 1);
  }
  // The image can be decoded in spite of it.
  static void OnWarning(png_structp /*png*/, png_const_charp /*text*/) {}

  absl::string_view rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
  int channels_ = 0;
  bool cut_ = false;
  char why_[128] = {};
  std::vector<uint8_t> held_;  // A row; all rows of an interlaced image.
  std::vector<uint8_t> made_;  // A row, as the image is to have it.
};

}  // namespace

absl::Status DecodePng(absl::string_view bytes, const ImageOptions& options,
                       int64_t most_pixels, Image* image) {
  return PngDecoder(bytes).Decode(options, most_pixels, image);
}

}  // namespace ebb::data::internal
