// Checks a growing set as a whole.
#ifndef EBB_DATA_GROWING_VERIFY_H_
#define EBB_DATA_GROWING_VERIFY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/objects/object_store.h"
#include "data/growing/chain_search.h"
#include "data/growing/headers.h"

namespace ebb::data::growing {

// The rules that an object follows with those before it: places and numbers
// without gaps, ranges that continue each other, ends of all partitions, the
// hash of the object before, a time that does not go back, sums. Thread-
// compatible.
class ChainRules {
 public:
  // `floor`: the objects below are not there.
  ChainRules(std::string identity, const std::optional<Floor>& floor);

  // Returns what is wrong with the next object; empty: nothing.
  std::string Check(const ObjectHeader& header, const ObjectHash& hash);

  // The next object cannot be read: the one after it is taken as it is.
  void Skip() { skipped_ = true; }

  // The end of the chain, which the next object must follow.
  const ChainTail& tail() const { return tail_; }

 private:
  std::string CheckRanges(const ObjectHeader& header) const;

  const std::string identity_;
  ChainTail tail_;
  bool has_time_ = false;
  bool skipped_ = false;
};

struct VerifyReport {
  int64_t objects = 0;
  int64_t examples = 0;
  int64_t bytes = 0;
  int64_t lowest = 0;  // The first number that is there.
  int64_t number = 0;  // The first that is not there yet.
  Totals totals;
  bool ended = false;
  // A sentence for each mistake, at most kMostProblems of them.
  std::vector<std::string> problems;
};
inline constexpr size_t kMostProblems = 20;

// Reads all objects. Goes on behind a damaged one as far as names show objects.
// `progress` is called after each; true: stop. Blocks. The errors of ReadAbout
// and of the store; Cancelled: `progress` said so.
absl::StatusOr<VerifyReport> VerifySet(
    ObjectStore* store,
    const std::function<bool(const VerifyReport&)>& progress);

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_VERIFY_H_
