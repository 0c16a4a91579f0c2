#include "sweep/folds.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb::sweep {
namespace {

// The figures that all of the trials have, in the order of the first.
std::vector<FigureSpread> FiguresOf(const std::vector<Trial>& trials,
                                    const std::vector<size_t>& folds) {
  std::vector<FigureSpread> figures;
  for (const Figure& figure : trials[folds.front()].figures) {
    std::vector<double> values;
    for (const size_t index : folds) {
      const std::vector<Figure>& all = trials[index].figures;
      const auto own = std::ranges::find(all, figure.name, &Figure::name);
      if (own != all.end()) values.push_back(own->value);
    }
    if (values.size() != folds.size()) continue;
    figures.push_back({figure.name, SpreadOf(values)});
  }
  return figures;
}

// The evaluations that all folds have, each the mean.
std::vector<Measured> MeansOf(const std::vector<Trial>& trials,
                              const std::vector<size_t>& folds) {
  struct Epoch {
    std::vector<double> values;
    int64_t unix_ms = 0;
  };
  std::map<int32_t, Epoch> epochs;
  for (const size_t index : folds) {
    for (const Measured& one : trials[index].measured) {
      Epoch& epoch = epochs[one.epochs];
      epoch.values.push_back(one.value);
      epoch.unix_ms = std::max(epoch.unix_ms, one.unix_ms);
    }
  }
  std::vector<Measured> means;
  for (const auto& [number, epoch] : epochs) {
    if (epoch.values.size() != folds.size()) continue;
    means.push_back({number, epoch.unix_ms, SpreadOf(epoch.values).mean});
  }
  return means;
}

void Finish(const std::vector<Trial>& trials, Setting* setting) {
  std::vector<double> results;
  int32_t epochs = 0;
  int64_t last_ms = 0;
  for (const size_t index : setting->folds) {
    const Trial& trial = trials[index];
    if (trial.measured.empty()) return;
    results.push_back(trial.measured.back().value);
    epochs = std::max(epochs, trial.measured.back().epochs);
    last_ms = std::max(last_ms, trial.measured.back().unix_ms);
  }
  const Spread result = SpreadOf(results);
  setting->whole.deviation = result.deviation;
  setting->figures = FiguresOf(trials, setting->folds);
  // Folds may have ended at different epochs.
  std::vector<Measured>& measured = setting->whole.measured;
  if (!measured.empty() && measured.back().epochs == epochs) {
    measured.pop_back();
  }
  measured.push_back({epochs, last_ms, result.mean});
}

void Merge(const Sweep& sweep, const std::vector<Trial>& trials,
           Setting* setting) {
  Trial& whole = setting->whole;
  int64_t complete = 0;
  bool stopped = false;
  double seconds = 0;
  bool known = true;
  for (const size_t index : setting->folds) {
    const Trial& trial = trials[index];
    whole.epochs = std::max(whole.epochs, trial.epochs);
    whole.examples += trial.examples;
    seconds += trial.seconds.value_or(0);
    known = known && trial.seconds.has_value();
    complete += trial.state == TrialState::kComplete ? 1 : 0;
    if (trial.state == TrialState::kStopped) {
      stopped = true;
      if (whole.trouble.empty()) whole.trouble = trial.trouble;
    }
  }
  const bool all = std::ssize(setting->folds) == sweep.folds;
  whole.state = stopped                   ? TrialState::kStopped
                : complete == sweep.folds ? TrialState::kComplete
                                          : TrialState::kRunning;
  if (known && all) whole.seconds = seconds;
  // A mean of some folds would say something else than that of all.
  if (stopped || !all) return;
  whole.measured = MeansOf(trials, setting->folds);
  if (whole.state == TrialState::kComplete) Finish(trials, setting);
}

}  // namespace

Spread SpreadOf(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  Spread spread;
  for (const double value : values) spread.mean += value / count;
  double squares = 0;
  for (const double value : values) {
    squares += (value - spread.mean) * (value - spread.mean);
  }
  spread.deviation = std::sqrt(squares / count);
  return spread;
}

std::vector<Setting> SettingsOf(const Sweep& sweep,
                                const std::vector<Trial>& trials) {
  std::vector<Setting> settings;
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const int64_t number = trial.number / sweep.folds;
    if (settings.empty() || settings.back().whole.number != number) {
      Trial& whole = settings.emplace_back().whole;
      whole.number = number;
      whole.job = trial.job;
      whole.choices = trial.choices;
      whole.choices.erase(kFoldKey);
      whole.began_unix_ms = trial.began_unix_ms;
    }
    settings.back().folds.push_back(i);
  }
  for (Setting& setting : settings) Merge(sweep, trials, &setting);
  return settings;
}

std::vector<Trial> WholesOf(const std::vector<Setting>& settings) {
  std::vector<Trial> wholes;
  for (const Setting& setting : settings) wholes.push_back(setting.whole);
  return wholes;
}

std::string LabelOf(const Sweep& sweep, int64_t number) {
  if (sweep.folds == 0) return absl::StrCat("trial ", number);
  std::string fold = absl::StrCat("fold ", number % sweep.folds);
  if (sweep.space.empty()) return fold;
  return absl::StrCat("trial ", number / sweep.folds, ", ", fold);
}

}  // namespace ebb::sweep
