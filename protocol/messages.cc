#include "protocol/messages.h"

namespace ebb {

int64_t ValueBytes(const PushSegment& segment) {
  int64_t bytes = segment.gradient.size() + segment.oracle.size();
  for (const PushRows& rows : segment.rows) {
    bytes += rows.keys.size() + rows.gradient.size();
  }
  return bytes;
}

int64_t ValueBytes(const PullSegment& segment) {
  int64_t bytes = segment.values.size();
  for (const Payload& rows : segment.rows) bytes += rows.size();
  return bytes;
}

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kApplied:
      return "applied";
    case Verdict::kDuplicate:
      return "duplicate";
    case Verdict::kGap:
      return "gap";
    case Verdict::kOverlap:
      return "overlap";
    case Verdict::kStale:
      return "stale";
    case Verdict::kNotOpen:
      return "not open";
    case Verdict::kClosed:
      return "closed";
    case Verdict::kWrongPlacement:
      return "wrong placement";
    case Verdict::kWrongGeneration:
      return "wrong generation";
    case Verdict::kSuperseded:
      return "superseded";
    case Verdict::kBusy:
      return "busy";
    case Verdict::kInvalid:
      return "invalid";
  }
  return "unknown verdict";
}

absl::string_view FetchResultName(FetchResult result) {
  switch (result) {
    case FetchResult::kOk:
      return "ok";
    case FetchResult::kNotHere:
      return "not here";
    case FetchResult::kGone:
      return "gone";
  }
  return "?";
}

absl::string_view PullResultName(PullResult result) {
  switch (result) {
    case PullResult::kValues:
      return "values";
    case PullResult::kWait:
      return "wait";
    case PullResult::kClosed:
      return "closed";
    case PullResult::kNotInView:
      return "not in view";
    case PullResult::kWrongPlacement:
      return "wrong placement";
    case PullResult::kWrongGeneration:
      return "wrong generation";
    case PullResult::kUnchanged:
      return "UNCHANGED";
    case PullResult::kNoSnapshot:
      return "no snapshot";
    case PullResult::kInvalid:
      return "invalid";
  }
  return "unknown result";
}

}  // namespace ebb
