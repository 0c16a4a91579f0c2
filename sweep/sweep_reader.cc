#include "sweep/sweep_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/scores/figures.h"
#include "common/yaml_text.h"
#include "job/base/keys.h"
#include "job/base/values.h"
#include "job/yaml.h"

namespace ebb::sweep {
namespace {

constexpr size_t kMostValues = 1000;  // In a list.
constexpr size_t kMostDimensions = 100;

const std::vector<std::string>& SweepKeys() {
  static const std::vector<std::string> keys = {
      "name",   "job",    "method", "seed",    "parallel",
      "budget", "metric", "goal",   "halving", "space"};
  return keys;
}

// A value of the file as one line of YAML.
std::string FlowOf(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kScalar:
      return QuoteYaml(node.text);
    case YamlNode::Kind::kList: {
      std::vector<std::string> items;
      for (const YamlNode& item : node.items) items.push_back(FlowOf(item));
      return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
    }
    case YamlNode::Kind::kMap: {
      std::vector<std::string> items;
      for (size_t i = 0; i < node.keys.size(); ++i) {
        items.push_back(
            absl::StrCat(FlowOf(node.keys[i]), ": ", FlowOf(node.items[i])));
      }
      return absl::StrCat("{", absl::StrJoin(items, ", "), "}");
    }
  }
  return "";
}

// A value as --set takes it: plain values as they stand.
std::string TextOf(const YamlNode& node) {
  return node.is_scalar() ? node.text : FlowOf(node);
}

}  // namespace

std::string ExampleOf(absl::string_view key) {
  static constexpr std::pair<absl::string_view, absl::string_view> kValues[] = {
      {"name", "my-sweep"},
      {"job", "examples/jobs/fashion_small.yaml"},
      {"method", "random (or grid, or tpe)"},
      {"seed", "1"},
      {"parallel", "2"},
      {"budget", "{trials: 20}"},
      {"trials", "20"},
      {"examples", "1000000"},
      {"time", "10m"},
      {"metric", "accuracy"},
      {"goal", "max (or min)"},
      {"halving", "{first: 1, factor: 3}"},
      {"first", "1"},
      {"factor", "3"},
      {"space", "{optimizer.rate: {log: [0.001, 0.1]}, train.batch: [16, 32]}"},
      {"values", "[16, 32, 64]"},
      {"range", "[0.1, 0.9]"},
      {"log", "[0.001, 0.1]"},
      {"integer", "[16, 256]"},
      {"log_integer", "[16, 256]"},
      {"steps", "5"},
      {"when", "{optimizer.kind: sgd}"},
  };
  for (const auto& [known, value] : kValues) {
    if (known == key) return absl::StrCat(key, ": ", value);
  }
  return std::string(key);
}

void SweepReader::FailUnknown(const YamlNode& key, const std::string& path,
                              std::string hint) {
  Fail(key.line, job::Join(path, absl::Utf8SafeCEscape(key.text)),
       absl::StrCat(path.empty() ? "a sweep" : path, " has no such key"),
       std::move(hint));
}

std::optional<int64_t> SweepReader::Whole(const Fields& fields,
                                          absl::string_view key, int64_t least,
                                          int64_t most) {
  const auto text = Text(fields, key);
  if (!text) return {};
  int64_t value = 0;
  if (absl::SimpleAtoi(*text, &value) && value >= least && value <= most) {
    return value;
  }
  Fail(fields.Find(key)->line, job::Join(fields.path, key),
       absl::StrCat(job::QuoteValue(*text), " is no whole number from ", least,
                    " to ", most),
       ExampleOf(key));
  return {};
}

int SweepReader::Word(const Fields& fields, absl::string_view key,
                      const std::vector<std::string>& words) {
  const auto text = Text(fields, key);
  if (!text) return -1;
  const auto at = std::ranges::find(words, *text);
  if (at != words.end()) return static_cast<int>(at - words.begin());
  FailWord(fields.Find(key)->line, key, *text, words, ExampleOf(key));
  return -1;
}

