#include "sweep/sweep_file.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/regular_file.h"
#include "common/scores/figures.h"
#include "common/status_macros.h"
#include "job/expectations.h"
#include "job/keys.h"
#include "job/traits.h"
#include "job/validate.h"
#include "job/values.h"
#include "job/yaml.h"
#include "job/yaml_tree.h"

namespace ebb::sweep {
namespace {

using job::YamlNode;

constexpr job::YamlKind kSweepKind = {
    "sweep", "a sweep has at least the key space, and the keys of a job"};
constexpr absl::string_view kSet = "--set";
constexpr absl::string_view kHeader = "# ebb sweep ";
constexpr size_t kMostValues = 1000;  // In a list.
constexpr size_t kMostDimensions = 100;

const std::vector<std::string>& SweepKeys() {
  static const std::vector<std::string> keys = {
      "name",   "job",    "method", "seed",    "parallel",
      "budget", "metric", "goal",   "halving", "space"};
  return keys;
}

// What hints show for a key.
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

// A value of the file as one line of YAML.
std::string FlowOf(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kScalar:
      return job::QuoteYaml(node.text);
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

// One map of the file: its values by key. Not owned: the tree.
struct Fields {
  std::string path;
  std::map<std::string, const YamlNode*> values;
  bool misspelt = false;

  const YamlNode* Find(absl::string_view key) const {
    const auto it = values.find(std::string(key));
    return it == values.end() ? nullptr : it->second;
  }
};

// Maps a YAML tree onto a sweep. Collects mistakes and goes on.
class SweepReader {
 public:
  SweepReader(absl::string_view name, SweepFile* file)
      : name_(name), file_(*file) {}

  // `path` is that of the sweep in its file: "sweep", or empty.
  void Read(const YamlNode& node, const std::string& path);
  // Once the job is known.
  void CheckJob();

 private:
  void Fail(int line, const std::string& path, std::string what,
            std::string hint) {
    if (file_.mistakes.size() >= job::kMaxMistakes) return;
    file_.mistakes.push_back(
        {{std::string(name_), line}, path, std::move(what), std::move(hint)});
  }
  // `known` empty: any key.
  Fields ReadMap(const YamlNode& node, const std::string& path,
                 const std::vector<std::string>& known,
                 const std::string& example);
  std::optional<std::string> Text(const Fields& fields, absl::string_view key);
  std::optional<int64_t> Whole(const Fields& fields, absl::string_view key,
                               int64_t least, int64_t most);
  // The number of one of these words; -1: the key is absent or wrong.
  int Word(const Fields& fields, absl::string_view key,
           const std::vector<std::string>& words);

  void ReadBudget(const Fields& top);
  void ReadHalving(const Fields& top);
  void ReadMetric(const Fields& top);
  void ReadSpace(const Fields& top);
  void ReadDimension(const std::string& key, const YamlNode& node,
                     const std::string& path);
  void ReadValues(const YamlNode& node, const std::string& path,
                  Dimension* dimension);
  void ReadEnds(const YamlNode& node, const std::string& path,
                Dimension* dimension);
  void ReadCondition(const YamlNode& node, const std::string& path,
                     Dimension* dimension);
  void CheckMethod(const Fields& top, int line);

  // Returns the text of the job with this value, without its name.
  std::string CheckValue(const Dimension& at, const std::string& value,
                         std::set<std::string>* told);
  void CheckEvaluations();

  const absl::string_view name_;
  SweepFile& file_;
  std::string path_;
  std::vector<int> lines_;  // By dimension.
  int metric_line_ = 1;
  int halving_line_ = 1;
};

Fields SweepReader::ReadMap(const YamlNode& node, const std::string& path,
                            const std::vector<std::string>& known,
                            const std::string& example) {
  Fields fields{path};
  const std::string keys_hint =
      known.empty() ? example
                    : absl::StrCat("keys: ", absl::StrJoin(known, ", "));
  if (node.kind != YamlNode::Kind::kMap) {
    fields.misspelt = true;
    Fail(node.line, path, "is no map of keys and values",
         example.empty() ? keys_hint : example);
    return fields;
  }
  std::map<std::string, int> seen;
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& key = node.keys[i];
    if (!key.is_scalar()) {
      fields.misspelt = true;
      Fail(key.line, path, "a key is not a word", keys_hint);
      continue;
    }
    const auto [first, is_new] = seen.emplace(key.text, key.line);
    if (!known.empty() && std::ranges::count(known, key.text) == 0) {
      fields.misspelt = true;
      const std::string near = job::Nearest(key.text, known);
      Fail(key.line, job::Join(path, absl::Utf8SafeCEscape(key.text)),
           absl::StrCat(path.empty() ? "a sweep" : path, " has no such key"),
           near.empty() ? keys_hint : ExampleOf(near));
    } else if (!is_new) {
      Fail(key.line, job::Join(path, key.text),
           absl::StrCat("is given twice, first in line ", first->second),
           "keep one of the two");
    } else {
      fields.values.emplace(key.text, &node.items[i]);
    }
  }
  return fields;
}

std::optional<std::string> SweepReader::Text(const Fields& fields,
                                             absl::string_view key) {
  const YamlNode* node = fields.Find(key);
  if (node == nullptr) return {};
  if (node->is_scalar()) return node->text;
  Fail(node->line, job::Join(fields.path, key),
       node->kind == YamlNode::Kind::kNull
           ? "has no value"
           : "takes one value, not a list or map",
       ExampleOf(key));
  return {};
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
  const std::string near = job::Nearest(*text, words);
  Fail(fields.Find(key)->line, job::Join(fields.path, key),
       absl::StrCat(job::QuoteValue(*text), " is none of ",
                    absl::StrJoin(words, ", ")),
       near.empty() ? ExampleOf(key) : absl::StrCat(key, ": ", near));
  return -1;
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
  if (file_.ok()) CheckMethod(top, node.line);
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
  std::vector<std::string> metrics = {"loss"};
  for (const FigureKind& kind : FigureKinds()) {
    metrics.emplace_back(kind.name);
  }
  metrics.emplace_back("perplexity");
  const int metric = Word(top, "metric", metrics);
  sweep.metric = metrics[static_cast<size_t>(std::max(metric, 0))];
  if (const YamlNode* node = top.Find("metric")) metric_line_ = node->line;
  constexpr absl::string_view kLarger[] = {kAccuracy, kAuc, kPrecision,
                                           kRecall,   kF1,  kR2};
  sweep.maximise = std::ranges::count(kLarger, sweep.metric) > 0;
  const int goal = Word(top, "goal", {"min", "max"});
  if (goal >= 0) sweep.maximise = goal == 1;
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
    Fail(node.line, path,
         absl::StrCat(condition.key, " is never ", job::QuoteValue(one)),
         absl::StrCat("one of ", absl::StrJoin(other->values, ", ")));
  }
  dimension->when = std::move(condition);
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

// The first point in which these choices are possible.
Choices PointWith(const Space& space, Choices choices) {
  for (const Dimension& dimension : space) {
    if (choices.contains(dimension.key) || !IsActive(dimension, choices)) {
      continue;
    }
    choices[dimension.key] = dimension.kind == Dimension::Kind::kList
                                 ? dimension.values.front()
                                 : ValueAt(dimension, 0);
  }
  return choices;
}

// The value, and those by which the key exists at all.
Choices WithValue(const Space& space, const Dimension& dimension,
                  const std::string& value) {
  Choices choices;
  if (dimension.when) {
    const auto other =
        std::ranges::find(space, dimension.when->key, &Dimension::key);
    choices = WithValue(space, *other, dimension.when->values.front());
  }
  choices[dimension.key] = value;
  return choices;
}

// Whether `inner` is the key `path`, or one below it.
bool IsBelow(absl::string_view inner, absl::string_view path) {
  return absl::ConsumePrefix(&inner, path) &&
         (inner.empty() || inner[0] == '.' || inner[0] == '[');
}

// The dimension to which a key of the job belongs; null: none.
const Dimension* OwnerOf(const Space& space, absl::string_view path) {
  const auto at = std::ranges::find_if(space, [&](const Dimension& dimension) {
    return IsBelow(path, dimension.key);
  });
  return at == space.end() ? nullptr : &*at;
}

// The dimension that a mistake in `path` is about; null: none. The job may not
// have what is above its key: "tarin" of "tarin.batch".
const Dimension* BlamedFor(const Space& space, absl::string_view path) {
  if (const Dimension* owner = OwnerOf(space, path)) return owner;
  const auto at = std::ranges::find_if(space, [&](const Dimension& dimension) {
    return IsBelow(dimension.key, path);
  });
  return at == space.end() ? nullptr : &*at;
}

std::string SweepReader::CheckValue(const Dimension& at,
                                    const std::string& value,
                                    std::set<std::string>* told) {
  const Space& space = file_.sweep.space;
  const Choices choices = PointWith(space, WithValue(space, at, value));
  job::JobFile read =
      job::ReadJob(file_.job_text, file_.job_file, OverridesOf(file_, choices));
  for (job::Mistake mistake : read.mistakes) {
    if (mistake.place.file == kSet) {
      const Dimension* owner = BlamedFor(space, mistake.path);
      const Dimension& blamed = owner == nullptr ? at : *owner;
      if (mistake.path != blamed.key) {
        mistake.what = absl::StrCat(
            mistake.path, IsBelow(blamed.key, mistake.path) ? ": " : " ",
            mistake.what);
      }
      const auto index = static_cast<size_t>(&blamed - space.data());
      mistake.place = {std::string(name_), lines_[index]};
      mistake.path = job::Join(job::Join(path_, "space"), blamed.key);
      // Hints of flags name the key that is meant.
      absl::string_view hint = mistake.hint;
      if (absl::ConsumePrefix(&hint, "--set ")) {
        mistake.hint = std::string(hint.substr(0, hint.find('=')));
      }
    }
    if (!told->insert(mistake.ToString()).second ||
        file_.mistakes.size() >= job::kMaxMistakes) {
      continue;
    }
    file_.mistakes.push_back(std::move(mistake));
  }
  read.job.clear_name();  // Each trial has its own.
  return job::JobToYaml(read.job, job::YamlStyle::kCompact);
}

void SweepReader::CheckJob() {
  const Space& space = file_.sweep.space;
  std::set<std::string> told;
  for (const Dimension& dimension : space) {
    std::vector<std::string> values = dimension.values;
    if (dimension.kind != Dimension::Kind::kList) {
      values = {ValueAt(dimension, 0), ValueAt(dimension, 1)};
    }
    std::map<std::string, std::string> value_of;  // By job.
    for (const std::string& value : values) {
      const std::string job = CheckValue(dimension, value, &told);
      const auto [same, is_new] = value_of.emplace(job, value);
      if (is_new || dimension.kind != Dimension::Kind::kList || !file_.ok()) {
        continue;
      }
      const auto index = static_cast<size_t>(&dimension - space.data());
      Fail(lines_[index], job::Join(job::Join(path_, "space"), dimension.key),
           absl::StrCat(job::QuoteValue(same->second), " and ",
                        job::QuoteValue(value), " give the same trial"),
           "keep one of the two; a key of the space may not set what another "
           "sets, and each trial has a name of its own");
    }
  }
  file_.job = job::ReadJob(file_.job_text, file_.job_file,
                           OverridesOf(file_, PointWith(space, {})))
                  .job;
  if (file_.sweep.name.empty()) {
    const std::string name = file_.job.has_name() ? file_.job.name() : "job";
    constexpr size_t kLongest = 44;
    file_.sweep.name = absl::StrCat(name.substr(0, kLongest), "-sweep");
  }
  if (file_.ok()) CheckEvaluations();
}

void SweepReader::CheckEvaluations() {
  const v1::Job& job = file_.job;
  const std::string metric = job::Join(path_, "metric");
  if (!job.data().has_test() && !job.data().has_split()) {
    Fail(metric_line_, metric,
         "needs test data, on which trials are compared, and the job has none",
         "data: {split: 0.2}, in the job");
  }
  if (job::TraitsOf(job.model()).forest() || job::HasRestarts(job)) {
    Fail(metric_line_, metric,
         "needs evaluations while a job trains, which this model does not have",
         "take another model, or compare runs of `ebb run` by their reports");
  }
  v1::Job whole = job;
  job::FillDefaults(&whole);
  if (const auto unfit = job::FindUnfit(whole, {}, file_.sweep.metric)) {
    Fail(metric_line_, metric,
         absl::StrCat(file_.sweep.metric, ": ", unfit->what),
         absl::StrCat("metric: ", unfit->instead));
  }
  if (!file_.sweep.halving) return;
  const Halving& halving = *file_.sweep.halving;
  if (job.has_keep_best() ||
      OwnerOf(file_.sweep.space, "keep_best") != nullptr) {
    Fail(halving_line_, job::Join(path_, "halving"),
         "compares trials by all of their evaluations, and keep_best takes "
         "back those after the best",
         "leave out keep_best, or halving");
  }
  const std::string first = job::Join(job::Join(path_, "halving"), "first");
  if (job.train().has_epochs() &&
      OwnerOf(file_.sweep.space, "train.epochs") == nullptr &&
      Rungs(halving, static_cast<int32_t>(job.train().epochs())).empty()) {
    Fail(halving_line_, first,
         absl::StrCat("is ", halving.first, ", and the job has ",
                      job.train().epochs(), " epochs: no trial can be stopped"),
         "a number below train.epochs, or no halving");
  }
  if (!job.evaluate().has_every()) {
    file_.overrides.push_back(
        absl::StrCat("evaluate.every=", halving.first,
                     halving.first == 1 ? " epoch" : " epochs"));
    return;
  }
  const int64_t every = job::ParseEpochs(job.evaluate().every()).value_or(1);
  if (halving.first % every != 0) {
    Fail(halving_line_, first,
         absl::StrCat("is ", halving.first, ", and the job is evaluated each ",
                      every, " epochs"),
         absl::StrCat("first: ", every));
  }
}

// The text without the lines of the key `sweep`, so that lines keep their
// numbers. Absent: the key does not stand at the beginning of a line.
std::optional<std::string> WithoutSweep(absl::string_view text,
                                        const YamlNode& root) {
  int begin = 0;
  int end = std::numeric_limits<int>::max();
  for (const YamlNode& key : root.keys) {
    if (key.text == "sweep") begin = key.line;
  }
  for (const YamlNode& key : root.keys) {
    if (key.line > begin) end = std::min(end, key.line);
  }
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (begin < 1 || begin > std::ssize(lines) ||
      !absl::StartsWith(lines[static_cast<size_t>(begin) - 1], "sweep")) {
    return std::nullopt;
  }
  for (int line = begin; line < end && line <= std::ssize(lines); ++line) {
    lines[static_cast<size_t>(line) - 1].clear();
  }
  return absl::StrJoin(lines, "\n");
}

// The text of a file, of at most as many bytes as a job file may have.
absl::StatusOr<std::string> TextOfFile(const std::string& path) {
  EBB_RETURN_IF_ERROR(CheckReadable(path));
  std::ifstream in(path, std::ios::binary);
  std::string text(job::kMaxYamlBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return absl::UnavailableError(absl::StrCat(
        "cannot be read: ", std::generic_category().message(errno)));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

// FNV-1a (Fowler, Noll, Vo): a name for a text.
std::string HashOf(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return absl::StrFormat("%016x", hash);
}

SweepFile Refused(const std::string& path, const absl::Status& status) {
  SweepFile file;
  file.mistakes.push_back({{path, 0},
                           "",
                           std::string(status.message()),
                           "examples/sweeps/ has sweeps to start from"});
  return file;
}

}  // namespace

SweepFile ReadSweepFile(const std::string& path,
                        const std::vector<std::string>& overrides) {
  const auto text = TextOfFile(path);
  if (!text.ok()) return Refused(path, text.status());
  return ReadSweep(*text, path, overrides);
}

SweepFile ReadSweep(absl::string_view text, absl::string_view name,
                    const std::vector<std::string>& overrides) {
  SweepFile file;
  file.overrides = overrides;
  const auto root = job::ReadYaml(text, name, &file.mistakes, kSweepKind);
  if (!root) return file;
  const auto fail = [&](int line, std::string path, std::string what,
                        std::string hint) {
    file.mistakes.push_back({{std::string(name), line},
                             std::move(path),
                             std::move(what),
                             std::move(hint)});
  };
  if (root->kind != YamlNode::Kind::kMap) {
    fail(1, "", "the file is no map of keys", ExampleOf("space"));
    return file;
  }
  const auto item = [&](absl::string_view key) -> const YamlNode* {
    for (size_t i = 0; i < root->keys.size(); ++i) {
      if (root->keys[i].text == key) return &root->items[i];
    }
    return nullptr;
  };
  SweepReader reader(name, &file);
  if (const YamlNode* sweep = item("sweep")) {
    const auto again = std::ranges::find_if(
        root->keys.rbegin(), root->keys.rend(),
        [](const YamlNode& key) { return key.text == "sweep"; });
    const auto first = std::ranges::find(root->keys, "sweep", &YamlNode::text);
    if (&*again != &*first) {
      fail(again->line, "sweep",
           absl::StrCat("is given twice, first in line ", first->line),
           "keep one of the two");
      return file;
    }
    auto job_text = WithoutSweep(text, *root);
    if (!job_text) {
      fail(sweep->line, "sweep", "does not begin a line of its own",
           "sweep:\n    space: {optimizer.rate: [0.01, 0.1]}");
      return file;
    }
    file.job_file = std::string(name);
    file.job_text = *std::move(job_text);
    reader.Read(*sweep, "sweep");
  } else {
    reader.Read(*root, "");
    const YamlNode* job = item("job");
    if (job == nullptr || !job->is_scalar()) {
      fail(job == nullptr ? 1 : job->line, "job",
           job == nullptr ? "is missing" : "is no file", ExampleOf("job"));
      return file;
    }
    file.job_file = job->text;
    auto job_text = TextOfFile(job->text);
    if (!job_text.ok()) {
      fail(job->line, "job",
           absl::StrCat(job->text, ": ", job_text.status().message()),
           ExampleOf("job"));
      return file;
    }
    file.job_text = *std::move(job_text);
  }
  if (file.ok()) reader.CheckJob();
  job::SortByLine(&file.mistakes);
  return file;
}

std::vector<std::string> OverridesOf(const SweepFile& file,
                                     const Choices& choices) {
  std::vector<std::string> overrides = file.overrides;
  // A condition's key goes first: `kind` decides which others there are.
  for (const Dimension& dimension : file.sweep.space) {
    const auto chosen = choices.find(dimension.key);
    if (chosen == choices.end()) continue;
    overrides.push_back(absl::StrCat(dimension.key, "=", chosen->second));
  }
  return overrides;
}

absl::StatusOr<std::string> TrialFile(const SweepFile& file, int64_t number,
                                      const Choices& choices) {
  job::JobFile read =
      job::ReadJob(file.job_text, file.job_file, OverridesOf(file, choices));
  if (!read.ok()) return job::ToStatus(read.mistakes);
  const Sweep& sweep = file.sweep;
  read.job.set_name(TrialName(sweep.name, number));
  std::string text = absl::StrCat(kHeader, sweep.name, " trial ", number,
                                  " definition ", DefinitionOf(file), "\n");
  for (const auto& [key, value] : choices) {
    absl::StrAppend(&text, "# set ", key, "=", absl::CEscape(value), "\n");
  }
  return absl::StrCat(text, job::JobToYaml(read.job, job::YamlStyle::kCompact));
}

std::optional<TrialHeader> ReadTrialHeader(absl::string_view text) {
  TrialHeader header;
  bool first = true;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (first) {
      if (!absl::ConsumePrefix(&line, kHeader)) return std::nullopt;
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words.size() != 5 || words[1] != "trial" ||
          words[3] != "definition" ||
          !absl::SimpleAtoi(words[2], &header.number)) {
        return std::nullopt;
      }
      header.sweep = words[0];
      header.definition = words[4];
      first = false;
      continue;
    }
    if (!absl::ConsumePrefix(&line, "# set ")) break;
    const size_t equals = line.find('=');
    std::string value;
    if (equals == absl::string_view::npos ||
        !absl::CUnescape(line.substr(equals + 1), &value)) {
      return std::nullopt;
    }
    header.choices[std::string(line.substr(0, equals))] = std::move(value);
  }
  return header;
}

std::string DefinitionOf(const SweepFile& file) {
  const Sweep& sweep = file.sweep;
  std::string text =
      absl::StrCat(static_cast<int>(sweep.method), "\n", sweep.seed, "\n",
                   sweep.metric, "\n", sweep.maximise, "\n");
  if (sweep.halving) {
    absl::StrAppend(&text, sweep.halving->first, " ", sweep.halving->factor,
                    "\n");
  }
  for (const Dimension& dimension : sweep.space) {
    absl::StrAppend(&text, dimension.key, " ", static_cast<int>(dimension.kind),
                    " ", absl::StrJoin(dimension.values, "\x1f"), " ",
                    job::NumberText(dimension.low), " ",
                    job::NumberText(dimension.high), " ", dimension.log, " ",
                    dimension.steps);
    if (dimension.when) {
      absl::StrAppend(&text, " when ", dimension.when->key, " ",
                      absl::StrJoin(dimension.when->values, "\x1f"));
    }
    text += '\n';
  }
  absl::StrAppend(&text, job::JobToYaml(file.job, job::YamlStyle::kCompact),
                  absl::StrJoin(file.overrides, "\n"));
  return HashOf(text);
}

}  // namespace ebb::sweep
