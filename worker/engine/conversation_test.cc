#include "worker/engine/conversation.h"

#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/engine/told_rows.h"

namespace ebb::worker {
namespace {

using testing::HasSubstr;

constexpr PlaceBody kPlace = {0, 3, 256, 384};

Header HeaderOf(const std::string& message) {
  Header header;
  EXPECT_GE(message.size(), sizeof(header));
  std::memcpy(&header, message.data(), sizeof(header));
  return header;
}
uint64_t TicketOf(const std::string& message) {
  uint64_t ticket = 0;
  std::memcpy(&ticket, message.data() + sizeof(Header), sizeof(ticket));
  return ticket;
}
void ExpectHeader(const std::string& message, Kind kind, uint64_t sequence,
                  uint32_t code = 0) {
  const Header header = HeaderOf(message);
  EXPECT_EQ(header.kind, kind);
  EXPECT_EQ(header.sequence, sequence);
  EXPECT_EQ(header.code, code);
}
void ExpectAnswer(const Decision& decision, Kind kind, uint64_t sequence,
                  uint32_t code = 0) {
  ExpectHeader(decision.answer, kind, sequence, code);
}

client::PulledValuesPtr Values() {
  return std::make_shared<const client::PulledValues>();
}
client::ComputeResult Computed(double loss_sum) {
  client::ComputeResult result;
  result.loss_sum = loss_sum;
  return result;
}
client::ComputeResult BatchOf(const std::optional<Result>& result) {
  return std::get<client::ComputeResult>(result.value());
}
PlaceBody PlaceIn(const Decision& decision) {
  return std::get<PlaceBody>(decision.handed_in.value().work.what);
}

class ConversationTest : public testing::Test {
 protected:
  // The program asks for what is offered, and gets it; its ticket.
  uint64_t Get(uint64_t sequence) {
    EXPECT_EQ(conversation_.On(sequence, Next()).act, Decision::Act::kGive);
    return TicketOf(conversation_.Given());
  }
  // A batch that is out; its ticket.
  uint64_t Out() {
    conversation_.Offer(kPlace);
    return Get(1);
  }

