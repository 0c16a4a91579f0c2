#include "sweep/space.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "job/base/values.h"

namespace ebb::sweep {
namespace {

double Scaled(const Dimension& dimension, double value) {
  return dimension.log ? std::log(value) : value;
}

// Integers get a unit each, so that the ends are as likely as the others.
std::pair<double, double> Ends(const Dimension& dimension) {
  const double margin = dimension.kind == Dimension::Kind::kInteger ? 0.5 : 0.0;
  return {Scaled(dimension, dimension.low - margin),
          Scaled(dimension, dimension.high + margin)};
}

// Values of a range that says no `steps`; 0: more than a grid can have.
int64_t StepsOf(const Dimension& dimension) {
  if (dimension.steps > 0) return dimension.steps;
  if (dimension.kind != Dimension::Kind::kInteger) return 0;
  const double count = dimension.high - dimension.low + 1;
  return count <= static_cast<double>(kMostTrials) ? static_cast<int64_t>(count)
                                                   : 0;
}

// Appends the points below `choices`, which has the keys before `at`.
void AddPoints(const Space& space, size_t at, const Choices& choices,
               std::vector<Choices>* points) {
  if (std::ssize(*points) > kMostTrials) return;
  if (at == space.size()) {
    points->push_back(choices);
    return;
  }
  const Dimension& dimension = space[at];
  if (!IsActive(dimension, choices)) {
    AddPoints(space, at + 1, choices, points);
    return;
  }
  for (const std::string& value : GridValues(dimension)) {
    Choices longer = choices;
    longer[dimension.key] = value;
    AddPoints(space, at + 1, longer, points);
  }
}

}  // namespace

bool IsActive(const Dimension& dimension, const Choices& choices) {
  if (!dimension.when) return true;
  const auto chosen = choices.find(dimension.when->key);
  return chosen != choices.end() &&
         std::ranges::count(dimension.when->values, chosen->second) > 0;
}

std::string ValueAt(const Dimension& dimension, double place) {
  const auto [low, high] = Ends(dimension);
  double value = low + std::clamp(place, 0.0, 1.0) * (high - low);
  if (dimension.log) value = std::exp(value);
  if (dimension.kind == Dimension::Kind::kInteger) {
    value = std::clamp(std::round(value), dimension.low, dimension.high);
    return absl::StrCat(static_cast<int64_t>(value));
  }
  double rounded = value;
  if (!absl::SimpleAtod(absl::StrFormat("%.4g", value), &rounded)) {
    rounded = value;
  }
  return job::NumberText(std::clamp(rounded, dimension.low, dimension.high));
}

std::optional<double> PlaceOf(const Dimension& dimension,
                              const std::string& value) {
  const std::optional<double> number = job::ParseNumber(value);
  if (!number || (dimension.log && *number <= 0)) return std::nullopt;
  const auto [low, high] = Ends(dimension);
  if (high <= low) return 0.5;
  return std::clamp((Scaled(dimension, *number) - low) / (high - low), 0.0,
                    1.0);
}

std::vector<std::string> GridValues(const Dimension& dimension) {
  if (dimension.kind == Dimension::Kind::kList) return dimension.values;
  const int64_t steps = StepsOf(dimension);
  std::vector<std::string> values;
  for (int64_t i = 0; i < steps; ++i) {
    // The first and the last are the ends themselves.
    const double part =
        steps == 1 ? 0.5
                   : static_cast<double>(i) / static_cast<double>(steps - 1);
    const double low = Scaled(dimension, dimension.low);
    const double high = Scaled(dimension, dimension.high);
    const double at = low + part * (high - low);
    const double number = dimension.log ? std::exp(at) : at;
    const std::string text =
        ValueAt(dimension, *PlaceOf(dimension, job::NumberText(number)));
    if (values.empty() || values.back() != text) values.push_back(text);
  }
  return values;
}

std::vector<Choices> GridPoints(const Space& space) {
  std::vector<Choices> points;
  const bool all = std::ranges::none_of(space, [](const Dimension& dimension) {
    return GridValues(dimension).empty();
  });
  if (all) AddPoints(space, 0, {}, &points);
  return points;
}

int64_t CountPoints(const Space& space) {
  Space finite = space;
  for (Dimension& dimension : finite) {
    if (dimension.kind == Dimension::Kind::kList) continue;
    // `steps` are the grid's; other methods take any number of the range.
    dimension.steps = 0;
    if (dimension.low == dimension.high) {
      dimension.steps = 1;
    } else if (StepsOf(dimension) == 0) {
      return kMostTrials + 1;
    }
  }
  const std::vector<Choices> points = GridPoints(finite);
  return static_cast<int64_t>(
      std::set<Choices>(points.begin(), points.end()).size());
}

}  // namespace ebb::sweep
