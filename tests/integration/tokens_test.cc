// Tokens of jobs in a cluster of processes under mutual TLS.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/tls/issue.h"
#include "common/tls/job_token.h"
#include "ebb/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/job_tokens.h"
#include "rpc/transport_contract.h"
#include "tests/testing/process_cluster.h"
#include "tools/process/tls_process.h"

namespace ebb::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

rpc::SecurityPtr Showing(rpc::SecurityPtr security, const std::string& token) {
  security->tokens()->SetFind([token](JobId) { return token; });
  return security;
}

// A cluster with one job that has a token.
class TokensTest : public ::testing::Test {
 protected:
  TokensTest() {
    rpc::SetTokenHash(token_, &record_);
    cluster_.ShowToken(token_);
  }

  struct Ran {
    int exit_code = 0;
    std::string output;
  };
  // `ebb` as a user whose home is this folder, and who is a client.
  Ran Ebb(const std::string& home, std::vector<std::string> arguments,
          const std::string& role = "client") {
    const TestFolder folder;
    tools::ProcessSpec spec{.argv = {EBB_BIN_DIR "/ebb"},
                            .log = folder / "log"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.argv.insert(spec.argv.end(), {"--scheduler", cluster_.address()});
    tools::AddTls(FilesIn(cluster_.tls_folder(), role), &spec);
    spec.environment.insert(
        spec.environment.end(),
        {"HOME=" + home, "XDG_STATE_HOME=", "EBB_TOKEN_FILE="});
    auto child = tools::ChildProcess::Start(spec);
    EXPECT_TRUE(child.ok()) << child.status();
    const absl::Time deadline = absl::Now() + kLimit;
    while (!child->Poll() && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    const auto end = child->Poll();
    EXPECT_TRUE(end.has_value()) << Contents(folder / "log");
    return {end ? end->exit_code : -1, Contents(folder / "log")};
  }
  // A job for `ebb submit`, on a few examples.
  std::string JobFile(const std::string& name) const {
    const std::string data = folder_ / "data.csv";
    std::ofstream csv(data);
    for (int i = 0; i < 40; ++i)
      csv << i % 7 << "," << i % 5 << "," << i % 2 << "\n";
    std::string path = folder_ / (name + ".yaml");
    std::ofstream(path) << "name: " << name << "\nmodel: softmax\n"
                        << "data: {train: {csv: " << data << "}}\n"
                        << "train: {epochs: 1, batch: 4}\noptimizer: sgd\n";
    return path;
  }

  const TestFolder folder_;
  const std::string token_ = NewJobToken();
  JobRecord record_ = SmallJob();
  ProcessCluster cluster_{/*tls=*/true};
};

TEST_F(TokensTest, AJobTrainsOverRestartsOfWhoGivesAndWhoChecks) {
  cluster_.StartAll();
  cluster_.computer().pace_us = 10'000;
  const JobId job = cluster_.Submit(record_);
  const auto at_least = [&](int64_t examples) {
    return cluster_.WaitFor(job, [&](const v1::JobStatus& status) {
      return status.applied_min() >= examples;
    });
  };
  ASSERT_TRUE(at_least(40));
  // The worker goes on with what another life of the scheduler gave it.
  cluster_.scheduler().EndBy(SIGKILL);
  cluster_.scheduler().Start();
  ASSERT_TRUE(at_least(120));
  // A server that never heard of that life's key.
  cluster_.ps(0).EndBy(SIGKILL);
  cluster_.ps(0).Start();
  ASSERT_TRUE(at_least(200));
  cluster_.scheduler().EndBy(SIGKILL);
  cluster_.ps(1).EndBy(SIGKILL);
  cluster_.ps(1).Start();
  cluster_.scheduler().Start();
  cluster_.computer().pace_us = 500;

  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record_, job);
}

TEST_F(TokensTest, NobodyElseReachesIt) {
  cluster_.StartAll();
  const JobId job = cluster_.Submit(record_);
  ASSERT_TRUE(cluster_.WaitComplete(job));
  const std::string other = NewJobToken();

  for (const rpc::SecurityPtr& as :
       {cluster_.As(Role::kClient),
        Showing(cluster_.As(Role::kClient), other)}) {
    v1::CancelJobRequest cancel;
    cancel.set_job(job.value());
    v1::GetJobRequest get;
    get.set_name(record_.name);
    v1::GetLedgersRequest ledgers;
    ledgers.set_job(job.value());
    v1::ListVersionsRequest versions;
    versions.set_job(job.value());
    v1::ReadVersionRequest read;
    read.mutable_key()->set_job(job.value());
    auto scheduler = cluster_.Admin(as);
    rpc::PsAdminClient server(cluster_.ps(0).address(), as);
    for (const absl::Status& refused :
         {scheduler.CancelJob(cancel, kCall).status(),
          scheduler.GetJob(get, kCall).status(),
          server.GetLedgers(ledgers, kCall).status(),
          server.ListVersions(versions, kCall).status(),
          server.ReadVersion(read, kCall, [](const v1::ReadVersionResponse&) {
            return absl::OkStatus();
          })}) {
      EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
      EXPECT_THAT(std::string(refused.message()), HasSubstr("--token-file"));
    }
    EXPECT_TRUE(scheduler.GetStatus({}, kCall).ok());
    EXPECT_TRUE(scheduler.ListJobs({}, kCall).ok());
  }
  v1::GetJobRequest get;
  get.set_name(record_.name);
  EXPECT_TRUE(cluster_.Admin(Showing(cluster_.As(Role::kViewer), token_))
                  .GetJob(get, kCall)
                  .ok());
}

// With a certificate of a worker, and no lease.
TEST_F(TokensTest, AWorkerWithoutALeaseNeitherPushesNorPulls) {
  cluster_.StartAll();
  cluster_.computer().pace_us = 5'000;
  const JobId job = cluster_.Submit(record_);
  ASSERT_TRUE(cluster_.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() > 0;
  }));
  rpc::GrpcTransport transport({}, 0, cluster_.As(Role::kWorker));
  const auto channel = transport.ConnectPs(cluster_.ps(0).address());
  rpc::Answer<PullReply> pulled;
  rpc::Answer<PushReply> pushed;
  PullRequest pull = rpc::MakePull(0);
  pull.job = job;
  // Also under the name of the worker that is there.
  pull.stamp.worker = SessionId(11);
  PushRequest push = rpc::MakePush(0, {1});
  push.job = job;

  channel->Pull(pull, kCall, pulled.Done());
  channel->Push(push, kCall, pushed.Done());

  for (const absl::Status& refused :
       {pulled.Wait().status(), pushed.Wait().status()}) {
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  }
  cluster_.computer().pace_us = 500;
  ASSERT_TRUE(cluster_.WaitComplete(job));
  cluster_.ExpectExact(record_, job);
}