  Conversation conversation_{100};
};

TEST_F(ConversationTest, AnOfferWaitsForTheProgram) {
  EXPECT_EQ(conversation_.Offer(kPlace).act, Decision::Act::kNothing);

  const Decision given = conversation_.On(5, Next());

  EXPECT_EQ(given.act, Decision::Act::kGive);
  EXPECT_EQ(given.answer, "");
  const std::string answer = conversation_.Given();
  ExpectHeader(answer, Kind::kBatch, 5);
  EXPECT_EQ(TicketOf(answer), 100u);
}

TEST_F(ConversationTest, WhatWaitsIsOffered) {
  EXPECT_FALSE(conversation_.offered().has_value());
  conversation_.Offer(kPlace);
  EXPECT_EQ(conversation_.offered()->begin, kPlace.begin);
  conversation_.On(5, Next());
  EXPECT_TRUE(conversation_.offered().has_value());
  conversation_.Given();
  EXPECT_FALSE(conversation_.offered().has_value());
}

TEST_F(ConversationTest, AProgramWaitsForAnOffer) {
  const Decision asked = conversation_.On(5, Next());
  EXPECT_EQ(asked.act, Decision::Act::kNothing);
  EXPECT_EQ(asked.answer, "");
  EXPECT_TRUE(conversation_.starved());

  const Decision given = conversation_.Offer(EvaluateBody{0, 7});

  EXPECT_EQ(given.act, Decision::Act::kGive);
  ExpectHeader(conversation_.Given(), Kind::kEvaluate, 5);
  EXPECT_FALSE(conversation_.starved());
}

TEST_F(ConversationTest, TheNextBatchHasTheNextTicket) {
  const uint64_t ticket = Out();
  EXPECT_EQ(conversation_.On(2, Push{{ticket, 0}}).act,
            Decision::Act::kTakeSums);
  conversation_.Withdraw();
  conversation_.Offer(kPlace);
  EXPECT_EQ(Get(3), ticket + 1);
}

TEST_F(ConversationTest, AnswersToABatchThatIsGoneAreStale) {
  const uint64_t ticket = Out();
  conversation_.Withdraw();

  for (const Decision& decision :
       {conversation_.On(2, Push{{ticket, 0}}),
        conversation_.On(2, Fail{{ticket}, "no"}),
        conversation_.On(2, Evaluated{{ticket}, {}, ""})}) {
    EXPECT_EQ(decision.act, Decision::Act::kNothing);
    ExpectAnswer(decision, Kind::kDone, 2, kStale);
  }
}

TEST_F(ConversationTest, TicketsOfEarlierEnginesAreStale) {
  Out();
  const Decision decision = conversation_.On(2, Push{{99, 0}});
  EXPECT_EQ(decision.act, Decision::Act::kNothing);
  ExpectAnswer(decision, Kind::kDone, 2, kStale);
}

TEST_F(ConversationTest, ABatchThatIsOfferedIsNotOut) {
  conversation_.Offer(kPlace);
  EXPECT_EQ(conversation_.On(2, Push{{100, 0}}).act, Decision::Act::kNothing);
}

TEST_F(ConversationTest, AnEvaluationTakesNoPushAndABatchNoFigures) {
  const uint64_t batch = Out();
  EXPECT_EQ(conversation_.On(2, Evaluated{{batch}, {}, ""}).act,
            Decision::Act::kNothing);
  conversation_.Withdraw();
  conversation_.Offer(EvaluateBody{0, 7});
  const uint64_t evaluation = Get(3);
  EXPECT_EQ(conversation_.On(4, Push{{evaluation, 0}}).act,
            Decision::Act::kNothing);
  EXPECT_EQ(conversation_.On(6, Evaluated{{evaluation}, {}, ""}).act,
            Decision::Act::kEndEvaluated);
}

TEST_F(ConversationTest, ABatchThatWasNotHandedInFails) {
  Out();

  const Decision next = conversation_.On(2, Next());

  EXPECT_EQ(next.act, Decision::Act::kEndFailed);
  EXPECT_THAT(next.why, HasSubstr("(epoch 1, shard 4, 256..384)"));
  ExpectAnswer(next, Kind::kError, 2,
               static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ConversationTest, ARequestThatComesTwiceIsAnsweredTwice) {
  conversation_.On(4, Next());
  conversation_.On(4, Next());
  conversation_.Offer(kPlace);
  const std::string given = conversation_.Given();

  const Decision again = conversation_.On(4, Next());

  EXPECT_EQ(again.act, Decision::Act::kNothing);
  EXPECT_EQ(again.answer, given);
}

// It was answered at once, while the values were still being copied.
TEST_F(ConversationTest, ARequestThatComesAgainMeanwhileWaitsForTheValues) {
  conversation_.On(4, Next());
  ASSERT_EQ(conversation_.Offer(kPlace).act, Decision::Act::kGive);

  const Decision again = conversation_.On(4, Next());

  EXPECT_EQ(again.act, Decision::Act::kNothing);
  EXPECT_EQ(again.answer, "");
  ExpectHeader(conversation_.Given(), Kind::kBatch, 4);
}

TEST_F(ConversationTest, WhatIsBeingGivenTakesNoAnswers) {
  conversation_.Offer(kPlace);
  conversation_.On(4, Next());

  for (const Decision& decision :
       {conversation_.On(5, Push{{100, 0}}),
        conversation_.On(5, Fail{{100}, "no"}),
        conversation_.On(5, Evaluated{{100}, {}, ""})}) {
    EXPECT_EQ(decision.act, Decision::Act::kNothing);
    ExpectAnswer(decision, Kind::kDone, 5, kStale);
  }
}

TEST_F(ConversationTest, AProgramThatCouldNotBeGivenABatchStillWaits) {
  conversation_.Offer(kPlace);
  conversation_.On(1, Next());
  conversation_.Withdraw();
  EXPECT_TRUE(conversation_.starved());

  EXPECT_EQ(conversation_.Offer(kPlace).act, Decision::Act::kGive);

  ExpectHeader(conversation_.Given(), Kind::kBatch, 1);
}

TEST_F(ConversationTest, TheEndComesInsteadOfWhatIsBeingGiven) {
  conversation_.Offer(kPlace);
  conversation_.On(2, Next());

  ExpectHeader(conversation_.End(EndReason::kLeft), Kind::kEnd, 2,
               static_cast<uint32_t>(EndReason::kLeft));

  EXPECT_EQ(conversation_.Given(), "");
}

TEST_F(ConversationTest, TheEndAnswersAProgramThatWaitsAndThoseAfter) {
  conversation_.On(2, Next());
  EXPECT_EQ(HeaderOf(conversation_.End(EndReason::kComplete)).sequence, 2u);
  EXPECT_EQ(conversation_.End(EndReason::kLeft), "");

  ExpectAnswer(conversation_.On(3, Next()), Kind::kEnd, 3,
               static_cast<uint32_t>(EndReason::kComplete));
}

TEST_F(ConversationTest, TheEndIsNotToldToAProgramThatComputes) {
  Out();
  EXPECT_EQ(conversation_.End(EndReason::kLeft), "");
}

TEST_F(ConversationTest, TheProgramMayLeaveAtEachStep) {
  EXPECT_EQ(conversation_.On(1, Leave()).act, Decision::Act::kLeave);
  conversation_.On(2, Next());
  EXPECT_EQ(conversation_.On(3, Leave()).act, Decision::Act::kLeave);
  conversation_.Offer(kPlace);
  EXPECT_EQ(conversation_.On(5, Leave()).act, Decision::Act::kLeave);
  conversation_.Given();
  EXPECT_EQ(conversation_.On(4, Leave()).act, Decision::Act::kLeave);
}

// --- Results -----------------------------------------------------------------

TEST_F(ConversationTest, TheResultIsKeptForTheThreadThatOffered) {
  const uint64_t ticket = Out();
  conversation_.On(2, Push{{ticket, 0}});
  EXPECT_FALSE(conversation_.has_ended());

  conversation_.Finish(Computed(2.5));

  EXPECT_TRUE(conversation_.has_ended());
  EXPECT_FALSE(conversation_.is_out());
  conversation_.FinishFailed("it is over already");
  const client::ComputeResult result = BatchOf(conversation_.Withdraw());
  EXPECT_EQ(result.loss_sum, 2.5);
  EXPECT_EQ(result.error, "");
  EXPECT_FALSE(conversation_.has_ended());
  EXPECT_FALSE(conversation_.Withdraw().has_value());
}

TEST_F(ConversationTest, AResultOfTheOtherKindEndsNothing) {
  conversation_.Offer(EvaluateBody{0, 7});
  Get(1);

  conversation_.Finish(Computed(2.5));

  EXPECT_TRUE(conversation_.is_out());
  EXPECT_FALSE(conversation_.has_ended());
  conversation_.FinishFailed("no");
  const std::optional<Result> result = conversation_.Withdraw();
  EXPECT_EQ(std::get<EvaluationResult>(result.value()).error, "no");
}

TEST_F(ConversationTest, NothingThatIsTakenBackEnds) {
  Out();
  EXPECT_FALSE(conversation_.Withdraw().has_value());
  conversation_.Finish(Computed(2.5));
  conversation_.FinishFailed("no");
  EXPECT_FALSE(conversation_.has_ended());
}

TEST_F(ConversationTest, WhatIsHandedInHasTheValuesThatWereOffered) {
  const client::PulledValuesPtr values = Values();
  conversation_.Offer(kPlace, values);
  EXPECT_EQ(conversation_.work().values, values);
  const uint64_t ticket = Get(1);

  const Decision pushed =
      conversation_.On(2, Push{{ticket, 1.5}, /*waits=*/false});

  ASSERT_TRUE(pushed.handed_in.has_value());
  EXPECT_EQ(pushed.handed_in->work.values, values);
  EXPECT_TRUE(SamePlace(PlaceIn(pushed), kPlace));
  EXPECT_EQ(pushed.handed_in->sequence, 2u);
  EXPECT_EQ(pushed.handed_in->body.loss_sum, 1.5);
  EXPECT_EQ(pushed.handed_in->half, 0);
  EXPECT_FALSE(pushed.handed_in->waits);
}

TEST_F(ConversationTest, WhatIsHandedInForAnotherThreadIsTakenOnce) {
  const uint64_t ticket = Out();
  Decision pushed = conversation_.On(2, Push{{ticket, 0}});

  conversation_.HandIn(*std::move(pushed.handed_in));

  EXPECT_TRUE(conversation_.has_ended());
  EXPECT_FALSE(conversation_.is_out());
  EXPECT_EQ(conversation_.TakeHandedIn()->sequence, 2u);
  EXPECT_FALSE(conversation_.TakeHandedIn().has_value());
  EXPECT_FALSE(conversation_.Withdraw().has_value());
}

// --- The next batch ----------------------------------------------------------

// A batch was handed in, and its sums are being taken.
class HandedInTest : public ConversationTest {
 protected:
  static constexpr PlaceBody kNextPlace = {0, 3, 384, 512};

  HandedInTest() {
    ticket_ = Out();
    EXPECT_EQ(conversation_.On(2, Push{{ticket_, 0}}).act,
              Decision::Act::kTakeSums);
    conversation_.Withdraw();
  }

  uint64_t ticket_ = 0;
};

// The next one is ready meanwhile.
class EarlyTest : public HandedInTest {
 protected:
  EarlyTest() { EXPECT_EQ(conversation_.Ready(kNextPlace, 1, values_), ""); }

  // The program has the next one; its ticket.
  uint64_t EarlyOut() {
    const Decision next = conversation_.On(3, Next());
    ExpectAnswer(next, Kind::kBatch, 3, /*code=*/1);
    return TicketOf(next.answer);
  }

  client::PulledValuesPtr values_ = Values();
};

TEST_F(EarlyTest, TheProgramGetsItBeforeItIsOffered) {
  EXPECT_EQ(EarlyOut(), ticket_ + 1);
  EXPECT_EQ(conversation_.early()->begin, kNextPlace.begin);
  EXPECT_FALSE(conversation_.starved());
}

TEST_F(EarlyTest, AProgramMayAskForItWhileItHandsIn) {
  const std::string answer = conversation_.AskEarly(3);
  ExpectHeader(answer, Kind::kBatch, 3, /*code=*/1);
  // It was interrupted, and asks again.
  EXPECT_EQ(conversation_.On(3, Next()).answer, answer);
  conversation_.Offer(kNextPlace, values_);
  EXPECT_EQ(conversation_.On(4, Push{{TicketOf(answer), 0}}).act,
            Decision::Act::kTakeSums);
}

TEST_F(EarlyTest, ItMayBeOfferedAlreadyWhenTheProgramAsks) {
  conversation_.Offer(kNextPlace, values_);
  ExpectHeader(conversation_.AskEarly(3), Kind::kBatch, 3, /*code=*/1);
  EXPECT_TRUE(conversation_.is_out());
}

// Other values would come to where the program may still read the last ones.
TEST_F(HandedInTest, WhatIsNotReadyIsAskedForByNext) {
  ExpectHeader(conversation_.AskEarly(3), Kind::kDone, 3, kNotReady);
  conversation_.Offer(kNextPlace);
  ExpectHeader(conversation_.AskEarly(3), Kind::kDone, 3, kNotReady);
  EXPECT_EQ(conversation_.On(3, Next()).act, Decision::Act::kGive);
}

TEST_F(EarlyTest, AfterTheEndTheProgramHearsItByNext) {
  conversation_.End(EndReason::kComplete);
  ExpectHeader(conversation_.AskEarly(3), Kind::kDone, 3, kNotReady);
  EXPECT_EQ(HeaderOf(conversation_.On(3, Next()).answer).kind, Kind::kEnd);
}

TEST_F(HandedInTest, AProgramThatWaitsGetsTheNextWhenItIsReady) {
  EXPECT_EQ(conversation_.On(3, Next()).answer, "");
  ExpectHeader(conversation_.Ready(kNextPlace, 1), Kind::kBatch, 3, /*code=*/1);
}

TEST_F(EarlyTest, ThenItIsOfferedAndHandedInAsAnyOther) {
  const uint64_t ticket = EarlyOut();

  const Decision offered = conversation_.Offer(kNextPlace, values_);

  EXPECT_EQ(offered.act, Decision::Act::kNothing);
  EXPECT_EQ(offered.answer, "");
  EXPECT_TRUE(conversation_.is_out());
  EXPECT_EQ(conversation_.half(), 1);
  EXPECT_EQ(conversation_.On(4, Push{{ticket, 0}}).act,
            Decision::Act::kTakeSums);
}

TEST_F(EarlyTest, WhatIsReadyNeedsNotBeGiven) {
  conversation_.Offer(kNextPlace, values_);

  const Decision next = conversation_.On(3, Next());

  EXPECT_EQ(next.act, Decision::Act::kNothing);
  ExpectAnswer(next, Kind::kBatch, 3, /*code=*/1);
  EXPECT_TRUE(conversation_.is_out());
}

TEST_F(EarlyTest, ItMayEndBeforeItIsOffered) {
  const uint64_t ticket = EarlyOut();
  const Decision pushed = conversation_.On(4, Push{{ticket, 0}});
  EXPECT_EQ(pushed.act, Decision::Act::kTakeEarlySums);
  EXPECT_EQ(pushed.handed_in->half, 1);
  EXPECT_TRUE(SamePlace(PlaceIn(pushed), kNextPlace));
  EXPECT_TRUE(conversation_.awaits_offer());
  EXPECT_EQ(conversation_.EarlyTaken(ticket), Conversation::Taken::kEarly);

  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act,
            Decision::Act::kEndEarly);

  EXPECT_FALSE(conversation_.awaits_offer());
}

// Bug: the program got what had ended, until the engine withdrew it.
TEST_F(EarlyTest, WhatHasEndedIsNotGivenAgain) {
  const uint64_t ticket = EarlyOut();
  conversation_.On(4, Push{{ticket, 0}});
  conversation_.EarlyTaken(ticket);
  conversation_.Offer(kNextPlace, values_);

  EXPECT_EQ(conversation_.On(5, Next()).act, Decision::Act::kNothing);
  EXPECT_TRUE(conversation_.starved());
}

TEST_F(EarlyTest, ItMayBeOfferedWhileItsSumsAreTaken) {
  const uint64_t ticket = EarlyOut();
  conversation_.On(4, Push{{ticket, 0}});
  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act,
            Decision::Act::kNothing);
  EXPECT_EQ(conversation_.On(5, Next()).act, Decision::Act::kNothing);
  EXPECT_EQ(conversation_.EarlyTaken(ticket), Conversation::Taken::kOffered);
}

TEST_F(EarlyTest, ItsResultComesWithItsOffer) {
  const uint64_t ticket = EarlyOut();
  conversation_.On(4, Push{{ticket, 0}});
  conversation_.EarlyTaken(ticket, Computed(2.5));
  EXPECT_FALSE(conversation_.has_ended());

  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act,
            Decision::Act::kEndEarly);

