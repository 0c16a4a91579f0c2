// The checks of SweepReader that need the job.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/scores/figures.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/expectations.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "sweep/folds.h"
#include "sweep/sweep_reader.h"
#include "sweep/trial_file.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::sweep {
namespace {

constexpr absl::string_view kSet = "--set";

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

// Returns whether `inner` is the key `path`, or one below it.
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

}  // namespace

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
      mistake.place = {std::string(file_name()), lines_[index]};
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

void SweepReader::CheckRanges() {
  Space& space = file_.sweep.space;
  for (size_t i = 0; i < space.size(); ++i) {
    Dimension& dimension = space[i];
    if (dimension.kind != Dimension::Kind::kRange ||
        !job::TakesWholeNumber(dimension.key)) {
      continue;
    }
    // The steps of a grid may be whole.
    const bool whole =
        file_.sweep.method == Method::kGrid &&
        std::ranges::all_of(GridValues(dimension), [](const std::string& step) {
          int64_t number = 0;
          return absl::SimpleAtoi(step, &number);
        });
    if (whole) continue;
    // From here on it is what is meant, so that it is not blamed again.
    dimension.kind = Dimension::Kind::kInteger;
    dimension.low = std::round(dimension.low);
    dimension.high = std::round(dimension.high);
    if (dimension.log) dimension.low = std::max(1.0, dimension.low);
    dimension.high = std::max(dimension.low, dimension.high);
    Fail(lines_[i], job::Join(job::Join(path_, "space"), dimension.key),
         "takes whole numbers only, and a range has others, too",
         absl::StrCat("{", dimension.log ? "log_integer" : "integer", ": [",
                      job::NumberText(dimension.low), ", ",
                      job::NumberText(dimension.high), "]}"));
  }
}

void SweepReader::CheckOverrides() {
  const Space& space = file_.sweep.space;
  for (const std::string& one : file_.overrides) {
    const std::string key = one.substr(0, one.find('='));
    if (OwnerOf(space, key) == nullptr) continue;
    file_.mistakes.push_back(
        {{std::string(kSet), 0},
         key,
         "is in the space, and each trial has a value of its own for it",
         "leave --set out, or take the key out of the space"});
  }
  // Else each value of the space would be blamed for them.
  for (job::Mistake& mistake :
       job::ReadJob(file_.job_text, file_.job_file, file_.overrides).mistakes) {
    if (mistake.place.file == kSet) {
      file_.mistakes.push_back(std::move(mistake));
    }
  }
}

void SweepReader::CheckJob() {
  const Space& space = file_.sweep.space;
  CheckOverrides();
  if (!file_.ok()) return;
  CheckRanges();
  std::set<std::string> told;
  for (const Dimension& dimension : space) {
    if (NeverIs(dimension)) continue;
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
  if (file_.ok()) CheckConditions();
  file_.job = job::ReadJob(file_.job_text, file_.job_file,
                           OverridesOf(file_, PointWith(space, {})))
                  .job;
  if (file_.sweep.name.empty()) {
    const std::string name = file_.job.has_name() ? file_.job.name() : "job";
    constexpr size_t kLongest = 44;
    file_.sweep.name = absl::StrCat(name.substr(0, kLongest), "-sweep");
  }
  CheckFolds();
  if (!file_.ok()) return;
  if (!wrong_metric_.empty()) {
    TellWrongMetric(file_.job);
    return;
  }
  CheckEvaluations();
}

void SweepReader::TellWrongMetric(const v1::Job& job) {
  v1::Job whole = job;
  if (job.has_model()) job::FillDefaults(&whole);
  std::vector<std::string> words = {"loss"};
  for (const FigureKind& kind : FigureKinds()) {
    if (job.has_model() && job::FindUnfit(whole, {}, kind.name)) continue;
    words.emplace_back(kind.name);
  }
  FailWord(metric_line_, "metric", wrong_metric_, words,
           study_ ? "goal: max (or min), beside a figure of the program's own"
                  : "metric: loss");
  wrong_metric_.clear();
}

void SweepReader::CheckFolds() {
  const Space& space = file_.sweep.space;
  for (size_t i = 0; i < space.size(); ++i) {
    if (space[i].key != kFoldKey && !absl::StartsWith(space[i].key, "validate"))
      continue;
    Fail(lines_[i], job::Join(job::Join(path_, "space"), space[i].key),
         "is the same in all trials", "leave it out");
  }
  const v1::Job& job = file_.job;
  if (!job.has_validate() || !file_.ok()) return;
  if (job.data().has_fold()) {
    Fail(1, kFoldKey, "is one fold, and a sweep trains all of them",
         "leave it out");
  }
  if (file_.sweep.halving) {
    Fail(halving_line_, job::Join(path_, "halving"),
         "stops single trials, and the result of a job with `validate` is the "
         "mean of its folds",
         "leave halving out, or take data.split instead of validate");
  }
  file_.sweep.folds = job.validate().folds();
}

void SweepReader::TakeFolds() {
  Sweep& sweep = file_.sweep;
  file_.job = job::ReadJob(file_.job_text, file_.job_file, file_.overrides).job;
  const std::string name = file_.job.has_name() ? file_.job.name() : "job";
  constexpr size_t kLongest = 44;
  sweep.name = absl::StrCat(name.substr(0, kLongest), "-folds");
  sweep.method = Method::kGrid;
  sweep.metric = "loss";
}

void SweepReader::CheckEvaluations() {
  if (own_metric_) return;  // The program evaluates.
  const v1::Job& job = file_.job;
  const std::string metric = job::Join(path_, "metric");
  if (!job::HasTestData(job)) {
    Fail(metric_line_, metric,
         "needs test data, on which trials are compared, and the job has none",
         "data: {split: 0.2}, in the job");
  }
  // The algorithm says whether K-Means has several runs.
  v1::Job whole = job;
  job::FillDefaults(&whole);
  if (!workloads::FactsOf(whole).evaluates) {
    Fail(metric_line_, metric,
         "needs evaluations while a job trains, which this model does not have",
         "take another model, or compare runs of `ebb run` by their reports");
  }
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

}  // namespace ebb::sweep
