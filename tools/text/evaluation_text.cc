#include "tools/text/evaluation_text.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/scores/figures.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

constexpr absl::string_view kLoss = "loss";

std::optional<double> NamedFigure(const v1::JobStatus::Evaluation& evaluation,
                                  absl::string_view name) {
  for (const auto& named : evaluation.figures().named()) {
    if (named.name() == name) return named.value();
  }
  return std::nullopt;
}

// Returns the title by which people read it.
absl::string_view FigureTitle(absl::string_view name) {
  const FigureKind* kind = FindFigureKind(name);
  return kind == nullptr ? name : kind->title;
}

// How many classes the confusion matrix has; 0: there is none.
int ClassesOf(const v1::JobStatus::Evaluation& evaluation) {
  const int counts = evaluation.figures().confusion_size();
  int classes = 0;
  while (classes * classes < counts) ++classes;
  return classes * classes == counts ? classes : 0;
}

void AddCalibration(const v1::JobStatus::Evaluation& evaluation, Json* json) {
  const std::vector<CalibrationBin> bins = CalibrationOf(evaluation);
  if (bins.empty()) return;
  Json list = Json::List();
  for (const CalibrationBin& bin : bins) {
    Json one = Json::Object();
    one["examples"] = bin.examples;
    one["predicted"] = bin.predicted;
    one["observed"] = bin.observed;
    list.Add(std::move(one));
  }
  (*json)["calibration"] = std::move(list);
}

// Returns the standard deviation of figures from a smooth course; there are at
// least three. It follows from how far each lies from the mean of its
// neighbours: if figures deviate by s, that deviates by s sqrt(3/2), and the
// median of its size is 0.6745 times as much. The median leaves the steep begin
// of a training out.
double NoiseOf(const std::vector<std::pair<int, double>>& figures) {
  std::vector<double> sizes;
  for (size_t i = 1; i + 1 < figures.size(); ++i) {
    sizes.push_back(
        std::abs(figures[i].second -
                 (figures[i - 1].second + figures[i + 1].second) / 2));
  }
  const auto middle = sizes.begin() + static_cast<ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  return *middle / (0.6745 * std::sqrt(1.5));
}

}  // namespace

const v1::JobStatus::Evaluation* LastEvaluation(const v1::JobStatus& status) {
  if (status.evaluations().empty()) return nullptr;
  const auto& last = status.evaluations(status.evaluations_size() - 1);
  return last.error().empty() ? &last : nullptr;
}

std::optional<double> FigureOf(const v1::JobStatus::Evaluation& evaluation,
                               absl::string_view name) {
  if (!evaluation.error().empty()) return std::nullopt;
  if (name == kLoss) return evaluation.loss();
  // An older worker sends no figures, and the accuracy all the same.
  if (name == kAccuracy) {
    return evaluation.accuracy() < 0 ? std::nullopt
                                     : std::optional(evaluation.accuracy());
  }
  return NamedFigure(evaluation, name);
}

std::vector<ShownFigure> ShownFigures(
    const v1::JobStatus::Evaluation& evaluation) {
  std::vector<ShownFigure> shown;
  bool says_loss = false;
  for (const FigureKind& kind : FigureKinds()) {
    const auto value = FigureOf(evaluation, kind.name);
    if (!value) continue;
    shown.push_back({std::string(kind.name), std::string(kind.title), *value});
    says_loss = says_loss || kind.name == kLogLoss || kind.name == kRmse;
  }
  if (!says_loss && evaluation.error().empty()) {
    shown.push_back(
        {std::string(kLoss), std::string(kLoss), evaluation.loss()});
  }
  return shown;
}

double EpochsFurther(const v1::JobStatus& job,
                     const v1::JobStatus::Evaluation& evaluation) {
  const double epoch =
      static_cast<double>(job.examples()) / std::max(1, job.summary().epochs());
  if (epoch <= 0) return 0;
  return std::max(0.0, static_cast<double>(evaluation.position()) / epoch -
                           (evaluation.epoch() + 1));
}

bool HasOwnSnapshot(const v1::JobStatus& job,
                    const v1::JobStatus::Evaluation& evaluation) {
  const auto& all = job.evaluations();
  const auto it = std::ranges::find(all, evaluation.epoch(),
                                    &v1::JobStatus::Evaluation::epoch);
  // Epochs to the next evaluation; after the last as many as before it.
  int32_t gap = 1;
  if (it != all.end() && std::next(it) != all.end()) {
    gap = std::next(it)->epoch() - evaluation.epoch();
  } else if (it != all.end() && it != all.begin()) {
    gap = evaluation.epoch() - std::prev(it)->epoch();
  }
  return EpochsFurther(job, evaluation) < std::max(1, gap);
}