  EXPECT_TRUE(conversation_.has_ended());
  EXPECT_EQ(BatchOf(conversation_.Withdraw()).loss_sum, 2.5);
}

TEST_F(EarlyTest, ItsResultEndsItWhereItIsOfferedMeanwhile) {
  const uint64_t ticket = EarlyOut();
  conversation_.On(4, Push{{ticket, 0}});
  conversation_.Offer(kNextPlace, values_);
  EXPECT_FALSE(conversation_.has_ended());

  conversation_.EarlyTaken(ticket, Computed(2.5));

  EXPECT_EQ(BatchOf(conversation_.Withdraw()).loss_sum, 2.5);
}

TEST_F(EarlyTest, ItsValuesAreNotHeld) {
  const std::weak_ptr<const client::PulledValues> values = values_;
  values_.reset();
  EXPECT_TRUE(values.expired());
}

// The lease was lost, or an item that is before it came back.
TEST_F(EarlyTest, AnOfferOfAnotherBatchMakesItStale) {
  const uint64_t ticket = EarlyOut();

  conversation_.Offer(kPlace);

  ExpectAnswer(conversation_.On(4, Push{{ticket, 0}}), Kind::kDone, 4, kStale);
  EXPECT_EQ(Get(5), ticket + 1);
  EXPECT_EQ(conversation_.half(), 0);
}

