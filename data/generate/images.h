// Grey images in IDX: a pattern of squares for each class, and noise.
#ifndef EBB_DATA_GENERATE_IMAGES_H_
#define EBB_DATA_GENERATE_IMAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/generator.h"
#include "data/generate/nearest.h"

namespace ebb::data::generate {

struct ImageOptions {
  uint64_t seed = 1;
  int64_t classes = 10;
  int64_t size = 28;   // Pixels on each side.
  int64_t square = 4;  // Pixels on each side of a square of the patterns.
  double noise = 96;   // Standard deviation; pixels are from 0 to 255.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

class Images : public Generator {
 public:
  explicit Images(const ImageOptions& options);  // They are valid.

  // Suffixes of the images' file, then of the labels'.
  std::vector<std::string> Suffixes() const override;
  std::vector<Fact> Model() const override;
  int64_t most_rows() const override { return (int64_t{1} << 32) - 1; }
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  const ImageOptions options_;
  Nearest patterns_;
  std::vector<float> image_;
  Part part_ = Part::kTrain;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_IMAGES_H_
