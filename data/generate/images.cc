#include "data/generate/images.h"

#include <algorithm>
#include <cmath>

#include "common/initializer.h"
#include "common/status_macros.h"

namespace ebb::data::generate {
namespace {

// (classes, size * size): a square is between 128 - 64 and 128 + 64.
std::vector<float> Patterns(const ImageOptions& options) {
  const int64_t squares = (options.size - 1) / options.square + 1;
  std::vector<float> brightness(squares * squares);
  std::vector<float> patterns;
  for (int64_t c = 0; c < options.classes; ++c) {
    FillInitialRow(InitRule::Uniform(64), options.seed, "images",
                   static_cast<uint64_t>(c), brightness);
    for (int64_t y = 0; y < options.size; ++y) {
      for (int64_t x = 0; x < options.size; ++x) {
        const int64_t at = y / options.square * squares + x / options.square;
        patterns.push_back(128 + brightness[at]);
      }
    }
  }
  return patterns;
}

void AppendBigEndian(int64_t number, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(number >> shift & 255));
  }
}

}  // namespace

absl::Status ImageOptions::Validate() const {
  EBB_RETURN_IF_ERROR(
      CheckBetween("--classes", classes, int64_t{2}, int64_t{256}));
  EBB_RETURN_IF_ERROR(CheckBetween("--size", size, int64_t{1}, int64_t{512}));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--square", square, int64_t{1}, int64_t{512}));
  return CheckBetween("--noise", noise, 0.0, 1e6);
}

Images::Images(const ImageOptions& options)
    : options_(options),
      patterns_(Patterns(options), options.size * options.size),
      image_(options.size * options.size) {}

std::vector<std::string> Images::Suffixes() const {
  return {"-images-idx3-ubyte", "-labels-idx1-ubyte"};
}

std::vector<Fact> Images::Model() const { return {{"sigma", options_.noise}}; }

void Images::Start(Part part, int64_t rows, std::span<std::string> files) {
  part_ = part;
  patterns_.Forget();
  for (const int64_t word :
       {int64_t{0x803}, rows, options_.size, options_.size}) {
    AppendBigEndian(word, &files[0]);
  }
  for (const int64_t word : {int64_t{0x801}, rows}) {
    AppendBigEndian(word, &files[1]);
  }
}

void Images::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  const int64_t label = draws.Below(options_.classes);
  const std::span<const float> pattern = patterns_.centre(label);
  for (size_t i = 0; i < image_.size(); ++i) {
    const double pixel =
        std::floor(pattern[i] + options_.noise * draws.Normal() + 0.5);
    image_[i] = static_cast<float>(std::clamp(pixel, 0.0, 255.0));
    files[0].push_back(static_cast<char>(static_cast<uint8_t>(image_[i])));
  }
  patterns_.Try(image_, label);
  files[1].push_back(static_cast<char>(static_cast<uint8_t>(label)));
}

std::vector<Fact> Images::Known() const {
  return {{"nearest_pattern_accuracy", patterns_.accuracy()}};
}

}  // namespace ebb::data::generate