void SweepReader::FailWord(int line, absl::string_view key,
                           const std::string& text,
                           const std::vector<std::string>& words,
                           std::string hint) {
  const std::string near = job::Nearest(text, words);
  if (!near.empty()) hint = absl::StrCat(key, ": ", near);
  Fail(line, job::Join(path_, key),
       absl::StrCat(job::QuoteValue(text), " is none of ",
                    absl::StrJoin(words, ", ")),
       std::move(hint));
}

void SweepReader::Read(const YamlNode& node, const std::string& path) {
  path_ = path;
  std::vector<std::string> keys = SweepKeys();
  if (!path.empty()) std::erase(keys, "job");
  const Fields top = ReadMap(node, path, keys, ExampleOf("space"));
  Sweep& sweep = file_.sweep;
  if (const auto name = Text(top, "name")) {
    sweep.name = *name;
    // A trial's job has a full stop and at least four digits more.
    constexpr size_t kLongest = 50;
    if (!job::IsName(*name) || name->size() > kLongest) {
      Fail(top.Find("name")->line, job::Join(path, "name"),
           absl::StrCat(job::QuoteValue(*name), " is not a name: up to ",
                        kLongest,
                        " of a-z, 0-9, '-', '_' and '.', the first a letter "
                        "or digit"),
           ExampleOf("name"));
    }
  }
  const int method = Word(top, "method", {"grid", "random", "tpe"});
  sweep.method = method == 0   ? Method::kGrid
                 : method == 2 ? Method::kTpe
                               : Method::kRandom;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  if (const auto seed = Whole(top, "seed", 0, kMost)) {
    sweep.seed = static_cast<uint64_t>(*seed);
  }
  constexpr int64_t kMostParallel = 1000;
  if (const auto parallel = Whole(top, "parallel", 1, kMostParallel)) {
    sweep.parallel = static_cast<int>(*parallel);
  }
  ReadBudget(top);
  ReadMetric(top);
  ReadHalving(top);
  ReadSpace(top);
  if (top.Find("space") == nullptr && !top.misspelt) {
    Fail(node.line, job::Join(path, "space"), "is missing", ExampleOf("space"));
  }
  // With a condition that never holds, it would count too few points.
  if (file_.ok() && unmet_.empty()) CheckMethod(top, node.line);
}

void SweepReader::ReadBudget(const Fields& top) {
  const YamlNode* node = top.Find("budget");
  if (node == nullptr) return;
  const Fields fields =
      ReadMap(*node, job::Join(path_, "budget"), {"trials", "examples", "time"},
              ExampleOf("budget"));
  Budget& budget = file_.sweep.budget;
  constexpr int64_t kMostExamples = int64_t{1} << 60;
  budget.trials = Whole(fields, "trials", 1, kMostTrials);
  budget.examples = Whole(fields, "examples", 1, kMostExamples);
  if (const auto text = Text(fields, "time")) {
    budget.time = job::ParseInterval(*text);
    if (!budget.time) {
      Fail(fields.Find("time")->line, job::Join(fields.path, "time"),
           absl::StrCat(job::QuoteValue(*text), " is no duration"),
           ExampleOf("time"));
    }
  }
}

void SweepReader::ReadMetric(const Fields& top) {
  Sweep& sweep = file_.sweep;
  sweep.metric = "loss";
  if (const auto metric = Text(top, "metric")) {
    metric_line_ = top.Find("metric")->line;
    if (*metric == sweep.metric || FindFigureKind(*metric) != nullptr) {
      sweep.metric = *metric;
    } else if (study_ && top.Find("goal") != nullptr) {
      CheckOwnMetric(*metric);
    } else {
      // The job says which there are.
      wrong_metric_ = *metric;
    }
  }
  constexpr absl::string_view kLarger[] = {kAccuracy, kAuc, kPrecision,
                                           kRecall,   kF1,  kR2};
  sweep.maximise = std::ranges::count(kLarger, sweep.metric) > 0;
  const int goal = Word(top, "goal", {"min", "max"});
  if (goal >= 0) sweep.maximise = goal == 1;
}

