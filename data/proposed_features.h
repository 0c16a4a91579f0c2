// The features that an error of records without `features` proposes.
#ifndef EBB_DATA_PROPOSED_FEATURES_H_
#define EBB_DATA_PROPOSED_FEATURES_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace ebb::data {

inline constexpr absl::string_view kProposedFeatures = "ebb.data.features";

inline void ProposeFeatures(absl::string_view entries, absl::Status* status) {
  status->SetPayload(kProposedFeatures, absl::Cord(entries));
}

// The entries as a job file has them, one of them the label: "clicked: label,
// tags: keys". Nothing: it is another error, or no feature can be the label.
inline std::optional<std::string> ProposedFeatures(const absl::Status& status) {
  const auto entries = status.GetPayload(kProposedFeatures);
  if (!entries) return std::nullopt;
  return std::string(*entries);
}

}  // namespace ebb::data

#endif  // EBB_DATA_PROPOSED_FEATURES_H_
