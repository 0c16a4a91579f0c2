// ebb-ps and ebb-scheduler as processes: flags, starts and ends, and what
// people ask them.
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using tools::ProcessEnd;

// --- Flags, starts and ends --------------------------------------------------

struct Ran {
  ProcessEnd end;
  std::string output;
};

Ran RunToEnd(const std::vector<std::string>& arguments) {
  const TestFolder folder;
  Daemon daemon(folder, "daemon", arguments);
  daemon.Start();
  Ran ran;
  ran.end = daemon.WaitEnd();
  ran.output = daemon.log();
  return ran;
}

TEST(DaemonsTest, HelpFitsAScreenAndHasAnExample) {
  for (const char* program : {"ebb-ps", "ebb-scheduler"}) {
    const Ran ran = RunToEnd({program, "--help"});
    EXPECT_EQ(ran.end.exit_code, 0);
    EXPECT_THAT(ran.output,
                AllOf(HasSubstr("Example:"), HasSubstr("EBB_STATE_DIR")));
    EXPECT_LT(std::count(ran.output.begin(), ran.output.end(), '\n'), 75);
    EXPECT_EQ(ran.output.find("kill-at"), std::string::npos);
  }
}

struct Refusal {
  std::vector<std::string> arguments;
  std::string message;
};

TEST(DaemonsTest, WhatCannotWorkIsRefusedWithExitCode2) {
  const TestFolder folder;
  std::ofstream(folder / "file") << "x";
  const std::string file = folder / "file", in_file = folder / "file/store";
  const std::vector<Refusal> refusals = {
      {{"ebb-ps", "--state-dir", folder / "a"}, "--id is required"},
      {{"ebb-ps", "--id", "-1", "--state-dir", folder / "a"}, "--id"},
      {{"ebb-ps", "--id", "0", "--state-dir", in_file}, in_file},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "a", "--kill-at", "x"},
       "applied-not-replied"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "a", "--pull-park",
        "soon"},
       "\"soon\" is no duration"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "a", "--nonsense"},
       "--nonsense"},
      // Bug: they were taken for almost 2^64 bytes.
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "a", "--checkpoint-rate",
        "-1"},
       "--checkpoint-rate: -1 is negative"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "a", "--memory",
        "-4GiB"},
       "--memory: -4GiB is negative"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--message-limit", "-1"},
       "--message-limit: -1 is negative"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "b", "--listen",
        "203.0.113.7:1", "--insecure"},
       "cannot listen at 203.0.113.7:1"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "b", "--listen", ":1"},
       "not listening at 0.0.0.0:1 in plain text"},
      {{"ebb-ps", "--id", "0", "--state-dir", folder / "b", "--scheduler",
        "nosuchhost.invalid:1"},
       "the name nosuchhost.invalid does not resolve"},
      {{"ebb-scheduler"}, "--state-dir is required"},
      {{"ebb-scheduler", "--state-dir", in_file}, in_file},
      {{"ebb-scheduler", "--state-dir", file}, "name a folder"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--lease-ttl", "0"},
       "lease_ttl"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--min-servers", "0"},
       "--min-servers"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--listen",
        "203.0.113.7:1", "--insecure"},
       "cannot listen at 203.0.113.7:1"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--listen", ":1"},
       "not listening at 0.0.0.0:1 in plain text"},
      {{"ebb-scheduler", "--state-dir", folder / "s", "--tls-cert", "x"},
       "--tls-key and --tls-ca are missing"},
  };
  for (const Refusal& refusal : refusals) {
    const Ran ran = RunToEnd(refusal.arguments);
    EXPECT_EQ(ran.end.exit_code, 2) << refusal.message;
    EXPECT_THAT(ran.output, HasSubstr(refusal.message));
  }
}

