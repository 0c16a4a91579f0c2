#include "bench/algorithms/workers_images.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/algorithms/workers_cases.h"
#include "bench/algorithms/workers_runs.h"
#include "bench/algorithms/workers_tables.h"
#include "tools/text/charts.h"

namespace ebb::tools {

namespace {

// Points at equal distances, by the number of workers.
Curve CurveOf(const WorkersRuns& runs, const std::string& name,
              WorkersGroup group, const std::set<int>& counts) {
  Curve curve{name, {}};
  int x = 0;
  for (const int count : counts) {
    group.workers = count;
    if (const auto score = runs.Score(group))
      curve.points.emplace_back(x, *score);
    ++x;
  }
  return curve;
}

std::string SvgOf(const std::string& title, std::vector<Curve> curves,
                  const std::set<int>& counts) {
  constexpr double kWidth = 620;
  std::erase_if(curves, [](const Curve& one) { return one.points.empty(); });
  if (curves.empty() || counts.size() < 2) return "";
  ChartOptions options = {.width = kWidth};
  for (const int count : counts) options.x_names.push_back(absl::StrCat(count));
  return SvgFile(Chart(title, curves, options));
}

}  // namespace

std::vector<PageImage> WorkersImages(const std::vector<AlgorithmFigures>& all) {
  const WorkersRuns runs(all);
  std::vector<PageImage> images;
  const auto add = [&](const WorkersJob& job, const std::string& name,
                       const std::string& what, std::vector<Curve> curves,
                       const std::set<int>& counts) {
    const std::string title =
        absl::StrCat(job.title, ": ", MetricOf(job).name, " by workers", what);
    const std::string svg = SvgOf(title, std::move(curves), counts);
    if (svg.empty()) return;
    images.push_back(
        {absl::StrCat("algorithms-workers-", job.data, name, ".svg"), title,
         svg});
  };
  for (const WorkersJob* job : runs.Jobs()) {
    const std::set<int> counts = runs.Counts(job->data, kDefaultVariant);
    std::vector<Curve> curves;
    for (const char* disturbance : {kQuiet, kKills}) {
      curves.push_back(CurveOf(runs, disturbance,
                               {.data = job->data, .disturbance = disturbance},
                               counts));
    }
    add(*job, "", "", std::move(curves), counts);
    const std::vector<std::string> variants = VariantsOf(runs, *job);
    if (variants.size() < 2) continue;
    const std::set<int> compared = runs.Counts(job->data, variants.back());
    std::vector<Curve> lines;
    for (const std::string& variant : variants) {
      lines.push_back(CurveOf(
          runs, variant, {.data = job->data, .variant = variant}, compared));
    }
    add(*job, "-variants", ", with other algorithms", std::move(lines),
        compared);
  }
  return images;
}

}  // namespace ebb::tools
