// The owners of a job's partitions, with their terms.
//
// A term is drawn, and made durable, before each grant and never used twice.
// A partition is `registered` when its owner has said, in the drawn term, which
// marks it has; only then are the job's marks known.
//
// Thread-compatible.
#ifndef EBB_SCHEDULER_PLACEMENT_H_
#define EBB_SCHEDULER_PLACEMENT_H_

#include <cstdint>
#include <map>
#include <vector>

#include "common/ids.h"
#include "protocol/messages.h"

namespace ebb::scheduler {

// The term of the values that a server could go on from; having seen a term is
// not a claim.
inline Term ClaimedTerm(const PartitionRegistration& one) {
  return one.serving ? one.term : one.stored_term;
}

struct Ownership {
  static constexpr ServerId kNobody{-1};

  ServerId owner = kNobody;
  SessionId session;  // The owner's life that the term was granted to.
  Term drawn;         // The highest drawn; 0: none yet.
  Term parent;        // The last that registered; 0: none.
  bool registered = false;
  // It has also said that a version of this term is durable.
  bool durable = false;
  // The owner has something of it, be it only stored: it said so, or has not
  // been heard since the job was read from the scheduler's store.
  bool kept = false;
};

// How many partitions each server owns.
using PartitionCounts = std::map<ServerId, int64_t>;

class PlacementTable {
 public:
  explicit PlacementTable(int32_t partitions) : partitions_(partitions) {}

  int32_t size() const { return static_cast<int32_t>(partitions_.size()); }
  Ownership& at(PartitionId p) { return partitions_[p.value()]; }
  const Ownership& at(PartitionId p) const { return partitions_[p.value()]; }

  bool AllRegistered() const { return registered_ == size(); }
  int32_t registered() const { return registered_; }

  // A new term is drawn: forgets the marks of the old one.
  void Drawn(PartitionId p, ServerId owner, SessionId session, Term term) {
    Ownership& one = at(p);
    if (one.registered) --registered_;
    if (one.owner != owner) one.kept = false;
    one.owner = owner;
    one.session = session;
    one.drawn = term;
    one.registered = false;
    one.durable = false;
  }
  // Sets another owner, which has yet to be granted a term.
  void SetOwner(PartitionId p, ServerId owner) {
    Unregistered(p);
    Ownership& one = at(p);
    if (one.owner != owner) one.kept = false;
    one.owner = owner;
    one.session = SessionId();
  }
  // The owner registered in the drawn term.
  void Registered(PartitionId p) {
    Ownership& one = at(p);
    if (!one.registered) ++registered_;
    one.registered = true;
    one.kept = true;
    one.parent = one.drawn;
  }
  // The owner's connection broke: it may be dead.
  void Unregistered(PartitionId p) {
    Ownership& one = at(p);
    if (one.registered) --registered_;
    one.registered = false;
  }

 private:
  std::vector<Ownership> partitions_;
  int32_t registered_ = 0;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_PLACEMENT_H_