void SweepReader::CheckOwnMetric(const std::string& metric) {
  constexpr size_t kLongest = 64;
  constexpr absl::string_view kOfLines[] = {"trial", "epoch", "epochs",
                                            "failed"};
  const bool word = !metric.empty() && metric.size() <= kLongest &&
                    std::ranges::all_of(metric, [](unsigned char c) {
                      return absl::ascii_isgraph(c) || c > 127;
                    });
  if (word && std::ranges::count(kOfLines, metric) == 0) {
    file_.sweep.metric = metric;
    own_metric_ = true;
    return;
  }
  Fail(metric_line_, job::Join(path_, "metric"),
       absl::StrCat(
           job::QuoteValue(metric),
           word ? " is a key of each line that is told"
                : absl::StrCat(" is no word of at most ", kLongest, " bytes")),
       "metric: reward");
}

void SweepReader::ReadHalving(const Fields& top) {
  const YamlNode* node = top.Find("halving");
  if (node == nullptr) return;
  halving_line_ = node->line;
  const Fields fields = ReadMap(*node, job::Join(path_, "halving"),
                                {"first", "factor"}, ExampleOf("halving"));
  Halving halving;
  constexpr int64_t kMostEpochs = 1'000'000;
  constexpr int64_t kMostFactor = 100;
  halving.first = static_cast<int32_t>(
      Whole(fields, "first", 1, kMostEpochs).value_or(halving.first));
  halving.factor = static_cast<int32_t>(
      Whole(fields, "factor", 2, kMostFactor).value_or(halving.factor));
  file_.sweep.halving = halving;
}

void SweepReader::ReadSpace(const Fields& top) {
  const YamlNode* node = top.Find("space");
  if (node == nullptr) return;
  const std::string path = job::Join(path_, "space");
  ReadMap(*node, path, {}, ExampleOf("space"));
  if (node->kind != YamlNode::Kind::kMap) return;
  if (node->keys.empty() || node->keys.size() > kMostDimensions) {
    Fail(node->line, path,
         absl::StrCat("has ", node->keys.size(), " keys, not 1 to ",
                      kMostDimensions),
         ExampleOf("space"));
    return;
  }
  for (size_t i = 0; i < node->keys.size(); ++i) {
    const YamlNode& key = node->keys[i];
    if (!key.is_scalar()) continue;  // ReadMap said so.
    lines_.push_back(key.line);
    ReadDimension(key.text, node->items[i], job::Join(path, key.text));
  }
}

void SweepReader::ReadDimension(const std::string& key, const YamlNode& node,
                                const std::string& path) {
  Dimension dimension;
  dimension.key = key;
  if (node.kind == YamlNode::Kind::kList) {
    ReadValues(node, path, &dimension);
    file_.sweep.space.push_back(std::move(dimension));
    return;
  }
  const std::string example =
      absl::StrCat(key, ": [A, B], or {log: [0.001, 0.1]}");
  const Fields fields = ReadMap(
      node, path,
      {"values", "range", "log", "integer", "log_integer", "steps", "when"},
      example);
  int kinds = 0;
  for (const absl::string_view kind :
       {"values", "range", "log", "integer", "log_integer"}) {
    const YamlNode* value = fields.Find(kind);
    if (value == nullptr) continue;
    ++kinds;
    if (kind == "values") {
      ReadValues(*value, job::Join(path, kind), &dimension);
      continue;
    }
    dimension.kind = absl::StrContains(kind, "integer")
                         ? Dimension::Kind::kInteger
                         : Dimension::Kind::kRange;
    dimension.log = absl::StartsWith(kind, "log");
    ReadEnds(*value, job::Join(path, kind), &dimension);
  }
  if (kinds != 1 && !fields.misspelt) {
    Fail(node.line, path,
         kinds == 0 ? "does not say what the key may be"
                    : "says twice what the key may be",
         example);
  }
  constexpr int64_t kMostSteps = 1000;
  dimension.steps =
      static_cast<int>(Whole(fields, "steps", 1, kMostSteps).value_or(0));
  if (dimension.steps > 0 && dimension.kind == Dimension::Kind::kList) {
    Fail(fields.Find("steps")->line, job::Join(path, "steps"),
         "is for ranges only", "leave it out");
  }
  if (const YamlNode* when = fields.Find("when")) {
    ReadCondition(*when, job::Join(path, "when"), &dimension);
  }
  file_.sweep.space.push_back(std::move(dimension));
}

