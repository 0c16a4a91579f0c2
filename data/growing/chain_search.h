// Finds the end of a growing set's chain by names alone.
//
//   ChainSearch search(about.identity, {});
//   while (const auto next = search.Next()) {
//     search.Take(store->Get(next->key, {.bytes = next->bytes}));
//   }
//   EBB_RETURN_IF_ERROR(search.status());
//   Use(search.tail());
#ifndef EBB_DATA_GROWING_CHAIN_SEARCH_H_
#define EBB_DATA_GROWING_CHAIN_SEARCH_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/objects/object_store.h"
#include "data/growing/headers.h"

namespace ebb::data::growing {

// The end of a chain: all that the next object follows from.
struct ChainTail {
  std::optional<Floor> floor;  // The highest.
  // The number of floors, so the name of the next one.
  int64_t floors = 0;
  // The next object's place, and the number of its first example.
  int64_t place = 0;
  int64_t number = 0;
  Ends ends;
  Totals totals;
  // The newest object's. Absent: there is none.
  std::optional<ObjectHash> before;
  int64_t created_unix_ms = 0;
  bool ended = false;  // The newest object is END.

  // The lowest place that is there.
  int64_t lowest_place() const { return floor ? floor->place : 0; }
  // The lowest number that is there.
  int64_t lowest_number() const { return floor ? floor->number : 0; }
  // The newest object is now this one, whose bytes have this hash.
  void Follow(const ObjectHeader& header, const ObjectHash& hash);
};

// Facts known before, so that a search takes few requests. Both may be old.
struct ChainHint {
  int64_t floors = 0;  // So many floors are there.
  int64_t place = 0;   // All places below were there once.
};

// A search, step by step: it does no I/O, so its caller decides how requests
// are made and what happens between them. It looks at names only, by doubling
// and bisecting, so stores whose lists are old do no harm. At the end it looks
// whether a floor was put meanwhile, and begins again if so. Thread-compatible.
class ChainSearch {
 public:
  struct Request {
    std::string key;
    uint64_t bytes = kWholeObject;
  };

  ChainSearch(std::string identity, const ChainHint& hint);

  // The object to get next; absent: the search is over.
  std::optional<Request> Next() const;
  // The answer to Next(): NotFound is one, too.
  void Take(const absl::StatusOr<ObjectContent>& answer);

  // OK: tail() is known. DataLoss: an object is damaged, missing or of another
  // set. Else the error of a request.
  const absl::Status& status() const { return status_; }
  const ChainTail& tail() const { return tail_; }

 private:
  enum class Step { kFloors, kPlaces, kNewest, kNewFloor, kDone };

  // Doubles, then bisects, over names of which a front part is there.
  struct Bisection {
    int64_t there = -1;   // The highest that is known to be there.
    int64_t absent = -1;  // The lowest that is known not to be; -1: none.
    int64_t stride = 0;   // 0: the next name first, then doubling.

    int64_t Probe() const;
    void Note(bool is_there);
    bool done() const { return absent == there + 1; }
  };

  void Fail(absl::Status status);
  void BeginPlaces();
  void EndPlaces();
  void TakeFloor(const absl::StatusOr<ObjectContent>& answer);
  void TakeNewest(const absl::StatusOr<ObjectContent>& answer);

  const std::string identity_;
  ChainHint hint_;
  Step step_ = Step::kFloors;
  Bisection names_;
  bool lowest_is_missing_ = false;
  absl::Status status_;
  ChainTail tail_;
};

// Runs a search over a store. Blocks; its errors.
absl::StatusOr<ChainTail> FindTail(ObjectStore* store,
                                   const std::string& identity,
                                   const ChainHint& hint);

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_CHAIN_SEARCH_H_
