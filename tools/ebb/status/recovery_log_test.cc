#include "tools/ebb/status/recovery_log.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

constexpr int64_t kSecond = 1'000'000;
const absl::Time kStart = absl::FromUnixMicros(100 * kSecond);

// Times are seconds after kStart; 0: not there.
struct Told {
  v1::Recovery::Kind kind;
  std::string worker;
  double lost = 0, resumed = 0, counted = 0;
  int server = 0;
};

int64_t Us(double seconds) {
  return seconds == 0 ? 0 : absl::ToUnixMicros(kStart + absl::Seconds(seconds));
}

v1::GetStatusResponse Status(int64_t life, const std::vector<Told>& told) {
  v1::GetStatusResponse status;
  status.set_up_since_unix_ms(life);
  v1::JobStatus* job = status.add_jobs();
  int64_t number = 0;
  for (const Told& one : told) {
    v1::Recovery* recovery = job->add_recoveries();
    recovery->set_number(++number);
    recovery->set_kind(one.kind);
    recovery->set_worker(one.worker);
    recovery->set_server(one.server);
    recovery->set_lost_unix_us(Us(one.lost));
    recovery->set_resumed_unix_us(Us(one.resumed));
    recovery->set_counted_unix_us(Us(one.counted));
  }
  return status;
}

PlannedEvent Event(double seconds, const std::string& lost) {
  return {seconds, "", lost};
}

std::vector<PlannedEvent> Complete(const RecoveryLog& log,
                                   std::vector<PlannedEvent> events) {
  log.Complete(kStart, &events);
  return events;
}

TEST(RecoveryLogTest, OfSeveralItemsTheOneCountedFirstCounts) {
  RecoveryLog log;
  log.Add(Status(1, {{v1::Recovery::KIND_WORKER, "worker-1", 2.1, 2.5, 2.9},
                     {v1::Recovery::KIND_WORKER, "worker-1", 2.1, 2.25, 2.75},
                     {v1::Recovery::KIND_WORKER, "worker-1", 2.1}}));
  const auto events = Complete(log, {Event(2, "worker-1")});
  EXPECT_NEAR(events[0].resumed_s.value(), 0.25, 1e-6);
  EXPECT_NEAR(events[0].recovery_s.value(), 0.75, 1e-6);
}

TEST(RecoveryLogTest, AnItemOfWhichNothingWasLeftDoesNotHideAnother) {
  RecoveryLog log;
  log.Add(Status(1, {{v1::Recovery::KIND_WORKER, "worker-1", 2.1, 2.25},
                     {v1::Recovery::KIND_WORKER, "worker-1", 2.1, 2.5, 3}}));
  const auto events = Complete(log, {Event(2, "worker-1")});
  EXPECT_NEAR(events[0].resumed_s.value(), 0.5, 1e-6);
  EXPECT_NEAR(events[0].recovery_s.value(), 1, 1e-6);
}

TEST(RecoveryLogTest, ALaterStatusSaysWhatCameOfIt) {
  RecoveryLog log;
  log.Add(Status(1, {{v1::Recovery::KIND_SERVER, "", 2.1, 0, 0, 3}}));
  EXPECT_FALSE(Complete(log, {Event(2, "ps-3")})[0].resumed_s);
  log.Add(Status(1, {{v1::Recovery::KIND_SERVER, "", 2.1, 3, 0, 3}}));
  EXPECT_TRUE(Complete(log, {Event(2, "ps-3")})[0].resumed_s);
  EXPECT_FALSE(Complete(log, {Event(2, "ps-3")})[0].recovery_s);
  log.Add(Status(1, {{v1::Recovery::KIND_SERVER, "", 2.1, 3, 4, 3}}));
  EXPECT_NEAR(Complete(log, {Event(2, "ps-3")})[0].recovery_s.value(), 2, 1e-6);
  EXPECT_FALSE(Complete(log, {Event(2, "ps-2")})[0].recovery_s);
}

TEST(RecoveryLogTest, ALossIsDueToTheLastEventBeforeIt) {
  RecoveryLog log;
  // Its lease ran out, as it was stopped.
  log.Add(Status(1, {{v1::Recovery::KIND_WORKER, "worker-0", 0, 8, 9}}));
  const auto events = Complete(
      log, {Event(2, "worker-0"), Event(5, "worker-0"), Event(6, "worker-1"),
            Event(7, ""), Event(10, "worker-0")});
  EXPECT_FALSE(events[0].recovery_s);
  EXPECT_NEAR(events[1].recovery_s.value(), 4, 1e-6);
  for (const int other : {2, 3, 4}) EXPECT_FALSE(events[other].recovery_s);
}

TEST(RecoveryLogTest, EachLifeOfTheSchedulerCountsFromOne) {
  RecoveryLog log;
  log.Add(Status(1, {{v1::Recovery::KIND_WORKER, "worker-0", 1.5, 2, 2.5}}));
  // Training went on: it gave no lease before it heard of examples.
  log.Add(Status(2, {{v1::Recovery::KIND_SCHEDULER, "", 4.5, 0, 5}}));
  log.Add({});
  const auto events =
      Complete(log, {Event(1, "worker-0"), Event(4, "scheduler")});
  EXPECT_NEAR(events[0].recovery_s.value(), 1.5, 1e-6);
  EXPECT_FALSE(events[1].resumed_s);
  EXPECT_NEAR(events[1].recovery_s.value(), 1, 1e-6);
}

}  // namespace
}  // namespace ebb::tools
