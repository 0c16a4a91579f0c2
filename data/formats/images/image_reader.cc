#include "data/formats/images/image_reader.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/formats/input.h"
#include "data/formats/options.h"

namespace ebb::data::internal {

ImageReader::ImageReader(const SourceSpec& spec)
    : spec_(spec),
      bad_(spec.on_bad_example),
      width_(spec.image.width),
      height_(spec.image.height) {}

absl::Status ImageReader::Begin() {
  if (width_ > 0) return absl::OkStatus();
  Example example;
  EBB_ASSIGN_OR_RETURN(pending_, ReadNext(&example));
  return absl::OkStatus();
}

std::string ImageReader::ColumnOrder() const {
  return width_ == 0 ? "" : absl::StrCat(width_, "x", height_);
}

absl::StatusOr<bool> ImageReader::Next(Example* example) {
  if (!pending_) return ReadNext(example);
  pending_ = false;
  *example = {.label = raw_.label, .bytes = image_.pixels};
  return true;
}

absl::StatusOr<bool> ImageReader::ReadNext(Example* example) {
  while (!ended_) {
    EBB_ASSIGN_OR_RETURN(const bool more, Take(&raw_));
    if (!more) {
      ended_ = true;
      EBB_RETURN_IF_ERROR(bad_.Judge(spec_.Name()));
      break;
    }
    absl::Status status = raw_.mistake;
    if (status.ok()) status = Decode();
    if (status.ok()) {
      bad_.AddGood();
      *example = {.label = raw_.label, .bytes = image_.pixels};
      return true;
    }
    EBB_RETURN_IF_ERROR(bad_.Add(status));
  }
  return false;
}

absl::Status ImageReader::Decode() {
  const auto bad = [&](const auto&... args) {
    return absl::InvalidArgumentError(absl::StrCat(raw_.name, ": ", args...));
  };
  const absl::Status decoded =
      DecodeImage(raw_.bytes, spec_.image, kMostPixels, &image_);
  if (!decoded.ok()) return bad(decoded.message());
  if (width_ == 0) {
    width_ = image_.width;
    height_ = image_.height;
    first_ = raw_.name;
  }
  if (image_.width == width_ && image_.height == height_) {
    return absl::OkStatus();
  }
  return bad("has ", image_.width, "x", image_.height, " pixels, but ", first_,
             " has ", width_, "x", height_,
             "; all images have one size: size: ", width_, "x", height_,
             " scales them to it");
}

std::string MeaningOf(const ImageOptions& options) {
  std::string meaning;
  if (options.width > 0) {
    absl::StrAppend(&meaning, " size=", options.width, "x", options.height);
  }
  absl::StrAppend(&meaning, " colours=", options.grey ? "grey" : "rgb");
  return meaning;
}

absl::Status ValidateImages(const SourceSpec& spec) {
  const ImageOptions& image = spec.image;
  constexpr int64_t kMostSide = 16384;
  const bool none = image.width == 0 && image.height == 0;
  const bool fits =
      image.width >= 1 && image.width <= kMostSide && image.height >= 1 &&
      image.height <= kMostSide &&
      image.width * image.height * (image.grey ? 1 : 3) <= kMaxExampleBytes;
  if (!none && !fits) {
    return WrongOption("size ", image.width, "x", image.height,
                       " is not between 1x1 and ", kMostSide, "x", kMostSide,
                       ", with at most ", kMaxExampleBytes, " features");
  }
  if (!spec.comment.empty()) {
    return WrongOption("images have no lines, so none that begin with ",
                       Quoted(spec.comment), "; leave out comment");
  }
  return absl::OkStatus();
}

}  // namespace ebb::data::internal
