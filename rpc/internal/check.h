// The checks that FromProto is made of. Each names the field it refuses.
#ifndef EBB_RPC_INTERNAL_CHECK_H_
#define EBB_RPC_INTERNAL_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "protocol/plan.h"
#include "rpc/convert.h"

namespace ebb::rpc::internal {

inline absl::Status InRange(absl::string_view field, int64_t value, int64_t low,
                            int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be ", low, " to ", high));
}

inline absl::Status NotNegative(absl::string_view field, int64_t value) {
  if (value >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must not be negative"));
}

// The number of a job, session, ...
inline absl::Status Named(absl::string_view field, uint64_t value) {
  if (value != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is 0, which names nothing"));
}

inline absl::Status Present(absl::string_view field, bool present) {
  if (present) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is missing"));
}

inline absl::Status AtMost(absl::string_view field, int64_t count,
                           int64_t limit) {
  if (count <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", count, " entries, at most ", limit));
}

inline absl::Status IsPartition(absl::string_view field, int32_t value) {
  return InRange(field, value, 0, kMaxPartitions - 1);
}

inline absl::Status BadRateFactor(absl::string_view field, double value) {
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value,
                                                 ", must be ", kMinRateFactor,
                                                 " to ", kMaxRateFactor));
}

// `count` times `size` bytes.
inline absl::Status IsSize(absl::string_view field, int64_t bytes,
                           int64_t element) {
  EBB_RETURN_IF_ERROR(NotNegative(field, bytes));
  if (bytes % element == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", bytes, ", must be a multiple of ", element));
}

inline absl::Status UnknownEnum(absl::string_view field, int value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", which this version does not know"));
}

// A message of a stream with no alternative set.
inline absl::Status EmptyMessage(absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(
      message, " is empty, or of a kind that this version does not know"));
}

// `text`, with '?' for every byte that is not part of valid UTF-8: protobuf
// refuses to parse a message with such a string, which would end the stream.
std::string ValidUtf8(absl::string_view text);

}  // namespace ebb::rpc::internal

#endif  // EBB_RPC_INTERNAL_CHECK_H_
