// A cluster under mutual TLS, as processes.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/tls/issue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
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

struct Ran {
  int exit_code = 0;
  std::string output;
};

// The command `ebb`, or a daemon that is to refuse.
Ran RunToEnd(const std::string& program,
             const std::vector<std::string>& arguments,
             const TlsFiles& files = {}) {
  const TestFolder folder;
  tools::ProcessSpec spec{.argv = {absl::StrCat(EBB_BIN_DIR, "/", program)},
                          .log = folder / "log"};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  tools::AddTls(files, &spec);
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

TEST(TlsTest, AClusterTrainsAndTheAuditIsExact) {
  ProcessCluster cluster(/*tls=*/true);
  cluster.StartAll();
  const JobRecord record = SmallJob();

  const JobId job = cluster.Submit(record);

  ASSERT_TRUE(cluster.WaitComplete(job));
  cluster.ExpectExact(record, job);
  EXPECT_THAT(cluster.scheduler().log(),
              AllOf(HasSubstr("security: TLS as scheduler"),
                    Not(HasSubstr("PRIVATE KEY"))));
}

TEST(TlsTest, AWorkerNeitherSubmitsNorCancelsNorScales) {
  ProcessCluster cluster(/*tls=*/true);
  cluster.StartAll();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  auto worker = cluster.Admin(cluster.As(Role::kWorker));

  const absl::Status submitted =
      worker.SubmitJob(ProcessCluster::Request(record, "r2"), kCall).status();
  v1::CancelJobRequest cancel;
  cancel.set_job(job.value());
  const absl::Status cancelled = worker.CancelJob(cancel, kCall).status();
  v1::ScaleJobRequest scale;
  scale.set_job(job.value());
  scale.set_workers(1);
  const absl::Status scaled = worker.ScaleJob(scale, kCall).status();

  for (const absl::Status& refused : {submitted, cancelled, scaled}) {
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("needs a certificate of the role client; that of "
                          "\"worker\" is of the role worker"));
  }
  const auto jobs = cluster.Admin().ListJobs({}, kCall);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->jobs_size(), 1);
  EXPECT_TRUE(cluster.WaitComplete(job));
}

TEST(TlsTest, AViewerOnlyReads) {
  ProcessCluster cluster(/*tls=*/true);
  cluster.StartAll();
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitComplete(job));
  const TlsFiles viewer = FilesIn(cluster.tls_folder(), "viewer");
  const auto ebb = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--scheduler", cluster.address()});
    return RunToEnd("ebb", arguments, viewer);
  };

  EXPECT_THAT(ebb({"status"}).output, HasSubstr("small"));
  const Ran audit = ebb({"audit", "small"});
  EXPECT_EQ(audit.exit_code, 0);
  EXPECT_THAT(audit.output, HasSubstr("exact"));
  EXPECT_EQ(ebb({"checkpoint", "list", "small"}).exit_code, 0);
  const std::vector<std::vector<std::string>> changes = {
      {"cancel", "small"},
      {"scale", "small", "--workers", "1"},
      {"pause", "small"}};
  for (const std::vector<std::string>& change : changes) {
    const Ran ran = ebb(change);
    EXPECT_EQ(ran.exit_code, 2) << change.front();
    EXPECT_THAT(ran.output, HasSubstr("needs a certificate of the role client; "
                                      "that of \"viewer\" is of the role "
                                      "viewer"));
  }
}

TEST(TlsTest, WhoDoesNotSpeakItIsToldWhatToDo) {
  ProcessCluster tls(/*tls=*/true);
  tls.scheduler().Start();
  ASSERT_NE(tls.scheduler().address(), "");
  ProcessCluster plain;
  plain.scheduler().Start();
  ASSERT_NE(plain.scheduler().address(), "");
  const TlsFiles client = FilesIn(tls.tls_folder(), "client");

  const Ran without = RunToEnd("ebb", {"status", "--scheduler", tls.address()});
  EXPECT_EQ(without.exit_code, 1);
  EXPECT_THAT(without.output, HasSubstr("--tls-cert"));

  const Ran with =
      RunToEnd("ebb", {"status", "--scheduler", plain.address()}, client);
  EXPECT_EQ(with.exit_code, 1);
  EXPECT_THAT(with.output, HasSubstr("plain text"));

  const Ran daemon = RunToEnd("ebb", {"status", "--scheduler", tls.address()},
                              FilesIn(tls.tls_folder(), "worker"));
  EXPECT_EQ(daemon.exit_code, 2);
  EXPECT_THAT(daemon.output, HasSubstr("is of the role worker; here one of "
                                       "client or viewer is needed"));
}

