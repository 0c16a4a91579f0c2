// The leases of one job: which worker works on which item.
//
//   open ──lease──> leased ──done──> hinted ──marks full──> full
//    ^                |                 |                     |
//    +──end, expiry───+──not confirmed──+──a mark fell────────+
//
// An item may be leased to a second worker, too (its backup): when one of the
// two leases ends, the item stays leased by the other. A worker that says that
// the item is done says so for both.
//
// A lease only avoids wasted work: an item leased to no worker, or to two, is
// as safe as any other. The lowest open item goes first, so items that reopen
// come before fresh ones; lease_places.h has the exception.
//
// Thread-compatible. The plan and the marks outlive the table.
#ifndef EBB_SCHEDULER_JOB_LEASE_TABLE_H_
#define EBB_SCHEDULER_JOB_LEASE_TABLE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "scheduler/job/mark_table.h"

namespace ebb::scheduler {

class LeaseTable {
 public:
  struct Held {
    SessionId worker;
    absl::Time expires;
    int64_t position = 0;  // Last heard.
    int64_t batch = 0;     // Where the batch in work begins, last heard.
    // It was taken from another for this worker, or leased to two: neither is
    // done again until it is leased anew.
    bool helped = false;
  };

  LeaseTable(const JobPlan& plan, const MarkTable& marks)
      : plan_(&plan), marks_(&marks) {}

  // So many examples of data that grows are known to be there (PlaceOf): items
  // are open only as far as they are. Lower than before is ignored.
  void DataReaches(int64_t examples) {
    reached_ = std::max(reached_, examples);
  }
  // All that is there of bounded data.
  int64_t reached() const;
  // The end of the item as far as its data is there.
  int64_t ReachedSize(ItemId item) const;

  // The lowest open item, if any. It stays open until Take.
  std::optional<int64_t> LowestOpen();
  // Returns whether it may be leased: it is not full, not leased, and so on.
  bool Open(int64_t ordinal) const;
  void Take(int64_t ordinal, SessionId worker, absl::Time expires);

  // To one more worker than the one that holds it.
  void TakeBackup(int64_t ordinal, SessionId worker, absl::Time expires);
  // Takes one that was taken from another worker for this one; else as Take.
  void TakeMoved(int64_t ordinal, SessionId worker, absl::Time expires);

  // The worker no longer works on it: done as it says (no backup goes on then),
  // or open again. Ignored when another worker holds it.
  void Done(int64_t ordinal, SessionId worker, absl::Time confirm_until);
  void Release(int64_t ordinal, SessionId worker);
  // The worker has an item of data that grows up to `position`, as it says, and
  // returns it. It is open again from there on, or when the marks have not
  // confirmed that until then.
  void Returned(int64_t ordinal, int64_t position, absl::Time confirm_until);

  // A worker takes up a lease from before the scheduler's restart. False: the
  // item is full, or another worker has it; the first of two that had it gets
  // it.
  bool Adopt(int64_t ordinal, SessionId worker, absl::Time expires);

  void Renew(SessionId worker, absl::Time expires);
  void RenewAll(absl::Time expires);
  void SetPosition(int64_t ordinal, SessionId worker, int64_t position,
                   int64_t batch);

  // --- Careful leases --------------------------------------------------------
  // A worker died on the item, and it is not known at which batch: until it is
  // done, its leases are careful (protocol/messages.h).
  void MakeCareful(int64_t ordinal) { careful_.insert(ordinal); }
  bool Careful(int64_t ordinal) const { return careful_.contains(ordinal); }
  // A batch in work, and its item.
  struct Place {
    int64_t ordinal = 0;
    int64_t batch = 0;
  };
  // The worker was told that it may begin the batch there, or it is told of a
  // careful lease, and asks from then on.
  void Begins(SessionId worker, Place place) { places_[worker] = place; }
  void AsksFromNowOn(SessionId worker) { places_.erase(worker); }
  // The batch at which the worker is; nullopt: that is not known. It is known
  // while the worker holds a careful lease.
  std::optional<Place> PlaceOf(SessionId worker) const;

  // An item became full everywhere, or no longer is.
  void FullChanged(int64_t ordinal);
  void Quarantine(int64_t ordinal) { quarantined_.insert(ordinal); }
  void EndQuarantine(int64_t ordinal);

  // Leases that ran out by `now`; they stay until released. And hints that
  // were not confirmed: these reopen.
  std::vector<std::pair<int64_t, SessionId>> Expired(absl::Time now);
  void ReopenUnconfirmed(absl::Time now);
  // The first possible expiry.
  absl::Time NextExpiry() const { return next_expiry_; }

  // Items that are held or could be: how many workers could be of use.
  int64_t Unfinished() const;
  std::vector<int64_t> HeldBy(SessionId worker) const;
  int64_t CountHeldBy(SessionId worker) const;
  // Every leased item; for two holders, the first.
  const std::map<int64_t, Held>& held() const { return held_; }
  // The second leases.
  const std::map<int64_t, Held>& backups() const { return backups_; }
  // The worker's lease of the item; null: it has none.
  const Held* Find(int64_t ordinal, SessionId worker) const;
  // The workers that hold the item: none, one or two.
  std::vector<SessionId> HoldersOf(int64_t ordinal) const;
  int64_t CountHolders() const {
    return static_cast<int64_t>(by_worker_.size());
  }
  // The workers that hold any item.
  std::set<SessionId> Holders() const;
  const std::set<int64_t>& quarantined() const { return quarantined_; }
  // Said to be done, and not confirmed yet; until when that is waited for.
  const std::map<int64_t, absl::Time>& hinted() const { return hinted_; }

 private:
  Held* Changeable(int64_t ordinal, SessionId worker);
  // The items below it have all their data.
  int64_t WholeItems() const;
  // The item's next batch is there for a partition that has the least of it.
  bool HasNextBatch(int64_t ordinal) const;

  const JobPlan* plan_;     // Not owned.
  const MarkTable* marks_;  // Not owned.
  int64_t reached_ = 0;     // See DataReaches.
  // Every open item below is in reopened_.
  int64_t fresh_ = 0;
  std::set<int64_t> reopened_;
  std::map<int64_t, Held> held_;
  std::map<int64_t, Held> backups_;  // Second leases of items in held_.
  absl::flat_hash_map<SessionId, std::set<int64_t>> by_worker_;
  std::map<int64_t, absl::Time> hinted_;
  struct SaidPosition {
    int64_t position = 0;
    absl::Time confirm_until;
  };
  std::map<int64_t, SaidPosition> said_;  // By item: see Returned.
  std::set<int64_t> quarantined_;
  std::set<int64_t> careful_;
  absl::flat_hash_map<SessionId, Place> places_;
  // A bound: renewals make the truth later, the next Expired() finds it.
  absl::Time next_expiry_ = absl::InfiniteFuture();
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_JOB_LEASE_TABLE_H_