TEST_F(EarlyTest, SumsOfAStaleBatchAreOfNoUse) {
  const uint64_t ticket = EarlyOut();
  conversation_.On(4, Push{{ticket, 0}});
  conversation_.Offer(kPlace);
  EXPECT_EQ(conversation_.EarlyTaken(ticket), Conversation::Taken::kGone);
}

TEST_F(EarlyTest, OfOtherValuesItIsStale) {
  const uint64_t ticket = EarlyOut();
  conversation_.Offer(kNextPlace, Values());
  ExpectAnswer(conversation_.On(4, Push{{ticket, 0}}), Kind::kDone, 4, kStale);
}

// It may have read the first answer only then.
TEST_F(EarlyTest, ARequestThatComesTwiceIsAnsweredTwiceAlsoIfItIsStale) {
  const uint64_t ticket = EarlyOut();
  conversation_.Offer(kPlace);

  const Decision again = conversation_.On(3, Next());

  EXPECT_EQ(TicketOf(again.answer), ticket);
  EXPECT_FALSE(conversation_.is_out());
}

TEST_F(EarlyTest, ItFailsBeforeItIsOffered) {
  const uint64_t ticket = EarlyOut();
  const Decision failed = conversation_.On(4, Fail{{ticket}, "no"});
  EXPECT_EQ(failed.act, Decision::Act::kEndEarlyFailed);
  EXPECT_EQ(failed.why, "no");
  ExpectAnswer(failed, Kind::kDone, 4);
  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act,
            Decision::Act::kEndEarly);
  EXPECT_EQ(BatchOf(conversation_.Withdraw()).error, "no");
}

