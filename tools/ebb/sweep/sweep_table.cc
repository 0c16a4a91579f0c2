#include "tools/ebb/sweep/sweep_table.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/scores/figures.h"
#include "job/base/values.h"
#include "sweep/folds.h"
#include "tools/text/evaluation_text.h"

namespace ebb::tools {

namespace {

using sweep::Trial;
using sweep::TrialState;

std::string ChoiceOf(const Trial& trial, const std::string& key) {
  const auto chosen = trial.choices.find(key);
  return chosen == trial.choices.end() ? "" : chosen->second;
}

int32_t EpochsOf(const Trial& trial) {
  return trial.measured.empty() ? 0 : trial.measured.back().epochs;
}

Json SecondsOf(const Trial& trial) {
  return trial.seconds ? Json(*trial.seconds) : Json();
}

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// The last part of a key, if no other key of the space ends in it.
std::string ShortKey(const sweep::Space& space, const std::string& key) {
  const auto last = [](const std::string& path) {
    const size_t dot = path.rfind('.');
    return dot == std::string::npos ? path : path.substr(dot + 1);
  };
  const auto same = std::ranges::count_if(
      space,
      [&](const sweep::Dimension& one) { return last(one.key) == last(key); });
  return same == 1 ? last(key) : key;
}

std::string TitleOf(const std::string& figure) {
  const FigureKind* kind = FindFigureKind(figure);
  return kind == nullptr ? figure : std::string(kind->title);
}

std::optional<double> FigureOf(const Trial& trial, const std::string& name) {
  const auto own = std::ranges::find(trial.figures, name, &Figure::name);
  return own == trial.figures.end() ? std::nullopt : std::optional(own->value);
}

// The names of the figures that any of the trials has.
std::vector<std::string> FigureNames(const std::vector<Trial>& trials) {
  std::vector<std::string> names;
  for (const Trial& trial : trials) {
    for (const Figure& figure : trial.figures) {
      if (std::ranges::count(names, figure.name) > 0) continue;
      names.push_back(figure.name);
    }
  }
  return names;
}

// A line for each fold of a job, and one for their mean.
std::string FoldsTable(const sweep::Sweep& sweep,
                       const std::vector<Trial>& trials,
                       const Console& console) {
  std::vector<std::string> header = {"fold", "state", "epoch", "examples"};
  std::vector<int> numbers = {0, 2, 3};
  const std::vector<std::string> names = FigureNames(trials);
  for (const std::string& name : names) {
    numbers.push_back(static_cast<int>(header.size()));
    header.push_back(TitleOf(name));
  }
  TextTable table(std::move(header), std::move(numbers));
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    std::vector<std::string> row = {
        absl::StrCat(trial.number), StateText(sweep, trials, i),
        absl::StrCat(EpochsOf(trial), "/", trial.epochs),
        WithCommas(trial.examples)};
    for (const std::string& name : names) {
      const auto value = FigureOf(trial, name);
      row.push_back(value ? FigureText(*value) : "");
    }
    table.Add(std::move(row));
  }
  const std::vector<sweep::Setting> settings = sweep::SettingsOf(sweep, trials);
  if (!settings.empty() && !settings.front().figures.empty()) {
    const std::vector<sweep::FigureSpread>& figures = settings.front().figures;
    std::vector<std::string> means = {"mean", "", "", ""};
    std::vector<std::string> deviations = {"deviation", "", "", ""};
    for (const std::string& name : names) {
      const auto own =
          std::ranges::find(figures, name, &sweep::FigureSpread::name);
      const bool has = own != figures.end();
      means.push_back(
          has ? Paint(console, Ink::kGreen, FigureText(own->spread.mean)) : "");
      deviations.push_back(has ? FigureText(own->spread.deviation) : "");
    }
    table.Add(std::move(means));
    table.Add(std::move(deviations));
  }
  return table.ToString();
}

Json FoldsJson(const sweep::Sweep& sweep, const std::vector<Trial>& trials,
               const sweep::Setting& setting) {
  Json folds = Json::List();
  for (const size_t index : setting.folds) {
    const Trial& trial = trials[index];
    Json one = Json::Object();
    one["fold"] = trial.number % sweep.folds;
    one["job"] = trial.job;
    one["state"] = StateText(sweep, trials, index);
    const std::string why = sweep::WhyStopped(sweep, trials, index);
    if (!why.empty()) one["why"] = why;
    const auto result = sweep::ResultOf(trial);
    one["value"] = result ? Json(sweep::Directed(sweep, *result)) : Json();
    one["examples"] = trial.examples;
    one["seconds"] = SecondsOf(trial);
    one["figures"] = Json::Object();
    for (const Figure& figure : trial.figures) {
      one["figures"][figure.name] = figure.value;
    }
    folds.Add(std::move(one));
  }
  return folds;
}

Json SpreadsJson(const sweep::Setting& setting) {
  Json figures = Json::Object();
  for (const sweep::FigureSpread& figure : setting.figures) {
    Json one = Json::Object();
    one["mean"] = figure.spread.mean;
    one["deviation"] = figure.spread.deviation;
    figures[figure.name] = std::move(one);
  }
  return figures;
}

}  // namespace

