#include "scheduler/scheduler_metrics.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const v1::GetStatusResponse& status) {
  metrics::OpenMetrics text;
  AddScheduler(status, &text);
  return std::move(text).Text();
}

v1::JobStatus* AddJob(uint64_t id, v1::JobState state,
                      v1::GetStatusResponse* status) {
  v1::JobStatus* job = status->add_jobs();
  job->mutable_summary()->set_job(id);
  job->mutable_summary()->set_name("mnist");
  job->mutable_summary()->set_state(state);
  return job;
}

TEST(SchedulerMetricsTest, CountsTheClusterByWhatItDoes) {
  v1::GetStatusResponse status;
  status.add_servers()->set_connected(true);
  v1::ServerStatus* away = status.add_servers();
  away->set_server(1);
  away->set_problem("disk full");
  for (int i = 0; i < 3; ++i) {
    status.add_workers()->set_state(i == 0 ? v1::WorkerStatus::STATE_IDLE
                                           : v1::WorkerStatus::STATE_WORKING);
  }

  EXPECT_THAT(TextOf(status),
              AllOf(HasSubstr("ebb_scheduler_server_up{server=\"0\"} 1\n"),
                    HasSubstr("ebb_scheduler_server_up{server=\"1\"} 0\n"),
                    HasSubstr("ebb_scheduler_server_problem{server=\"1\"} 1\n"),
                    HasSubstr("ebb_scheduler_workers{state=\"idle\"} 1\n"),
                    HasSubstr("ebb_scheduler_workers{state=\"working\"} 2\n"),
                    HasSubstr("ebb_scheduler_workers{state=\"parked\"} 0\n")));
}

TEST(SchedulerMetricsTest, JobsThatEndedAreCountedOnly) {
  v1::GetStatusResponse status;
  AddJob(1, v1::JOB_STATE_COMPLETE, &status)->set_updates(5);
  AddJob(2, v1::JOB_STATE_RUNNING, &status)->set_updates(7);

  const std::string text = TextOf(status);

  EXPECT_THAT(text,
              AllOf(HasSubstr("ebb_scheduler_jobs{state=\"complete\"} 1\n"),
                    HasSubstr("ebb_scheduler_jobs{state=\"running\"} 1\n"),
                    HasSubstr("ebb_scheduler_jobs{state=\"paused\"} 0\n"),
                    HasSubstr("ebb_scheduler_job_updates_total{job=\"2\","
                              "name=\"mnist\"} 7\n")));
  EXPECT_THAT(text, Not(HasSubstr("job=\"1\"")));
}

TEST(SchedulerMetricsTest, ALossThatIsNotKnownIsNoNumber) {
  v1::GetStatusResponse status;
  AddJob(2, v1::JOB_STATE_RUNNING, &status);
  EXPECT_THAT(TextOf(status),
              HasSubstr("ebb_scheduler_job_loss{job=\"2\",name=\"mnist\"} "
                        "NaN\n"));
  status.mutable_jobs(0)->set_recent_loss(0.25);
  EXPECT_THAT(TextOf(status),
              HasSubstr("ebb_scheduler_job_loss{job=\"2\",name=\"mnist\"} "
                        "0.25\n"));
}

TEST(SchedulerMetricsTest, WorkersToSpareAreNoReasonToWait) {
  v1::GetStatusResponse status;
  v1::JobStatus* job = AddJob(2, v1::JOB_STATE_RUNNING, &status);
  job->set_workers_to_spare(3);
  job->add_waiting()->set_kind(v1::WaitReason::KIND_LEASE_HELD);
  EXPECT_THAT(TextOf(status),
              AllOf(HasSubstr("ebb_scheduler_job_spare_workers{job=\"2\","
                              "name=\"mnist\"} 3\n"),
                    HasSubstr("ebb_scheduler_job_waiting_reasons{job=\"2\","
                              "name=\"mnist\"} 1\n")));
}