TEST_F(EarlyTest, ItFailsIfItIsNotHandedIn) {
  EarlyOut();
  const Decision next = conversation_.On(4, Next());
  EXPECT_EQ(next.act, Decision::Act::kEndEarlyFailed);
  EXPECT_THAT(next.why, HasSubstr("(epoch 1, shard 4, 384..512)"));
  EXPECT_EQ(HeaderOf(next.answer).kind, Kind::kError);
}

// The core evaluates first. What was handed in is kept until its turn comes.
TEST_F(EarlyTest, AnEvaluationMayComeBetween) {
  const uint64_t ticket = EarlyOut();
  EXPECT_EQ(conversation_.Offer(EvaluateBody{0, 7}).act,
            Decision::Act::kNothing);
  conversation_.On(4, Push{{ticket, 0}});
  conversation_.EarlyTaken(ticket);
  const uint64_t evaluation = Get(5);
  EXPECT_EQ(conversation_.On(6, Evaluated{{evaluation}, {}, ""}).act,
            Decision::Act::kEndEvaluated);
  conversation_.Withdraw();
  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act,
            Decision::Act::kEndEarly);
}

TEST_F(EarlyTest, AnEvaluationTakesThePlaceOfWhatIsReady) {
  conversation_.Offer(EvaluateBody{0, 7});
  Get(3);
  conversation_.Withdraw();
  EXPECT_EQ(conversation_.On(4, Next()).answer, "");
  EXPECT_EQ(conversation_.Offer(kNextPlace, values_).act, Decision::Act::kGive);
}

