#include "data/generate/ratings.h"

#include <cmath>

#include "common/initializer.h"
#include "common/status_macros.h"
#include "data/generate/decimal.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kMostNumbers = int64_t{1} << 31;  // Most users, and items.
// Seconds since 1970: ratings are of the year 2020.
constexpr int64_t kFirstTime = 1'577'836'800;
constexpr int64_t kTimes = 366 * 86'400;

// A product is the sum of `rank` numbers of variance s^4.
double FactorDeviation(const RatingOptions& options) {
  if (options.rank == 0) return 0;
  return std::sqrt(options.factors / std::sqrt(options.rank));
}

}  // namespace

absl::Status RatingOptions::Validate() const {
  EBB_RETURN_IF_ERROR(CheckBetween("--users", users, int64_t{1}, kMostNumbers));
  EBB_RETURN_IF_ERROR(CheckBetween("--items", items, int64_t{1}, kMostNumbers));
  EBB_RETURN_IF_ERROR(CheckBetween("--rank", rank, 0, 1024));
  EBB_RETURN_IF_ERROR(CheckBetween("--mean", mean, -1e6, 1e6));
  EBB_RETURN_IF_ERROR(CheckBetween("--biases", biases, 0.0, 1e6));
  EBB_RETURN_IF_ERROR(CheckBetween("--factors", factors, 0.0, 1e6));
  return CheckBetween("--noise", noise, 0.0, 1e6);
}

Ratings::Ratings(const RatingOptions& options)
    : options_(options),
      pairs_(options.seed, {.examples = options.users * options.items,
                            .shard_size = options.users * options.items}),
      factor_deviation_(FactorDeviation(options)),
      user_(options.rank + 1),
      item_(options.rank + 1) {}

double Ratings::TrueRating(int64_t user, int64_t item) {
  FillInitialRow(InitRule::Normal(1), options_.seed, "users",
                 static_cast<uint64_t>(user), user_);
  FillInitialRow(InitRule::Normal(1), options_.seed, "items",
                 static_cast<uint64_t>(item), item_);
  double product = 0;
  for (size_t k = 1; k < user_.size(); ++k) {
    product += static_cast<double>(user_[k]) * item_[k];
  }
  return options_.mean + options_.biases * user_[0] +
         options_.biases * item_[0] +
         factor_deviation_ * factor_deviation_ * product;
}

std::vector<Fact> Ratings::Model() const {
  return {{"sigma", options_.noise},
          {"mean", options_.mean},
          {"bias_deviation", options_.biases},
          {"factor_deviation", factor_deviation_},
          {"parameters", options_.parameters()}};
}

void Ratings::Start(Part part, int64_t /*rows*/, std::span<std::string> files) {
  part_ = part;
  noise_ = {};
  files[0].append(options_.time ? "user,item,rating,time\n"
                                : "user,item,rating\n");
}

void Ratings::Append(int64_t row, std::span<std::string> files) {
  const int64_t place = part_ == Part::kTest ? most_rows() - 1 - row : row;
  const int64_t pair = pairs_.ExampleAt(/*epoch=*/0, place);
  const int64_t user = 1 + pair / options_.items;
  const int64_t item = 1 + pair % options_.items;
  Draws draws(options_.seed, part_, row);
  const double expected = TrueRating(user, item);
  const double rating = ToDecimal(expected + options_.noise * draws.Normal());
  noise_.Add(rating - expected);
  std::string* out = &files[0];
  AppendInteger(user, out);
  out->push_back(',');
  AppendInteger(item, out);
  out->push_back(',');
  AppendDecimal(rating, out);
  if (options_.time) {
    out->push_back(',');
    AppendInteger(kFirstTime + draws.Below(kTimes), out);
  }
  out->push_back('\n');
}

std::vector<Fact> Ratings::Known() const {
  std::vector<Fact> facts = {{"rmse", std::sqrt(noise_.mean())}};
  if (part_ == Part::kTrain) {
    facts.push_back({"ratings_per_parameter",
                     static_cast<double>(noise_.count()) /
                         static_cast<double>(options_.parameters())});
  }
  return facts;
}

}  // namespace ebb::data::generate
