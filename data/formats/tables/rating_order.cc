#include "data/formats/tables/rating_order.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr size_t kMostColumns = 4;
constexpr int64_t kLeastRecords = 20;
// Ratings are from 1 to 10, or from -10 to 10, in steps of a half or more.
constexpr size_t kMostRatings = 21;
constexpr double kMostRating = 10;

}  // namespace

std::string NameColumns(size_t rating) {
  const size_t user = rating == 0 ? 1 : 0;
  const size_t item = rating <= 1 ? 2 : 1;
  return absl::StrCat("If column ", rating + 1,
                      " is the rating, name the columns: user: ", user + 1,
                      ", item: ", item + 1, ", rating: ", rating + 1);
}

void RatingOrder::Column::Add(absl::string_view field, bool first) {
  double value = 0;
  numbers = numbers && ParseNumber(field, &value) && std::isfinite(value);
  if (!numbers) return;
  whole = whole && std::trunc(value) == value;
  halves = halves && std::trunc(2 * value) == 2 * value;
  least = first ? value : std::min(least, value);
  most = first ? value : std::max(most, value);
  if (values.size() < kMostValues) values.insert(value);
}

bool RatingOrder::Column::LooksLikeIds() const {
  return numbers && whole && least >= 0 && values.size() > kMostRatings &&
         most > static_cast<double>(kMostRatings);
}

bool RatingOrder::Column::LooksLikeRatings() const {
  return numbers && halves && values.size() > 1 &&
         values.size() <= kMostRatings && least >= -kMostRating &&
         most <= kMostRating;
}

void RatingOrder::Look(const std::vector<absl::string_view>& fields) {
  if (records_ == 0) columns_.resize(std::min(fields.size(), kMostColumns));
  if (fields.size() < columns_.size()) return;
  for (size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].Add(fields[i], records_ == 0);
  }
  ++records_;
}

std::string RatingOrder::Remark(size_t rating) const {
  if (records_ < kLeastRecords || rating >= columns_.size() ||
      !columns_[rating].LooksLikeIds()) {
    return "";
  }
  const auto likely =
      std::find_if(columns_.begin(), columns_.end(),
                   [](const Column& one) { return one.LooksLikeRatings(); });
  if (likely == columns_.end()) return "";
  const auto at = static_cast<size_t>(likely - columns_.begin());
  const Column& ids = columns_[rating];
  return absl::StrCat("column ", rating + 1, " is read as the rating, but has ",
                      ids.values.size() < kMostValues ? "" : "more than ",
                      ids.values.size(), " different whole numbers up to ",
                      ids.most, ", as ids do; column ", at + 1, " has ",
                      likely->values.size(), " from ", likely->least, " to ",
                      likely->most, ", as ratings do. ", NameColumns(at));
}

}  // namespace ebb::data::internal