std::vector<Trial> RankedTrials(const sweep::Sweep& sweep,
                                const std::vector<Trial>& trials) {
  return sweep.folds > 0 ? sweep::WholesOf(sweep::SettingsOf(sweep, trials))
                         : trials;
}

std::string StateText(const sweep::Sweep& sweep,
                      const std::vector<Trial>& trials, size_t index) {
  const Trial& trial = trials[index];
  switch (trial.state) {
    case TrialState::kRunning:
      return "running";
    case TrialState::kComplete:
      return "complete";
    case TrialState::kStopped:
      return trial.trouble.empty() ? "stopped" : "failed";
  }
  return "";
}

std::string TrialsTable(const sweep::Sweep& sweep,
                        const std::vector<Trial>& all, const Console& console,
                        size_t rows) {
  const bool folds = sweep.folds > 0;
  if (folds && sweep.space.empty()) return FoldsTable(sweep, all, console);
  const std::vector<Trial> trials = RankedTrials(sweep, all);
  std::vector<std::string> header = {"rank", "trial", "state", sweep.metric};
  std::vector<int> numbers = {0, 1, 3, 4, 5};
  if (folds) {
    header.emplace_back("deviation");
    numbers.push_back(6);
  }
  header.emplace_back("epoch");
  header.emplace_back("examples");
  for (const sweep::Dimension& dimension : sweep.space) {
    header.push_back(ShortKey(sweep.space, dimension.key));
  }
  TextTable table(std::move(header), std::move(numbers));
  const std::vector<size_t> order = sweep::Ranking(trials);
  for (size_t i = 0; i < std::min(order.size(), rows); ++i) {
    const Trial& trial = trials[order[i]];
    const auto result = sweep::ResultOf(trial);
    std::vector<std::string> row = {
        result ? absl::StrCat(i + 1) : "", absl::StrCat(trial.number),
        StateText(sweep, trials, order[i]),
        result ? FigureText(sweep::Directed(sweep, *result)) : ""};
    if (i == 0 && result) row[3] = Paint(console, Ink::kGreen, row[3]);
    if (folds) {
      row.push_back(trial.deviation ? FigureText(*trial.deviation) : "");
    }
    row.push_back(absl::StrCat(EpochsOf(trial), "/", trial.epochs));
    row.push_back(WithCommas(trial.examples));
    for (const sweep::Dimension& dimension : sweep.space) {
      row.push_back(ChoiceOf(trial, dimension.key));
    }
    table.Add(std::move(row));
  }
  std::string text = table.ToString();
  if (order.size() > rows) {
    absl::StrAppend(&text, order.size() - rows, " more\n");
  }
  return text;
}

