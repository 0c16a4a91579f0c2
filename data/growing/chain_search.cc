#include "data/growing/chain_search.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "data/growing/codec.h"

namespace ebb::data::growing {

void ChainTail::Follow(const ObjectHeader& header, const ObjectHash& hash) {
  place = header.place + 1;
  number = header.first + header.count;
  ends = header.ends;
  totals = header.totals;
  before = hash;
  created_unix_ms = header.created_unix_ms;
  ended = header.end;
}

int64_t ChainSearch::Bisection::Probe() const {
  if (absent < 0) return there + std::max<int64_t>(1, stride);
  return there + (absent - there) / 2;
}

void ChainSearch::Bisection::Note(bool is_there) {
  const int64_t probed = Probe();
  if (is_there) {
    there = probed;
    if (absent < 0) stride = std::max<int64_t>(1, stride * 2);
  } else {
    absent = probed;
  }
}

ChainSearch::ChainSearch(std::string identity, const ChainHint& hint)
    : identity_(std::move(identity)), hint_(hint) {
  names_.there = hint_.floors - 1;
}

std::optional<ChainSearch::Request> ChainSearch::Next() const {
  switch (step_) {
    case Step::kFloors:
      // The content of the highest floor may not be known yet.
      return Request{FloorKey(names_.done() ? names_.there : names_.Probe())};
    case Step::kPlaces:
      return Request{ObjectKey(names_.Probe()), 1};
    case Step::kNewest:
      return Request{ObjectKey(names_.there)};
    case Step::kNewFloor:
      return Request{FloorKey(tail_.floors)};
    case Step::kDone:
      break;
  }
  return std::nullopt;
}

void ChainSearch::Fail(absl::Status status) {
  status_ = std::move(status);
  step_ = Step::kDone;
}

void ChainSearch::TakeFloor(const absl::StatusOr<ObjectContent>& answer) {
  // Once its number is known, what the highest floor says may not be.
  const bool searching = !names_.done();
  const int64_t number = searching ? names_.Probe() : names_.there;
  const std::string key = FloorKey(number);
  if (answer.ok()) {
    auto floor = DecodeFloor(key, answer->bytes);
    if (!floor.ok()) return Fail(floor.status());
    if (floor->identity != identity_ || floor->floor != number) {
      return Fail(absl::DataLossError(absl::StrCat(
          key,
          " belongs to another set or another place; bring the right "
          "one back")));
    }
    tail_.floor = *std::move(floor);
  } else if (!searching) {
    return Fail(absl::DataLossError(absl::StrCat(
        key,
        " is missing, and floors are never deleted; bring it back from a "
        "copy")));
  }
  if (searching) names_.Note(answer.ok());
  const bool known =
      names_.there < 0 || (tail_.floor && tail_.floor->floor == names_.there);
  if (names_.done() && known) BeginPlaces();
}

void ChainSearch::BeginPlaces() {
  tail_.floors = names_.there + 1;
  hint_.floors = tail_.floors;
  step_ = Step::kPlaces;
  names_ = Bisection();
  // The first probe is the lowest place that may be there, so that a chain
  // without it is told from one that has not begun.
  names_.there = std::max(tail_.lowest_place(), hint_.place - 1) - 1;
}

void ChainSearch::EndPlaces() {
  const int64_t lowest = std::max(tail_.lowest_place(), hint_.place - 1);
  if (names_.there >= lowest) {
    step_ = Step::kNewest;
    return;
  }
  // Nothing is there: the set is empty, or a floor was put meanwhile.
  lowest_is_missing_ = lowest > 0;
  step_ = Step::kNewFloor;
}

void ChainSearch::TakeNewest(const absl::StatusOr<ObjectContent>& answer) {
  const std::string key = ObjectKey(names_.there);
  step_ = Step::kNewFloor;
  if (absl::IsNotFound(answer.status())) {
    lowest_is_missing_ = true;  // Deleted meanwhile.
    return;
  }
  if (!answer.ok()) return Fail(answer.status());
  const auto header = DecodeHeader(key, answer->bytes);
  if (!header.ok()) return Fail(header.status());
  absl::Status placed = CheckPlace(key, *header, identity_, names_.there);
  if (!placed.ok()) return Fail(std::move(placed));
  tail_.Follow(*header, HashOfObject(answer->bytes));
}

void ChainSearch::Take(const absl::StatusOr<ObjectContent>& answer) {
  const bool there = answer.ok();
  if (!there && !absl::IsNotFound(answer.status()))
    return Fail(answer.status());
  switch (step_) {
    case Step::kFloors:
      return TakeFloor(answer);
    case Step::kPlaces:
      names_.Note(there);
      if (names_.done()) EndPlaces();
      return;
    case Step::kNewest:
      return TakeNewest(answer);
    case Step::kNewFloor:
      if (there) {  // Begin again from that floor.
        step_ = Step::kFloors;
        lowest_is_missing_ = false;
        names_ = Bisection();
        names_.there = tail_.floors - 1;
        return;
      }
      if (lowest_is_missing_) {
        return Fail(absl::DataLossError(absl::StrCat(
            ObjectKey(std::max(tail_.lowest_place(), hint_.place - 1)),
            " is missing, and no floor says that it was deleted; bring it "
            "back from a copy")));
      }
      step_ = Step::kDone;
      return;
    case Step::kDone:
      return;
  }
}

absl::StatusOr<ChainTail> FindTail(ObjectStore* store,
                                   const std::string& identity,
                                   const ChainHint& hint) {
  ChainSearch search(identity, hint);
  while (const auto next = search.Next()) {
    search.Take(store->Get(next->key, {.bytes = next->bytes}));
  }
  if (!search.status().ok()) return search.status();
  return search.tail();
}

}  // namespace ebb::data::growing
