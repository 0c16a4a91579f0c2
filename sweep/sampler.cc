#include "sweep/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>

namespace ebb::sweep {
namespace {

// SplitMix64 (Steele et al. 2014): the same numbers with every compiler.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t number)
      : state_(seed ^ (number + 1) * 0xd1342543de82ef95ULL) {
    Next();
  }

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // From 0 to less than 1.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  size_t Index(size_t count) {
    return std::min(
        count - 1, static_cast<size_t>(Uniform() * static_cast<double>(count)));
  }
  // By the method of Box and Muller.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }

 private:
  uint64_t state_;
};

Choices AtRandom(const Space& space, Draws* draws) {
  Choices choices;
  for (const Dimension& dimension : space) {
    // Drawn also where the key is absent: others then stay what they are.
    const double place = draws->Uniform();
    if (!IsActive(dimension, choices)) continue;
    const bool list = dimension.kind == Dimension::Kind::kList;
    choices[dimension.key] =
        list ? dimension.values[std::min(
                   dimension.values.size() - 1,
                   static_cast<size_t>(
                       place * static_cast<double>(dimension.values.size())))]
             : ValueAt(dimension, place);
  }
  return choices;
}

// A mixture of normal densities between 0 and 1: one for each place, and a
// wide one in the middle, the prior. A density is as wide as the farther of its
// neighbours is away; the ends of the range do not count.
class Parzen {
 public:
  explicit Parzen(std::vector<double> places) {
    std::ranges::sort(places);
    const auto count = static_cast<double>(places.size());
    const double narrowest = 1 / std::min(100.0, count + 1);
    for (size_t i = 0; i < places.size(); ++i) {
      const double left = i == 0 ? 0 : places[i] - places[i - 1];
      const double right =
          i + 1 == places.size() ? 0 : places[i + 1] - places[i];
      parts_.push_back(
          {places[i], std::clamp(std::max(left, right), narrowest, 1.0)});
    }
    parts_.push_back({0.5, 1});
    for (Part& part : parts_) {
      part.mass =
          Below((1 - part.mean) / part.width) - Below(-part.mean / part.width);
    }
  }

  double Draw(Draws* draws) const {
    const Part& part = parts_[draws->Index(parts_.size())];
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
      const double x = part.mean + part.width * draws->Normal();
      if (x >= 0 && x <= 1) return x;
    }
    return part.mean;
  }

  double LogDensity(double x) const {
    double sum = 0;
    for (const Part& part : parts_) {
      const double z = (x - part.mean) / part.width;
      sum += std::exp(-z * z / 2) / (part.width * part.mass);
    }
    return std::log(sum / static_cast<double>(parts_.size()));
  }

 private:
  struct Part {
    double mean = 0;
    double width = 1;
    double mass = 1;  // The share of it between 0 and 1.
  };
  static double Below(double z) {
    return std::erfc(-z / std::numbers::sqrt2) / 2;
  }
  std::vector<Part> parts_;
};

// The values that trials have of a list, each with one more: the prior.
class Counts {
 public:
  Counts(const Dimension& dimension, std::span<const Outcome* const> trials)
      : weights_(dimension.values.size(), 1.0) {
    for (const Outcome* trial : trials) {
      const auto chosen = trial->choices.find(dimension.key);
      if (chosen == trial->choices.end()) continue;
      const auto at = std::ranges::find(dimension.values, chosen->second);
      if (at == dimension.values.end()) continue;
      weights_[static_cast<size_t>(at - dimension.values.begin())] += 1;
    }
    for (const double weight : weights_) sum_ += weight;
  }

  size_t Draw(Draws* draws) const {
    double left = draws->Uniform() * sum_;
    for (size_t i = 0; i + 1 < weights_.size(); ++i) {
      left -= weights_[i];
      if (left < 0) return i;
    }
    return weights_.size() - 1;
  }
  double LogShare(size_t index) const {
    return std::log(weights_[index] / sum_);
  }

 private:
  std::vector<double> weights_;
  double sum_ = 0;
};

Parzen DensityOf(const Dimension& dimension,
                 std::span<const Outcome* const> trials) {
  std::vector<double> places;
  for (const Outcome* trial : trials) {
    const auto chosen = trial->choices.find(dimension.key);
    if (chosen == trial->choices.end()) continue;
    const auto place = PlaceOf(dimension, chosen->second);
    if (place) places.push_back(*place);
  }
  return Parzen(std::move(places));
}

