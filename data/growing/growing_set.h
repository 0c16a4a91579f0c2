// Reads a growing set: numbered examples that feeders append to.
//
//   EBB_ASSIGN_OR_RETURN(auto set, GrowingSet::Open(store));
//   EBB_ASSIGN_OR_RETURN(const SetTail tail, set->Tail());
//   EBB_ASSIGN_OR_RETURN(auto parts, set->Read(tail.number - 100,
//   tail.number));
#ifndef EBB_DATA_GROWING_GROWING_SET_H_
#define EBB_DATA_GROWING_GROWING_SET_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "common/objects/object_store.h"
#include "data/growing/chain_search.h"
#include "data/growing/headers.h"
#include "data/pack/window.h"

namespace ebb::data::growing {

// How far a set goes.
struct SetTail {
  int64_t lowest = 0;  // The first number that was not deleted.
  int64_t number = 0;  // The first number that is not there yet.
  bool ended = false;  // No number follows.
  // When the newest object was made; 0: there is none.
  int64_t created_unix_ms = 0;
};

// Rows of a window: the examples with the numbers [first + begin, first + end).
struct WindowPart {
  std::shared_ptr<const pack::Window> window;
  int64_t first = 0;  // The number of the window's first example.
  int64_t begin = 0;
  int64_t end = 0;
};

// Reads "about". NotFound: the store has no growing set. Else the errors of
// DecodeAbout and of the store.
absl::StatusOr<About> ReadAbout(ObjectStore* store);

// Thread-safe. Holds two windows, which callers share, and the places of some
// thousand objects. All calls block on the store, and return its errors, and:
// DataLoss: an object is damaged, missing, or of another set.
// FailedPrecondition: a later ebb wrote it.
class GrowingSet {
 public:
  // `store` outlives the set. The errors of ReadAbout.
  static absl::StatusOr<std::unique_ptr<GrowingSet>> Open(ObjectStore* store);

  const About& about() const { return about_; }

  // Looks for objects that follow those it knows.
  absl::StatusOr<SetTail> Tail() ABSL_LOCKS_EXCLUDED(mu_);

  // The examples with the numbers [begin, end), which are not empty, in order.
  // OutOfRange: some were deleted, or are not there yet.
  absl::StatusOr<std::vector<WindowPart>> Read(int64_t begin, int64_t end)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Known {
    int64_t place = 0;
    int64_t count = 0;
  };
  struct CachedWindow {
    int64_t first = 0;
    std::shared_ptr<const pack::Window> window;
  };
  // The hash of the object at a place, and what the next object says it is.
  struct Link {
    std::optional<ObjectHash> own;
    std::optional<ObjectHash> said;
  };

  GrowingSet(ObjectStore* store, About about)
      : store_(store), about_(std::move(about)) {}

  // Looks for the whole tail, and for new floors.
  absl::Status Refresh() ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ObjectHeader> Peek(int64_t place) const;
  // The window that has this number.
  absl::StatusOr<CachedWindow> WindowOf(int64_t number)
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<int64_t> PlaceOf(int64_t number) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<CachedWindow> ReadPlace(int64_t place)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Remember(const ObjectHeader& header) ABSL_LOCKS_EXCLUDED(mu_);
  // Compares the hashes of objects that follow each other.
  absl::Status CheckLinks(const ObjectHeader& header, const ObjectHash& hash)
      ABSL_LOCKS_EXCLUDED(mu_);
  // The error of reading an object that should be there.
  absl::Status Missing(int64_t place, absl::Status status)
      ABSL_LOCKS_EXCLUDED(mu_);

  ObjectStore* const store_;  // Not owned.
  const About about_;
  Mutex mu_;
  ChainTail tail_ ABSL_GUARDED_BY(mu_);
  bool searched_ ABSL_GUARDED_BY(mu_) = false;
  // By the number of the first example; only objects that have some.
  std::map<int64_t, Known> known_ ABSL_GUARDED_BY(mu_);
  std::map<int64_t, Link> links_ ABSL_GUARDED_BY(mu_);
  std::list<CachedWindow> windows_ ABSL_GUARDED_BY(mu_);  // The newest first.
};

}  // namespace ebb::data::growing

#endif  // EBB_DATA_GROWING_GROWING_SET_H_
