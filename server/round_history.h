// The rounds that a partition has closed, as far as others still need them.
#ifndef EBB_SERVER_ROUND_HISTORY_H_
#define EBB_SERVER_ROUND_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/messages.h"
#include "protocol/plan.h"
#include "server/cut.h"
#include "server/dense_shape.h"

namespace ebb::server {

// Thread-compatible. Belongs to a Partition.
class RoundHistory {
 public:
  // `shape` outlives it.
  explicit RoundHistory(const DenseShape& shape) : shape_(shape) {}
  RoundHistory(const RoundHistory&) = delete;
  RoundHistory& operator=(const RoundHistory&) = delete;

  // Rounds below it are closed here.
  int64_t open() const { return open_; }
  // Returns the rounds whose values are held; the open one's always are.
  RoundSpan held() const {
    return {values_.empty() ? open_ : values_.begin()->first, open_};
  }
  // The values that pulls of a closed round get; null: they are held no longer.
  const Blocks* ValuesOf(int64_t round) const;
  // The operations that closed rounds whose values are held, and the last one.
  std::vector<RoundOperation> Operations() const;

  // The open round is closed. `values`: those that its pulls got.
  void Close(Blocks values);
  // The same, by an operation.
  void Close(Blocks values, std::string operation);
  // No pull of a round below `round` will come any more.
  void Drop(int64_t round);

  // --- Cuts ------------------------------------------------------------------

  void AddTo(Cut* cut) const;
  // The open round stands in the marks of the cut.
  void Restore(int64_t open, std::map<int64_t, std::string> operations);
  // See DenseValues::Restore.
  bool Restore(absl::string_view name, const CutArray& array);

 private:
  const DenseShape& shape_;
  int64_t open_ = 0;
  std::map<int64_t, Blocks> values_;           // By the round that pulls them.
  std::map<int64_t, std::string> operations_;  // By the round that they closed.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROUND_HISTORY_H_
