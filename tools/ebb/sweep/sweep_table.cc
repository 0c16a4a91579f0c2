#include "tools/ebb/sweep/sweep_table.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "job/values.h"
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

double SecondsOf(const Trial& trial) {
  if (trial.ended_unix_ms <= trial.began_unix_ms) return 0;
  return static_cast<double>(trial.ended_unix_ms - trial.began_unix_ms) / 1000;
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

}  // namespace

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
                        const std::vector<Trial>& trials,
                        const Console& console, size_t rows) {
  std::vector<std::string> header = {"rank",       "trial", "state",
                                     sweep.metric, "epoch", "examples"};
  for (const sweep::Dimension& dimension : sweep.space) {
    header.push_back(ShortKey(sweep.space, dimension.key));
  }
  TextTable table(std::move(header), {0, 1, 3, 4, 5});
  const std::vector<size_t> order = sweep::Ranking(trials);
  for (size_t i = 0; i < std::min(order.size(), rows); ++i) {
    const Trial& trial = trials[order[i]];
    const auto result = sweep::ResultOf(trial);
    std::vector<std::string> row = {
        result ? absl::StrCat(i + 1) : "",
        absl::StrCat(trial.number),
        StateText(sweep, trials, order[i]),
        result ? FigureText(sweep::Directed(sweep, *result)) : "",
        absl::StrCat(EpochsOf(trial), "/", trial.epochs),
        WithCommas(trial.examples)};
    if (i == 0 && result) row[3] = Paint(console, Ink::kGreen, row[3]);
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
  std::vector<std::string> cells = {"trial",    "job",        "state",
                                    "rank",     sweep.metric, "epochs",
                                    "examples", "seconds"};
  for (const sweep::Dimension& dimension : sweep.space) {
    cells.push_back(CsvCell(dimension.key));
  }
  std::string text = absl::StrCat(absl::StrJoin(cells, ","), "\n");
  std::vector<size_t> ranks(trials.size());
  const std::vector<size_t> order = sweep::Ranking(trials);
  for (size_t i = 0; i < order.size(); ++i) ranks[order[i]] = i + 1;
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    const auto result = sweep::ResultOf(trial);
    cells = {absl::StrCat(trial.number),
             absl::StrCat(trial.job),
             StateText(sweep, trials, i),
             result ? absl::StrCat(ranks[i]) : "",
             result ? job::NumberText(sweep::Directed(sweep, *result)) : "",
             absl::StrCat(EpochsOf(trial)),
             absl::StrCat(trial.examples),
             absl::StrCat(SecondsOf(trial))};
    for (const sweep::Dimension& dimension : sweep.space) {
      cells.push_back(CsvCell(ChoiceOf(trial, dimension.key)));
    }
    absl::StrAppend(&text, absl::StrJoin(cells, ","), "\n");
  }
  return text;
}

Json TrialsJson(const sweep::Sweep& sweep, const std::vector<Trial>& trials) {
  Json json = Json::Object();
  json["sweep"] = sweep.name;
  json["metric"] = sweep.metric;
  json["goal"] = sweep.maximise ? "max" : "min";
  const auto best = sweep::BestOf(trials);
  json["best"] = best ? Json(trials[*best].number) : Json();
  json["trials"] = Json::List();
  for (size_t i = 0; i < trials.size(); ++i) {
    const Trial& trial = trials[i];
    Json one = Json::Object();
    one["trial"] = trial.number;
    one["job"] = trial.job;
    one["state"] = StateText(sweep, trials, i);
    const std::string why = sweep::WhyStopped(sweep, trials, i);
    if (!why.empty()) one["why"] = why;
    const auto result = sweep::ResultOf(trial);
    one["value"] = result ? Json(sweep::Directed(sweep, *result)) : Json();
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
