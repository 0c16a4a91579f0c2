// Ratings of items by users: biases, a matrix of known rank, and noise.
#ifndef EBB_DATA_GENERATE_RATINGS_H_
#define EBB_DATA_GENERATE_RATINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/generator.h"
#include "data/generate/known_loss.h"
#include "data/order.h"

namespace ebb::data::generate {

struct RatingOptions {
  uint64_t seed = 1;
  int64_t users = 2000;
  int64_t items = 1000;
  int rank = 4;
  double mean = 3.5;
  // Standard deviations, over ratings: of the biases of users and of items, of
  // the product of their vectors, and of the noise.
  double biases = 0.3;
  double factors = 0.7;
  double noise = 0.5;
  bool time = false;  // True if there is a fourth column.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
  int64_t parameters() const { return 1 + (users + items) * (rank + 1); }
};

// No user rates an item twice, in both parts together: rows are the first, and
// test rows the last, of an order of all pairs.
class Ratings : public Generator {
 public:
  explicit Ratings(const RatingOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override { return {".csv"}; }
  std::vector<Fact> Model() const override;
  int64_t most_rows() const override { return options_.users * options_.items; }
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  // Numbers from 1.
  double TrueRating(int64_t user, int64_t item);

  const RatingOptions options_;
  const Order pairs_;
  const double factor_deviation_;
  std::vector<float> user_;  // The bias, and the vector.
  std::vector<float> item_;
  Part part_ = Part::kTrain;
  KnownSquares noise_;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_RATINGS_H_