TEST_F(EarlyTest, AfterTheEndNothingIsGivenEarly) {
  conversation_.End(EndReason::kLeft);
  ExpectAnswer(conversation_.On(3, Next()), Kind::kEnd, 3,
               static_cast<uint32_t>(EndReason::kLeft));
}

// The next batch became ready while the program computed the one before.
class AheadTest : public ConversationTest {
 protected:
  static constexpr PlaceBody kNextPlace = {0, 3, 384, 512};

  AheadTest() {
    ticket_ = Out();
    given_ = conversation_.Ready(kNextPlace, 1);
    next_ = TicketOf(given_);
  }

  void HandIn() {
    EXPECT_EQ(conversation_.On(2, Push{{ticket_, 0}}).act,
              Decision::Act::kTakeSums);
    EXPECT_TRUE(conversation_.has_next());
    conversation_.Withdraw();
  }

  uint64_t ticket_ = 0, next_ = 0;
  std::string given_;
};

TEST_F(AheadTest, TheProgramGetsItUnasked) {
  ExpectHeader(given_, Kind::kBatch, /*sequence=*/0, /*code=*/1);
  EXPECT_EQ(next_, ticket_ + 1);
  // The half is the program's from now on.
  EXPECT_FALSE(conversation_.takes_ready());
}

TEST_F(AheadTest, TheProgramHasNotBegunItBeforeItHandsIn) {
  EXPECT_FALSE(conversation_.begun_early().has_value());
  HandIn();
  EXPECT_EQ(conversation_.begun_early()->begin, kNextPlace.begin);
}

TEST_F(AheadTest, ItIsHandedInAfterTheBatchThatIsOut) {
  HandIn();
  conversation_.Offer(kNextPlace);
  EXPECT_TRUE(conversation_.is_out());
  EXPECT_TRUE(conversation_.takes_ready());
  EXPECT_EQ(conversation_.half(), 1);
  EXPECT_EQ(conversation_.On(3, Push{{next_, 0}}).act,
            Decision::Act::kTakeSums);
}

TEST_F(AheadTest, ItMayBeHandedInBeforeItIsOffered) {
  HandIn();
  EXPECT_EQ(conversation_.On(3, Push{{next_, 0}}).act,
            Decision::Act::kTakeEarlySums);
  EXPECT_EQ(conversation_.EarlyTaken(next_), Conversation::Taken::kEarly);
  // It is not given again.
  ExpectHeader(conversation_.AskEarly(4), Kind::kDone, 4, kNotReady);
  EXPECT_EQ(conversation_.Offer(kNextPlace).act, Decision::Act::kEndEarly);
}

// The program handed in before the message came.
TEST_F(AheadTest, AProgramThatAsksGetsTheSameTicket) {
  HandIn();
  const std::string answer = conversation_.AskEarly(3);
  ExpectHeader(answer, Kind::kBatch, 3, /*code=*/1);
  EXPECT_EQ(TicketOf(answer), next_);
  // It was interrupted, and asks again.
  EXPECT_EQ(conversation_.On(3, Next()).answer, answer);
  // A further request is one for another batch.
  EXPECT_EQ(conversation_.On(4, Next()).act, Decision::Act::kEndEarlyFailed);
}

TEST_F(AheadTest, SoDoesOneThatAsksWhenItIsOffered) {
  HandIn();
  conversation_.Offer(kNextPlace);
  EXPECT_EQ(TicketOf(conversation_.AskEarly(3)), next_);
}

// Bug: when the program then asked, it was told of neither.
TEST_F(AheadTest, TheOneAfterItWaitsUntilTheProgramHasSeenIt) {
  HandIn();
  conversation_.Offer(kNextPlace);
  EXPECT_EQ(conversation_.Ready(kPlace, 0), "");
  EXPECT_EQ(TicketOf(conversation_.AskEarly(3)), next_);
  conversation_.On(4, Push{{next_, 0}});
  conversation_.Withdraw();
  EXPECT_EQ(TicketOf(conversation_.AskEarly(5)), next_ + 1);
}

TEST_F(AheadTest, AProgramSaysThatItHasSeenIt) {
  conversation_.On(2, Push{{ticket_, 0}, /*waits=*/false});
  conversation_.Withdraw();
  conversation_.Offer(kNextPlace);
  ExpectHeader(conversation_.Ready(kPlace, 0), Kind::kBatch, 0);
}

TEST_F(AheadTest, ItFollowsABatchThatFailed) {
  EXPECT_EQ(conversation_.On(2, Fail{{ticket_}, "no"}).act,
            Decision::Act::kEndFailed);
  conversation_.Withdraw();
  const Decision next = conversation_.On(3, Next());
  ExpectAnswer(next, Kind::kBatch, 3, /*code=*/1);
  EXPECT_EQ(TicketOf(next.answer), next_);
}