std::string LateEvaluationsText(const v1::JobStatus& job) {
  std::string text;
  int64_t late = 0;
  for (int i = 0; i < job.evaluations_size();) {
    const auto is_late = [&](int at) {
      return at < job.evaluations_size() &&
             job.evaluations(at).error().empty() &&
             !HasOwnSnapshot(job, job.evaluations(at));
    };
    int end = i;
    while (is_late(end)) ++end;
    if (end > i) {
      const int first = job.evaluations(i).epoch() + 1;
      const int last = job.evaluations(end - 1).epoch() + 1;
      absl::StrAppend(&text, text.empty() ? "" : ", ", first,
                      last > first ? absl::StrCat(" to ", last) : "");
      late += end - i;
    }
    i = std::max(end, i + 1);
  }
  return text.empty() ? ""
                      : absl::StrCat(late == 1 ? "epoch " : "epochs ", text);
}

std::string OfClass(absl::string_view figure, absl::string_view positive) {
  constexpr size_t kLongest = 40;
  const bool of_one = figure == kF1 || figure == kPrecision ||
                      figure == kRecall || figure == kCalibrationError;
  if (!of_one || positive.empty()) return "";
  size_t length = std::min(positive.size(), kLongest);
  // Between two characters.
  const auto continues = [&](size_t at) {
    return at < positive.size() &&
           (static_cast<unsigned char>(positive[at]) & 0xC0) == 0x80;
  };
  while (length > 0 && continues(length)) --length;
  return absl::StrCat(" of '",
                      absl::Utf8SafeCEscape(positive.substr(0, length)),
                      length < positive.size() ? "…'" : "'");
}

std::string FiguresText(const v1::JobStatus::Evaluation& evaluation,
                        absl::string_view positive) {
  std::vector<std::string> texts;
  for (const ShownFigure& figure : ShownFigures(evaluation)) {
    // The F1 is made of the two.
    if (figure.name == kPrecision || figure.name == kRecall) continue;
    texts.push_back(absl::StrCat(figure.title, " ", FigureText(figure.value),
                                 OfClass(figure.name, positive)));
  }
  return absl::StrJoin(texts, ", ");
}

std::string BestText(const v1::JobStatus& status) {
  if (!status.has_best()) return "";
  const v1::JobStatus::Best& best = status.best();
  return absl::StrCat("epoch ", best.epoch() + 1, ", ", best.figure(), " ",
                      FigureText(best.value()));
}

std::string FigureText(double value, int digits) {
  constexpr double kLarge = 1000;
  constexpr double kHuge = 1e9;
  constexpr int kDigitsOfLarge = 2;
  const double size = std::abs(value);
  if (std::isfinite(value) && size >= kHuge) {
    return absl::StrFormat("%.4g", value);
  }
  if (!(size >= kLarge) || !std::isfinite(value)) {
    return LossText(value, digits);
  }
  std::string text = LossText(value, std::min(digits, kDigitsOfLarge));
  const size_t point = std::min(text.find('.'), text.size());
  int64_t whole = 0;
  if (!absl::SimpleAtoi(text.substr(0, point), &whole)) return text;
  return absl::StrCat(WithCommas(whole), text.substr(point));
}

std::string UselessText(const v1::JobStatus::Evaluation& evaluation,
                        bool trees) {
  const std::string help =
      trees ? "it may need more trees, or other features"
            : "it may need more epochs, another rate, or other features";
  const auto rmse = NamedFigure(evaluation, kRmse);
  const auto baseline_rmse = NamedFigure(evaluation, kBaselineRmse);
  if (rmse && baseline_rmse && *rmse >= *baseline_rmse && *rmse > 0) {
    return absl::StrCat(
        "the model predicts no better than always saying the mean of the test "
        "data: its RMSE is ",
        FigureText(*rmse), ", that of the mean ", FigureText(*baseline_rmse),
        "; ", help);
  }
  const auto accuracy = FigureOf(evaluation, kAccuracy);
  const auto log_loss = NamedFigure(evaluation, kLogLoss);
  const auto baseline = NamedFigure(evaluation, kBaselineAccuracy);
  const auto baseline_loss = NamedFigure(evaluation, kBaselineLogLoss);
  // Where one class is rare, probabilities tell much before the accuracy does.
  if (accuracy && log_loss && baseline && baseline_loss &&
      *accuracy <= *baseline && *log_loss >= *baseline_loss && *baseline < 1) {
    return absl::StrCat(
        "the model predicts no better than always saying the commonest class "
        "of the test data: its accuracy is ",
        FigureText(*accuracy), ", that of the commonest class ",
        FigureText(*baseline), "; ", help);
  }
  if (accuracy && log_loss && baseline && baseline_loss &&
      *log_loss >= *baseline_loss && *baseline_loss > 0) {
    return absl::StrCat(
        "the model's probabilities are worse than always saying the classes' "
        "shares in the test data, though its accuracy of ",
        FigureText(*accuracy), " is better than ", FigureText(*baseline),
        ": its log loss is ", FigureText(*log_loss), ", that of the shares ",
        FigureText(*baseline_loss), "; it is too sure of itself: ",
        trees ? "a larger model.leaf_examples"
              : "a larger model.l2, fewer epochs or a smaller rate",
        " may help");
  }
  return "";
}

