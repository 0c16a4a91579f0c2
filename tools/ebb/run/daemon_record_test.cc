#include "tools/ebb/run/daemon_record.h"

#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

DaemonEvent Death(const std::string& daemon, ProcessEnd end) {
  DaemonEvent event;
  event.kind = DaemonEvent::Kind::kDied;
  event.daemon = daemon;
  event.pid = 7;
  event.end = end;
  return event;
}

class DaemonRecordTest : public ::testing::Test {
 protected:
  RunReport report_;
  DaemonRecord record_{"runs/mlp-1", "/out",
                       [](absl::string_view daemon) {
                         return absl::StrCat("last words of ", daemon);
                       },
                       &report_};
};

TEST_F(DaemonRecordTest, ADaemonThatEndsByItselfIsAProblem) {
  EXPECT_EQ(record_.AddDeath(Death("ps-0", {.exit_code = 3})),
            "ps-0 exited with 3, before it was seen");
  EXPECT_THAT(report_.problems,
              ElementsAre("ps-0 ended without being told to: it exited with 3 "
                          "(last words of ps-0)"));
  EXPECT_THAT(report_.warnings, IsEmpty());
  EXPECT_THAT(report_.kills, IsEmpty());
}

TEST_F(DaemonRecordTest, ADaemonThatOthersEndIsAWarning) {
  DaemonEvent told = Death("ps-1", {.signal = SIGTERM});
  told.told = true;
  record_.AddUnwantedEnd(Death("worker-0", {.signal = SIGKILL}));
  record_.AddUnwantedEnd(told);
  EXPECT_THAT(
      report_.warnings,
      ElementsAre("worker-0 ended without being told to: it was killed by "
                  "signal 9 (Killed), by hand or for want of memory",
                  "ps-1 did not end as it was told to: it was killed by signal "
                  "15 (Terminated), by somebody else"));
  EXPECT_THAT(report_.problems, IsEmpty());
}

// Bug: a run that was complete and exact failed, because its disk had been
// full.
TEST_F(DaemonRecordTest, ADaemonThatFoundNoRoomIsOneWarning) {
  const int no_room = RestartPolicy().no_room;
  record_.AddDeath(Death("scheduler", {.exit_code = no_room}));
  record_.AddDeath(Death("scheduler", {.exit_code = no_room}));
  EXPECT_THAT(report_.warnings,
              ElementsAre("scheduler could not begin, and was started again "
                          "each second (last words of scheduler)"));
  EXPECT_THAT(report_.problems, IsEmpty());
}

TEST_F(DaemonRecordTest, APlannedDeathIsOnlyShown) {
  DaemonEvent event = Death("worker-1", {.signal = SIGKILL});
  event.told = event.as_told = true;
  event.place = "after_pull";
  EXPECT_EQ(record_.AddDeath(event),
            "worker-1 was killed by signal 9 (Killed), as planned at "
            "after_pull, before it was seen");
  EXPECT_THAT(report_.kills, ElementsAre("worker-1 at after_pull"));
  EXPECT_THAT(report_.problems, IsEmpty());
  EXPECT_THAT(report_.warnings, IsEmpty());
}

TEST_F(DaemonRecordTest, ProcessesInAStatusWereSeen) {
  v1::GetStatusResponse status;
  status.set_process_id(5);
  status.add_servers()->set_process_id(6);
  status.add_workers()->set_process_id(8);
  record_.See(status);
  DaemonEvent event = Death("worker-0", {});
  event.as_told = true;
  EXPECT_EQ(record_.AddDeath(event),
            "worker-0 exited with 0, as planned, before it was seen");
  for (const pid_t seen : {5, 6, 8}) {
    event.pid = seen;
    EXPECT_EQ(record_.AddDeath(event), "worker-0 exited with 0, as planned");
  }
}

TEST_F(DaemonRecordTest, RestartsCountByRole) {
  for (const char* const daemon :
       {"scheduler", "ps-0", "ps-1", "worker-0", "worker-1", "worker-10"}) {
    record_.AddRestart(daemon);
  }
  EXPECT_EQ(report_.restarts.scheduler, 1);
  EXPECT_EQ(report_.restarts.servers, 2);
  EXPECT_EQ(report_.restarts.workers, 3);
}

TEST_F(DaemonRecordTest, ADaemonThatIsGivenUpIsAProblem) {
  EXPECT_FALSE(record_.any_given_up());
  DaemonEvent event;
  event.kind = DaemonEvent::Kind::kGivenUp;
  event.daemon = "ps-0";
  event.reason = "8 short lives";
  record_.AddGivenUp(event);
  EXPECT_TRUE(record_.any_given_up());
  EXPECT_THAT(report_.problems,
              ElementsAre("ps-0 is given up: 8 short lives (last words of "
                          "ps-0). Its log: runs/mlp-1/logs/ps-0.log"));
}

TEST_F(DaemonRecordTest, AStrayFileIsToldOnceAndPredictionsAreNone) {
  record_.AddStrayFiles({"/tmp/b", "/out/part-0", "/output"});
  record_.AddStrayFiles({"/tmp/a", "/tmp/b"});
  EXPECT_THAT(report_.problems, IsEmpty());
  record_.ReportStrayFiles();
  EXPECT_THAT(report_.problems,
              ElementsAre("a daemon wrote outside the run's folder: /output",
                          "a daemon wrote outside the run's folder: /tmp/a",
                          "a daemon wrote outside the run's folder: /tmp/b"));
}

}  // namespace
}  // namespace ebb::tools
