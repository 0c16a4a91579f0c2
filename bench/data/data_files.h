// Files of the same examples in several formats, for `ebb bench data`.
#ifndef EBB_BENCH_DATA_DATA_FILES_H_
#define EBB_BENCH_DATA_DATA_FILES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::bench {

struct ImageSet {
  int64_t side = 28;
  int64_t channels = 1;         // 1: grey. 3: colours.
  std::vector<uint8_t> pixels;  // (images, side, side, channels).
  std::vector<uint8_t> labels;

  int64_t images() const { return static_cast<int64_t>(labels.size()); }
  int64_t bytes() const { return side * side * channels; }  // An image's.
  std::span<const uint8_t> image(int64_t i) const {
    return std::span(pixels).subspan(static_cast<size_t>(i * bytes()),
                                     static_cast<size_t>(bytes()));
  }
};

// The first training images of Fashion-MNIST, in the folder of its IDX files,
// from the first again if there are fewer. Empty folder: images that
// `ebb generate images` would make. `count` is at least 1.
absl::StatusOr<ImageSet> ReadImageSet(const std::string& fashion,
                                      int64_t count);
// Smooth patterns in colours, with some noise.
ImageSet MakeColourImages(int64_t side, int64_t count);

enum class ImageFile { kPng, kJpeg };
// Writes the first images to FOLDER/CLASS/NUMBER.png, or .jpg.
absl::Status WriteImageFiles(const ImageSet& set, int64_t count, ImageFile kind,
                             const std::string& folder);

// Writes the pixels of the first images as tf.train.Example: "image", bytes,
// and "label".
absl::Status WriteImageRecords(const ImageSet& set, int64_t count,
                               const std::string& path);
// The same with JPEG images in "image", as those of WriteImageFiles(). ebb does
// not decode images in records.
absl::Status WriteJpegRecords(const ImageSet& set, int64_t count,
                              const std::string& path);
// Describes the records of WriteImageRecords() to ebb.
data::SourceSpec ImageRecords(const ImageSet& set, const std::string& path);

// An IDX file of images, and one of labels, at PATH-images-idx3-ubyte and
// PATH-labels-idx1-ubyte: `count` of them, from the first again and again.
absl::Status WriteIdx(const ImageSet& set, int64_t count,
                      const std::string& path);

// Records that are made up: a label, and the named values of a kind.
enum class RecordKind {
  kNumbers,  // 28 numbers, each under its name.
  kList,     // A list of 64 numbers.
  kClicks    // 13 whole numbers and 26 words, as a click log has.
};
std::string NameOf(RecordKind kind);
std::vector<data::RecordFeature> FeaturesOf(RecordKind kind);
// Writes the same records as JSON lines and as TFRecord.
absl::Status WriteRecords(RecordKind kind, int64_t count,
                          const std::string& json, const std::string& tf);

// Writes the same records as protobuf messages, and their descriptors.
absl::Status WriteMessages(RecordKind kind, int64_t count,
                           const std::string& descriptors,
                           const std::string& messages);
data::SourceSpec Messages(RecordKind kind, const std::string& descriptors,
                          const std::string& messages);

// Writes rows of `width` floats to a TFRecord file ("x" and "label"), and the
// bytes of the floats alone to `raw`.
absl::Status WriteRows(int64_t rows, int64_t width, const std::string& tf,
                       const std::string& raw);
data::SourceSpec Rows(int64_t width, const std::string& tf);

// Writes records of `bytes` bytes each ("blob" and "label") to a TFRecord file.
absl::Status WriteBlobs(int64_t records, int64_t bytes, const std::string& tf);
data::SourceSpec Blobs(int64_t bytes, const std::string& tf);

// The records of a TFRecord file in memory, whose checksums are not looked at.
std::vector<absl::string_view> RecordsIn(absl::string_view file);
// CRC-32C.
uint32_t Checksum(absl::string_view bytes);
// The same as TFRecord files have it: rotated, and with a constant added.
uint32_t MaskedChecksum(absl::string_view bytes);

}  // namespace ebb::bench

#endif  // EBB_BENCH_DATA_DATA_FILES_H_
