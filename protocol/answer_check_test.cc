#include "protocol/answer_check.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using ::testing::HasSubstr;

constexpr ServerId kServer(0), kOther(7);
constexpr SessionId kSession(100), kNext(101), kOfOther(900);

class AnswerCheckTest : public testing::Test {
 protected:
  std::optional<CallFailure> Heard(ServerId from, SessionId session) {
    return check_.Heard({kServer, kSession, "ps-0:7001", from, session}, now_);
  }
  // Another server answers for some time, and each answer makes the scheduler
  // place the job. Returns what the last answer is taken for.
  std::optional<CallFailure> OtherAnswersFor(absl::Duration time) {
    std::optional<CallFailure> last;
    for (const absl::Time end = now_ + time; now_ < end;) {
      last = Heard(kOther, kOfOther);
      now_ += absl::Milliseconds(50);
      check_.Placed(kServer, kSession, now_);
    }
    return last;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  AnswerCheck check_{AnswerCheck::kKeepComing};
};

TEST_F(AnswerCheckTest, TheServerItselfIsNoFailure) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Heard(kServer, kSession), std::nullopt);
    now_ += absl::Seconds(1);
    check_.Placed(kServer, kSession, now_);
  }
}

TEST_F(AnswerCheckTest, AnotherIsAFailureAfterFiveSeconds) {
  EXPECT_EQ(OtherAnswersFor(absl::Seconds(5)), std::nullopt);
  const std::optional<CallFailure> why = Heard(kOther, kOfOther);
  ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->cause, CallCause::kWrongServer);
  EXPECT_THAT(why->text,
              HasSubstr("another server answers at ps-0:7001: it says that it "
                        "is server 7, session 900, and the scheduler expects "
                        "server 0, session 100"));
}

// Bug: a server that restarted was taken for another one before the scheduler
// let its new session in.
TEST_F(AnswerCheckTest, TheSameIdIsAFailureAfterTwentySeconds) {
  for (const absl::Time end = now_ + absl::Seconds(20); now_ < end;) {
    EXPECT_EQ(Heard(kServer, kNext), std::nullopt);
    now_ += absl::Seconds(1);
    check_.Placed(kServer, kSession, now_);
  }
  const std::optional<CallFailure> why = Heard(kServer, kNext);
  ASSERT_TRUE(why.has_value());
  EXPECT_THAT(why->text,
              HasSubstr("session 100; it restarted and the scheduler does not "
                        "know yet, or the --advertise of server 0 names the "
                        "wrong address"));
}

TEST_F(AnswerCheckTest, OnceCertainItStaysSoUntilTheServerAnswers) {
  OtherAnswersFor(absl::Seconds(6));
  now_ += absl::Hours(1);
  EXPECT_TRUE(Heard(kOther, kOfOther).has_value());
  EXPECT_EQ(Heard(kServer, kSession), std::nullopt);
  EXPECT_EQ(OtherAnswersFor(absl::Seconds(5)), std::nullopt);
}

TEST_F(AnswerCheckTest, OneLateAnswerBetweenLongPausesIsNone) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Heard(kOther, kOfOther), std::nullopt);
    now_ += absl::Seconds(6);
    check_.Placed(kServer, kSession, now_);
  }
}

TEST_F(AnswerCheckTest, WithoutANewPlacementItIsNone) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Heard(kServer, kNext), std::nullopt);
    now_ += absl::Seconds(1);
  }
}

TEST_F(AnswerCheckTest, AnotherSessionInThePlacementBeginsAnew) {
  EXPECT_EQ(OtherAnswersFor(absl::Seconds(4)), std::nullopt);
  check_.Placed(kServer, kNext, now_);
  EXPECT_EQ(OtherAnswersFor(absl::Seconds(4)), std::nullopt);
}

TEST_F(AnswerCheckTest, AnAnswerThatNamesNoSessionIsNone) {
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Heard(ServerId(), SessionId()), std::nullopt);
    now_ += absl::Milliseconds(50);
    check_.Placed(kServer, kSession, now_);
  }
}

}  // namespace
}  // namespace ebb
