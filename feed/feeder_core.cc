#include "feed/feeder_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "data/growing/codec.h"

namespace ebb::feed {

using data::growing::ChainSearch;
using data::growing::DecodeFloor;
using data::growing::FloorKey;
using data::growing::HashOfObject;
using data::growing::ObjectHeader;
using data::growing::ObjectKey;

namespace {

// A feeder that lost so often in a row only watches.
constexpr int kLossesToWatch = 2;
// It takes over after so many intervals without an object.
constexpr int kSilentIntervals = 3;

// Returns whether an error of the store may pass.
bool MayPass(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace

FeederCore::FeederCore(FeederCoreOptions options)
    : options_(std::move(options)), pause_(options_.least_pause) {
  BeginSearch();
}

void FeederCore::BeginSearch() {
  step_ = Step::kSearch;
  search_.emplace(options_.identity,
                  data::growing::ChainHint{tail_.floors, tail_.place});
}

void FeederCore::Stop(absl::Status status) {
  if (step_ == Step::kStop) return;
  step_ = Step::kStop;
  status_ = std::move(status);
}

FeederCore::Action FeederCore::Next(absl::Time now) {
  using Kind = Action::Kind;
  if (step_ != Step::kStop && now < wait_until_) {
    return {.kind = Kind::kWait, .key = "", .until = wait_until_};
  }
  switch (step_) {
    case Step::kSearch: {
      const auto request = search_->Next();
      if (!request) {
        TakeTail(now);
        return Next(now);
      }
      return {.kind = Kind::kGet, .key = request->key, .bytes = request->bytes};
    }
    case Step::kOwn:
      return {.kind = Kind::kGet, .key = ObjectKey(proposed_->header.place)};
    case Step::kRead:
      return {.kind = Kind::kRead, .key = ""};
    case Step::kPut:
      return {.kind = Kind::kPut, .key = ObjectKey(proposed_->header.place)};
    case Step::kFloor:
      return {.kind = Kind::kGet, .key = FloorKey(tail_.floors)};
    case Step::kWatch:
      return {.kind = Kind::kGet, .key = ObjectKey(tail_.place), .bytes = 1};
    case Step::kStop:
      break;
  }
  return {.kind = Kind::kStop, .key = ""};
}

bool FeederCore::TakeBeginning() { return std::exchange(began_, false); }

std::optional<ObjectHeader> FeederCore::TakeStored() {
  return std::exchange(stored_, std::nullopt);
}

void FeederCore::Propose(ProposedObject object) {
  proposed_hash_ = HashOfObject(object.bytes);
  proposed_ = std::move(object);
  unknown_ = false;
  step_ = Step::kPut;
}

void FeederCore::Trouble(const absl::Status& error, absl::Time now) {
  if (!MayPass(error)) return Stop(error);
  trouble_ = error;
  wait_until_ = now + pause_;
  pause_ = std::min(2 * pause_, options_.most_pause);
  BeginSearch();
}

void FeederCore::TakeTail(absl::Time now) {
  const absl::Status& found = search_->status();
  if (!found.ok()) return Trouble(found, now);
  pause_ = options_.least_pause;
  trouble_ = absl::OkStatus();
  if (knows_tail_ && search_->tail().place < tail_.place) {
    return Stop(absl::DataLossError(absl::StrCat(
        "the set ends at object ", search_->tail().place, ", and had ",
        tail_.place, " before; bring back the objects that are missing")));
  }
  tail_ = search_->tail();
  knows_tail_ = true;
  if (options_.appends && proposed_ && unknown_ &&
      !EBB_PLANTED(unknown_append_is_put_anew)) {
    const ObjectHeader& own = proposed_->header;
    // Put again as it is: if it is there by then, that is a success.
    step_ = own.place == tail_.place ? Step::kPut : Step::kOwn;
    return;
  }
  proposed_.reset();
  if (tail_.ended && !EBB_PLANTED(feeds_behind_the_end)) {
    return Stop(absl::OkStatus());
  }
  began_ = true;
  step_ = Step::kRead;
}

void FeederCore::Lost(absl::Time now) {
  ++all_losses_;
  ++losses_;
  proposed_.reset();
  unknown_ = false;
  if (options_.appends || losses_ < kLossesToWatch) return BeginSearch();
  step_ = Step::kWatch;
  silent_ = 0;
  wait_until_ = now + options_.interval;
}

void FeederCore::Stored() {
  pause_ = options_.least_pause;
  losses_ = 0;
  stored_ = proposed_->header;
  proposed_.reset();
  unknown_ = false;
}

void FeederCore::TakePut(const absl::Status& answer, absl::Time now) {
  if (answer.ok() || (EBB_PLANTED(unknown_put_is_done) && MayPass(answer))) {
    step_ = Step::kFloor;
    if (EBB_PLANTED(floor_not_read_after_a_put)) {
      TakeFloor(absl::NotFoundError("not read"), now);
    }
    return;
  }
  if (absl::IsAlreadyExists(answer)) {
    if (EBB_PLANTED(goes_on_behind_anothers_object)) {
      tail_.Follow(proposed_->header, proposed_hash_);
      Stored();
      step_ = Step::kRead;
      return;
    }
    if (!options_.appends || !unknown_) return Lost(now);
    return BeginSearch();  // And then look whose object it is.
  }
  // It may be there, now or later.
  unknown_ = true;
  Trouble(answer, now);
}

void FeederCore::TakeFloor(const absl::StatusOr<ObjectContent>& answer,
                           absl::Time now) {
  if (absl::IsNotFound(answer.status())) {
    if (tail_.place <= proposed_->header.place) {
      tail_.Follow(proposed_->header, proposed_hash_);
    } else {
      began_ = true;  // Others have followed it already.
    }
    Stored();
    if (tail_.ended) return Stop(absl::OkStatus());
    step_ = Step::kRead;
    return;
  }
  if (!answer.ok()) {
    unknown_ = true;
    return Trouble(answer.status(), now);
  }
  const std::string key = FloorKey(tail_.floors);
  auto floor = DecodeFloor(key, answer->bytes);
  if (!floor.ok()) return Stop(floor.status());
  if (floor->identity != options_.identity) {
    return Stop(absl::DataLossError(absl::StrCat(
        key, " belongs to another set; bring the right one back")));
  }
  tail_.floor = *std::move(floor);
  ++tail_.floors;
  if (tail_.floor->place <= proposed_->header.place) return;
  // What lies there now is void. It may have counted before the floor rose:
  // where messages have offsets, the ends of the set tell.
  if (options_.appends) return StopUnsure();
  Lost(now);
}

void FeederCore::StopUnsure() {
  Stop(absl::FailedPreconditionError(absl::StrCat(
      "it is not known whether the last object, with ", proposed_->header.count,
      " examples, was stored: what was at place ", proposed_->header.place,
      " was pruned since. Look whether they are in the set before you put them "
      "again")));
}

// An appending feeder does not know whether its object was stored, and the
// place is taken.
void FeederCore::TakeOwn(const absl::StatusOr<ObjectContent>& answer,
                         absl::Time now) {
  const int64_t place = proposed_->header.place;
  const bool gone = absl::IsNotFound(answer.status()) ||
                    (answer.ok() && place < tail_.lowest_place());
  if (gone) {
    return StopUnsure();
  }
  if (!answer.ok()) {
    if (!MayPass(answer.status())) return Stop(answer.status());
    trouble_ = answer.status();
    wait_until_ = now + pause_;
    pause_ = std::min(2 * pause_, options_.most_pause);
    return;
  }
  if (HashOfObject(answer->bytes) != proposed_hash_) return Lost(now);
  step_ = Step::kFloor;  // It counts unless a floor rose meanwhile.
}

void FeederCore::TakeWatched(const absl::StatusOr<ObjectContent>& answer,
                             absl::Time now) {
  if (answer.ok()) {
    silent_ = 0;
    ++tail_.place;  // Only a name; a search finds what it says.
  } else if (absl::IsNotFound(answer.status())) {
    ++silent_;
  } else if (!MayPass(answer.status())) {
    return Stop(answer.status());
  }
  if (silent_ < kSilentIntervals) {
    wait_until_ = now + options_.interval;
    return;
  }
  losses_ = 0;
  BeginSearch();
}

void FeederCore::TakeGet(const absl::StatusOr<ObjectContent>& answer,
                         absl::Time now) {
  switch (step_) {
    case Step::kSearch:
      return search_->Take(answer);
    case Step::kOwn:
      return TakeOwn(answer, now);
    case Step::kFloor:
      return TakeFloor(answer, now);
    case Step::kWatch:
      return TakeWatched(answer, now);
    default:
      return;
  }
}

}  // namespace ebb::feed
