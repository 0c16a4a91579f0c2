#include "tools/ebb/run/scale_plan.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

class ScalePlanTest : public ::testing::Test {
 protected:
  ScalePlanTest() { status_.add_jobs(); }

  void ScaleWorkers(int workers) {
    status_.mutable_jobs(0)->set_workers_scaled(true);
    status_.mutable_jobs(0)->set_max_workers(workers);
  }
  void ScaleServers(int servers) {
    status_.mutable_jobs(0)->set_max_servers(servers);
  }
  // Adds what the scheduler says of it.
  void Serve(int server, bool connected = true) {
    v1::ServerStatus* one = status_.add_servers();
    one->set_server(server);
    one->set_connected(connected);
    one->set_process_id(Process(ServerName(server)));
  }
  static int64_t Process(const std::string& daemon) {
    return 100 + daemon.back();
  }

  // "+ps-2" starts, "-ps-2" is drained, "?" only tells.
  std::vector<std::string> Next() {
    said_.clear();
    std::vector<std::string> steps;
    for (const ScaleStep& step : plan_.Next(status_, &Process)) {
      const bool start = step.kind == ScaleStep::Kind::kStart;
      steps.push_back(step.kind == ScaleStep::Kind::kTell
                          ? "?"
                          : absl::StrCat(start ? "+" : "-", step.daemon));
      if (!step.text.empty()) said_.push_back(step.text);
    }
    return steps;
  }

  ScalePlan plan_{{2, 3}, {64, 256}, true};
  v1::GetStatusResponse status_;
  std::vector<std::string> said_;
};

TEST_F(ScalePlanTest, AJobThatIsNotScaledKeepsWhatItHas) {
  status_.mutable_jobs(0)->set_max_workers(1);  // Its file says so.
  EXPECT_THAT(Next(), IsEmpty());
  EXPECT_THAT(plan_.Next({}, &Process), IsEmpty());  // No job yet.
}

TEST_F(ScalePlanTest, WorkersComeAndGoByNumber) {
  ScaleWorkers(5);
  EXPECT_THAT(Next(), ElementsAre("+worker-3", "+worker-4"));
  EXPECT_THAT(said_,
              ElementsAre("worker-3 starts: the job is scaled to 5 workers",
                          "worker-4 starts: the job is scaled to 5 workers"));
  EXPECT_THAT(Next(), IsEmpty());
  ScaleWorkers(1);
  EXPECT_THAT(Next(),
              ElementsAre("-worker-4", "-worker-3", "-worker-2", "-worker-1"));
  EXPECT_THAT(said_, IsEmpty());
  EXPECT_THAT(plan_.Ended("worker-3", true),
              Optional(std::string(
                  "worker-3 has left: the job is scaled to 1 worker")));
  // A death that is none of its doing, or a bad one, is told as ever.
  EXPECT_EQ(plan_.Ended("worker-3", true), std::nullopt);
  EXPECT_EQ(plan_.Ended("worker-4", false), std::nullopt);
  // No limit any more: nobody is missing.
  ScaleWorkers(0);
  EXPECT_THAT(Next(), IsEmpty());
}

TEST_F(ScalePlanTest, ANameIsTakenUntilItsFormerLifeHasEnded) {
  ScaleWorkers(1);
  EXPECT_THAT(Next(), ElementsAre("-worker-2", "-worker-1"));
  ScaleWorkers(3);
  EXPECT_THAT(Next(), IsEmpty());
  plan_.Ended("worker-1", true);
  EXPECT_THAT(Next(), ElementsAre("+worker-1"));
  plan_.Ended("worker-2", true);
  EXPECT_THAT(Next(), ElementsAre("+worker-2"));
}

TEST_F(ScalePlanTest, ServersLeaveOneAfterTheOther) {
  ScaleServers(4);
  EXPECT_THAT(Next(), ElementsAre("+ps-2", "+ps-3"));
  for (int server = 0; server < 4; ++server) Serve(server);
  ScaleServers(2);
  EXPECT_THAT(Next(), ElementsAre("-ps-3"));
  EXPECT_EQ(plan_.size().servers, 4);  // It still has something.
  EXPECT_THAT(Next(), IsEmpty());
  EXPECT_THAT(
      plan_.Ended("ps-3", true),
      Optional(std::string("ps-3 has left: the job is scaled to 2 servers")));
  EXPECT_THAT(Next(), IsEmpty());  // Of before it had left.
  status_.mutable_servers()->RemoveLast();
  EXPECT_THAT(Next(), ElementsAre("-ps-2"));
  EXPECT_EQ(plan_.size().servers, 3);
}

