// When rows were touched last, and which have expired.
#ifndef EBB_SERVER_ROWS_ROW_AGES_H_
#define EBB_SERVER_ROWS_ROW_AGES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace ebb::server {

// Time is a count of examples. Rows remember it in units of 1/256 of their life
// (64 examples if they live for ever, for evicting the oldest). Four bytes are
// then enough for four million lives; a row touched later than that never
// expires.
//
// A row has expired when it was touched more than `lifetime` units ago. How
// many have is known without looking at rows: they are counted by the unit in
// which they were touched, for as many units as one can live.
//
// Thread-compatible.
class RowAges {
 public:
  // 0: rows live for ever.
  explicit RowAges(int64_t expire_after_examples)
      : unit_(expire_after_examples > 0
                  ? std::max<int64_t>(1, expire_after_examples / kUnitsPerLife)
                  : kUnitForEver),
        lifetime_(static_cast<uint32_t>(
            // At most twice as many units as a life is meant to have.
            expire_after_examples / unit_ +
            (expire_after_examples % unit_ != 0 ? 1 : 0))),
        alive_(expire_after_examples > 0 ? size_t{lifetime_} + 1 : 0) {}

  bool expires() const { return lifetime_ > 0; }
  int64_t unit_examples() const { return unit_; }
  uint32_t UnitOf(int64_t now) const {
    return static_cast<uint32_t>(std::min<int64_t>(
        now / unit_, std::numeric_limits<uint32_t>::max() - 1));
  }
  // Requires touched <= now.
  bool Expired(uint32_t touched, uint32_t now) const {
    return lifetime_ > 0 && now - touched > lifetime_;
  }

  // Time goes on; never back.
  void Advance(uint32_t now) {
    expired_ += Ending(now);
    const auto steps = std::min<size_t>(now - now_, alive_.size());
    for (size_t i = 1; i <= steps; ++i) Count(now_ + i) = 0;
    now_ = now;
  }
  uint32_t now() const { return now_; }
  // Rows that are there and have expired, now and at a later time.
  int64_t expired() const { return expired_; }
  int64_t ExpiredAt(uint32_t now) const {
    return lifetime_ == 0 ? 0 : expired_ + Ending(now);
  }

  // A row comes, or goes, that was touched then: not after now().
  void Add(uint32_t touched) { Change(touched, 1); }
  void Remove(uint32_t touched) { Change(touched, -1); }

 private:
  static constexpr int64_t kUnitsPerLife = 256;
  static constexpr int64_t kUnitForEver = 64;

  int64_t& Count(uint64_t touched) { return alive_[touched % alive_.size()]; }
  void Change(uint32_t touched, int64_t by) {
    if (lifetime_ == 0) return;
    (Expired(touched, now_) ? expired_ : Count(touched)) += by;
  }
  // Returns how many expire between now_ and then: the oldest are overwritten
  // by the next units.
  int64_t Ending(uint32_t now) const {
    const auto steps = std::min<size_t>(now - now_, alive_.size());
    int64_t ending = 0;
    for (size_t i = 1; i <= steps; ++i) {
      ending += alive_[(uint64_t{now_} + i) % alive_.size()];
    }
    return ending;
  }

  int64_t unit_;
  uint32_t lifetime_;
  uint32_t now_ = 0;
  int64_t expired_ = 0;
  std::vector<int64_t> alive_;  // By unit touched, modulo its size.
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_AGES_H_
