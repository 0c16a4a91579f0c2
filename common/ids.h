// The names of things that cross an interface, as types that do not mix.
#ifndef EBB_COMMON_IDS_H_
#define EBB_COMMON_IDS_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ebb {

// An integer of its own type: it compares, hashes and prints, and converts
// only when asked to.
template <typename Tag, typename Int>
class StrongInt {
 public:
  using Value = Int;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Int value) : value_(value) {}
  constexpr Int value() const { return value_; }
  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;
  template <typename H>
  friend H AbslHashValue(H h, StrongInt id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, StrongInt id) {
    return out << id.value_;
  }

 private:
  Int value_{};
};

// A training run; drawn by the scheduler, never reused.
using JobId = StrongInt<struct JobIdTag, uint64_t>;
// Raised by every rollback, restore or change of a job; never reused.
using Generation = StrongInt<struct GenerationTag, uint64_t>;
// One ownership of one partition; drawn before each grant, never reused.
using Term = StrongInt<struct TermTag, uint64_t>;
// A slice of all tables of a job, 0 .. JobPlan::partitions - 1.
using PartitionId = StrongInt<struct PartitionIdTag, int32_t>;
// A server's lasting identity (its ordinal in the StatefulSet).
using ServerId = StrongInt<struct ServerIdTag, int32_t>;
// One life of a daemon process; 0: none.
using SessionId = StrongInt<struct SessionIdTag, uint64_t>;
// A numbered set of live workers of a job.
using ViewNumber = StrongInt<struct ViewNumberTag, uint64_t>;

// A work item: one data shard in one epoch. Ordered as leased: by epoch.
struct ItemId {
  int32_t epoch = 0;
  int32_t shard = 0;
  friend constexpr auto operator<=>(const ItemId&, const ItemId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ItemId& item) {
    return H::combine(std::move(h), item.epoch, item.shard);
  }
};

// For people, who count both from 1.
inline std::string ToString(ItemId item) {
  return absl::StrCat("(epoch ", item.epoch + 1, ", shard ", item.shard + 1,
                      ")");
}
inline std::ostream& operator<<(std::ostream& out, ItemId item) {
  return out << ToString(item);
}

}  // namespace ebb

#endif  // EBB_COMMON_IDS_H_
