#include "rpc/job_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/tls/job_token.h"
#include "ebb/v1/specification.pb.h"
#include "protocol/messages.h"
#include "rpc/internal/guard.h"

namespace ebb::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr JobId kJob(7), kOther(8), kOpen(9);
constexpr SessionId kWorker(100), kStranger(101);
const std::string kToken(43, 't');

JobRecord Record(JobId id, const std::string& token) {
  JobRecord record;
  record.id = id;
  record.name = "mlp";
  if (!token.empty()) SetTokenHash(token, &record);
  return record;
}

// A scheduler that leased something to a worker, and a server.
class JobTokensTest : public ::testing::Test {
 protected:
  JobTokensTest() {
    server_.AddKey(scheduler_.Key());
    server_.Learn(Record(kJob, kToken));
    server_.Learn(Record(kOther, kToken));
    server_.Learn(Record(kOpen, ""));
  }

  JobTokens scheduler_, server_;
};

TEST_F(JobTokensTest, ASpecificationNamesTheHashBesideWhatIsInIt) {
  JobRecord record;
  v1::Specification specification;
  specification.set_source("model: ...");
  record.specification = specification.SerializeAsString();

  SetTokenHash(kToken, &record);

  EXPECT_EQ(TokenHashOf(record), JobTokenHash(kToken));
  ASSERT_TRUE(specification.ParseFromString(record.specification));
  EXPECT_EQ(specification.source(), "model: ...");
  EXPECT_THAT(record.specification, Not(HasSubstr(kToken)));
  EXPECT_EQ(TokenHashOf(JobRecord()), "");
}

TEST_F(JobTokensTest, AWorkersTokenIsForOneJobAndOneSession) {
  const std::string token = scheduler_.ForWorker(kJob, kWorker);

  EXPECT_TRUE(server_.CheckWorker(kJob, kWorker, token).ok());
  for (const absl::Status& refused :
       {server_.CheckWorker(kJob, kStranger, token),
        server_.CheckWorker(kOther, kWorker, token),
        server_.CheckWorker(kJob, kWorker, ""),
        server_.CheckWorker(kJob, kWorker, token.substr(1)),
        server_.CheckWorker(kJob, kWorker, JobTokenHash(kToken)),
        server_.CheckWorker(kJob, kWorker, kToken)}) {
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr(kToken)));
  }
}

TEST_F(JobTokensTest, AJobWithoutOneIsForAllWorkers) {
  EXPECT_TRUE(server_.CheckWorker(kOpen, kWorker, "").ok());
  EXPECT_TRUE(JobTokens::CheckOwner(Record(kOpen, ""), "").ok());
}

// It answers itself that it does not serve it.
TEST_F(JobTokensTest, AJobThatWasNeverGrantedIsTheServersAffair) {
  EXPECT_TRUE(server_.CheckWorker(JobId(99), kWorker, "").ok());
}

TEST_F(JobTokensTest, ASchedulerWithoutKeysKnowsNoTokens) {
  JobTokens old;
  old.Learn(Record(kJob, kToken));
  EXPECT_TRUE(old.CheckWorker(kJob, kWorker, "").ok());
}

TEST_F(JobTokensTest, TokensOfTheSchedulersLivesBeforeCountFor7More) {
  const std::string before = scheduler_.ForWorker(kJob, kWorker);
  for (int life = 0; life < 7; ++life) {
    JobTokens next;
    EXPECT_NE(next.Key(), scheduler_.Key());
    server_.AddKey(next.Key());
    server_.AddKey(next.Key());  // The connection broke.
    EXPECT_TRUE(
        server_.CheckWorker(kJob, kWorker, next.ForWorker(kJob, kWorker)).ok());
    EXPECT_TRUE(server_.CheckWorker(kJob, kWorker, before).ok());
  }
  server_.AddKey(JobTokens().Key());
  EXPECT_FALSE(server_.CheckWorker(kJob, kWorker, before).ok());
}

TEST_F(JobTokensTest, WhatIsNoKeyIsNone) {
  JobTokens server;
  server.Learn(Record(kJob, kToken));
  server.AddKey("");
  EXPECT_TRUE(server.CheckWorker(kJob, kWorker, "").ok());
  server.AddKey(scheduler_.Key());
  server.AddKey("");
  EXPECT_FALSE(
      server.CheckWorker(kJob, kWorker, WorkerToken("", kJob, kWorker)).ok());
}

TEST_F(JobTokensTest, WhoHasTheTokenOwnsTheJob) {
  const JobRecord record = Record(kJob, kToken);

  EXPECT_TRUE(JobTokens::CheckOwner(record, kToken).ok());
  const absl::Status none = JobTokens::CheckOwner(record, "");
  EXPECT_TRUE(absl::IsPermissionDenied(none));
  EXPECT_THAT(std::string(none.message()),
              AllOf(HasSubstr("job mlp (7) needs its token"),
                    HasSubstr("--token-file")));
  const std::string another(43, 'u');
  for (const std::string& shown : {another, JobTokenHash(kToken)}) {
    const absl::Status wrong = JobTokens::CheckOwner(record, shown);
    EXPECT_TRUE(absl::IsPermissionDenied(wrong));
    EXPECT_THAT(std::string(wrong.message()),
                AllOf(HasSubstr("another token"), Not(HasSubstr(shown))));
  }
}

TEST_F(JobTokensTest, AWorkerShowsWhatItWasGivenForTheRequest) {
  const internal::Guard guard = {std::make_shared<JobTokens>(),
                                 std::make_shared<Refusals>()};
  guard.tokens->Lend(kJob, kWorker, "lent");
  PullRequest request;
  request.job = kJob;
  request.stamp.worker = kWorker;
  EXPECT_EQ(guard.ShownWith(request), "lent");
  request.stamp.worker = kStranger;
  EXPECT_EQ(guard.ShownWith(request), "");
  EXPECT_EQ(internal::Guard().ShownWith(request), "");

  guard.tokens->AddKey(scheduler_.Key());
  guard.tokens->Learn(Record(kJob, kToken));
  EXPECT_FALSE(guard.CheckWorker(request, "lent").ok());
  EXPECT_EQ(guard.refusals->Of(Refusal::kToken), 1);
  EXPECT_TRUE(internal::Guard().CheckWorker(request, "").ok());
}

}  // namespace
}  // namespace ebb::rpc
