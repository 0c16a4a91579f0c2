// Named points at which a daemon under test kills itself, as a machine that is
// taken away would: without a word, in the middle of something.
//
//   KillPoints kill_points;                       // None: nothing ever
//   happens. EBB_ASSIGN_OR_RETURN(kill_points, KillPoints::Parse("POINT:3",
//   known));
//   ...
//   kill_points.Reached("applied-not-replied");   // The third time, SIGKILL.
#ifndef EBB_COMMON_KILL_POINT_H_
#define EBB_COMMON_KILL_POINT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb {

// Thread-safe.
class KillPoints {
 public:
  KillPoints() = default;  // No point is armed.

  // "POINT" or "POINT:N", for the N-th time it is reached; "" arms none.
  // InvalidArgument, listing the points, for anything else.
  static absl::StatusOr<KillPoints> Parse(
      absl::string_view text, std::span<const absl::string_view> known);

  // Does not return the N-th time the armed point is reached.
  void Reached(absl::string_view point) const;
  bool armed(absl::string_view point) const { return point == point_; }

 private:
  std::string point_;
  // How often the point may still be reached. Shared, as the object is copied.
  std::shared_ptr<std::atomic<int64_t>> left_;
};

}  // namespace ebb

#endif  // EBB_COMMON_KILL_POINT_H_