std::string TrialsCsv(const sweep::Sweep& sweep,
                      const std::vector<Trial>& trials) {
  const bool folds = sweep.folds > 0;
  std::vector<std::string> cells = {"trial"};
  if (folds) cells.emplace_back("fold");
  cells.emplace_back("job");
  cells.emplace_back("state");
  // Without a space there is one setting, and nothing to rank.
  const bool ranks_settings = !folds || !sweep.space.empty();
  if (ranks_settings) cells.emplace_back("rank");
  // The loss may be among the figures, too.
  std::vector<std::string> names;
  if (folds) names = FigureNames(trials);
  std::erase(names, sweep.metric);
  cells.push_back(sweep.metric);
  for (const absl::string_view name : {"epochs", "examples", "seconds"}) {
    cells.emplace_back(name);
  }
  for (const sweep::Dimension& dimension : sweep.space) {
    cells.push_back(CsvCell(dimension.key));
  }
  cells.insert(cells.end(), names.begin(), names.end());
  std::string text = absl::StrCat(absl::StrJoin(cells, ","), "\n");
  const std::vector<Trial> ranked = RankedTrials(sweep, trials);
  std::map<int64_t, size_t> ranks;  // By trial.
  const std::vector<size_t> order = sweep::Ranking(ranked);
  for (size_t i = 0; i < order.size(); ++i) {
    if (!sweep::ResultOf(ranked[order[i]])) continue;
    ranks[ranked[order[i]].number] = i + 1;
  }
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const int64_t number = folds ? trial.number / sweep.folds : trial.number;
    const auto rank = ranks.find(number);
    const auto result = sweep::ResultOf(trial);
    cells = {absl::StrCat(number)};
    if (folds) cells.push_back(absl::StrCat(trial.number % sweep.folds));
    cells.push_back(absl::StrCat(trial.job));
    cells.push_back(StateText(sweep, trials, i));
    if (ranks_settings) {
      cells.push_back(rank == ranks.end() ? "" : absl::StrCat(rank->second));
    }
    cells.push_back(result ? job::NumberText(sweep::Directed(sweep, *result))
                           : "");
    cells.push_back(absl::StrCat(EpochsOf(trial)));
    cells.push_back(absl::StrCat(trial.examples));
    cells.push_back(trial.seconds ? job::NumberText(*trial.seconds) : "");
    for (const sweep::Dimension& dimension : sweep.space) {
      cells.push_back(CsvCell(ChoiceOf(trial, dimension.key)));
    }
    for (const std::string& name : names) {
      const auto value = FigureOf(trial, name);
      cells.push_back(value ? job::NumberText(*value) : "");
    }
    absl::StrAppend(&text, absl::StrJoin(cells, ","), "\n");
  }
  return text;
}

Json TrialsJson(const sweep::Sweep& sweep, const std::vector<Trial>& all) {
  const bool folds = sweep.folds > 0;
  const std::vector<Trial> trials = RankedTrials(sweep, all);
  std::vector<sweep::Setting> settings;
  if (folds) settings = sweep::SettingsOf(sweep, all);
  Json json = Json::Object();
  json["sweep"] = sweep.name;
  json["metric"] = sweep.metric;
  json["goal"] = sweep.maximise ? "max" : "min";
  if (folds) json["folds"] = sweep.folds;
  const auto best = sweep::BestOf(trials);
  json["best"] = best ? Json(trials[*best].number) : Json();
  json["trials"] = Json::List();
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    Json one = Json::Object();
    one["trial"] = trial.number;
    if (!folds) one["job"] = trial.job;
    one["state"] = StateText(sweep, trials, i);
    const std::string why = sweep::WhyStopped(sweep, trials, i);
    if (!why.empty()) one["why"] = why;
    const auto result = sweep::ResultOf(trial);
    one["value"] = result ? Json(sweep::Directed(sweep, *result)) : Json();
    if (folds) {
      one["deviation"] = trial.deviation ? Json(*trial.deviation) : Json();
      one["figures"] = SpreadsJson(settings[i]);
      one["folds"] = FoldsJson(sweep, all, settings[i]);
    }
    one["examples"] = trial.examples;
    one["seconds"] = SecondsOf(trial);
    one["set"] = Json::Object();
    for (const auto& [key, value] : trial.choices) one["set"][key] = value;
    one["evaluations"] = Json::List();
    for (const sweep::Measured& measured : trial.measured) {
      Json evaluation = Json::Object();
      evaluation["epoch"] = measured.epochs;
      evaluation["value"] = sweep::Directed(sweep, measured.value);
      one["evaluations"].Add(std::move(evaluation));
    }
    json["trials"].Add(std::move(one));
  }
  return json;
}

}  // namespace ebb::tools
