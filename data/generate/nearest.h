// The classifier that no other beats where every class is as frequent as the
// others and noise is alike in all directions.
#ifndef EBB_DATA_GENERATE_NEAREST_H_
#define EBB_DATA_GENERATE_NEAREST_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace ebb::data::generate {

class Nearest {
 public:
  // `centres` is (classes, dimensions).
  Nearest(std::vector<float> centres, int64_t dimensions)
      : centres_(std::move(centres)),
        dimensions_(static_cast<size_t>(dimensions)) {}

  std::span<const float> centre(int64_t of) const {
    return std::span(centres_).subspan(static_cast<size_t>(of) * dimensions_,
                                       dimensions_);
  }
  const std::vector<float>& centres() const { return centres_; }

  // Notes whether `point`, which is of class `of`, has that centre nearest.
  void Try(std::span<const float> point, int64_t of) {
    ++tried_;
    const auto classes = static_cast<int64_t>(centres_.size() / dimensions_);
    const double own = SquaredDistance(point, of);
    for (int64_t other = 0; other < classes; ++other) {
      if (other != of && SquaredDistance(point, other) <= own) return;
    }
    ++right_;
  }
  void Forget() { tried_ = right_ = 0; }
  double accuracy() const {
    return tried_ == 0
               ? 0
               : static_cast<double>(right_) / static_cast<double>(tried_);
  }

 private:
  double SquaredDistance(std::span<const float> point, int64_t of) const {
    const std::span<const float> centre = this->centre(of);
    double sum = 0;
    for (size_t i = 0; i < dimensions_; ++i) {
      const double apart = static_cast<double>(point[i]) - centre[i];
      sum += apart * apart;
    }
    return sum;
  }

  std::vector<float> centres_;
  size_t dimensions_;
  int64_t tried_ = 0;
  int64_t right_ = 0;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_NEAREST_H_