TEST(DaemonsTest, AFolderOrPortInUseIsNamed) {
  const TestFolder folder;
  Daemon first(folder, "first",
               {"ebb-scheduler", "--state-dir", folder / "s", "--listen",
                "127.0.0.1:0"});
  first.Start();
  const std::string address = first.address();
  const Ran same_folder = RunToEnd({"ebb-scheduler", "--state-dir",
                                    folder / "s", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(same_folder.end.exit_code, 2);
  EXPECT_THAT(same_folder.output, HasSubstr("in use by process"));
  const Ran same_port = RunToEnd(
      {"ebb-scheduler", "--state-dir", folder / "t", "--listen", address});
  EXPECT_EQ(same_port.end.exit_code, 2);
  EXPECT_THAT(same_port.output, HasSubstr(address));
}

// Bug: it was refused, with a wrong reason.
TEST(DaemonsTest, AnAddressWithoutHostIsEveryInterface) {
  const TestFolder folder;
  Daemon scheduler(folder, "scheduler",
                   {"ebb-scheduler", "--state-dir", folder / "s", "--listen",
                    ":0", "--insecure"});
  scheduler.Start();
  EXPECT_THAT(scheduler.address(), ::testing::StartsWith("0.0.0.0:"));
  Daemon server(folder, "ps",
                {"ebb-ps", "--id", "0", "--state-dir", folder / "p", "--listen",
                 ":0", "--scheduler", "127.0.0.1:1", "--insecure"});
  server.Start();
  EXPECT_THAT(server.address(), ::testing::StartsWith("0.0.0.0:"));
}

TEST(DaemonsTest, TheyStartServeAndLeaveInGoodOrder) {
  const TestFolder folder;
  Daemon scheduler(folder, "scheduler",
                   {"ebb-scheduler", "--state-dir", folder / "s", "--listen",
                    "127.0.0.1:0"});
  scheduler.Start();
  ASSERT_NE(scheduler.address(), "");
  Daemon ps(folder, "ps",
            {"ebb-ps", "--id", "3", "--state-dir", folder / "p", "--scheduler",
             scheduler.address()});
  ps.Start();
  ASSERT_NE(ps.address(), "");
  rpc::SchedulerAdminClient admin(scheduler.address());
  const absl::Time deadline = absl::Now() + kLimit;
  v1::GetStatusResponse status;
  while (status.servers().empty() && absl::Now() < deadline) {
    auto got = admin.GetStatus({}, kCall);
    if (got.ok()) status = *got;
  }
  ASSERT_THAT(status.servers(), SizeIs(1));
  EXPECT_EQ(status.servers(0).server(), 3);
  EXPECT_EQ(status.servers(0).address(), ps.address());
  EXPECT_TRUE(status.servers(0).connected());

  EXPECT_TRUE(ps.EndBy(SIGTERM).clean()) << ps.log();
  // It says so when that is stored, which a slow disk may delay.
  constexpr char kLeft[] = "server=3 left in good order";
  while (!absl::StrContains(scheduler.log(), kLeft) && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_THAT(scheduler.log(), HasSubstr(kLeft));
  EXPECT_TRUE(scheduler.EndBy(SIGTERM).clean()) << scheduler.log();
}

// Bug: a second process took the place of the first, which was not told.
TEST(DaemonsTest, OnlyOneProcessIsAServer) {
  const TestFolder folder;
  Daemon scheduler(folder, "scheduler",
                   {"ebb-scheduler", "--state-dir", folder / "s", "--listen",
                    "127.0.0.1:0", "--server-ttl", "1s"});
  scheduler.Start();
  const std::string address = scheduler.address();
  const auto server = [&](const std::string& name) {
    return Daemon(folder, name,
                  {"ebb-ps", "--id", "0", "--state-dir",
                   folder / ("of-" + name), "--scheduler", address});
  };
  Daemon first = server("first"), second = server("second");
  first.Start();
  ASSERT_TRUE(scheduler.Says("server=0 is up"));

  second.Start();
  ASSERT_TRUE(second.Says("server 0 is there already: process "));
  EXPECT_TRUE(scheduler.Says("has its id, too, and is refused"));
  // It goes on trying.
  first.EndBy(SIGKILL);
  ASSERT_TRUE(scheduler.Says("server=0 is back"));

  // And one that is silent loses its place, and hears of it.
  second.Signal(SIGSTOP);
  first.Start();
  ASSERT_TRUE(scheduler.Says("takes its place"));
  second.Signal(SIGCONT);
  EXPECT_EQ(second.WaitEnd().exit_code, 4) << second.log();
  EXPECT_THAT(second.log(), HasSubstr("has taken the place of server 0"));
  EXPECT_EQ(first.EndBy(SIGTERM).exit_code, 0) << first.log();
}

TEST(DaemonsTest, AServerWithoutSchedulerLeavesInGoodOrder) {
  const TestFolder folder;
  Daemon ps(folder, "ps",
            {"ebb-ps", "--id", "0", "--state-dir", folder / "p", "--scheduler",
             "127.0.0.1:1"});
  ps.Start();
  ASSERT_NE(ps.address(), "");
  const absl::Time deadline = absl::Now() + kLimit;
  while (!absl::StrContains(ps.log(), "scheduler=127.0.0.1:1 cannot be") &&
         absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(ps.EndBy(SIGTERM).clean()) << ps.log();
  EXPECT_LT(absl::Now(), deadline) << ps.log();
}

// --- What people ask ---------------------------------------------------------

TEST(DaemonsTest, JobsAreSubmittedOnceShownAndCancelled) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  auto admin = cluster.Admin();

  EXPECT_EQ(cluster.Submit(record), job);  // The same request.
  EXPECT_TRUE(absl::IsAlreadyExists(
      admin.SubmitJob(ProcessCluster::Request(record, "r2"), kCall).status()));
  v1::SubmitJobRequest bad = ProcessCluster::Request(record, "r3");
  bad.set_name("bad");
  bad.set_specification("?");
  EXPECT_TRUE(absl::IsInvalidArgument(admin.SubmitJob(bad, kCall).status()));
  bad = ProcessCluster::Request(record, "");
  EXPECT_TRUE(absl::IsInvalidArgument(admin.SubmitJob(bad, kCall).status()));

  v1::GetJobRequest get;
  get.set_name("small");
  const auto got = admin.GetJob(get, kCall);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->record().id(), job.value());
  EXPECT_EQ(got->source(), "the text");
  get.set_name("unknown");
  EXPECT_TRUE(absl::IsNotFound(admin.GetJob(get, kCall).status()));

  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() > 0;
  }));
  v1::CancelJobRequest cancel;
  cancel.set_job(job.value());
  EXPECT_TRUE(admin.CancelJob(cancel, kCall).ok());
  EXPECT_TRUE(admin.CancelJob(cancel, kCall).ok());
  cancel.set_job(1);
  EXPECT_TRUE(absl::IsNotFound(admin.CancelJob(cancel, kCall).status()));
  const auto status = cluster.Status(job);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->summary().state(), v1::JOB_STATE_CANCELLED);
  v1::ResolveItemRequest resolve;
  resolve.set_job(job.value());
  resolve.mutable_item();
  resolve.set_decision(v1::ResolveItemRequest::DECISION_RETRY);
  EXPECT_TRUE(absl::IsNotFound(admin.ResolveItem(resolve, kCall).status()));
}

