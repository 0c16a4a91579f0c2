// Decides what a feeder does next. Any number of feeders may feed one set:
// there is no lock and no claim, and what keeps them apart is that an object is
// created once.
//
//            ┌────────────── lost a race, void, or outcome unknown
//            ────────────┐ ▼ │
//   search for the tail ──▶ read messages ──▶ put the next object ──▶ look for
//   a floor
//            ▲                     ▲ │
//   watch (lost twice)             └───────────── stored
//   ──────────────────────┘
#ifndef EBB_FEED_FEEDER_CORE_H_
#define EBB_FEED_FEEDER_CORE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/objects/object_store.h"
#include "data/growing/chain_search.h"
#include "data/growing/headers.h"

namespace ebb::feed {

struct FeederCoreOptions {
  std::string identity;  // The identity of the set.
  // Messages have no offsets of their own. Then an object whose outcome is not
  // known is put again as it is, until it is known, and the feeder never
  // watches: no other feeder has its messages.
  bool appends = false;
  // The time between two objects; one that watches looks as often. Default
  // 0.5 s. More makes fewer and larger objects, and messages wait longer.
  absl::Duration interval = absl::Milliseconds(500);
  // The first pause after an error of the store; it doubles up to the second.
  absl::Duration least_pause = absl::Milliseconds(100);
  absl::Duration most_pause = absl::Seconds(10);
};

// An object to be put.
struct ProposedObject {
  data::growing::ObjectHeader header;
  std::string bytes;
};

// Time is an argument. Does no I/O, has no thread. Thread-compatible.
class FeederCore {
 public:
  struct Action {
    // kGet and kPut: a request for the object `key`, answered by TakeGet() and
    // TakePut(). A get wants the first `bytes`. kRead: Propose() an object that
    // follows tail(), whenever there is one. kWait: call Next() again at
    // `until`. kStop: see status().
    enum class Kind { kGet, kPut, kRead, kWait, kStop };
    Kind kind = Kind::kStop;
    std::string key;
    uint64_t bytes = kWholeObject;
    absl::Time until;
  };

  explicit FeederCore(FeederCoreOptions options);

  Action Next(absl::Time now);
  void TakeGet(const absl::StatusOr<ObjectContent>& answer, absl::Time now);
  void TakePut(const absl::Status& answer, absl::Time now);

  // Before kRead: the feeder began anew. Returns true once for each time; the
  // caller then goes on from the ends of tail().
  bool TakeBeginning();
  // Returns each object that is stored for sure, once. Only then may its
  // messages be forgotten.
  std::optional<data::growing::ObjectHeader> TakeStored();

  // The object whose bytes a kPut puts.
  const ProposedObject& proposed() const { return *proposed_; }
  // The end of the chain that the next object must follow.
  const data::growing::ChainTail& tail() const { return tail_; }
  // Only while Next() says kRead.
  void Propose(ProposedObject object);

  // Ends the feeder, with this status, if it is not ended.
  void Stop(absl::Status status);
  // Why it stopped. OK: the set has ended, or Stop() said so. DataLoss: the set
  // is damaged. Else the error of the store that does not pass.
  const absl::Status& status() const { return status_; }

  // Looks that the feeder takes only to see others work.
  bool watching() const { return step_ == Step::kWatch; }
  int64_t losses() const { return all_losses_; }
  // The last error of the store that may pass; OK: there is none now.
  const absl::Status& trouble() const { return trouble_; }

 private:
  enum class Step { kSearch, kOwn, kRead, kPut, kFloor, kWatch, kStop };

  void BeginSearch();
  // The search is over.
  void TakeTail(absl::Time now);
  void TakeFloor(const absl::StatusOr<ObjectContent>& answer, absl::Time now);
  void TakeOwn(const absl::StatusOr<ObjectContent>& answer, absl::Time now);
  void TakeWatched(const absl::StatusOr<ObjectContent>& answer, absl::Time now);
  void Stored();
  // It is too late to tell whether the object was stored.
  void StopUnsure();
  void Lost(absl::Time now);
  // An error of the store: waits and begins again, or stops.
  void Trouble(const absl::Status& error, absl::Time now);

  const FeederCoreOptions options_;
  Step step_ = Step::kSearch;
  std::optional<data::growing::ChainSearch> search_;
  data::growing::ChainTail tail_;
  bool knows_tail_ = false;
  bool began_ = false;
  std::optional<ProposedObject> proposed_;
  data::growing::ObjectHash proposed_hash_;
  // The outcome of the put of `proposed_` is not known.
  bool unknown_ = false;
  std::optional<data::growing::ObjectHeader> stored_;
  absl::Time wait_until_ = absl::InfinitePast();
  absl::Duration pause_;
  int losses_ = 0;  // Since an object was stored.
  int64_t all_losses_ = 0;
  int silent_ = 0;  // Intervals without a new object.
  absl::Status trouble_;
  absl::Status status_;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_FEEDER_CORE_H_
