#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "data/formats/images/image.h"
#include "data/fuzz/fuzzing.h"
#include "data/source.h"

// The input is decoded as one image, as it is and scaled, and then read as one
// of two classes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ebb::data::ImageOptions;
  using ebb::data::SourceKind;
  using ebb::data::internal::DecodeImage;
  using ebb::data::internal::Image;
  // Large images are slow, and no different.
  constexpr int64_t kMostPixels = int64_t{1} << 16;
  const std::string input(reinterpret_cast<const char*>(data), size);
  bool small = false;
  for (const ImageOptions& options :
       {ImageOptions{}, ImageOptions{.grey = true},
        ImageOptions{.width = 5, .height = 3},
        ImageOptions{.width = 40, .height = 1, .grey = true}}) {
    Image image;
    const auto status = DecodeImage(input, options, kMostPixels, &image);
    ebb::data::Require(status.ok() || !status.message().empty());
    if (!status.ok()) continue;
    small = true;
    ebb::data::Require(
        image.pixels.size() ==
        static_cast<size_t>(image.width * image.height * image.channels));
  }
  if (!small) return 0;
  ebb::data::ReadText({.kind = SourceKind::kImages, .path = "d"},
                      {{"d/a/1", input}, {"d/b/2", input}});
  return 0;
}
