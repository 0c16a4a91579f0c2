// `ebb run` and the commands beside it, as a user starts them: real processes,
// real data.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <signal.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/files/files.h"
#include "tools/process/child_process.h"

namespace ebb::tools {
namespace {

namespace fs = std::filesystem;
using google::protobuf::Struct;
using google::protobuf::Value;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kLongest = absl::Minutes(12);

// The processes whose command line names `folder`.
std::vector<std::string> ProcessesOf(const std::string& folder) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const auto line = ReadFile((entry.path() / "cmdline").string());
    if (line.ok() && absl::StrContains(*line, folder)) found.push_back(*line);
  }
  return found;
}

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Whoever put the tests into the background may have it ignored.
    std::signal(SIGINT, SIG_DFL);
    main_job_ = fs::current_path() / "examples/jobs/fashion_mlp.yaml";
  }
  void TearDown() override {
    if (!HasFailure()) {
      EXPECT_THAT(ProcessesOf(folder_.path()), IsEmpty()) << "left behind";
    }
    if (!HasFailure()) return;
    folder_.Keep();
    std::cerr << Output() << "kept: " << folder_.path() << "\n";
  }

  // Starts `ebb` in the test's folder; what it says goes to Output().
  ChildProcess Start(std::vector<std::string> arguments,
                     const std::string& log = "output") {
    arguments.insert(arguments.begin(), EBB_BIN_DIR "/ebb");
    fs::remove(Path(log));
    auto child = ChildProcess::Start(
        {.argv = arguments, .log = Path(log), .folder = folder_.path()});
    EXPECT_TRUE(child.ok()) << child.status();
    return *std::move(child);
  }
  int Wait(ChildProcess* child) {
    const absl::Time limit = absl::Now() + kLongest;
    while (!child->Poll()) {
      if (absl::Now() > limit) {
        ADD_FAILURE() << "it takes too long";
        return -1;
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
    return child->Poll()->signal == 0 ? child->Poll()->exit_code : -1;
  }
  int Run(std::vector<std::string> arguments,
          const std::string& log = "output") {
    ChildProcess child = Start(std::move(arguments), log);
    return Wait(&child);
  }
  std::string Path(const std::string& name) { return folder_ / name; }
  std::string Output(const std::string& log = "output") {
    return ReadFile(Path(log)).value_or("");
  }
  Struct Json(const std::string& name) {
    Struct json;
    const auto text = ReadFile(Path(name));
    EXPECT_TRUE(text.ok()) << text.status();
    EXPECT_TRUE(
        google::protobuf::util::JsonStringToMessage(text.value_or(""), &json)
            .ok())
        << text.value_or("");
    return json;
  }
  static const Value& At(const Struct& json, const std::string& key) {
    static const Value& none = *new Value;
    const auto it = json.fields().find(key);
    EXPECT_NE(it, json.fields().end()) << "no " << key;
    return it == json.fields().end() ? none : it->second;
  }

  // The main job, shortened. Enough for what is tested here; what it learns
  // in eight epochs is measured elsewhere.
  std::vector<std::string> MainJob(int epochs,
                                   std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"run",      main_job_.string(),
                                          "--epochs", absl::StrCat(epochs),
                                          "--set",    "expect.accuracy=>= 0.6"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // Trains the main job, of which daemons of each role are killed.
  void ExpectExactUnderKills(std::vector<std::string> flags) {
    flags.insert(flags.end(),
                 {"--report", "report.json", "--kill-every", "1", "--set",
                  "oracle.width=4", "--set", "checkpoint.every=500ms"});
    // 4,200 batches on 3 workers take so long that each role's turn comes, the
    // third within 3 s.
    setenv("EBB_BATCH_TIME", "3ms", 1);
    const int exit_code = Run(MainJob(9, std::move(flags)));
    unsetenv("EBB_BATCH_TIME");
    ASSERT_EQ(exit_code, 0);
    const Struct report = Json("report.json");
    ExpectExact(report, 540'000);
    EXPECT_TRUE(
        At(At(report, "audit").struct_value(), "oracle_exact").bool_value());
    const Struct& restarts = At(report, "restarts").struct_value();
    for (const char* role : {"scheduler", "servers", "workers"}) {
      EXPECT_GE(At(restarts, role).number_value(), 1) << role;
    }
  }
  void ExpectExactOverBulkStreams(std::vector<std::string> flags) {
    setenv("EBB_SHARED_MEMORY", "off", 1);
    setenv("EBB_BULK", "auto", 1);
    ExpectExactUnderKills(std::move(flags));
    unsetenv("EBB_SHARED_MEMORY");
    unsetenv("EBB_BULK");
    EXPECT_THAT(Output(kLogOfWorker), HasSubstr("transport=bulk-stream"));
  }

  static constexpr char kLogOfWorker[] = "runs/fashion-mlp-1/logs/worker-0.log";

  // Waits until the run has applied so many examples to every partition.
  bool AwaitProgress(ChildProcess* child, int64_t examples) {
    const absl::Time limit = absl::Now() + kLongest;
    while (!child->Poll() && absl::Now() < limit) {
      if (Applied() >= examples) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    ADD_FAILURE() << "no progress\n" << Output();
    return false;
  }
  int64_t Applied() {
    const auto text = ReadFile(Path("runs/fashion-mlp-1/metrics.csv"));
    if (!text.ok()) return 0;
    const auto folder = RunFolder::SamplesOf(*text);
    return folder.empty() ? 0 : folder.back().progress.applied;
  }

  // Of a daemon of a run that goes on; 0: there is none.
  pid_t ProcessOf(const std::string& daemon) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      int pid = 0;
      if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
      const auto line = ReadFile((entry.path() / "cmdline").string());
      std::error_code gone;
      const auto folder = fs::read_symlink(entry.path() / "cwd", gone);
      if (line.ok() && absl::StrContains(*line, daemon) &&
          absl::StartsWith(folder.string(), folder_.path())) {
        return pid;
      }
    }
    return 0;
  }

  // Checks what every good run's report says.
  void ExpectExact(const Struct& report, int64_t examples) {
    EXPECT_TRUE(At(report, "passed").bool_value());
    EXPECT_TRUE(At(report, "complete").bool_value());
    const Struct& audit = At(report, "audit").struct_value();
    EXPECT_TRUE(At(audit, "exact").bool_value());
    EXPECT_EQ(At(audit, "expected").number_value(), examples);
    EXPECT_EQ(At(audit, "applied").number_value(), examples);
    for (const char* none : {"missing", "doubled", "skipped"}) {
      EXPECT_EQ(At(audit, none).number_value(), 0) << none;
    }
    EXPECT_GE(At(audit, "partitions").number_value(), 8);
  }

  fs::path main_job_;
  TestFolder folder_;
};

// The environment names another cluster's certificates: not those of this one.
TEST_F(RunTest, TrainsUnderTls) {
  setenv("EBB_TLS_CERT", "/nowhere", 1);

  const int exit_code = Run(MainJob(1, {"--tls", "--report", "report.json"}));

  unsetenv("EBB_TLS_CERT");
  ASSERT_EQ(exit_code, 0);
  ExpectExact(Json("report.json"), 60'000);
  const std::string log = Output("runs/fashion-mlp-1/logs/worker-0.log");
  EXPECT_THAT(log, HasSubstr("security: TLS as worker"));
}

TEST_F(RunTest, TrainsTheMainJobAndProvesIt) {
  ASSERT_EQ(Run(MainJob(2, {"--report", "report.json"})), 0);
  const Struct report = Json("report.json");
  ExpectExact(report, 120'000);
  EXPECT_GE(At(report, "accuracy").number_value(), 0.6);
  EXPECT_GT(At(report, "examples_per_second").number_value(), 0);
  EXPECT_THAT(At(report, "evaluations").list_value().values(), SizeIs(2));
  EXPECT_EQ(At(At(report, "restarts").struct_value(), "total").number_value(),
            0);
  EXPECT_THAT(At(At(report, "staleness").struct_value(), "histogram")
                  .list_value()
                  .values(),
              SizeIs(Ge(1)));

  const auto& servers = At(report, "servers").list_value().values();
  ASSERT_THAT(servers, SizeIs(2));
  double partitions = 0;
  for (const Value& server : servers) {
    EXPECT_GE(At(server.struct_value(), "partitions").number_value(), 1);
    partitions += At(server.struct_value(), "partitions").number_value();
  }
  EXPECT_EQ(
      partitions,
      At(At(report, "audit").struct_value(), "partitions").number_value());
  EXPECT_THAT(At(report, "workers").list_value().values(), SizeIs(3));

  // By itself, where everything is on one machine.
  for (const char* worker : {"worker-0", "worker-1", "worker-2"}) {
    EXPECT_THAT(
        Output(absl::StrCat("runs/fashion-mlp-1/logs/", worker, ".log")),
        HasSubstr("transport=shared-memory"));
  }

  // Nothing was written but the run's folder and what was asked for.
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    names.insert(entry.path().filename().string());
  }
  EXPECT_EQ(names, (std::set<std::string>{"output", "report.json", "runs"}));
  for (const char* file : {"report.html", "report.json", "metrics.csv",
                           "job.yaml", "logs/ps-1.log"}) {
    EXPECT_TRUE(fs::exists(Path(absl::StrCat("runs/fashion-mlp-1/", file))))
        << file;
  }
  EXPECT_THAT(Output(),
              AllOf(HasSubstr("60,000 examples"), HasSubstr("done in"),
                    HasSubstr("epoch 2: test accuracy")));
}

TEST_F(RunTest, IsExactWhateverIsKilled) { ExpectExactUnderKills({}); }

// Pushes and pulls use bulk streams, as between machines.
TEST_F(RunTest, IsExactOverBulkStreamsWhateverIsKilled) {
  ExpectExactOverBulkStreams({});
}

// Pushes arrive in another order than they were sent in.
TEST_F(RunTest, IsExactOverSeveralBulkStreamsWhateverIsKilled) {
  setenv("EBB_BULK_STREAMS", "3", 1);
  ExpectExactOverBulkStreams({});
  unsetenv("EBB_BULK_STREAMS");
  EXPECT_THAT(Output(kLogOfWorker), HasSubstr("bulk_streams=3"));
}

// The same with certificates: TLS on the bulk streams, too.
TEST_F(RunTest, IsExactOverBulkStreamsByTlsWhateverIsKilled) {
  ExpectExactOverBulkStreams({"--tls"});
  EXPECT_THAT(Output(kLogOfWorker), HasSubstr("security: TLS as worker"));
}

TEST_F(RunTest, CtrlCLeavesARunThatResumes) {
  ChildProcess run = Start(MainJob(3));
  ASSERT_TRUE(AwaitProgress(&run, 20'000));
  run.Signal(SIGINT);
  EXPECT_EQ(Wait(&run), 130);
  EXPECT_THAT(Output(), HasSubstr("--resume --run-dir runs/fashion-mlp-1"));
  const Struct first = Json("runs/fashion-mlp-1/report.json");
  EXPECT_TRUE(At(first, "interrupted").bool_value());
  EXPECT_THAT(At(first, "problems").list_value().values(), IsEmpty());
  const int64_t before = Applied();
  EXPECT_THAT(ProcessesOf(folder_.path()), IsEmpty());

  // Another job is not what the run was of.
  const std::string report = Output("runs/fashion-mlp-1/report.json");
  EXPECT_EQ(Run(MainJob(3, {"--resume", "--set", "train.batch=64"})), 2);
  EXPECT_THAT(Output(), HasSubstr("train.batch"));
  // A run that was refused replaced the report of the one before.
  EXPECT_EQ(Output("runs/fashion-mlp-1/report.json"), report);

  ASSERT_EQ(Run(MainJob(3, {"--resume"})), 0);
  const Struct second = Json("runs/fashion-mlp-1/report.json");
  ExpectExact(second, 180'000);
  // Only what this part of the run did makes its speed.
  const double done_before = At(second, "examples_before").number_value();
  EXPECT_GE(done_before, static_cast<double>(before));
  EXPECT_NEAR(At(second, "examples_per_second").number_value() *
                  At(second, "seconds").number_value(),
              180'000 - done_before, 1);
  // The servers wrote what they had: nothing was done again.
  EXPECT_GT(before, 0);
  EXPECT_FALSE(fs::exists(Path("runs/fashion-mlp-2")));
}

TEST_F(RunTest, AnswersWhileItRuns) {
  ChildProcess run = Start(MainJob(3));
  ASSERT_TRUE(AwaitProgress(&run, 1'000));
  const std::string scheduler =
      ReadFile(Path("runs/fashion-mlp-1/scheduler.address")).value_or("");
  const absl::Time asked = absl::Now();
  EXPECT_EQ(Run({"status", "--json", "--scheduler", scheduler}, "status"), 0);
  // 1 s on a machine of its own.
  EXPECT_LT(absl::Now() - asked, absl::Seconds(20));
  const Struct status = Json("status");
  std::multiset<std::string> roles;
  for (const Value& role : At(status, "roles").list_value().values()) {
    roles.insert(At(role.struct_value(), "role").string_value());
    EXPECT_GT(At(role.struct_value(), "process_id").number_value(), 0);
  }
  EXPECT_EQ(roles, (std::multiset<std::string>{"scheduler", "server", "server",
                                               "worker", "worker", "worker"}));
  ASSERT_THAT(At(status, "jobs").list_value().values(), SizeIs(1));
  EXPECT_EQ(Run({"status", "--scheduler", scheduler}, "table"), 0);
  EXPECT_THAT(Output("table"), AllOf(HasSubstr("ROLE"), HasSubstr("ps-1"),
                                     HasSubstr("fashion-mlp")));
  EXPECT_EQ(Run({"explain", "fashion-mlp", "--scheduler", scheduler}, "why"),
            0);
  EXPECT_THAT(Output("why"), HasSubstr("advanc"));
  // Not everything is applied yet, and the audit says so.
  EXPECT_EQ(Run({"audit", "fashion-mlp", "--scheduler", scheduler}, "audit"),
            1);
  EXPECT_THAT(Output("audit"), HasSubstr("not exact yet: the job is running"));
  EXPECT_EQ(Run({"explain", "nothing", "--scheduler", scheduler}, "why"), 2);
  EXPECT_THAT(Output("why"), HasSubstr("there are: fashion-mlp"));
  run.Signal(SIGINT);
  EXPECT_EQ(Wait(&run), 130);
  EXPECT_EQ(Run({"status", "--scheduler", scheduler}, "status"), 1);
  EXPECT_THAT(Output("status"), HasSubstr("no scheduler listens at"));
}

// Killing a process by hand, to see what happens, made an exact run fail.
TEST_F(RunTest, ADaemonThatIsKilledByHandIsAWarningAndOneThatCrashesAnError) {
  ChildProcess run = Start(MainJob(2));
  ASSERT_TRUE(AwaitProgress(&run, 1'000));
  ASSERT_NE(ProcessOf("worker-1"), 0);
  kill(ProcessOf("worker-1"), SIGKILL);
  EXPECT_EQ(Wait(&run), 0);
  Struct report = Json("runs/fashion-mlp-1/report.json");
  EXPECT_TRUE(At(report, "complete").bool_value());
  EXPECT_TRUE(At(At(report, "audit").struct_value(), "exact").bool_value());
  EXPECT_THAT(Output(),
              HasSubstr("warning: worker-1 ended without being told to: it was "
                        "killed by signal 9 (Killed), by hand"));

  fs::remove_all(Path("runs"));
  run = Start(MainJob(2));
  ASSERT_TRUE(AwaitProgress(&run, 1'000));
  ASSERT_NE(ProcessOf("worker-1"), 0);
  kill(ProcessOf("worker-1"), SIGSEGV);
  EXPECT_EQ(Wait(&run), 1);
  report = Json("runs/fashion-mlp-1/report.json");
  EXPECT_TRUE(At(report, "complete").bool_value());
  EXPECT_THAT(Output(), HasSubstr("error: worker-1 ended without being told "
                                  "to: it was killed by signal 11"));
}

TEST_F(RunTest, WhatIsWrongIsSaidBeforeAnythingStarts) {
  ASSERT_TRUE(WriteFile(Path("job.yaml"),
                        "name: broken\n"
                        "model: {kind: mlp, layers: [748, 10]}\n"
                        "data:\n"
                        "  train: {idx: /usr/share/datasets/fashion-mnist/"
                        "train, scale: 1/255}\n"
                        "train: {epochs: 1}\n")
                  .ok());
  EXPECT_EQ(Run({"run", "job.yaml"}), 2);
  EXPECT_THAT(Output(), AllOf(HasSubstr("job.yaml:2: model.layers"),
                              HasSubstr("784"), HasSubstr("hint: ")));
  EXPECT_EQ(Run({"run", "nothing.yaml"}), 2);
  EXPECT_EQ(Run({"run", main_job_.string(), "--workers", "none"}), 2);
  EXPECT_EQ(Run({"run", main_job_.string(), "--set", "epochs=3"}), 2);
  EXPECT_EQ(Run({"run", main_job_.string(), "--resume"}), 2);
  fs::create_directories(Path("taken/by/others"));
  EXPECT_EQ(Run({"run", main_job_.string(), "--run-dir", "taken"}), 2);
  EXPECT_THAT(Output(), HasSubstr("is not empty"));
  // Some ended with 1, and some were found out when all was done.
  ASSERT_TRUE(WriteFile(Path("file"), "").ok());
  const auto refused = [&](const std::string& flag, const std::string& value,
                           const std::string& why) {
    EXPECT_EQ(Run({"run", main_job_.string(), flag, value}), 2) << flag;
    EXPECT_THAT(Output(), HasSubstr(why));
  };
  refused("--run-dir", "file/run", "cannot make the folder file/run");
  refused("--report", "nowhere/report.json", "cannot write nowhere/report");
  refused("--memory", "5", "a server needs at least 128MiB");
  refused("--memory", "-1", "--memory: -1 is negative");
  refused("--workers", "abc", "abc is no number");
  // Bug: it waited for a fourth for ever.
  refused("--set", "workers.min=4",
          "hint: --workers 4, or --set workers.min=3");
  refused("--epochs", "-3", "-3 is no number of epochs: write 1 or more");
  refused("--epochs", "abc", "abc is no number of epochs");
  EXPECT_EQ(Run({"run", main_job_.string(), "--resume", "--run-dir", "file"}),
            2);
  EXPECT_FALSE(fs::exists(Path("runs")));
}

// Bug: it was told that a server had ended, and that --help has all flags.
TEST_F(RunTest, WhyADaemonRefusesItsEnvironmentIsTold) {
  setenv("EBB_CHECKPOINT_RATE", "-1", 1);

  EXPECT_EQ(Run(MainJob(1)), 1);

  unsetenv("EBB_CHECKPOINT_RATE");
  EXPECT_THAT(Output(), HasSubstr("exited with 2 (ebb-ps: "
                                  "--checkpoint-rate (EBB_CHECKPOINT_RATE): "
                                  "-1 is negative"));
}

TEST_F(RunTest, AStoreThatCannotBeOpenedIsNamed) {
  ChildProcess run = Start(MainJob(2));
  ASSERT_TRUE(AwaitProgress(&run, 1));
  run.Signal(SIGINT);  // A complete run is not started again.
  ASSERT_EQ(Wait(&run), 130);
  // Somebody else's file where the server's store should be.
  fs::remove_all(Path("runs/fashion-mlp-1/state/ps-1"));
  ASSERT_TRUE(WriteFile(Path("runs/fashion-mlp-1/state/ps-1"), "mine").ok());
  EXPECT_EQ(Run(MainJob(2, {"--resume"})), 1);
  EXPECT_THAT(Output(), AllOf(HasSubstr("ps-1"), HasSubstr("state/ps-1")));
}

TEST_F(RunTest, TwoRunsDoNotShareAFolder) {
  ChildProcess first = Start(MainJob(2), "first");
  ASSERT_TRUE(AwaitProgress(&first, 1));
  EXPECT_EQ(Run(MainJob(2, {"--resume"})), 2);
  EXPECT_THAT(Output(), HasSubstr("another ebb runs in runs/fashion-mlp-1"));
  first.Signal(SIGINT);
  EXPECT_EQ(Wait(&first), 130);
}

}  // namespace
}  // namespace ebb::tools