TEST_F(AheadTest, ABatchThatWasNotHandedInFailsBeforeIt) {
  const Decision next = conversation_.On(2, Next());
  EXPECT_EQ(next.act, Decision::Act::kEndFailed);
  EXPECT_THAT(next.why, HasSubstr("(epoch 1, shard 4, 256..384)"));
  conversation_.Withdraw();
  EXPECT_EQ(TicketOf(conversation_.On(3, Next()).answer), next_);
}

// The lease was lost: it is computed in vain.
TEST_F(AheadTest, AnOfferOfAnotherBatchMakesItStale) {
  HandIn();
  conversation_.Offer(kPlace);
  // The program computes it in that half.
  EXPECT_FALSE(conversation_.takes_ready());
  ExpectAnswer(conversation_.On(3, Push{{next_, 0}}), Kind::kDone, 3, kStale);
  ExpectHeader(conversation_.AskEarly(4), Kind::kDone, 4, kNotReady);
  EXPECT_EQ(Get(4), next_ + 1);
}

TEST_F(AheadTest, AfterTheEndNothingIsGivenAhead) {
  HandIn();
  conversation_.Offer(kNextPlace);
  conversation_.End(EndReason::kCancelled);
  EXPECT_EQ(conversation_.Ready(kPlace, 0), "");
  EXPECT_EQ(HeaderOf(conversation_.On(5, Next()).answer).kind, Kind::kEnd);
}

// --- Rows --------------------------------------------------------------------

TEST_F(ConversationTest, AProgramThatWaitsHearsWhichRowsAreWanted) {
  conversation_.On(5, Next());
  ExpectHeader(conversation_.Want(kPlace), Kind::kWanted, 5);
  // It was interrupted, and asks again.
  ExpectAnswer(conversation_.On(5, Next()), Kind::kWanted, 5);
  conversation_.Unwant();
  EXPECT_EQ(conversation_.On(6, Next()).answer, "");
  EXPECT_EQ(conversation_.Offer(kPlace).act, Decision::Act::kGive);
}

TEST_F(ConversationTest, RowsAreAskedForAtTheNextNext) {
  const uint64_t ticket = Out();
  EXPECT_EQ(conversation_.Want(kPlace), "");
  conversation_.On(2, Push{{ticket, 1}});
  conversation_.Withdraw();
  ExpectAnswer(conversation_.On(3, Next()), Kind::kWanted, 3);
}

TEST_F(ConversationTest, WhatIsOfferedGoesBeforeWhatIsWanted) {
  conversation_.Want(kPlace);
  conversation_.Offer(EvaluateBody{0, 9});
  EXPECT_EQ(conversation_.On(3, Next()).act, Decision::Act::kGive);
}

class LookUpTest : public ConversationTest {
 protected:
  // The program is in the middle of an evaluation, and looks up rows.
  LookUpTest() {
    conversation_.Offer(EvaluateBody{0, 9});
    ticket_ = Get(1);
    EXPECT_EQ(conversation_.On(2, LookUp{{ticket_, 0}, {}}).act,
              Decision::Act::kLookUp);
    conversation_.Withdraw();
  }

  uint64_t ticket_ = 0;
};

TEST_F(LookUpTest, TheNextPartIsTheAnswer) {
  EXPECT_EQ(conversation_.Offer(EvaluateBody{0, 9}).act, Decision::Act::kGive);
  const std::string answer = conversation_.Given("12345678");
  ExpectHeader(answer, Kind::kEvaluate, 2);
  EXPECT_EQ(TicketOf(answer), ticket_ + 1);
  EXPECT_EQ(answer.substr(answer.size() - 8), "12345678");
}

TEST_F(LookUpTest, ABatchMeansThatTheEvaluationIsLost) {
  const Decision offered = conversation_.Offer(kPlace);
  EXPECT_EQ(offered.act, Decision::Act::kNothing);
  ExpectAnswer(offered, Kind::kDone, 2, kStale);
  EXPECT_EQ(conversation_.On(3, Next()).act, Decision::Act::kGive);
}

TEST_F(LookUpTest, AnEvaluationThatBeginsAnewDoesToo) {
  ExpectHeader(conversation_.LoseLookUp(), Kind::kDone, 2, kStale);
  EXPECT_EQ(conversation_.LoseLookUp(), "");
  EXPECT_EQ(conversation_.Offer(EvaluateBody{0, 9}).act,
            Decision::Act::kNothing);
}

// Bug: the program waited for the next part, and the engine for the program to
// tell of the batch's rows.
TEST_F(LookUpTest, AWantedBatchFollowsTheLoss) {
  EXPECT_EQ(conversation_.Want(kPlace), "");
  ExpectHeader(conversation_.LoseLookUp(), Kind::kDone, 2, kStale);
  ExpectAnswer(conversation_.On(3, Next()), Kind::kWanted, 3);
}

