#include "data/generate/clusters.h"

#include "absl/strings/str_cat.h"
#include "common/initializer.h"
#include "common/status_macros.h"
#include "data/generate/decimal.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kMostNumbers = int64_t{1} << 24;  // Numbers of all centres.
constexpr int64_t kMostListed = 10'000;             // In the truth.

std::vector<float> Centres(const ClusterOptions& options) {
  std::vector<float> centres(options.clusters * options.dimensions);
  for (int64_t c = 0; c < options.clusters; ++c) {
    FillInitialRow(
        InitRule::Normal(static_cast<float>(options.separation)), options.seed,
        "clusters", static_cast<uint64_t>(c),
        std::span(centres).subspan(c * options.dimensions, options.dimensions));
  }
  return centres;
}

}  // namespace

absl::Status ClusterOptions::Validate() const {
  EBB_RETURN_IF_ERROR(
      CheckBetween("--clusters", clusters, int64_t{1}, kMostNumbers));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--dimensions", dimensions, int64_t{1}, kMostNumbers));
  EBB_RETURN_IF_ERROR(CheckBetween("--clusters times --dimensions",
                                   clusters * dimensions, int64_t{1},
                                   kMostNumbers));
  EBB_RETURN_IF_ERROR(CheckBetween("--separation", separation, 0.0, 1e6));
  return CheckBetween("--spread", spread, 0.0, 1e6);
}

Clusters::Clusters(const ClusterOptions& options)
    : options_(options),
      centres_(Centres(options), options.dimensions),
      point_(options.dimensions) {}

std::vector<Fact> Clusters::Model() const {
  std::vector<Fact> facts = {{"sigma", options_.spread}};
  const std::vector<float>& centres = centres_.centres();
  if (centres.size() <= kMostListed) {
    facts.push_back(
        {"centres", std::vector<double>(centres.begin(), centres.end())});
  }
  return facts;
}

void Clusters::Start(Part part, int64_t /*rows*/,
                     std::span<std::string> files) {
  part_ = part;
  centres_.Forget();
  distance_ = {};
  for (int64_t i = 1; i <= options_.dimensions; ++i) {
    absl::StrAppend(&files[0], "x", i, ",");
  }
  files[0].append("cluster\n");
}

void Clusters::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  const int64_t cluster = draws.Below(options_.clusters);
  const std::span<const float> centre = centres_.centre(cluster);
  for (size_t i = 0; i < point_.size(); ++i) {
    const double x = ToDecimal(centre[i] + options_.spread * draws.Normal());
    point_[i] = static_cast<float>(x);
    distance_.Add(x - centre[i]);
    AppendDecimal(x, &files[0]);
    files[0].push_back(',');
  }
  centres_.Try(point_, cluster);
  AppendInteger(cluster, &files[0]);
  files[0].push_back('\n');
}

std::vector<Fact> Clusters::Known() const {
  return {{"squared_distance",
           distance_.mean() * static_cast<double>(options_.dimensions)},
          {"nearest_centre_accuracy", centres_.accuracy()}};
}

}  // namespace ebb::data::generate
