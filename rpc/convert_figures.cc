#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/evaluation_check.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"

namespace ebb::rpc {

using internal::AtMost;
using internal::NotNegative;

namespace {

absl::Status CheckConfusion(const v1::Figures& message) {
  EBB_RETURN_IF_ERROR(AtMost("Figures.confusion", message.confusion_size(),
                             kMostConfusedClasses * kMostConfusedClasses));
  int64_t classes = 0;
  while (classes * classes < message.confusion_size()) ++classes;
  if (classes * classes != message.confusion_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Figures.confusion has ", message.confusion_size(),
                     " entries, which is not the square of a number"));
  }
  for (const int64_t count : message.confusion()) {
    EBB_RETURN_IF_ERROR(NotNegative("Figures.confusion", count));
  }
  return absl::OkStatus();
}

absl::Status CheckCalibration(const v1::Figures& message) {
  EBB_RETURN_IF_ERROR(AtMost("Figures.calibration", message.calibration_size(),
                             kMostCalibrationBins));
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  for (const v1::Figures::Bin& bin : message.calibration()) {
    EBB_RETURN_IF_ERROR(NotNegative("Figures.Bin.examples", bin.examples()));
    if (share(bin.predicted()) && share(bin.observed())) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("Figures.Bin has the shares ", bin.predicted(), " and ",
                     bin.observed(), "; each must be from 0 to 1"));
  }
  return absl::OkStatus();
}

}  // namespace

v1::Figures ToProto(const Figures& figures) {
  v1::Figures message;
  for (const Figure& figure : figures.named) {
    v1::Figures::Named* to = message.add_named();
    to->set_name(figure.name);
    to->set_value(figure.value);
  }
  message.mutable_confusion()->Add(figures.confusion.begin(),
                                   figures.confusion.end());
  for (const CalibrationBin& bin : figures.calibration) {
    v1::Figures::Bin* to = message.add_calibration();
    to->set_examples(bin.examples);
    to->set_predicted(bin.predicted);
    to->set_observed(bin.observed);
  }
  return message;
}

absl::StatusOr<Figures> FromProto(const v1::Figures& message) {
  EBB_RETURN_IF_ERROR(
      AtMost("Figures.named", message.named_size(), kMostFigures));
  EBB_RETURN_IF_ERROR(CheckConfusion(message));
  EBB_RETURN_IF_ERROR(CheckCalibration(message));
  Figures figures;
  for (const v1::Figures::Named& named : message.named()) {
    if (!IsFigureName(named.name())) {
      return absl::InvalidArgumentError(
          absl::StrCat("Figures.name must be 1 to ", kLongestFigureName,
                       " lower-case letters, digits and underscores"));
    }
    figures.named.push_back({named.name(), named.value()});
  }
  figures.confusion.assign(message.confusion().begin(),
                           message.confusion().end());
  for (const v1::Figures::Bin& bin : message.calibration()) {
    figures.calibration.push_back(
        {bin.examples(), bin.predicted(), bin.observed()});
  }
  return figures;
}

}  // namespace ebb::rpc