void SweepReader::ReadValues(const YamlNode& node, const std::string& path,
                             Dimension* dimension) {
  if (node.kind != YamlNode::Kind::kList || node.items.empty() ||
      node.items.size() > kMostValues) {
    Fail(node.line, path,
         absl::StrCat("is not a list of 1 to ", kMostValues, " values"),
         ExampleOf("values"));
    return;
  }
  std::set<std::string> seen;
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlNode::Kind::kNull) {
      Fail(item.line, path, "has an empty value", ExampleOf("values"));
      continue;
    }
    const std::string text = TextOf(item);
    if (!seen.insert(text).second) {
      Fail(item.line, path,
           absl::StrCat("has ", job::QuoteValue(text), " twice"),
           "keep one of the two");
      continue;
    }
    dimension->values.push_back(text);
  }
}

void SweepReader::ReadEnds(const YamlNode& node, const std::string& path,
                           Dimension* dimension) {
  const bool whole = dimension->kind == Dimension::Kind::kInteger;
  // A double does not hold larger whole numbers exactly. Others need a
  // difference that is finite.
  const double most = whole ? 1e15 : 1e300;
  const std::string example = dimension->log
                                  ? (whole ? "[16, 256]" : "[0.001, 0.1]")
                                  : (whole ? "[16, 256]" : "[0.1, 0.9]");
  if (node.kind != YamlNode::Kind::kList || node.items.size() != 2) {
    Fail(node.line, path, "is not a list of two numbers", example);
    return;
  }
  double ends[2] = {0, 0};
  for (size_t i = 0; i < 2; ++i) {
    const std::string text = TextOf(node.items[i]);
    const auto number = job::ParseNumber(text);
    if (!number || (whole && *number != std::floor(*number))) {
      Fail(node.items[i].line, path,
           absl::StrCat(job::QuoteValue(text), " is not a ",
                        whole ? "whole number" : "number"),
           example);
      return;
    }
    if (std::abs(*number) > most) {
      Fail(node.items[i].line, path,
           absl::StrCat(job::QuoteValue(text), " is not between ",
                        job::NumberText(-most), " and ", job::NumberText(most)),
           example);
      return;
    }
    ends[i] = *number;
  }
  if (ends[0] > ends[1]) {
    Fail(node.line, path, "begins above its end",
         absl::StrCat("[", job::NumberText(ends[1]), ", ",
                      job::NumberText(ends[0]), "]"));
  } else if (dimension->log && ends[0] <= 0) {
    Fail(node.line, path,
         absl::StrCat("begins at ", job::NumberText(ends[0]),
                      ", and a logarithm needs numbers above 0"),
         example);
  }
  dimension->low = ends[0];
  dimension->high = ends[1];
  if (!whole && ends[0] < ends[1] && (!dimension->log || ends[0] > 0) &&
      ValueAt(*dimension, 0) == ValueAt(*dimension, 1)) {
    Fail(node.line, path,
         "is narrower than the four digits that a trial's values have, so "
         "every trial would be the same",
         "a wider range, or values: [A, B]");
  }
}