TEST_F(ScalePlanTest, AServerThatTheSchedulerDoesNotHearIsNotAsked) {
  ScaleServers(1);
  EXPECT_THAT(Next(), IsEmpty());
  Serve(1, false);
  EXPECT_THAT(Next(), IsEmpty());
  status_.mutable_servers(0)->set_connected(true);
  status_.mutable_servers(0)->set_process_id(7);  // A former life.
  EXPECT_THAT(Next(), IsEmpty());
  status_.mutable_servers(0)->set_process_id(Process("ps-1"));
  EXPECT_THAT(Next(), ElementsAre("-ps-1"));
}

TEST_F(ScalePlanTest, AServerThatStillOwnsSomethingComesBackAndIsAskedAnew) {
  Serve(1);
  ScaleServers(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Next(), ElementsAre("-ps-1"));
    plan_.Ended("ps-1", true);
    status_.mutable_servers(0)->set_connected(false);
    EXPECT_THAT(Next(), ElementsAre("+ps-1"));
    EXPECT_THAT(said_, ElementsAre(HasSubstr("starts again")));
    status_.mutable_servers(0)->set_connected(true);
  }
  EXPECT_THAT(Next(), ElementsAre("-ps-1"));
  plan_.Ended("ps-1", true);
  status_.mutable_servers(0)->set_connected(false);
  EXPECT_THAT(Next(), ElementsAre("+ps-1"));
  EXPECT_THAT(said_, ElementsAre(HasSubstr("it stays")));
  // Until it is scaled anew.
  status_.mutable_servers(0)->set_connected(true);
  EXPECT_THAT(Next(), IsEmpty());
  ScaleServers(2);
  EXPECT_THAT(Next(), IsEmpty());
  ScaleServers(1);
  EXPECT_THAT(Next(), ElementsAre("-ps-1"));
}

TEST_F(ScalePlanTest, NoMoreThanOneMachineHas) {
  plan_.Next(status_, &Process);
  ScalePlan small({2, 3}, {2, 4}, true);
  ScaleWorkers(1000);
  ScaleServers(3);
  const std::vector<ScaleStep> steps = small.Next(status_, &Process);
  ASSERT_EQ(steps.size(), 3);
  EXPECT_EQ(steps[0].text,
            "the job is scaled to 1,000 workers, but `ebb run` starts 4 at "
            "most on this machine (more with its --workers): so many run");
  EXPECT_THAT(steps[1].text, HasSubstr("3 servers"));
  EXPECT_EQ(steps[2].daemon, "worker-3");
  EXPECT_THAT(small.Next(status_, &Process), IsEmpty());  // Said once.
}

// `ebb scale --workers 100000` started 256 processes at once.
TEST_F(ScalePlanTest, WorkersStartASmallCrowdAtATime) {
  for (int i = 0; i < 3; ++i) status_.add_workers()->set_name(WorkerName(i));
  ScaleWorkers(30);
  EXPECT_EQ(Next().size(), 16);
  EXPECT_THAT(Next(), IsEmpty());
  status_.add_workers()->set_name("worker-7");
  EXPECT_THAT(Next(), ElementsAre("+worker-19"));
  for (int i = 8; i < 20; ++i) status_.add_workers()->set_name(WorkerName(i));
  EXPECT_EQ(Next().size(), 10);
}

TEST_F(ScalePlanTest, WhatThePersonAskedForLastCounts) {
  // Resumed with --workers 3, scaled to 5 before.
  ScalePlan resumed({2, 3}, {64, 256}, false);
  ScaleWorkers(5);
  EXPECT_THAT(resumed.Next(status_, &Process), IsEmpty());
  EXPECT_THAT(resumed.Next(status_, &Process), IsEmpty());
  ScaleWorkers(4);
  ASSERT_EQ(resumed.Next(status_, &Process).size(), 1);
}

}  // namespace
}  // namespace ebb::tools
