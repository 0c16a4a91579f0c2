// The charts of the page about algorithms.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/algorithms/algorithm_cases.h"
#include "bench/algorithms/algorithms_page.h"
#include "tools/text/charts.h"

namespace ebb::tools {

namespace {

using FiguresList = std::vector<const AlgorithmFigures*>;

constexpr double kWidth = 620;

// Curves side by side: those of one step for each batch, or round, and those
// whose workers go on by themselves.
struct Family {
  std::string name;
  std::string title;
  std::set<std::string> algorithms;
};
const std::vector<Family>& Families() {
  static const auto* const kFamilies = new std::vector<Family>{
      {"steps",
       "pushing each batch",
       {"asp", "ssp", "bsp", "rounds", "rounds+backup", "staleness_aware",
        "dynsgd"}},
      {"runs",
       "pushing now and then",
       {"asp", "downpour", "adag", "local_sgd", "aeasgd", "eamsgd"}},
      {"sparse",
       "sparse",
       {"asp", "ssp", "bsp", "staleness_aware", "dynsgd", "downpour", "adag",
        "geo"}}};
  return *kFamilies;
}

class Images {
 public:
  Images(const std::vector<AlgorithmFigures>& all,
         const AlgorithmsPageOptions& options)
      : all_(all), options_(options) {}

  std::vector<PageImage> All() {
    for (const PageJob& job : options_.jobs) {
      for (const Family& family : Families()) {
        if ((family.name == "sparse") != (job.data == kSparseData)) continue;
        AddLosses(job, family);
        AddSpeedup(job, family);
      }
      AddWaiting(job);
    }
    return std::move(images_);
  }

 private:
  void Add(const std::string& name, const std::string& title,
           const std::string& svg) {
    if (svg.empty()) return;
    images_.push_back(
        {absl::StrCat("algorithms-", name, ".svg"), title, SvgFile(svg)});
  }

  FiguresList Of(const PageJob& job, const Family& family, bool churn) const {
    FiguresList list;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == job.data && one.period == 0 && one.churn == churn &&
          one.workers == options_.compared_workers &&
          family.algorithms.contains(one.algorithm)) {
        list.push_back(&one);
      }
    }
    return list;
  }

  void AddLosses(const PageJob& job, const Family& family) {
    std::vector<Curve> by_time, by_examples;
    double most = 0;
    for (const AlgorithmFigures* one : Of(job, family, false)) {
      Curve time{one->algorithm, {}}, examples{one->algorithm, {}};
      if (!one->curve.empty()) most = std::max(most, one->curve.front().loss);
      for (const LossPoint& point : one->curve) {
        time.points.emplace_back(point.seconds, point.loss);
        examples.points.emplace_back(static_cast<double>(point.examples),
                                     point.loss);
      }
      by_time.push_back(std::move(time));
      by_examples.push_back(std::move(examples));
    }
    // One that diverges would make lines of the others.
    for (std::vector<Curve>* curves : {&by_time, &by_examples}) {
      for (Curve& curve : *curves) {
        for (auto& [x, y] : curve.points) y = std::min(y, 1.1 * most);
      }
    }
    const std::string who = absl::StrCat(job.title, ", ", family.title, ", ",
                                         options_.compared_workers, " workers");
    const ChartOptions options = {.width = kWidth, .floor = 0};
    Add(absl::StrCat(job.data, "-", family.name, "-time"),
        absl::StrCat("Loss by seconds: ", who), Chart(who, by_time, options));
    Add(absl::StrCat(job.data, "-", family.name, "-examples"),
        absl::StrCat("Loss by examples: ", who),
        Chart(who, by_examples, options));
  }

  // How much sooner than with the fewest workers the target is reached.
  void AddSpeedup(const PageJob& job, const Family& family) {
    std::set<int> workers;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == job.data && one.period == 0 && !one.churn) {
        workers.insert(one.workers);
      }
    }
    if (workers.size() < 2) return;
    std::vector<Curve> curves;
    for (const AlgorithmFigures* first : Of(job, family, false)) {
      Curve curve{first->algorithm, {}};
      double base = 0;
      for (const int count : workers) {
        const auto it = std::ranges::find_if(all_, [&](const auto& one) {
          return one.data == job.data && one.period == 0 && !one.churn &&
                 one.workers == count && one.algorithm == first->algorithm;
        });
        const auto reached =
            it == all_.end() ? std::nullopt : it->Reached(job.target_loss);
        if (!reached || reached->seconds <= 0) continue;
        if (base == 0 && count != *workers.begin()) break;
        if (base == 0) base = reached->seconds;
        curve.points.emplace_back(count, base / reached->seconds);
      }
      curves.push_back(std::move(curve));
    }
    const std::string title = absl::StrCat(
        "Speed-up by workers: ", job.title, ", ", family.title,
        ", time to a loss of ", job.target_loss, " beside that of ",
        *workers.begin() == 1 ? "one worker"
                              : absl::StrCat(*workers.begin(), " workers"));
    Add(absl::StrCat(job.data, "-", family.name, "-speedup"), title,
        Chart(title, curves, {.width = kWidth, .floor = 0}));
  }

  void AddWaiting(const PageJob& job) {
    std::vector<BarGroup> groups;
    bool churned = false;
    for (const AlgorithmFigures& one : all_) {
      if (one.data != job.data || one.period > 0 || one.churn ||
          one.workers != options_.compared_workers) {
        continue;
      }
      BarGroup group{one.algorithm, {one.waited_seconds}};
      const auto it = std::ranges::find_if(all_, [&](const auto& other) {
        return other.churn && other.data == one.data &&
               other.algorithm == one.algorithm && other.workers == one.workers;
      });
      churned = churned || it != all_.end();
      group.values.push_back(
          it == all_.end() ? std::nullopt : std::optional(it->waited_seconds));
      groups.push_back(std::move(group));
    }
    const std::string title =
        absl::StrCat("Waiting of all workers together, seconds: ", job.title,
                     ", ", options_.compared_workers, " workers");
    BarOptions options = {
        .width = std::max(kWidth, 75.0 * static_cast<double>(groups.size()))};
    if (churned) options.series = {"undisturbed", "under churn"};
    Add(absl::StrCat(job.data, "-waiting"), title,
        BarChart(title, groups, options));
  }

  const std::vector<AlgorithmFigures>& all_;
  const AlgorithmsPageOptions& options_;
  std::vector<PageImage> images_;
};

}  // namespace

std::vector<PageImage> AlgorithmsImages(
    const std::vector<AlgorithmFigures>& all,
    const AlgorithmsPageOptions& options) {
  return Images(all, options).All();
}

}  // namespace ebb::tools