void SweepReader::ReadCondition(const YamlNode& node, const std::string& path,
                                Dimension* dimension) {
  const auto fail = [&](std::string what) {
    Fail(node.line, path, std::move(what),
         "{KEY: VALUE}, or {KEY: [VALUE, VALUE]}, of a key above that has a "
         "list of values");
  };
  if (node.kind != YamlNode::Kind::kMap || node.keys.size() != 1 ||
      !node.keys[0].is_scalar()) {
    fail("is not one key with its value");
    return;
  }
  Dimension::Condition condition{node.keys[0].text, {}};
  const YamlNode& value = node.items[0];
  const bool several =
      value.kind == YamlNode::Kind::kList && !value.items.empty() &&
      std::ranges::all_of(
          value.items, [](const YamlNode& item) { return item.is_scalar(); });
  if (several) {
    for (const YamlNode& item : value.items) {
      condition.values.push_back(TextOf(item));
    }
  } else {
    condition.values.push_back(TextOf(value));
  }
  const Space& space = file_.sweep.space;
  const auto other = std::ranges::find(space, condition.key, &Dimension::key);
  if (other == space.end() || other->kind != Dimension::Kind::kList) {
    fail(absl::StrCat(job::QuoteValue(condition.key),
                      " is no key above with a list of values"));
    return;
  }
  for (const std::string& one : condition.values) {
    if (std::ranges::count(other->values, one) > 0) continue;
    // The value of the list may be the one that is misspelt.
    unmet_.push_back({node.line, path, space.size(), one});
  }
  dimension->when = std::move(condition);
}

bool SweepReader::NeverIs(const Dimension& dimension) const {
  const Space& space = file_.sweep.space;
  const auto index = static_cast<size_t>(&dimension - space.data());
  if (std::ranges::count(unmet_, index, &Unmet::dimension) > 0) return true;
  if (!dimension.when) return false;
  const auto other =
      std::ranges::find(space, dimension.when->key, &Dimension::key);
  return other != space.end() && NeverIs(*other);
}

void SweepReader::CheckConditions() {
  const Space& space = file_.sweep.space;
  for (const Unmet& one : unmet_) {
    const std::string& key = space[one.dimension].when->key;
    const auto other = std::ranges::find(space, key, &Dimension::key);
    const std::string near = job::Nearest(one.value, other->values);
    Fail(one.line, one.path,
         absl::StrCat(key, " is never ", job::QuoteValue(one.value)),
         near.empty()
             ? absl::StrCat("one of ", absl::StrJoin(other->values, ", "))
             : absl::StrCat("{", key, ": ", near, "}, or ", one.value,
                            " in the list of ", key));
  }
}

void SweepReader::TellWrongMetric() {
  if (wrong_metric_.empty()) return;
  TellWrongMetric(v1::Job());
}

void SweepReader::CheckMethod(const Fields& top, int line) {
  Sweep& sweep = file_.sweep;
  const YamlNode* space = top.Find("space");
  const std::string path = job::Join(path_, "space");
  if (CountPoints(sweep.space) == 1) {
    Fail(space->line, path,
         "has a single point, so every trial would be the same",
         "give a key several values, or train the job with `ebb run`");
    return;
  }
  if (sweep.method == Method::kGrid) {
    for (size_t i = 0; i < sweep.space.size(); ++i) {
      if (!GridValues(sweep.space[i]).empty()) continue;
      Fail(lines_[i], job::Join(path, sweep.space[i].key),
           "is a range, of which a grid takes steps",
           "{log: [0.001, 0.1], steps: 5}, or method: random");
    }
    if (!file_.ok()) return;
    const auto points = static_cast<int64_t>(GridPoints(sweep.space).size());
    if (points > kMostTrials) {
      Fail(space->line, path,
           absl::StrCat("has a grid of more than ", kMostTrials, " points"),
           "take fewer values, or method: random");
    } else if (points == 1) {
      Fail(space->line, path,
           "has a grid of one point, so every trial would be the same",
           "give a key several values or steps");
    }
    return;
  }
  const Budget& budget = sweep.budget;
  if (!budget.trials && !budget.examples && !budget.time) {
    Fail(line, job::Join(path_, "budget"),
         "is missing: only a grid ends by itself", ExampleOf("budget"));
  }
}

}  // namespace ebb::sweep