TEST(TlsTest, FilesThatCannotWorkAreNamedBeforeAnythingStarts) {
  const TestFolder folder;
  ASSERT_EQ(RunToEnd("ebb", {"certs", "--folder", folder / "a"}).exit_code, 0);
  ASSERT_EQ(RunToEnd("ebb", {"certs", "--folder", folder / "b"}).exit_code, 0);
  const TlsFiles good = FilesIn(folder / "a", "worker");
  TlsFiles no_file = good;
  no_file.certificate = folder / "none.pem";
  TlsFiles other_key = good;
  other_key.key = FilesIn(folder / "b", "worker").key;
  TlsFiles other_authority = good;
  other_authority.authority = FilesIn(folder / "b", "worker").authority;
  TlsFiles one = {.certificate = good.certificate};
  const std::pair<TlsFiles, std::string> mistakes[] = {
      {no_file, "No such file"},
      {other_key, "is not the key of --tls-cert"},
      {other_authority, "was not signed by --tls-ca"},
      {one, "--tls-key and --tls-ca are missing"},
      {FilesIn(folder / "a", "client"), "here one of worker is needed"},
  };
  for (const auto& [files, said] : mistakes) {
    const Ran ran =
        RunToEnd("ebb-worker", {"--scheduler", "127.0.0.1:1"}, files);
    EXPECT_EQ(ran.exit_code, 2) << said;
    EXPECT_THAT(ran.output, HasSubstr(said));
  }
}

TEST(TlsTest, CertsWritesNothingOver) {
  const TestFolder folder;
  const std::string certs = folder / "tls";
  ASSERT_EQ(RunToEnd("ebb", {"certs", "--folder", certs}).exit_code, 0);
  const std::string key = Contents(certs + "/ca.key");
  struct stat info = {};
  ASSERT_EQ(stat((certs + "/worker.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);

  const Ran again = RunToEnd("ebb", {"certs", "--folder", certs});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.output, HasSubstr("exists, and is not written over"));
  EXPECT_EQ(Contents(certs + "/ca.key"), key);

  const std::vector<std::string> one = {"certs",  "--folder", certs, "--role",
                                        "worker", "--name",   "w-7"};
  EXPECT_EQ(RunToEnd("ebb", one).exit_code, 0);
  EXPECT_EQ(RunToEnd("ebb", one).exit_code, 2);
  EXPECT_EQ(
      RunToEnd("ebb", {"certs", "--folder", certs, "--role", "root"}).exit_code,
      2);
  EXPECT_EQ(RunToEnd("ebb", {"status", "--scheduler", "127.0.0.1:1"},
                     FilesIn(certs, "viewer"))
                .exit_code,
            1);
}

// All that is there goes on with the old certificates; whoever connects anew
// has the new.
TEST(TlsTest, CertificatesChangeWhileAJobTrains) {
  ProcessCluster cluster(/*tls=*/true);
  cluster.StartAll();
  cluster.computer().pace_us = 20'000;
  const JobRecord record = SmallJob();
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() > 0;
  }));
  const TestFolder folder;
  fs::create_directory(folder / "next");
  ASSERT_TRUE(WriteAllRoles(folder / "next", {}).ok());
  const auto old = cluster.As(Role::kViewer);

  // First everybody believes both authorities ...
  const std::string both = Contents(cluster.tls_folder() + "/ca.pem") +
                           Contents(folder / "next/ca.pem");
  const auto replace = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    fs::rename(folder / name, cluster.tls_folder() + "/" + name);
  };
  replace("ca.pem", both);
  std::ofstream(folder / "next/ca.pem") << both;
  const auto next = rpc::Security::Create(
      {.files = FilesIn(folder / "next", "viewer")}, {Role::kViewer});
  ASSERT_TRUE(next.ok()) << next.status();
  const auto asks_all = [&](const rpc::SecurityPtr& as) {
    v1::ListVersionsRequest request;
    request.set_job(job.value());
    const auto answers = [](const absl::Status& status) {
      return !absl::IsUnavailable(status);
    };
    return answers(cluster.Admin(as).GetStatus({}, kCall).status()) &&
           answers(rpc::PsAdminClient(cluster.ps(0).address(), as)
                       .ListVersions(request, kCall)
                       .status()) &&
           answers(rpc::PsAdminClient(cluster.ps(1).address(), as)
                       .ListVersions(request, kCall)
                       .status());
  };
  const absl::Time deadline = absl::Now() + kLimit;
  while (!asks_all(*next) && absl::Now() < deadline) {
  }
  ASSERT_TRUE(asks_all(*next));
  // ... then they get new certificates, and connect anew.
  for (const char* name : {"scheduler", "ps", "worker", "client", "viewer"}) {
    for (const char* kind : {".key", ".pem"}) {
      const std::string file = absl::StrCat(name, kind);
      replace(file, Contents(folder / ("next/" + file)));
    }
  }
  cluster.ps(0).EndBy(SIGKILL);
  cluster.ps(0).Start();
  cluster.scheduler().EndBy(SIGKILL);
  cluster.scheduler().Start();
  cluster.computer().pace_us = 500;

  ASSERT_TRUE(cluster.WaitComplete(job));
  cluster.ExpectExact(record, job);
}

}  // namespace
}  // namespace ebb::testing
