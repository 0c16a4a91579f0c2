#include "common/scores/scores.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

namespace {

// A probability of 0 that came true would make the log loss infinite.
constexpr double kLeastProbability = 1e-15;

double LogLoss(double probability) {
  // std::max would make a number of a NaN.
  return -std::log(probability < kLeastProbability ? kLeastProbability
                                                   : probability);
}

double Ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0
                    : static_cast<double>(part) / static_cast<double>(whole);
}

void Put(absl::string_view name, double value, Figures* figures) {
  figures->named.push_back({std::string(name), value});
}

}  // namespace

double Scores::ClassCounts::F1() const {
  return Ratio(2 * right, labels + predictions);
}

Scores::Scores(Task task, int64_t outputs, ValueUnits units, int64_t positive)
    : task_(task), outputs_(outputs), units_(units), positive_(positive) {
  if (task == Task::kValues) return;
  const int64_t classes = task == Task::kTwoClasses ? 2 : outputs;
  classes_.resize(classes);
  if (classes <= kMostConfusedClasses) confusion_.resize(classes * classes);
}

void Scores::Add(std::span<const float> labels,
                 std::span<const float> predictions) {
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto prediction = predictions.subspan(i * outputs_, outputs_);
    switch (task_) {
      case Task::kTwoClasses:
        AddClass(labels[i] > 0 ? 1 : 0, prediction);
        break;
      case Task::kClasses:
        AddClass(static_cast<int64_t>(labels[i]), prediction);
        break;
      case Task::kValues:
        AddValue(units_.Undo(labels[i]), units_.Undo(prediction.front()));
        break;
    }
    ++examples_;
  }
}

void Scores::AddClass(int64_t label, std::span<const float> prediction) {
  int64_t predicted = 0;
  double probability = 0;  // The probability of the label.
  if (prediction.size() == 1) {
    const double second = prediction.front();
    predicted = second > 0.5 ? 1 : 0;
    probability = label == 1 ? second : 1 - second;
  } else {
    predicted = std::ranges::max_element(prediction) - prediction.begin();
    probability = prediction[label];
  }
  if (task_ == Task::kTwoClasses) {
    // The area is the same for both.
    auc_.Add(prediction.back(), label == 1);
    calibration_.Add(positive_ == 1           ? prediction.back()
                     : prediction.size() == 1 ? 1 - prediction.front()
                                              : prediction.front(),
                     label == positive_);
  }
  log_loss_ += LogLoss(probability);
  ++classes_[label].labels;
  ++classes_[predicted].predictions;
  if (predicted == label) ++classes_[label].right;
  if (confusion_.empty()) return;
  ++confusion_[label * static_cast<int64_t>(classes_.size()) + predicted];
}

void Scores::AddValue(double label, double prediction) {
  const double away = label - mean_;
  mean_ += away / (examples_ + 1);
  squares_ += away * (label - mean_);
  const double error = prediction - label;
  squared_errors_ += error * error;
  absolute_errors_ += std::abs(error);
}

Figures Scores::Get() const {
  Figures figures;
  if (examples_ == 0) return figures;
  if (task_ == Task::kValues) {
    FindValues(&figures);
    return figures;
  }
  FindClasses(&figures);
  figures.confusion = confusion_;
  figures.calibration = calibration_.Bins();
  return figures;
}

void Scores::FindClasses(Figures* figures) const {
  int64_t right = 0, commonest = 0, seen = 0;
  double f1 = 0, share_loss = 0;
  for (const ClassCounts& one : classes_) {
    right += one.right;
    commonest = std::max(commonest, one.labels);
    if (one.labels + one.predictions > 0) {
      f1 += one.F1();
      ++seen;
    }
    const double share = static_cast<double>(one.labels) / examples_;
    if (share > 0) share_loss -= share * std::log(share);
  }
  Put(kAccuracy, static_cast<double>(right) / examples_, figures);
  Put(kLogLoss, log_loss_ / examples_, figures);
  if (task_ == Task::kTwoClasses) {
    FindTwoClasses(figures);
  } else {
    Put(kF1, f1 / static_cast<double>(seen), figures);
  }
  Put(kBaselineAccuracy, static_cast<double>(commonest) / examples_, figures);
  Put(kBaselineLogLoss, share_loss, figures);
}

void Scores::FindTwoClasses(Figures* figures) const {
  const ClassCounts& positive = classes_[positive_];
  if (const auto auc = auc_.Value()) Put(kAuc, *auc, figures);
  Put(kF1, positive.F1(), figures);
  Put(kPrecision, Ratio(positive.right, positive.predictions), figures);
  Put(kRecall, Ratio(positive.right, positive.labels), figures);
  if (const auto error = calibration_.Error()) {
    Put(kCalibrationError, *error, figures);
  }
}

void Scores::FindValues(Figures* figures) const {
  Put(kRmse, std::sqrt(squared_errors_ / examples_), figures);
  Put(kMae, absolute_errors_ / examples_, figures);
  if (squares_ > 0) Put(kR2, 1 - squared_errors_ / squares_, figures);
  Put(kBaselineRmse, std::sqrt(squares_ / examples_), figures);
}

}  // namespace ebb
