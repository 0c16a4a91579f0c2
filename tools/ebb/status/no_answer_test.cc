#include "tools/ebb/status/no_answer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// gRPC 1.51 says it so.
const absl::Status kRefused = absl::UnavailableError("Connection refused");
const absl::Status kNoGreeting = absl::UnavailableError(
    "connection attempt timed out before receiving SETTINGS frame");
// FromGrpc says it so.
const absl::Status kNotConnected =
    absl::UnavailableError("the connection attempt timed out");
const absl::Status kLate = absl::DeadlineExceededError("Deadline Exceeded");
const absl::Status kStopped =
    absl::UnavailableError("keepalive watchdog timeout");
const absl::Status kClosed = absl::UnavailableError("Socket closed");

std::string Told(const absl::Status& status, Asked asked = Asked::kToChange) {
  return std::string(WithAddress(status, "here:7000", asked).message());
}

TEST(NoAnswerTest, WhereNobodyIsNothingWasDone) {
  EXPECT_EQ(Told(kRefused),
            "no scheduler listens at here:7000 (Connection refused). Is it up? "
            "Another is named by --scheduler HOST:PORT or EBB_SCHEDULER; that "
            "of a run is in its "
            "folder: runs/NAME-N/scheduler.address.");
  EXPECT_THAT(Told(kNotConnected),
              AllOf(HasSubstr("no scheduler listens at here:7000 (the "
                              "connection attempt timed out). Is it up?"),
                    Not(HasSubstr("It may have done"))));
}

// Bug: "Domain name not found", and of what was not said.
TEST(NoAnswerTest, ANameThatDoesNotResolveIsNamed) {
  EXPECT_EQ(Told(absl::UnavailableError(
                "the name nosuch does not resolve: Domain name not found")),
            "no scheduler listens at here:7000 (the name nosuch does not "
            "resolve: Domain name not found). Is it up? Another is named by "
            "--scheduler HOST:PORT or EBB_SCHEDULER; that of a run is in its "
            "folder: runs/NAME-N/scheduler.address.");
}

// `ebb scale` said that no scheduler answers, and it had done what was asked.
TEST(NoAnswerTest, WhatWasAskedOfABusySchedulerMayHaveBeenDone) {
  for (const absl::Status& status : {kLate, kStopped, kClosed}) {
    EXPECT_THAT(Told(status),
                AllOf(HasSubstr("the scheduler at here:7000"),
                      HasSubstr("It may have done what was asked"),
                      HasSubstr("look with `ebb status`")));
    EXPECT_THAT(Told(status, Asked::kToLook),
                AllOf(HasSubstr("Try again."), Not(HasSubstr("may have"))));
  }
  EXPECT_THAT(Told(kLate), HasSubstr("did not answer in time"));
  EXPECT_THAT(Told(kStopped), HasSubstr("did not answer in time"));
  EXPECT_THAT(Told(kClosed), HasSubstr("broke before its answer"));
}

TEST(NoAnswerTest, NobodyIsToldOfHandshakes) {
  const absl::Status web =
      absl::UnimplementedError("Received http2 header with status: 404");
  for (const absl::Status& status : {kNoGreeting, web}) {
    EXPECT_THAT(Told(status),
                AllOf(HasSubstr("something listens at here:7000"),
                      HasSubstr("Nothing was asked of it yet"),
                      Not(HasSubstr("handshaker")), Not(HasSubstr("frame")),
                      Not(HasSubstr("http2"))));
    EXPECT_EQ(NoAnswerText(status), "it did not answer in time");
  }
  EXPECT_EQ(NoAnswerText(kLate), "it did not answer in time");
  EXPECT_EQ(NoAnswerText(kClosed), "the connection broke");
  EXPECT_EQ(NoAnswerText(kRefused), "Connection refused");
}

TEST(NoAnswerTest, TlsIsNamedWhereItMayBeMissing) {
  for (const absl::Status& status : {kNoGreeting, kClosed}) {
    EXPECT_THAT(Told(status), HasSubstr("If it speaks TLS, give --tls-cert"));
  }
  const absl::Status none = absl::UnavailableError(
      "the TLS handshake failed: it speaks plain text, or more");
  EXPECT_EQ(Told(none),
            "no connection to here:7000: the TLS handshake failed: it speaks "
            "plain text, or more.");
}

// Bug: a scheduler whose disk was full was said not to be there.
TEST(NoAnswerTest, AnswersStayAsTheyAre) {
  for (const absl::Status& no :
       {absl::NotFoundError("there is no job 4"),
        absl::UnavailableError("not done after 10s, but may be later; the "
                               "state cannot be written: no space left"),
        absl::UnavailableError("the scheduler is stopping")}) {
    EXPECT_EQ(WithAddress(no, "here:7000", Asked::kToChange), no);
  }
}

}  // namespace
}  // namespace ebb::tools