TEST(DaemonsTest, VersionsAreListedReadAndVerified) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobRecord record = SmallJob("checkpoint: {every: 1h, keep: 2}\n");
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitComplete(job));
  cluster.ExpectExact(record, job);

  std::map<int32_t, v1::StoredVersion> newest;
  for (int i = 0; i < 2; ++i) {
    rpc::PsAdminClient admin(cluster.ps(i).address());
    v1::ListVersionsRequest list;
    list.set_job(job.value());
    const auto versions = admin.ListVersions(list, kCall);
    ASSERT_TRUE(versions.ok()) << versions.status();
    for (const v1::StoredVersion& one : versions->versions()) {
      newest[one.key().partition()] = one;
    }
    list.set_job(1);
    EXPECT_TRUE(absl::IsNotFound(admin.ListVersions(list, kCall).status()));

    v1::VerifyVersionsRequest verify;
    verify.set_job(job.value());
    const auto verified = admin.VerifyVersions(verify, kCall);
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->versions(), versions->versions().size());
    EXPECT_THAT(verified->damaged(), SizeIs(0));

    // The newest version of each partition holds the final values.
    for (const auto& [partition, version] : newest) {
      v1::ReadVersionRequest read;
      *read.mutable_key() = version.key();
      read.add_names("values");
      std::string bytes;
      int64_t first = -1;
      const absl::Status done = admin.ReadVersion(
          read, kCall, [&](const v1::ReadVersionResponse& piece) {
            EXPECT_EQ(piece.name(), "values");
            EXPECT_EQ(piece.type(), v1::ELEMENT_TYPE_FLOAT32);
            EXPECT_EQ(piece.offset() * 4, static_cast<int64_t>(bytes.size()));
            first = piece.first();
            bytes += piece.values();
            return absl::OkStatus();
          });
      if (absl::IsNotFound(done)) continue;  // The other server's.
      ASSERT_TRUE(done.ok()) << done;
      const auto range = record.plan.ParameterRange(PartitionId(partition));
      EXPECT_EQ(first, range.first);
      ASSERT_EQ(static_cast<int64_t>(bytes.size()),
                (range.second - range.first) * 4);
      std::vector<float> values(bytes.size() / 4);
      memcpy(values.data(), bytes.data(), bytes.size());
      EXPECT_EQ(values.front(), -200);  // 2 * 400 examples in batches of 4.
      EXPECT_EQ(values.back(), -200);
    }
  }
  ASSERT_EQ(static_cast<int32_t>(newest.size()), record.plan.partitions);
  for (const auto& [partition, version] : newest) {
    EXPECT_EQ(version.examples(), 800);
    EXPECT_EQ(version.full_items(), 40);
    EXPECT_TRUE(version.durable());
    EXPECT_TRUE(version.pinned());
    EXPECT_GT(version.bytes(), 0);
  }
}