TEST_F(TokensTest, AProgramJoinsByAFile) {
  cluster_.scheduler().Start();
  cluster_.ps(0).Start();
  cluster_.ps(1).Start();
  const JobId job = cluster_.Submit(record_);
  ASSERT_NE(job, JobId());
  const TlsFiles files = FilesIn(cluster_.tls_folder(), "worker");
  ClientOptions options;
  options.scheduler = cluster_.address();
  options.tls_certificate = files.certificate;
  options.tls_key = files.key;
  options.tls_authority = files.authority;

  const auto refused = Client(options).Join("small");
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status())) << refused.status();
  options.token_file = folder_ / "token";
  EXPECT_TRUE(absl::IsNotFound(Client(options).Join("small").status()));
  ASSERT_TRUE(WriteJobToken(options.token_file, token_).ok());
  auto joined = Client(options).Join("small");

  ASSERT_TRUE(joined.ok()) << joined.status();
  const auto batch = joined->Next();
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_NE(*batch, nullptr);
}

TEST_F(TokensTest, SubmitKeepsItForItsUser) {
  cluster_.scheduler().Start();
  ASSERT_EQ(cluster_.scheduler().address(), cluster_.address());
  cluster_.ps(0).Start();
  cluster_.ps(1).Start();
  const std::string mine = folder_ / "me", theirs = folder_ / "them";

  const Ran submitted = Ebb(mine, {"submit", JobFile("first"), "--json"});

  ASSERT_EQ(submitted.exit_code, 0) << submitted.output;
  std::vector<fs::path> files;
  for (const auto& one :
       fs::directory_iterator(mine + "/.local/state/ebb/tokens")) {
    files.push_back(one.path());
  }
  ASSERT_EQ(files.size(), 1U);
  EXPECT_THAT(submitted.output, HasSubstr(files[0].string()));
  struct stat info = {};
  ASSERT_EQ(stat(files[0].c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto token = ReadJobToken(files[0]);
  ASSERT_TRUE(token.ok()) << token.status();

  EXPECT_EQ(Ebb(mine, {"pause", "first"}).exit_code, 0);
  EXPECT_EQ(Ebb(theirs, {"explain", "first"}).exit_code, 0);
  for (const std::string command : {"cancel", "pause", "audit"}) {
    const Ran refused = Ebb(theirs, {command, "first"});
    EXPECT_NE(refused.exit_code, 0) << command;
    EXPECT_THAT(refused.output,
                AllOf(HasSubstr("needs its token"), HasSubstr("--token-file")));
  }
  const Ran by_file =
      Ebb(theirs, {"resume", "first", "--token-file", files[0].string()});
  EXPECT_EQ(by_file.exit_code, 0) << by_file.output;

  // A second job, with a token from elsewhere.
  const std::string file = folder_ / "secret";
  ASSERT_TRUE(WriteJobToken(file, token_).ok());
  const Ran second =
      Ebb(mine, {"submit", JobFile("second"), "--token-file", file});
  EXPECT_EQ(second.exit_code, 0) << second.output;
  EXPECT_NE(Ebb(mine, {"cancel", "second"}).exit_code, 0);
  EXPECT_NE(Ebb(mine, {"cancel", "first", "--token-file", file}).exit_code, 0);
  EXPECT_EQ(Ebb(mine, {"cancel", "second", "--token-file", file}).exit_code, 0);
  // A job that was refused leaves no token.
  EXPECT_NE(Ebb(mine, {"submit", JobFile("first")}).exit_code, 0);
  EXPECT_EQ(
      std::distance(fs::directory_iterator(mine + "/.local/state/ebb/tokens"),
                    fs::directory_iterator()),
      1);
  EXPECT_EQ(Ebb(mine, {"cancel", "first"}).exit_code, 0);

  // Nobody answers: the job may be there all the same.
  cluster_.scheduler().EndBy(SIGKILL);
  const Ran unheard =
      Ebb(mine, {"submit", JobFile("third"), "--request-id", "third try"});
  EXPECT_NE(unheard.exit_code, 0);
  EXPECT_THAT(unheard.output,
              AllOf(HasSubstr("/.local/state/ebb/tokens/submitted-"),
                    HasSubstr("--request-id third try")));
  cluster_.scheduler().Start();
  ASSERT_EQ(cluster_.scheduler().address(), cluster_.address());
  const Ran heard =
      Ebb(mine, {"submit", JobFile("third"), "--request-id", "third try"});
  EXPECT_EQ(heard.exit_code, 0) << heard.output;
  EXPECT_EQ(Ebb(mine, {"cancel", "third"}).exit_code, 0);

  // Nowhere else: not in what is printed, logged, or kept by the daemons.
  for (const std::string& text :
       {submitted.output, second.output, cluster_.scheduler().log(),
        cluster_.ps(0).log(), cluster_.ps(1).log(),
        Ebb(mine, {"status", "--json"}).output}) {
    EXPECT_THAT(text, AllOf(Not(HasSubstr(*token)), Not(HasSubstr(token_))));
  }
  for (const auto& one : fs::recursive_directory_iterator(cluster_.folder())) {
    if (!one.is_regular_file()) continue;
    EXPECT_THAT(Contents(one.path()),
                AllOf(Not(HasSubstr(*token)), Not(HasSubstr(token_))))
        << one.path();
  }
}

}  // namespace
}  // namespace ebb::testing
