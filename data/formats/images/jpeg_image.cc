// JPEG, by libjpeg-turbo.
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/formats/images/image_rows.h"

// These want the types of <cstdio>.
#include <jerror.h>
#include <jpeglib.h>

namespace ebb::data::internal {
namespace {

// Each scan of a progressive image goes through all of it, so a small file
// could take hours.
constexpr int kMostScans = 500;
// A progressive image is decoded as a whole, with 6 bytes a pixel.
constexpr int64_t kMostProgressivePixels = int64_t{1} << 26;

// libjpeg leaves a function by longjmp() where a file is wrong. So the
// functions that call it have no objects of their own, and return false then.
class JpegDecoder {
 public:
  explicit JpegDecoder(absl::string_view bytes) : bytes_(bytes) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = OnError;
    errors_.emit_message = OnMessage;
    progress_.progress_monitor = OnProgress;
  }
  ~JpegDecoder() {
    if (made_) jpeg_destroy_decompress(&jpeg_);
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  absl::Status Decode(const ImageOptions& options, int64_t most_pixels,
                      Image* image) {
    if (!ReadHeader()) return Why();
    EBB_RETURN_IF_ERROR(CheckColours());
    EBB_RETURN_IF_ERROR(CheckTurn());
    EBB_RETURN_IF_ERROR(ImageRows::Check(jpeg_.image_width, jpeg_.image_height,
                                         options, most_pixels));
    const int64_t pixels =
        int64_t{jpeg_.image_width} * int64_t{jpeg_.image_height};
    if (pixels > kMostProgressivePixels &&
        jpeg_has_multiple_scans(&jpeg_) != FALSE) {
      return BadImage("is progressive and has ", pixels, " pixels; at most ",
                      kMostProgressivePixels,
                      " are possible then, so write it without, as `mogrify "
                      "-interlace none` of ImageMagick does");
    }
    if (!Start(options)) return Why();
    image->channels = options.grey ? 1 : 3;
    ImageRows rows(jpeg_.output_width, jpeg_.output_height, options, image);
    std::vector<uint8_t> row(size_t{jpeg_.output_width} * image->channels);
    if (jpeg_.output_components != image->channels) {
      return BadImage("has ", jpeg_.output_components, " values a pixel");
    }
    return ReadRows(row.data(), &rows) && End() ? absl::OkStatus() : Why();
  }

 private:
  bool ReadHeader() {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    made_ = true;
    jpeg_.client_data = this;
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()),
                 bytes_.size());
    constexpr unsigned kWhole = 0xffff;
    jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, kWhole);
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  // Scales by eighths to what is at least as large as what is wanted.
  bool Start(const ImageOptions& options) {
    if (setjmp(jump_) != 0) return false;
    jpeg_.out_color_space = options.grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_.scale_denom = 8;
    jpeg_.scale_num = options.width > 0 ? 1 : 8;
    const auto suffices = [&](int64_t size, int64_t wanted) {
      return (size * jpeg_.scale_num + 7) / 8 >= wanted;
    };
    while (jpeg_.scale_num < 8 &&
           !(suffices(jpeg_.image_width, options.width) &&
             suffices(jpeg_.image_height, options.height))) {
      ++jpeg_.scale_num;
    }
    jpeg_start_decompress(&jpeg_);
    return true;
  }

  // `room` has room for a row.
  bool ReadRows(uint8_t* room, ImageRows* rows) {
    if (setjmp(jump_) != 0) return false;
    while (jpeg_.output_scanline < jpeg_.output_height) {
      uint8_t* const place = rows->Place();
      uint8_t* row = place != nullptr ? place : room;
      if (jpeg_read_scanlines(&jpeg_, &row, 1) != 1) return false;
      rows->Add(row);
    }
    return true;
  }

  bool End() {
    if (setjmp(jump_) != 0) return false;
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  absl::Status CheckColours() const {
    if (jpeg_.num_components == 1 || jpeg_.num_components == 3) {
      return absl::OkStatus();
    }
    return BadImage(
        jpeg_.num_components == 4
            ? "has the colours of print, CMYK,"
            : absl::StrCat("has ", jpeg_.num_components, " values a pixel,"),
        " and ebb takes grey and RGB; `mogrify -colorspace sRGB` of "
        "ImageMagick makes RGB of it");
  }

  absl::Status CheckTurn() const {
    for (const jpeg_marker_struct* marker = jpeg_.marker_list;
         marker != nullptr; marker = marker->next) {
      absl::string_view data(reinterpret_cast<const char*>(marker->data),
                             marker->data_length);
      if (!absl::ConsumePrefix(&data, absl::string_view("Exif\0\0", 6))) {
        continue;
      }
      const int orientation = ExifOrientation(data);
      if (orientation != 1) return RefuseTurned(orientation);
    }
    return absl::OkStatus();
  }

  absl::Status Why() const {
    switch (errors_.msg_code) {
      case JWRN_JPEG_EOF:
      case JERR_INPUT_EOF:
      case JERR_INPUT_EMPTY:
        return BadImage(
            "is cut: the JPEG image ends within it; was it copied whole?");
      case JERR_BAD_PRECISION:
        return BadImage("has ", jpeg_.data_precision,
                        " bits a value, and ebb takes 8; `mogrify -depth 8` of "
                        "ImageMagick makes it so");
      case JERR_EMPTY_IMAGE:
        return BadImage("has no pixels");
      default:
        return BadImage("is damaged, says libjpeg: ", why_);
    }
  }

  static JpegDecoder* Self(j_common_ptr jpeg) {
    return static_cast<JpegDecoder*>(jpeg->client_data);
  }
  [[noreturn]] static void OnError(j_common_ptr jpeg) {
    JpegDecoder* const self = Self(jpeg);
    self->errors_.format_message(jpeg, self->why_);
    std::longjmp(self->jump_, 1);
  }
  // libjpeg would go on with grey in place of what is missing.
  static void OnMessage(j_common_ptr jpeg, int level) {
    if (level >= 0) return;  // No warning.
    switch (jpeg->err->msg_code) {
      case JWRN_ADOBE_XFORM:
      case JWRN_BOGUS_ICC:
      case JWRN_EXTRANEOUS_DATA:
      case JWRN_JFIF_MAJOR:
        return;  // The pixels are whole.
      default:
        OnError(jpeg);
    }
  }
  static void OnProgress(j_common_ptr jpeg) {
    auto* const decoder = reinterpret_cast<j_decompress_ptr>(jpeg);
    if (jpeg->is_decompressor == FALSE ||
        decoder->input_scan_number <= kMostScans) {
      return;
    }
    JpegDecoder* const self = Self(jpeg);
    std::snprintf(self->why_, sizeof(self->why_), "it has more than %d scans",
                  kMostScans);
    jpeg->err->msg_code = JMSG_NOMESSAGE;
    std::longjmp(self->jump_, 1);
  }

  const absl::string_view bytes_;
  jpeg_decompress_struct jpeg_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf jump_;
  bool made_ = false;
  char why_[JMSG_LENGTH_MAX] = {};
};

}  // namespace

absl::Status DecodeJpeg(absl::string_view bytes, const ImageOptions& options,
                        int64_t most_pixels, Image* image) {
  return JpegDecoder(bytes).Decode(options, most_pixels, image);
}

}  // namespace ebb::data::internal