TEST(DaemonsTest, DamagedVersionsAreReported) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitComplete(job));
  const std::string address = cluster.ps(0).address();
  // Flip a byte in the middle of every file that holds values.
  int damaged_files = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(cluster.state_folder(0))) {
    const std::string extension = entry.path().extension();
    if (extension != ".log" && extension != ".blob") continue;
    const auto size = static_cast<std::streamoff>(entry.file_size());
    if (size < 100'000) continue;
    std::fstream file(entry.path(),
                      std::ios::in | std::ios::out | std::ios::binary);
    for (std::streamoff at = 4096; at < size; at += 16384) {
      file.seekg(at);
      const auto byte = static_cast<char>(file.get() ^ 1);
      file.seekp(at);
      file.put(byte);
    }
    ++damaged_files;
  }
  ASSERT_GT(damaged_files, 0);

  rpc::PsAdminClient admin(address);
  v1::VerifyVersionsRequest verify;
  verify.set_job(job.value());
  const auto verified = admin.VerifyVersions(verify, kCall);

  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_GT(verified->damaged().size(), 0);
}

TEST(DaemonsTest, ExplainNamesAServerThatIsAway) {
  ProcessCluster cluster;
  cluster.StartAll();
  const JobId job = cluster.Submit(SmallJob());
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() > 0;
  }));
  cluster.ps(1).EndBy(SIGKILL);
  v1::ExplainRequest request;
  request.set_job(job.value());
  v1::ExplainResponse response;
  const absl::Time deadline = absl::Now() + kLimit;
  while (response.not_advancing_ms() == 0 && absl::Now() < deadline) {
    auto explained = cluster.Admin().Explain(request, kCall);
    ASSERT_TRUE(explained.ok()) << explained.status();
    response = *explained;
    absl::SleepFor(absl::Milliseconds(50));
  }

  ASSERT_GT(response.reasons().size(), 0);
  EXPECT_EQ(response.reasons(0).kind(), v1::WaitReason::KIND_SERVER_AWAY);
  EXPECT_EQ(response.reasons(0).subject(), "ps 1");
  cluster.ps(1).Start();
  EXPECT_TRUE(cluster.WaitComplete(job));
}

}  // namespace
}  // namespace ebb::testing
