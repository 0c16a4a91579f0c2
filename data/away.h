// Data that is away: it was there when it was indexed, and may come back.
#ifndef EBB_DATA_AWAY_H_
#define EBB_DATA_AWAY_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace ebb::data {

inline constexpr absl::string_view kAwayPayload = "ebb.data.away";

// Marks the error of reading data that was indexed: files that are not there,
// or that a disk, a network volume or a bucket does not give. Other errors stay
// as they are.
inline absl::Status MarkAway(absl::Status status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:  // A stale file handle of NFS.
    case absl::StatusCode::kUnknown:  // An error of input.
      status.SetPayload(kAwayPayload, absl::Cord());
      break;
    default:
      break;
  }
  return status;
}

inline bool IsAway(const absl::Status& status) {
  return status.GetPayload(kAwayPayload).has_value();
}

}  // namespace ebb::data

#endif  // EBB_DATA_AWAY_H_