TEST(SchedulerMetricsTest, LatenessThatNoServerSaidHasNoSeries) {
  v1::GetStatusResponse status;
  v1::JobStatus* job = AddJob(2, v1::JOB_STATE_RUNNING, &status);
  EXPECT_THAT(TextOf(status),
              AllOf(Not(HasSubstr("job_scaled_updates_total{")),
                    Not(HasSubstr("job_effective_staleness{")),
                    Not(HasSubstr("job_bound_wait_seconds_total{"))));
  v1::ScaledUpdates* scaled = job->mutable_scaled();
  scaled->set_updates(4);
  scaled->set_scaled(2);
  scaled->set_to_nothing(1);
  scaled->set_factor_sum(2.5);
  scaled->set_scaled_staleness(5);
  job->set_bound_wait_us(1'500'000);
  job->set_worker_us(3'000'000);
  const auto is = [](absl::string_view name, absl::string_view value) {
    return HasSubstr(absl::StrCat("ebb_scheduler_job_", name,
                                  "{job=\"2\",name=\"mnist\"} ", value, "\n"));
  };
  EXPECT_THAT(TextOf(status), AllOf(is("scaled_updates_total", "2"),
                                    is("updates_scaled_to_nothing_total", "1"),
                                    is("update_factors_total", "2.5"),
                                    is("effective_staleness", "2"),
                                    is("bound_wait_seconds_total", "1.5"),
                                    is("worker_seconds_total", "3")));
}

TEST(SchedulerMetricsTest, TheLastEvaluationWithResultsHasASeriesPerFigure) {
  v1::GetStatusResponse status;
  v1::JobStatus* job = AddJob(2, v1::JOB_STATE_RUNNING, &status);
  EXPECT_THAT(TextOf(status), AllOf(Not(HasSubstr("job_test_figure{")),
                                    Not(HasSubstr("job_test_epoch{"))));
  job->add_evaluations()->set_loss(9);
  v1::JobStatus::Evaluation* last = job->add_evaluations();
  last->set_epoch(1);
  last->set_loss(0.5);
  last->set_accuracy(0.75);
  const auto add = [&](const std::string& name, double value) {
    v1::Figures::Named* figure = last->mutable_figures()->add_named();
    figure->set_name(name);
    figure->set_value(value);
  };
  add("accuracy", 0.75);
  add("auc", 0.875);
  job->add_evaluations()->set_error("the worker has no test data");

  const std::string text = TextOf(status);

  const auto is = [](absl::string_view figure, absl::string_view value) {
    return HasSubstr(
        absl::StrCat("ebb_scheduler_job_test_figure{job=\"2\","
                     "name=\"mnist\",figure=\"",
                     figure, "\"} ", value, "\n"));
  };
  EXPECT_THAT(text, AllOf(is("loss", "0.5"), is("accuracy", "0.75"),
                          is("auc", "0.875")));
  EXPECT_THAT(text, HasSubstr("ebb_scheduler_job_test_epoch{job=\"2\","
                              "name=\"mnist\"} 2\n"));
  // A series that comes twice is not OpenMetrics.
  EXPECT_EQ(text.find("figure=\"accuracy\""),
            text.rfind("figure=\"accuracy\""));
  EXPECT_THAT(text, Not(HasSubstr("} 9\n")));
}

TEST(SchedulerMetricsTest, CountedAccuracyIsAFigureToo) {
  v1::GetStatusResponse status;
  AddJob(2, v1::JOB_STATE_RUNNING, &status)
      ->add_evaluations()
      ->set_accuracy(0.75);
  AddJob(3, v1::JOB_STATE_RUNNING, &status)
      ->add_evaluations()
      ->set_accuracy(-1);

  const std::string text = TextOf(status);

  EXPECT_THAT(text, HasSubstr("{job=\"2\",name=\"mnist\",figure="
                              "\"accuracy\"} 0.75\n"));
  EXPECT_THAT(text, Not(HasSubstr("{job=\"3\",name=\"mnist\",figure="
                                  "\"accuracy\"}")));
}

TEST(SchedulerMetricsTest, StalenessIsAHistogram) {
  v1::GetStatusResponse status;
  v1::JobStatus* job = AddJob(2, v1::JOB_STATE_RUNNING, &status);
  for (const int64_t count : {4, 0, 1}) job->add_staleness(count);

  EXPECT_THAT(
      TextOf(status),
      AllOf(HasSubstr("ebb_scheduler_job_staleness_bucket{job=\"2\",name="
                      "\"mnist\",le=\"0\"} 4\n"),
            HasSubstr("ebb_scheduler_job_staleness_bucket{job=\"2\",name="
                      "\"mnist\",le=\"2\"} 5\n"),
            HasSubstr("ebb_scheduler_job_staleness_sum{job=\"2\",name="
                      "\"mnist\"} 2\n")));
}

}  // namespace
}  // namespace ebb::scheduler
