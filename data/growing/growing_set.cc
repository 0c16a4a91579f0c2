#include "data/growing/growing_set.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/growing/codec.h"

namespace ebb::data::growing {
namespace {

constexpr uint64_t kPeekedBytes = uint64_t{16} << 10;
constexpr size_t kMostKnown = 4096;
constexpr size_t kMostLinks = 256;
constexpr size_t kMostWindows = 2;
// So many objects are looked at one after the other before the tail is searched
// by bisection.
constexpr int kMostSteps = 4;

}  // namespace

absl::StatusOr<About> ReadAbout(ObjectStore* store) {
  const auto content = store->Get(kAboutKey, {});
  if (absl::IsNotFound(content.status())) {
    return absl::NotFoundError(
        absl::StrCat(store->place(), " has no growing set: there is no object ",
                     kAboutKey, "; `ebb stream follow` or `put` begins one"));
  }
  EBB_RETURN_IF_ERROR(content.status());
  return DecodeAbout(absl::StrCat(store->place(), kAboutKey), content->bytes);
}

absl::StatusOr<std::unique_ptr<GrowingSet>> GrowingSet::Open(
    ObjectStore* store) {
  EBB_ASSIGN_OR_RETURN(About about, ReadAbout(store));
  return std::unique_ptr<GrowingSet>(new GrowingSet(store, std::move(about)));
}

absl::Status GrowingSet::Refresh() {
  ChainHint hint;
  {
    MutexLock lock(&mu_);
    hint = {tail_.floors, tail_.place};
  }
  EBB_ASSIGN_OR_RETURN(ChainTail tail, FindTail(store_, about_.identity, hint));
  MutexLock lock(&mu_);
  searched_ = true;
  // Another thread may know more by now.
  if (tail.floors > tail_.floors) {
    tail_.floor = tail.floor;
    tail_.floors = tail.floors;
  }
  if (tail.place > tail_.place) {
    tail.floor = tail_.floor;
    tail.floors = tail_.floors;
    tail_ = std::move(tail);
  }
  return absl::OkStatus();
}

absl::StatusOr<ObjectHeader> GrowingSet::Peek(int64_t place) const {
  const std::string key = ObjectKey(place);
  uint64_t bytes = kPeekedBytes;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const ObjectContent content,
                         store_->Get(key, {.bytes = bytes}));
    const std::string name = absl::StrCat(store_->place(), key);
    auto header = PeekHeader(name, content.bytes);
    uint64_t needed = 0;
    if (absl::IsOutOfRange(header.status()) &&
        absl::SimpleAtoi(header.status().message(), &needed) &&
        needed > bytes && needed <= content.size) {
      bytes = needed;
      continue;
    }
    if (absl::IsOutOfRange(header.status())) {
      return absl::DataLossError(
          absl::StrCat(name, " is cut; bring the object back from a copy"));
    }
    EBB_RETURN_IF_ERROR(header.status());
    EBB_RETURN_IF_ERROR(CheckPlace(name, *header, about_.identity, place));
    return header;
  }
}

absl::StatusOr<SetTail> GrowingSet::Tail() {
  bool search = false;
  for (int step = 0;; ++step) {
    int64_t next = 0;
    {
      MutexLock lock(&mu_);
      search = !searched_ || step == kMostSteps;
      next = tail_.place;
      if (tail_.ended) break;
    }
    if (search) break;
    const auto header = Peek(next);
    if (absl::IsNotFound(header.status())) break;
    EBB_RETURN_IF_ERROR(header.status());
    MutexLock lock(&mu_);
    if (tail_.place != next) continue;  // Another thread was faster.
    if (header->first != tail_.number) {
      return absl::DataLossError(
          absl::StrCat(store_->place(), ObjectKey(next), " begins at number ",
                       header->first, ", and the objects before it end at ",
                       tail_.number, "; bring the right one back"));
    }
    tail_.Follow(*header, ObjectHash());
    // A peek does not hash the object; a search does not need it.
    tail_.before.reset();
  }
  if (search) EBB_RETURN_IF_ERROR(Refresh());
  MutexLock lock(&mu_);
  return SetTail{tail_.lowest_number(), tail_.number, tail_.ended,
                 tail_.created_unix_ms};
}

absl::Status GrowingSet::Missing(int64_t place, absl::Status status) {
  if (!absl::IsNotFound(status)) return status;
  EBB_RETURN_IF_ERROR(Refresh());
  MutexLock lock(&mu_);
  if (place < tail_.lowest_place()) {
    return absl::OutOfRangeError(
        absl::StrCat(store_->place(), ": numbers below ", tail_.lowest_number(),
                     " were deleted"));
  }
  return absl::DataLossError(absl::StrCat(store_->place(), ObjectKey(place),
                                          " is missing, and no floor says that "
                                          "it was deleted; bring it back"));
}

void GrowingSet::Remember(const ObjectHeader& header) {
  if (header.count == 0) return;
  MutexLock lock(&mu_);
  known_[header.first] = {header.place, header.count};
  if (known_.size() > kMostKnown) known_.erase(known_.begin());
}

