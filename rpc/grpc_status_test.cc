#include "rpc/grpc_status.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/call_failure.h"

namespace ebb::rpc {
namespace {

using ::testing::HasSubstr;

std::string Said(grpc::StatusCode code, const std::string& message) {
  return std::string(FromGrpc(grpc::Status(code, message)).message());
}

TEST(GrpcStatusTest, SaysWhyNobodyIsReached) {
  EXPECT_EQ(Said(grpc::StatusCode::UNAVAILABLE,
                 "failed to connect to all addresses; last error: UNKNOWN: "
                 "ipv4:10.0.0.1:7000: Failed to connect to remote host: "
                 "Connection refused"),
            "Connection refused");
  EXPECT_EQ(Said(grpc::StatusCode::UNAVAILABLE, "a daemon's own words"),
            "a daemon's own words");
}

struct Told {
  CallCause cause;
  const char* by_grpc;
};

TEST(GrpcStatusTest, TellsCausesApart) {
  for (const Told& told : {
           Told{CallCause::kName,
                "DNS resolution failed for ps-0:7001: C-ares status is not "
                "ARES_SUCCESS qtype=A name=ps-0 is_balancer=0: Domain name not "
                "found"},
           Told{CallCause::kRefused,
                "failed to connect to all addresses; last error: UNKNOWN: "
                "ipv4:10.0.0.1:7000: Failed to connect to remote host: "
                "Connection refused"},
           Told{CallCause::kNoAnswer,
                "failed to connect to all addresses; last error: UNKNOWN: "
                "ipv4:10.0.0.1:7000: connection attempt timed out before "
                "receiving SETTINGS frame"},
           Told{CallCause::kNoAnswer, "keepalive watchdog timeout"},
           Told{CallCause::kClosed, "Socket closed"},
           Told{CallCause::kTls,
                "failed to connect to all addresses; last error: UNKNOWN: "
                "ipv4:10.0.0.1:7000: Ssl handshake failed: SSL_ERROR_SSL"},
           Told{CallCause::kPlain,
                "failed to connect to all addresses; last error: UNKNOWN: "
                "ipv4:10.0.0.1:7000: Endpoint is neither UDS or TCP loopback "
                "address."},
           Told{CallCause::kOther, "a daemon's own words"},
       }) {
    const absl::Status status =
        FromGrpc({grpc::StatusCode::UNAVAILABLE, told.by_grpc});
    EXPECT_EQ(FailureOf(status).cause, told.cause) << told.by_grpc;
  }
  EXPECT_EQ(FailureOf(FromGrpc({grpc::StatusCode::RESOURCE_EXHAUSTED,
                                "Received message larger than max (9 vs. 4)"}))
                .cause,
            CallCause::kTooLarge);
  const CallFailure denied =
      FailureOf(FromGrpc({grpc::StatusCode::PERMISSION_DENIED, "no token"}));
  EXPECT_EQ(denied.cause, CallCause::kDenied);
  EXPECT_EQ(denied.text, "no token");
  EXPECT_EQ(
      FailureOf(FromGrpc({grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline"}))
          .cause,
      CallCause::kNoAnswer);
}

// Bug: of a port that answers no packet, the system's word for what gRPC did to
// its socket was told: "Connection reset by peer". So the connection was said
// to have broken, and what was asked to have been done, perhaps.
TEST(GrpcStatusTest, NothingIsResetThatWasNotConnected) {
  for (const char* words :
       {"Failed to connect to remote host: Connection reset by peer",
        "tcp handshaker shutdown"}) {
    const CallFailure failure = FailureOf(FromGrpc(
        {grpc::StatusCode::UNAVAILABLE,
         absl::StrCat("failed to connect to all addresses; last error: "
                      "UNKNOWN: ipv4:10.0.0.1:7000: ",
                      words)}));
    EXPECT_EQ(failure.cause, CallCause::kNoAnswer);
    EXPECT_EQ(failure.text, "the connection attempt timed out");
  }
}

// Bug: "Domain name not found", and nobody said which.
TEST(GrpcStatusTest, ANameThatDoesNotResolveIsNamed) {
  EXPECT_EQ(Said(grpc::StatusCode::UNAVAILABLE,
                 "DNS resolution failed for nosuchhost:7000: C-ares status is "
                 "not ARES_SUCCESS qtype=A name=nosuchhost is_balancer=0: "
                 "Domain name not found"),
            "the name nosuchhost does not resolve: Domain name not found");
}

// Bug: gRPC says nothing of a call that the other side does not know, so that
// `ebb status` of a server's address printed "ebb: ".
TEST(GrpcStatusTest, SaysThatItIsAnotherDaemonOrNone) {
  EXPECT_THAT(Said(grpc::StatusCode::UNIMPLEMENTED, ""),
              HasSubstr("it has another role"));
  EXPECT_EQ(Said(grpc::StatusCode::UNIMPLEMENTED, "no such rule"),
            "no such rule");
  EXPECT_EQ(Said(grpc::StatusCode::UNAVAILABLE, "Failed parsing HTTP/2"),
            "what listens there does not speak gRPC");
}

// Bug: it was taken for "back off", and tried again for ever.
TEST(GrpcStatusTest, AMessageOverTheLimitIsNoWantOfRoom) {
  for (const char* text : {"Received message larger than max (70000 vs. 4096)",
                           "Sent message larger than max (70000 vs. 4096)"}) {
    const absl::Status status =
        FromGrpc(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, text));
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    EXPECT_EQ(status.message(),
              "a message of 70000 bytes is over --message-limit, which is 4096 "
              "bytes: raise it, on all daemons alike");
  }
  EXPECT_TRUE(absl::IsResourceExhausted(FromGrpc(
      grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls"))));
}

TEST(GrpcStatusTest, WhatIsCancelledElsewhereIsNoCancellationOfOurs) {
  const grpc::Status cancelled(grpc::StatusCode::CANCELLED, "gone");
  EXPECT_TRUE(absl::IsCancelled(FromGrpc(cancelled)));
  EXPECT_TRUE(absl::IsUnavailable(FromGrpcNotCancelled(cancelled)));
}

}  // namespace
}  // namespace ebb::rpc
