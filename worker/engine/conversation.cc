#include "worker/engine/conversation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb::worker {

namespace {

constexpr char kNotHandedIn[] =
    "was neither handed in nor failed: push it, or call fail";

Decision Done(Decision::Act act, uint64_t sequence, uint32_t code = kTaken) {
  return {act, EncodeBytes({Kind::kDone, code, sequence}), false, ""};
}

Decision Stale(uint64_t sequence) {
  return Done(Decision::Act::kNothing, sequence, kStale);
}

std::string NameOf(const PlaceBody& place) {
  return absl::StrCat("batch (epoch ", place.epoch, ", shard ", place.shard,
                      ", ", place.begin, "..", place.end, ")");
}
std::string NameOf(const EvaluateBody& evaluation) {
  return absl::StrCat("evaluation ", evaluation.snapshot);
}

}  // namespace

// --- The engine's side -------------------------------------------------------

Decision Conversation::Offer(const PlaceBody& place) {
  offered_ = place;
  // The program is in the middle of an evaluation that is lost.
  if (looks_up_) return {Decision::Act::kNothing, LoseLookUp(), false, ""};
  return Give();
}

Decision Conversation::Offer(const EvaluateBody& evaluation) {
  offered_ = evaluation;
  return Give();
}

Decision Conversation::Give() {
  if (!asked_ || !offered_ || stage_ != Stage::kOffered) return {};
  stage_ = Stage::kGiving;
  Decision decision;
  decision.act = Decision::Act::kGive;
  decision.clear_sums = !std::exchange(sums_clear_, false);
  return decision;
}

std::string Conversation::Given(absl::string_view counts) {
  if (!asked_) return "";
  looks_up_ = false;
  counts_ = std::string(counts);
  stage_ = Stage::kOut;
  ticket_ = next_ticket_++;
  given_to_ = *std::exchange(asked_, std::nullopt);
  return WhatIsOut();
}

std::string Conversation::WhatIsOut() const {
  if (const auto* place = std::get_if<PlaceBody>(&*offered_)) {
    return Encode({Kind::kBatch, 0, given_to_}, BatchBody{ticket_, *place},
                  counts_);
  }
  auto body = std::get<EvaluateBody>(*offered_);
  body.ticket = ticket_;
  return Encode({Kind::kEvaluate, 0, given_to_}, body, counts_);
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
  if (!offered_ || stage_ == Stage::kOut) return std::nullopt;
  const auto* const place = std::get_if<PlaceBody>(&*offered_);
  return place == nullptr ? std::nullopt : std::optional(*place);
}

void Conversation::Withdraw() {
  offered_.reset();
  stage_ = Stage::kOffered;
}

std::string Conversation::End(EndReason reason) {
  if (ended_) return "";
  ended_ = reason;
  looks_up_ = false;
  if (!asked_) return "";
  return Ended(*std::exchange(asked_, std::nullopt)).answer;
}

// --- The program's side ------------------------------------------------------

Decision Conversation::Ended(uint64_t sequence) const {
  return {Decision::Act::kNothing,
          EncodeBytes({Kind::kEnd, static_cast<uint32_t>(*ended_), sequence}),
          false, ""};
}

Decision Conversation::On(uint64_t sequence, const Next& /*next*/) {
  if (ended_) return Ended(sequence);
  const bool out = stage_ == Stage::kOut;
  if (out && sequence == given_to_) {
    return {Decision::Act::kNothing, WhatIsOut(), false, ""};
  }
  if (out) {
    Decision decision;
    decision.act = Decision::Act::kEndFailed;
    decision.why = absl::StrCat(
        std::visit([](const auto& what) { return NameOf(what); }, *offered_),
        " ", kNotHandedIn);
    decision.answer =
        EncodeStatus(sequence, absl::FailedPreconditionError(decision.why));
    return decision;
  }
  asked_ = sequence;
  looks_up_ = false;
  if (wanted_ && !offered_) {
    return {Decision::Act::kNothing, Want(*wanted_), false, ""};
  }
  return Give();  // Nothing while it gives: the answer is on its way.
}

Decision Conversation::On(uint64_t sequence, const LookUp& look_up) {
  if (!IsOut<EvaluateBody>(look_up.body.ticket)) return Stale(sequence);
  asked_ = sequence;
  looks_up_ = true;
  return {Decision::Act::kLookUp, "", false, ""};
}

Decision Conversation::On(uint64_t sequence, const Push& push) {
  if (!IsOut<PlaceBody>(push.body.ticket)) return Stale(sequence);
  sums_clear_ = true;
  return {Decision::Act::kTakeSums, "", false, ""};
}

Decision Conversation::On(uint64_t sequence, const Fail& fail) {
  if (!IsOut<PlaceBody>(fail.body.ticket)) return Stale(sequence);
  Decision decision = Done(Decision::Act::kEndFailed, sequence);
  decision.why = fail.why.empty() ? "the program failed it" : fail.why;
  return decision;
}

Decision Conversation::On(uint64_t sequence, const Evaluated& evaluated) {
  if (!IsOut<EvaluateBody>(evaluated.body.ticket)) return Stale(sequence);
  return Done(Decision::Act::kEndEvaluated, sequence);
}

Decision Conversation::On(uint64_t /*sequence*/, const Leave& /*leave*/) {
  return {Decision::Act::kLeave, "", false, ""};
}

}  // namespace ebb::worker
