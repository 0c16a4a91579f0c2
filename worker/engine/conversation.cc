#include "worker/engine/conversation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "worker/engine/told_rows.h"

namespace ebb::worker {

namespace {

constexpr char kNotHandedIn[] =
    "was neither handed in nor failed: push it, or call fail";

Decision Done(Decision::Act act, uint64_t sequence, uint32_t code = kTaken) {
  return {act, EncodeBytes({Kind::kDone, code, sequence}), ""};
}

Decision Stale(uint64_t sequence) {
  return Done(Decision::Act::kNothing, sequence, kStale);
}

std::string NameOf(const PlaceBody& place) {
  return absl::StrCat("batch (epoch ", place.epoch + 1, ", shard ",
                      place.shard + 1, ", ", place.begin, "..", place.end, ")");
}
std::string NameOf(const EvaluateBody& evaluation) {
  return absl::StrCat("evaluation ", evaluation.snapshot);
}

}  // namespace

client::ComputeResult FailedBatch(std::string why, bool non_finite) {
  client::ComputeResult result;
  result.error = std::move(why);
  result.non_finite = non_finite;
  return result;
}

// --- The engine's side -------------------------------------------------------

Decision Conversation::Offer(const PlaceBody& place,
                             client::PulledValuesPtr values,
                             std::optional<PartOfRun> part) {
  std::optional<Early> early = std::exchange(early_, std::nullopt);
  if (early &&
      (!SamePlace(early->place, place) || early->values.lock() != values)) {
    early.reset();
  }
  offered_ = Work{place, std::move(values), nullptr, part};
  half_ = early ? early->half : 0;
  // The program is in the middle of an evaluation that is lost.
  if (looks_up_) return {Decision::Act::kNothing, LoseLookUp(), ""};
  return early ? OfferEarly(*std::move(early)) : Give();
}

Decision Conversation::OfferEarly(Early early) {
  ticket_ = early.ticket;
  switch (early.stage) {
    case Early::Stage::kReady:
      ready_ = true;
      return Give();
    case Early::Stage::kOut:
      stage_ = Stage::kOut;
      break;
    case Early::Stage::kTaking:
      stage_ = Stage::kTaking;
      break;
    case Early::Stage::kEnded:
      // The program is not to get it again.
      Finish(std::move(early.result));
      return {Decision::Act::kEndEarly, "", ""};
  }
  return {};
}

// A batch that is out early goes on meanwhile, and is offered later.
Decision Conversation::Offer(const EvaluateBody& evaluation,
                             client::PulledValuesPtr values) {
  if (early_ && early_->stage == Early::Stage::kReady) early_.reset();
  offered_ = Work{evaluation, std::move(values)};
  half_ = 0;
  return Give();
}

Decision Conversation::Give() {
  if (!asked_ || !offered_ || stage_ != Stage::kOffered) return {};
  if (ready_) {
    stage_ = Stage::kOut;
    ticket_ = next_ticket_++;
    return {Decision::Act::kNothing, PutOut(*offered_, half_, ticket_, ""), ""};
  }
  stage_ = Stage::kGiving;
  return {Decision::Act::kGive, "", ""};
}

std::string Conversation::Given(absl::string_view counts,
                                std::shared_ptr<const RowMemory> rows) {
  if (!asked_) return "";
  offered_->rows = std::move(rows);
  looks_up_ = false;
  stage_ = Stage::kOut;
  ticket_ = next_ticket_++;
  return PutOut(*offered_, half_, ticket_, counts);
}

std::string Conversation::PutOut(const Work& work, int half, uint64_t ticket,
                                 absl::string_view counts) {
  given_to_ = *std::exchange(asked_, std::nullopt);
  auto code = static_cast<uint32_t>(half);
  if (work.part && work.part->goes_on) code |= kGoesOn;
  if (work.part && work.part->ends) code |= kEndsRun;
  if (const auto* place = std::get_if<PlaceBody>(&work.what)) {
    given_ = Encode({Kind::kBatch, code, given_to_},
                    BatchBody{ticket, *place, steps_}, counts);
  } else {
    auto body = std::get<EvaluateBody>(work.what);
    body.ticket = ticket;
    given_ = Encode({Kind::kEvaluate, code, given_to_}, body, counts);
  }
  return given_;
}

std::string Conversation::Want(const PlaceBody& place) {
  wanted_ = place;
  if (!asked_ || offered_ || looks_up_) return "";
  return Encode({Kind::kWanted, 0, *std::exchange(asked_, std::nullopt)},
                place);
}

std::string Conversation::LoseLookUp() {
  if (!std::exchange(looks_up_, false)) return "";
  return EncodeBytes(
      {Kind::kDone, kStale, *std::exchange(asked_, std::nullopt)});
}

std::optional<PlaceBody> Conversation::offered() const {
  if (!offered_ || stage_ > Stage::kGiving) return std::nullopt;
  const auto* const place = std::get_if<PlaceBody>(&offered_->what);
  return place == nullptr ? std::nullopt : std::optional(*place);
}

void Conversation::Finish(Result result) {
  const bool batch = std::holds_alternative<client::ComputeResult>(result);
  if (!offered_ || offered_->is_batch() != batch) return;
  Close();
  result_ = std::move(result);
}

void Conversation::FinishFailed(const std::string& why) {
  if (!offered_) return;
  if (offered_->is_batch()) return Finish(FailedBatch(why));
  EvaluationResult result;
  result.error = why;
  Finish(std::move(result));
}

void Conversation::HandIn(HandedIn handed_in) {
  Close();
  handed_in_ = std::move(handed_in);
}

void Conversation::Close() {
  offered_.reset();
  stage_ = Stage::kOffered;
  ready_ = false;
}

std::optional<Result> Conversation::Withdraw() {
  Close();
  handed_in_.reset();
  return std::exchange(result_, std::nullopt);
}

std::string Conversation::End(EndReason reason) {
  if (ended_) return "";
  ended_ = reason;
  looks_up_ = false;
  if (!asked_) return "";
  return Ended(*std::exchange(asked_, std::nullopt)).answer;
}

// --- The next batch ----------------------------------------------------------

std::string Conversation::Ready(const PlaceBody& place, int half,
                                const client::PulledValuesPtr& values) {
  early_ = Early{.place = place, .half = half, .values = values};
  if (!offered_) return GiveEarly().answer;
  // AskEarly must still find the first one, if the program has not seen it.
  const bool unseen = ahead_ && IsOut<PlaceBody>(ahead_->ticket);
  return is_out() && !unseen && !ended_ ? GiveAhead() : "";
}

std::string Conversation::GiveAhead() {
  early_->stage = Early::Stage::kOut;
  early_->ticket = next_ticket_++;
  ahead_ = BatchBody{early_->ticket, early_->place, steps_};
  ahead_half_ = early_->half;
  return Encode({Kind::kBatch, static_cast<uint32_t>(ahead_half_), 0}, *ahead_);
}

std::string Conversation::GivenAhead(uint64_t sequence) {
  if (!ahead_) return "";
  const bool out = IsOut<PlaceBody>(ahead_->ticket);
  const bool early = !is_out() && IsEarlyOut(ahead_->ticket);
  if (!out && !early) return "";
  given_to_ = sequence;
  given_ = Encode({Kind::kBatch, static_cast<uint32_t>(ahead_half_), sequence},
                  *std::exchange(ahead_, std::nullopt));
  return given_;
}

Decision Conversation::GiveEarly() {
  if (!asked_ || !early_ || early_->stage != Early::Stage::kReady) return {};
  early_->stage = Early::Stage::kOut;
  early_->ticket = next_ticket_++;
  return {Decision::Act::kNothing,
          PutOut({early_->place}, early_->half, early_->ticket, ""), ""};
}

// The values of the batch before stay as they are: the program may read them.
std::string Conversation::AskEarly(uint64_t sequence) {
  if (!ended_) {
    if (std::string given = GivenAhead(sequence); !given.empty()) return given;
  }
  asked_ = sequence;
  Decision given;
  if (!ended_ && !offered_) given = GiveEarly();
  if (!ended_ && offered_ && ready_) given = Give();
  if (!given.answer.empty()) return given.answer;
  asked_.reset();
  return EncodeBytes({Kind::kDone, kNotReady, sequence});
}

Conversation::Taken Conversation::EarlyTaken(uint64_t ticket,
                                             client::ComputeResult result) {
  if (early_ && early_->stage == Early::Stage::kTaking &&
      early_->ticket == ticket) {
    early_->stage = Early::Stage::kEnded;
    early_->result = std::move(result);
    return Taken::kEarly;
  }
  if (stage_ != Stage::kTaking || ticket_ != ticket) return Taken::kGone;
  Finish(std::move(result));
  return Taken::kOffered;
}

void Conversation::EndEarly(const std::string& why) {
  early_->stage = Early::Stage::kEnded;
  early_->result = FailedBatch(why);
}

std::optional<PlaceBody> Conversation::early() const {
  if (!early_ || early_->stage == Early::Stage::kReady) return std::nullopt;
  return early_->place;
}

// --- The program's side ------------------------------------------------------

Decision Conversation::Ended(uint64_t sequence) const {
  return {Decision::Act::kNothing,
          EncodeBytes({Kind::kEnd, static_cast<uint32_t>(*ended_), sequence}),
          ""};
}

Decision Conversation::On(uint64_t sequence, const Next& /*next*/) {
  if (ended_) return Ended(sequence);
  const bool out = stage_ == Stage::kOut, early = early_out();
  // Also if it is stale by now: the program may have read the first answer.
  if (sequence == given_to_) return {Decision::Act::kNothing, given_, ""};
  if (std::string given = GivenAhead(sequence); !given.empty()) {
    return {Decision::Act::kNothing, std::move(given), ""};
  }
  if (out || early) {
    Decision decision;
    decision.act =
        out ? Decision::Act::kEndFailed : Decision::Act::kEndEarlyFailed;
    decision.why = absl::StrCat(
        out ? std::visit([](const auto& each) { return NameOf(each); },
                         offered_->what)
            : NameOf(early_->place),
        " ", kNotHandedIn);
    if (!out) EndEarly(decision.why);
    decision.answer =
        EncodeStatus(sequence, absl::FailedPreconditionError(decision.why));
    return decision;
  }
  asked_ = sequence;
  looks_up_ = false;
  if (wanted_ && !offered_) {
    return {Decision::Act::kNothing, Want(*wanted_), ""};
  }
  if (!offered_) return GiveEarly();
  return Give();  // Nothing while it gives: the answer is on its way.
}

Decision Conversation::On(uint64_t sequence, const LookUp& look_up) {
  if (!IsOut<EvaluateBody>(look_up.body.ticket)) return Stale(sequence);
  asked_ = sequence;
  looks_up_ = true;
  return {Decision::Act::kLookUp, "", ""};
}

void Conversation::Seen(uint64_t ticket) {
  if (ahead_ && ahead_->ticket == ticket) ahead_.reset();
}

Decision Conversation::On(uint64_t sequence, const Push& push) {
  if (!push.waits) ahead_.reset();
  Seen(push.body.ticket);
  HandedIn handed_in = {.sequence = sequence,
                        .body = push.body,
                        .half = half_,
                        .waits = push.waits};
  if (IsEarlyOut(push.body.ticket)) {
    early_->stage = Early::Stage::kTaking;
    handed_in.work.what = early_->place;
    handed_in.half = early_->half;
    return {Decision::Act::kTakeEarlySums, "", "", std::move(handed_in)};
  }
  if (!IsOut<PlaceBody>(push.body.ticket)) return Stale(sequence);
  if (offered_->part && !offered_->part->ends) {
    return {Decision::Act::kNothing,
            EncodeStatus(sequence,
                         absl::FailedPreconditionError(absl::StrCat(
                             NameOf(std::get<PlaceBody>(offered_->what)),
                             " does not end its run: sums are handed in with "
                             "the batch that does"))),
            ""};
  }
  handed_in.work = *offered_;
  return {Decision::Act::kTakeSums, "", "", std::move(handed_in)};
}

Decision Conversation::On(uint64_t sequence, const Stepped& stepped) {
  Seen(stepped.body.ticket);
  if (!IsOut<PlaceBody>(stepped.body.ticket)) return Stale(sequence);
  if (offered_->part &&
      (!offered_->part->ends || !stepped.not_finite.empty())) {
    return Done(Decision::Act::kEndStepped, sequence);
  }
  return {
      Decision::Act::kNothing,
      EncodeStatus(sequence, absl::FailedPreconditionError(absl::StrCat(
                                 NameOf(std::get<PlaceBody>(offered_->what)),
                                 " has sums to hand in"))),
      ""};
}

Decision Conversation::On(uint64_t sequence, const Fail& fail) {
  Seen(fail.body.ticket);
  const bool early = IsEarlyOut(fail.body.ticket);
  if (!early && !IsOut<PlaceBody>(fail.body.ticket)) return Stale(sequence);
  Decision decision =
      Done(early ? Decision::Act::kEndEarlyFailed : Decision::Act::kEndFailed,
           sequence);
  decision.why = fail.why.empty() ? "the program failed it" : fail.why;
  if (early) EndEarly(decision.why);
  return decision;
}

Decision Conversation::On(uint64_t sequence, const Evaluated& evaluated) {
  if (!IsOut<EvaluateBody>(evaluated.body.ticket)) return Stale(sequence);
  return Done(Decision::Act::kEndEvaluated, sequence);
}

Decision Conversation::On(uint64_t /*sequence*/, const Leave& /*leave*/) {
  return {Decision::Act::kLeave, "", ""};
}

}  // namespace ebb::worker
