// Looks in the runs for what the papers say.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/algorithms/algorithm_cases.h"
#include "bench/algorithms/algorithms_page.h"

namespace ebb::tools {

namespace {

// A clear difference of accuracies: less is chance between runs.
constexpr double kClear = 0.02;

class Effects {
 public:
  Effects(const std::vector<AlgorithmFigures>& all,
          const AlgorithmsPageOptions& options)
      : all_(all), options_(options) {}

  std::vector<KnownEffect> All() {
    AddStaleness("dynsgd", "Jiang et al. 2017");
    AddStaleness("staleness_aware", "Zhang et al. 2016");
    AddStaleness("adag", "Hermans 2017");
    for (const char* other : {"downpour", "adag"}) AddPeriods(other);
    for (const PageJob& job : options_.jobs) {
      AddWaiting(job);
      AddConvergence(job);
    }
    std::set<int> workers = {options_.compared_workers};
    workers.insert(FewestAndMost().second);
    for (const int so_many : workers) AddBackups(so_many);
    return std::move(effects_);
  }

 private:
  // Undisturbed. Null: there is none.
  const AlgorithmFigures* Find(const std::string& data,
                               const std::string& algorithm, int workers,
                               int period = 0) const {
    const auto it = std::ranges::find_if(all_, [&](const auto& one) {
      return one.data == data && one.algorithm == algorithm &&
             one.workers == workers && one.period == period && !one.churn;
    });
    return it == all_.end() ? nullptr : &*it;
  }
  const AlgorithmFigures* Compared(const std::string& data,
                                   const std::string& algorithm) const {
    return Find(data, algorithm, options_.compared_workers);
  }

  void Add(std::string name, std::string found, bool seen) {
    effects_.push_back({std::move(name), std::move(found), seen});
  }

  // By how much the accuracy falls between two runs.
  static std::optional<double> Fall(const AlgorithmFigures* from,
                                    const AlgorithmFigures* to) {
    if (from == nullptr || to == nullptr || !from->accuracy || !to->accuracy) {
      return std::nullopt;
    }
    return *from->accuracy - *to->accuracy;
  }
  static std::string FallText(const AlgorithmFigures& from,
                              const AlgorithmFigures& to) {
    return absl::StrFormat("%s from %.3f to %.3f", to.algorithm, *from.accuracy,
                           *to.accuracy);
  }

  // Workers of the dense job, undisturbed.
  std::pair<int, int> FewestAndMost() const {
    int few = 0, many = 0;
    for (const AlgorithmFigures& one : all_) {
      if (one.data != kDenseData || one.churn || one.period > 0) continue;
      few = few == 0 ? one.workers : std::min(few, one.workers);
      many = std::max(many, one.workers);
    }
    return {few, many};
  }

  void AddStaleness(const std::string& holds, const char* source) {
    const auto [few, many] = FewestAndMost();
    const std::string name =
        absl::StrCat("Plain asynchronous SGD degrades with staleness, ", holds,
                     " does less (", source, ")");
    const auto* asp_few = Find(kDenseData, "asp", few);
    const auto* asp_many = Find(kDenseData, "asp", many);
    const auto* other_few = Find(kDenseData, holds, few);
    const auto* other_many = Find(kDenseData, holds, many);
    const auto asp = Fall(asp_few, asp_many);
    const auto other = Fall(other_few, other_many);
    if (!asp || !other || few == many) return Add(name, "", false);
    Add(name,
        absl::StrFormat("accuracy, with %d and with %d workers: %s, %s", few,
                        many, FallText(*asp_few, *asp_many),
                        FallText(*other_few, *other_many)),
        *asp > kClear && *asp - *other > kClear);
  }

  void AddPeriods(const std::string& other) {
    const std::string name =
        absl::StrCat("Elastic averaging tolerates long periods, ", other,
                     " does less (Zhang et al. 2015)");
    int longest = 0;
    for (const AlgorithmFigures& one : all_) {
      if (one.data == kDenseData) longest = std::max(longest, one.period);
    }
    const int workers = options_.compared_workers;
    const auto* elastic = Compared(kDenseData, "aeasgd");
    const auto* elastic_long = Find(kDenseData, "aeasgd", workers, longest);
    const auto* plain = Compared(kDenseData, other);
    const auto* plain_long = Find(kDenseData, other, workers, longest);
    const auto fall = Fall(elastic, elastic_long);
    const auto other_fall = Fall(plain, plain_long);
    if (!fall || !other_fall || longest == 0) return Add(name, "", false);
    Add(name,
        absl::StrFormat("accuracy, with a push in 4 and in %d batches: %s, %s",
                        longest, FallText(*elastic, *elastic_long),
                        FallText(*plain, *plain_long)),
        *other_fall - *fall > kClear);
  }

  void AddWaiting(const PageJob& job) {
    const auto* asp = Compared(job.data, "asp");
    const auto* ssp = Compared(job.data, "ssp");
    const auto* bsp = Compared(job.data, "bsp");
    const std::string name =
        absl::StrCat("SSP waits more than ASP and less than BSP, ", job.data,
                     " (Ho et al. 2013)");
    if (asp == nullptr || ssp == nullptr || bsp == nullptr) {
      return Add(name, "", false);
    }
    Add(name,
        absl::StrFormat("asp %.0f %%, ssp %.0f %%, bsp %.0f %% of the workers' "
                        "time",
                        100 * asp->WaitedShare(), 100 * ssp->WaitedShare(),
                        100 * bsp->WaitedShare()),
        asp->WaitedShare() < ssp->WaitedShare() &&
            ssp->WaitedShare() < bsp->WaitedShare());
  }

  void AddConvergence(const PageJob& job) {
    const auto examples = [&](const char* algorithm) {
      const auto* one = Compared(job.data, algorithm);
      const auto point =
          one == nullptr ? std::nullopt : one->Reached(job.target_loss);
      return point ? std::optional<int64_t>(point->examples) : std::nullopt;
    };
    const auto asp = examples("asp"), ssp = examples("ssp"),
               bsp = examples("bsp");
    const std::string name =
        absl::StrCat("SSP needs fewer examples than ASP and more than BSP, ",
                     job.data, " (Ho et al. 2013)");
    if (Compared(job.data, "asp") == nullptr || !ssp || !bsp) {
      return Add(name, "", false);
    }
    Add(name,
        absl::StrFormat("asp %s, ssp %d, bsp %d examples to a loss of %g",
                        asp ? absl::StrCat(*asp) : "(never)", *ssp, *bsp,
                        job.target_loss),
        (!asp || *ssp < *asp) && *bsp < *ssp);
  }

  void AddBackups(int workers) {
    const std::string name =
        absl::StrCat("Backup tasks shorten rounds with slow workers, ", workers,
                     " workers (Chen et al. 2016)");
    const auto* without = Find(kDenseData, "rounds", workers);
    const auto* with = Find(kDenseData, "rounds+backup", workers);
    if (without == nullptr || with == nullptr) return Add(name, "", false);
    Add(name,
        absl::StrFormat("%.1f s without, %.1f s with them", without->seconds,
                        with->seconds),
        with->seconds < 0.95 * without->seconds);
  }

  const std::vector<AlgorithmFigures>& all_;
  const AlgorithmsPageOptions& options_;
  std::vector<KnownEffect> effects_;
};

}  // namespace

std::vector<KnownEffect> KnownEffects(const std::vector<AlgorithmFigures>& all,
                                      const AlgorithmsPageOptions& options) {
  return Effects(all, options).All();
}

}  // namespace ebb::tools