TEST_F(LookUpTest, TheEndAnswersIt) {
  ExpectHeader(conversation_.End(EndReason::kCancelled), Kind::kEnd, 2,
               static_cast<uint32_t>(EndReason::kCancelled));
}

TEST_F(LookUpTest, AProgramThatGivesItUpGetsThePart) {
  EXPECT_EQ(conversation_.On(3, Next()).act, Decision::Act::kNothing);
  conversation_.Offer(EvaluateBody{0, 9});
  ExpectHeader(conversation_.Given(), Kind::kEvaluate, 3);
}

TEST_F(ConversationTest, ALookUpOfNoEvaluationIsStale) {
  const uint64_t ticket = Out();
  ExpectAnswer(conversation_.On(2, LookUp{{ticket, 0}, {}}), Kind::kDone, 2,
               kStale);
  ExpectAnswer(conversation_.On(3, LookUp{{ticket + 1, 0}, {}}), Kind::kDone, 3,
               kStale);
}

TEST_F(ConversationTest, EachBatchHasTheRateFactorAndEpochsOfItsTime) {
  const auto steps_of = [](const std::string& message) {
    BatchBody body;
    std::memcpy(&body, message.data() + sizeof(Header), sizeof(body));
    return std::pair(body.steps.rate_factor, body.steps.epochs);
  };
  conversation_.Offer(kPlace);
  conversation_.set_steps({0.5, 3});
  conversation_.On(1, Next());
  EXPECT_EQ(steps_of(conversation_.Given()),
            (std::pair<double, int64_t>(0.5, 3)));
  conversation_.set_steps({0.25, 4});
  const std::string ahead = conversation_.Ready(kPlace, 1);
  EXPECT_EQ(steps_of(ahead), (std::pair<double, int64_t>(0.25, 4)));
}

// --- Runs -----------------------------------------------------------------

TEST_F(ConversationTest, ABatchSaysWhatItIsOfItsRun) {
  struct Case {
    PartOfRun part;
    uint32_t code;
  };
  uint64_t sequence = 1;
  for (const auto& [part, code] : {Case{{false, false}, 0},
                                   {{true, false}, kGoesOn},
                                   {{true, true}, kGoesOn | kEndsRun},
                                   {{false, true}, kEndsRun}}) {
    conversation_.Offer(kPlace, Values(), part);
    EXPECT_EQ(conversation_.On(sequence, Next()).act, Decision::Act::kGive);
    ExpectHeader(conversation_.Given(), Kind::kBatch, sequence++, code);
    conversation_.Finish(client::ComputeResult());
    conversation_.Withdraw();
  }
}

TEST_F(ConversationTest, ABatchWithinARunEndsWithoutSums) {
  conversation_.Offer(kPlace, Values(), PartOfRun{});
  const uint64_t ticket = Get(1);
  const Decision pushed = conversation_.On(2, Push{{ticket, 1.5}});
  EXPECT_EQ(pushed.act, Decision::Act::kNothing);
  ExpectAnswer(pushed, Kind::kError, 2,
               static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  const Decision stepped = conversation_.On(3, Stepped{{ticket, 1.5}, ""});
  EXPECT_EQ(stepped.act, Decision::Act::kEndStepped);
  ExpectAnswer(stepped, Kind::kDone, 3, kTaken);
}

TEST_F(ConversationTest, ABatchThatEndsItsRunHasSums) {
  conversation_.Offer(kPlace, Values(), PartOfRun{true, true});
  const uint64_t ticket = Get(1);
  const Decision stepped = conversation_.On(2, Stepped{{ticket, 1.5}, ""});
  EXPECT_EQ(stepped.act, Decision::Act::kNothing);
  ExpectAnswer(stepped, Kind::kError, 2,
               static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(conversation_.On(3, Push{{ticket, 1.5}}).act,
            Decision::Act::kTakeSums);
}

TEST_F(ConversationTest, ABatchThatIsNotFiniteEndsWithoutSumsInAnyCase) {
  conversation_.Offer(kPlace, Values(), PartOfRun{true, true});
  const uint64_t ticket = Get(1);
  EXPECT_EQ(conversation_.On(2, Stepped{{ticket, 1.5}, "inf"}).act,
            Decision::Act::kEndStepped);
}

TEST_F(ConversationTest, OtherJobsHaveNoStepsOfTheirPrograms) {
  const uint64_t ticket = Out();
  ExpectAnswer(conversation_.On(2, Stepped{{ticket, 1.5}, ""}), Kind::kError, 2,
               static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  ExpectAnswer(conversation_.On(3, Stepped{{ticket + 1, 1.5}, ""}), Kind::kDone,
               3, kStale);
}

}  // namespace
}  // namespace ebb::worker