std::string RisenText(const v1::JobStatus& status) {
  constexpr size_t kLeastAfter = 3;  // And a quarter of all.
  constexpr double kRisen = 1.01;
  constexpr double kDeviations = 4;
  const auto* last = LastEvaluation(status);
  if (last == nullptr) return "";
  const absl::string_view name = NamedFigure(*last, kRmse)      ? kRmse
                                 : NamedFigure(*last, kLogLoss) ? kLogLoss
                                                                : kLoss;
  std::vector<std::pair<int, double>> figures;  // By epoch.
  for (const auto& evaluation : status.evaluations()) {
    const auto figure = FigureOf(evaluation, name);
    if (figure) figures.emplace_back(evaluation.epoch() + 1, *figure);
  }
  if (figures.empty()) return "";
  const auto best =
      std::ranges::min_element(figures, {}, &std::pair<int, double>::second);
  const auto after = static_cast<size_t>(figures.end() - best) - 1;
  if (after < std::max(kLeastAfter, figures.size() / 4) || best->second <= 0) {
    return "";
  }
  const double least = std::max(kRisen * best->second,
                                best->second + kDeviations * NoiseOf(figures));
  // One of them may be chance.
  const bool risen =
      std::all_of(figures.end() - kLeastAfter, figures.end(),
                  [&](const auto& one) { return one.second > least; });
  if (!risen) return "";
  return absl::StrCat("the test ", FigureTitle(name), " has risen since epoch ",
                      best->first, ", from ", FigureText(best->second), " to ",
                      FigureText(figures.back().second));
}

std::vector<std::string> ConfusionRows(
    const v1::JobStatus::Evaluation& evaluation) {
  constexpr int kMostForPeople = 10;
  const int classes = ClassesOf(evaluation);
  std::vector<std::string> rows;
  if (classes > kMostForPeople) return rows;
  for (int label = 0; label < classes; ++label) {
    std::string row;
    for (int predicted = 0; predicted < classes; ++predicted) {
      absl::StrAppend(&row, predicted == 0 ? "" : " ",
                      WithCommas(evaluation.figures().confusion(
                          label * classes + predicted)));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> CalibrationRows(
    const std::vector<CalibrationBin>& bins) {
  std::vector<std::string> rows;
  for (const CalibrationBin& bin : bins) {
    if (bin.examples == 0) continue;
    rows.push_back(absl::StrCat("predicted ", FigureText(bin.predicted),
                                ", observed ", FigureText(bin.observed), "  (",
                                Count(bin.examples, "example"), ")"));
  }
  return rows;
}

std::vector<CalibrationBin> CalibrationOf(
    const v1::JobStatus::Evaluation& evaluation) {
  std::vector<CalibrationBin> bins;
  for (const v1::Figures::Bin& bin : evaluation.figures().calibration()) {
    if (bin.examples() == 0) continue;
    bins.push_back({bin.examples(), bin.predicted(), bin.observed()});
  }
  return bins;
}

Json EvaluationJson(const v1::JobStatus& job,
                    const v1::JobStatus::Evaluation& evaluation) {
  Json json = Json::Object();
  json["epoch"] = evaluation.epoch() + 1;
  if (!evaluation.error().empty()) {
    json["error"] = evaluation.error();
    return json;
  }
  if (evaluation.accuracy() >= 0) json["accuracy"] = evaluation.accuracy();
  json["loss"] = evaluation.loss();
  json["examples"] = evaluation.examples();
  json["position"] = evaluation.position();
  if (!HasOwnSnapshot(job, evaluation)) {
    json["further"] = EpochsFurther(job, evaluation);
  }
  for (const auto& named : evaluation.figures().named()) {
    if (named.name() == kAccuracy && evaluation.accuracy() >= 0) continue;
    json[named.name()] = named.value();
  }
  AddCalibration(evaluation, &json);
  const int classes = ClassesOf(evaluation);
  if (classes == 0) return json;
  json["confusion"] = Json::List();
  for (int label = 0; label < classes; ++label) {
    Json row = Json::List();
    for (int predicted = 0; predicted < classes; ++predicted) {
      row.Add(evaluation.figures().confusion(label * classes + predicted));
    }
    json["confusion"].Add(std::move(row));
  }
  return json;
}

Json BestJson(const v1::JobStatus& status) {
  Json json = Json::Object();
  json["epoch"] = status.best().epoch() + 1;
  json["figure"] = status.best().figure();
  json["value"] = status.best().value();
  return json;
}

}  // namespace ebb::tools
