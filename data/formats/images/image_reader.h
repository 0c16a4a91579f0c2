// The shared part of readers whose examples are images.
#ifndef EBB_DATA_FORMATS_IMAGES_IMAGE_READER_H_
#define EBB_DATA_FORMATS_IMAGES_IMAGE_READER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/bad_examples.h"
#include "data/formats/images/image.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// An example before it is decoded.
struct RawImage {
  std::string name;  // Its place: "flowers/rose/1.png".
  std::string bytes;
  float label = 0;
  absl::Status mistake;  // A mistake beside the image, with its name.
};

class ImageReader : public Reader {
 public:
  // Reads on until the size of the images is known, if the options do not say
  // it. Called once, before all else.
  absl::Status Begin();

  absl::StatusOr<bool> Next(Example* example) final;
  Layout layout() const final { return Layout::kBytes; }
  int64_t features() const final {
    return width_ * height_ * (spec_.image.grey ? 1 : 3);
  }
  // Their width and height, "6x4".
  std::string ColumnOrder() const final;
  std::string Where() const final { return raw_.name; }
  LeftOut left_out() const final { return bad_.left_out(); }

 protected:
  explicit ImageReader(const SourceSpec& spec);

  // Sets `*raw` to the next example; false at the end. Errors are of the files
  // as a whole.
  virtual absl::StatusOr<bool> Take(RawImage* raw) = 0;

  const SourceSpec& spec() const { return spec_; }

 private:
  // Next(), after what Begin() has read.
  absl::StatusOr<bool> ReadNext(Example* example);
  absl::Status Decode();

  const SourceSpec spec_;
  BadExamples bad_;
  RawImage raw_;
  Image image_;
  // The size of all images; 0 until it is known.
  int64_t width_;
  int64_t height_;
  std::string first_;  // The place of the image with that size.
  bool pending_ =
      false;  // Begin() has read an example that Next() has not given.
  bool ended_ = false;
};

// ImageOptions as a part of what a source means.
std::string MeaningOf(const ImageOptions& options);
// Checks what images have no use for.
absl::Status ValidateImages(const SourceSpec& spec);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_IMAGES_IMAGE_READER_H_
