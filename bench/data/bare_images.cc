#include "bench/data/bare_images.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

// It wants the types of <cstdio>.
#include <jpeglib.h>

namespace ebb::bench {

namespace {

void OnRead(png_structp png, png_bytep out, size_t bytes) {
  auto* const rest = static_cast<absl::string_view*>(png_get_io_ptr(png));
  if (rest->size() < bytes) png_error(png, "cut");
  std::memcpy(out, rest->data(), bytes);
  rest->remove_prefix(bytes);
}

struct JpegErrors {
  jpeg_error_mgr manager;
  jmp_buf jump;
};

[[noreturn]] void OnJpegError(j_common_ptr jpeg) {
  longjmp(reinterpret_cast<JpegErrors*>(jpeg->err)->jump, 1);
}

}  // namespace

bool DecodeBarePng(absl::string_view file, std::vector<uint8_t>* pixels) {
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_read_struct(&png, &info, nullptr);
    return false;
  }
  png_set_read_fn(png, &file, OnRead);
  png_read_info(png, info);
  const size_t row = png_get_rowbytes(png, info);
  for (size_t at = 0; at + row <= pixels->size(); at += row) {
    png_read_row(png, pixels->data() + at, nullptr);
  }
  png_read_end(png, info);
  png_destroy_read_struct(&png, &info, nullptr);
  return true;
}

bool DecodeBareJpeg(absl::string_view file, std::vector<uint8_t>* pixels) {
  jpeg_decompress_struct jpeg = {};
  JpegErrors errors = {};
  jpeg.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = OnJpegError;
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(file.data()),
               file.size());
  jpeg_read_header(&jpeg, TRUE);
  jpeg_start_decompress(&jpeg);
  const size_t row =
      size_t{jpeg.output_width} * static_cast<size_t>(jpeg.output_components);
  while (jpeg.output_scanline < jpeg.output_height &&
         (jpeg.output_scanline + 1) * row <= pixels->size()) {
    uint8_t* at = pixels->data() + jpeg.output_scanline * row;
    jpeg_read_scanlines(&jpeg, &at, 1);
  }
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return true;
}

}  // namespace ebb::bench
