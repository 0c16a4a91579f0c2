// Sweeps whose job is cross-validated: a setting is a point of the space, and
// has a trial for each fold. Trial `number` is fold number % folds of the
// setting number / folds.
#ifndef EBB_SWEEP_FOLDS_H_
#define EBB_SWEEP_FOLDS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sweep/space.h"
#include "sweep/sweep.h"

namespace ebb::sweep {

// The key by which a trial's job knows its fold. It is among the trial's
// choices.
inline constexpr char kFoldKey[] = "data.fold";

struct Spread {
  double mean = 0;
  // The population deviation, as std() of NumPy: sqrt(mean((x - mean)²)).
  double deviation = 0;
};
// `values` is not empty.
Spread SpreadOf(std::span<const double> values);

struct FigureSpread {
  std::string name;
  Spread spread;
};

struct Setting {
  // Its trials as one: its number is the setting's, its choices lack the fold.
  // It is complete once all folds are, and stopped if one is. An evaluation
  // is the mean over the folds, and there is one where all of them have one.
  // The last is that of their results, once all are complete.
  Trial whole;
  std::vector<size_t> folds;  // The places of its trials, by fold.
  // The figures that all folds have, once it is complete.
  std::vector<FigureSpread> figures;
};

// The settings that have begun, by number. The sweep has folds.
std::vector<Setting> SettingsOf(const Sweep& sweep,
                                const std::vector<Trial>& trials);
// Setting::whole of each.
std::vector<Trial> WholesOf(const std::vector<Setting>& settings);

// "trial 7"; with folds "trial 1, fold 2", and without a space "fold 2".
std::string LabelOf(const Sweep& sweep, int64_t number);

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_FOLDS_H_