// Better first: those that came further, then by value. Trials that failed, and
// those that still train, are last: so trials that run side by side differ.
bool IsBetter(const Outcome* a, const Outcome* b) {
  const auto rank = [](const Outcome& one) {
    const bool known = one.value && std::isfinite(*one.value);
    return std::tuple(!known, known ? -one.epochs : 0,
                      known ? *one.value : 0.0);
  };
  return rank(*a) < rank(*b);
}

constexpr int kCandidates = 24;

// The value of the key that is most likely among the good trials by what it is
// among the bad ones.
std::string BestValue(const Dimension& dimension,
                      std::span<const Outcome* const> good,
                      std::span<const Outcome* const> bad, Draws* draws) {
  std::string best;
  double best_score = 0;
  const auto consider = [&](std::string value, double score) {
    if (!best.empty() && score <= best_score) return;
    best = std::move(value);
    best_score = score;
  };
  if (dimension.kind == Dimension::Kind::kList) {
    const Counts among_good(dimension, good), among_bad(dimension, bad);
    for (int i = 0; i < kCandidates; ++i) {
      const size_t index = among_good.Draw(draws);
      consider(dimension.values[index],
               among_good.LogShare(index) - among_bad.LogShare(index));
    }
    return best;
  }
  const Parzen among_good = DensityOf(dimension, good);
  const Parzen among_bad = DensityOf(dimension, bad);
  for (int i = 0; i < kCandidates; ++i) {
    const double x = among_good.Draw(draws);
    consider(ValueAt(dimension, x),
             among_good.LogDensity(x) - among_bad.LogDensity(x));
  }
  return best;
}

Choices ByModel(const Space& space, const std::vector<Outcome>& before,
                Draws* draws) {
  std::vector<const Outcome*> trials;
  size_t known = 0;
  for (const Outcome& one : before) {
    trials.push_back(&one);
    if (one.value) ++known;
  }
  std::ranges::stable_sort(trials, IsBetter);
  // Bergstra's program hyperopt does so. The paper's 15 % keep to the first
  // value of a list that did well.
  constexpr double kGood = 0.5;
  const auto good = static_cast<size_t>(
      std::ceil(kGood * std::sqrt(static_cast<double>(known))));
  const std::span<const Outcome* const> all(trials);
  Choices choices;
  for (const Dimension& dimension : space) {
    if (!IsActive(dimension, choices)) continue;
    choices[dimension.key] =
        BestValue(dimension, all.first(good), all.subspan(good), draws);
  }
  return choices;
}

// The first point that no trial had; absent: there is none.
std::optional<Choices> FirstLeft(const Space& space,
                                 const std::set<Choices>& tried) {
  if (CountPoints(space) > kMostTrials) return std::nullopt;
  Space finite = space;
  for (Dimension& dimension : finite) {
    dimension.steps = dimension.low == dimension.high ? 1 : 0;
  }
  for (Choices& point : GridPoints(finite)) {
    if (!tried.contains(point)) return std::move(point);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Choices> Suggest(const Space& space, Method method, uint64_t seed,
                               int64_t number,
                               const std::vector<Outcome>& before) {
  std::set<Choices> tried;
  for (const Outcome& one : before) tried.insert(one.choices);
  if (method == Method::kGrid) {
    std::vector<Choices> points = GridPoints(space);
    if (number >= std::ssize(points)) return std::nullopt;
    return std::move(points[static_cast<size_t>(number)]);
  }
  const int64_t known = std::ranges::count_if(
      before, [](const Outcome& one) { return one.value.has_value(); });
  const bool by_model = method == Method::kTpe && known >= kRandomTrials;
  Draws draws(seed, static_cast<uint64_t>(number));
  constexpr int kTries = 100;
  for (int i = 0; by_model && i < kTries; ++i) {
    Choices choices = ByModel(space, before, &draws);
    if (!tried.contains(choices)) return choices;
  }
  for (int i = 0; i < kTries; ++i) {
    Choices choices = AtRandom(space, &draws);
    if (!tried.contains(choices)) return choices;
  }
  return FirstLeft(space, tried);
}

}  // namespace ebb::sweep
