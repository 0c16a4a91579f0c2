// How far the base of a table has been written anew.
//
// A version of a table is not a base with all later changes: then a new base
// would be due sooner or later, in a version that is written at once. Instead
// each version has a run of the base, the one behind that of the version
// before, round after round, as the hand of a clock. Changes from before the
// hand came by are in the runs that it wrote.
#ifndef EBB_SERVER_ROWS_INTERNAL_RENEWAL_HAND_H_
#define EBB_SERVER_ROWS_INTERNAL_RENEWAL_HAND_H_

#include <cstdint>

namespace ebb::server::internal {

// A hand that goes over the places [0, n) of a base, where n may grow. First
// come its counters of admission, a chunk of as many bytes as a block at a
// time; then its blocks of rows. At the end of a round the hand has passed all
// places that existed before the next began. So the contents of later places
// come from versions of that round.
struct RenewalHand {
  int64_t round = 0;
  int64_t place = 0;  // The next to be written.
};

// True if a place was written since the hand was at `then`, if it was there.
inline bool Renewed(int64_t place, const RenewalHand& then,
                    const RenewalHand& now) {
  switch (now.round - then.round) {
    case 0:
      return place >= then.place && place < now.place;
    case 1:
      return place >= then.place || place < now.place;
    default:
      return true;
  }
}

// Returns whether all places that were there were written since.
inline bool AllRenewed(const RenewalHand& then, const RenewalHand& now) {
  return now.round > then.round + 1 ||
         (now.round == then.round + 1 && now.place >= then.place);
}

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_RENEWAL_HAND_H_