absl::StatusOr<int64_t> GrowingSet::PlaceOf(int64_t number) {
  int64_t low = 0, high = 0;
  {
    MutexLock lock(&mu_);
    low = tail_.lowest_place();
    high = tail_.place;
    const auto after = known_.upper_bound(number);
    if (after != known_.end()) high = std::min(high, after->second.place);
    if (after != known_.begin()) {
      const auto& [first, known] = *std::prev(after);
      if (number < first + known.count && known.place >= low) {
        return known.place;
      }
      low = std::max(low, known.place + 1);
    }
  }
  // A reader that goes in order wants the next object.
  for (int64_t probe = low; low < high; probe = low + (high - low) / 2) {
    const auto header = Peek(probe);
    if (!header.ok()) return Missing(probe, header.status());
    Remember(*header);
    if (header->first > number) {
      high = probe;
    } else if (number < header->first + header->count) {
      return probe;
    } else {
      low = probe + 1;
    }
  }
  return absl::DataLossError(
      absl::StrCat(store_->place(), ": no object has the number ", number,
                   "; `ebb stream verify` says what is wrong"));
}

absl::Status GrowingSet::CheckLinks(const ObjectHeader& header,
                                    const ObjectHash& hash) {
  MutexLock lock(&mu_);
  Link& link = links_[header.place];
  link.own = hash;
  bool broken = link.said && *link.said != hash;
  if (tail_.floor && header.place == tail_.floor->place) {
    broken = broken || header.before != tail_.floor->before;
  }
  if (header.before) {
    Link& before = links_[header.place - 1];
    before.said = header.before;
    broken = broken || (before.own && *before.own != *before.said);
  }
  while (links_.size() > kMostLinks) {
    // The ones that are far from the place that is read now go.
    const bool low = header.place - links_.begin()->first >
                     links_.rbegin()->first - header.place;
    links_.erase(low ? links_.begin() : std::prev(links_.end()));
  }
  if (!broken) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      store_->place(), ObjectKey(header.place),
      " does not follow the object before it, or was replaced; `ebb stream "
      "verify` says which objects fit"));
}

absl::StatusOr<GrowingSet::CachedWindow> GrowingSet::ReadPlace(int64_t place) {
  const std::string key = ObjectKey(place);
  const auto content = store_->Get(key, {});
  if (!content.ok()) return Missing(place, content.status());
  const std::string name = absl::StrCat(store_->place(), key);
  auto window = std::make_shared<pack::Window>();
  EBB_ASSIGN_OR_RETURN(
      const ObjectHeader header,
      DecodeObject(name, content->bytes, about_.schema, window.get()));
  EBB_RETURN_IF_ERROR(CheckPlace(name, header, about_.identity, place));
  EBB_RETURN_IF_ERROR(CheckLinks(header, HashOfObject(content->bytes)));
  Remember(header);
  return CachedWindow{header.first, std::move(window)};
}

absl::StatusOr<GrowingSet::CachedWindow> GrowingSet::WindowOf(int64_t number) {
  {
    MutexLock lock(&mu_);
    const auto found =
        std::ranges::find_if(windows_, [&](const CachedWindow& cached) {
          return cached.first <= number &&
                 number < cached.first + cached.window->examples;
        });
    if (found != windows_.end()) {
      windows_.splice(windows_.begin(), windows_, found);
      return windows_.front();
    }
  }
  EBB_ASSIGN_OR_RETURN(const int64_t place, PlaceOf(number));
  EBB_ASSIGN_OR_RETURN(CachedWindow read, ReadPlace(place));
  if (number < read.first || number >= read.first + read.window->examples) {
    return absl::DataLossError(
        absl::StrCat(store_->place(), ObjectKey(place),
                     " has other numbers than it had; bring it back"));
  }
  MutexLock lock(&mu_);
  windows_.push_front(read);
  if (windows_.size() > kMostWindows) windows_.pop_back();
  return read;
}

absl::StatusOr<std::vector<WindowPart>> GrowingSet::Read(int64_t begin,
                                                         int64_t end) {
  SetTail tail;
  {
    MutexLock lock(&mu_);
    tail.number = tail_.number;
    tail.lowest = tail_.lowest_number();
  }
  if (end > tail.number) {
    EBB_ASSIGN_OR_RETURN(tail, Tail());
  }
  if (begin < tail.lowest || begin >= end || end > tail.number) {
    return absl::OutOfRangeError(
        absl::StrCat(store_->place(), ": the numbers [", begin, ", ", end,
                     ") are not there; those from ", tail.lowest, " to ",
                     tail.number, " are"));
  }
  std::vector<WindowPart> parts;
  for (int64_t at = begin; at < end;) {
    EBB_ASSIGN_OR_RETURN(CachedWindow cached, WindowOf(at));
    const int64_t stop = std::min(end, cached.first + cached.window->examples);
    parts.push_back({std::move(cached.window), cached.first, at - cached.first,
                     stop - cached.first});
    at = stop;
  }
  return parts;
}

}  // namespace ebb::data::growing
