#include "tools/ebb/status/status_text.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/status/status_json.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

v1::GetStatusResponse Status() {
  v1::GetStatusResponse status;
  status.set_now_unix_ms(1'000'000);
  status.set_up_since_unix_ms(1'000'000 - 130'000);
  status.set_process_id(100);
  v1::ServerStatus* server = status.add_servers();
  server->set_server(0);
  server->set_connected(true);
  server->set_address("127.0.0.1:4001");
  server->set_process_id(101);
  server->set_since_unix_ms(1'000'000 - 9'000);
  server->set_partitions(8);
  server->set_updates(1234);
  server = status.add_servers();
  server->set_server(1);
  server->set_problem("disk full");
  server->set_refused_pushes(2);
  server->set_refusal("no room");
  v1::WorkerStatus* worker = status.add_workers();
  worker->set_name("worker-0");
  worker->set_process_id(103);
  worker->set_state(v1::WorkerStatus::STATE_PARKED);
  worker->set_examples_per_second(41'000);
  auto* item = worker->add_items();
  item->mutable_item()->set_epoch(3);
  item->mutable_item()->set_shard(17);
  item->set_position(640);
  v1::JobStatus* job = status.add_jobs();
  job->mutable_summary()->set_name("fashion-mlp");
  job->mutable_summary()->set_job(1'795'243);
  job->mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  job->mutable_summary()->set_epochs(8);
  job->mutable_summary()->set_items(512);
  job->mutable_summary()->set_full_items(100);
  job->mutable_summary()->set_durable_items(90);
  job->set_examples(480'000);
  job->set_applied_min(120'000);
  job->set_applied_max(120'640);
  job->set_examples_per_second(112'000);
  auto* loss = job->add_losses();
  loss->set_mean(0.75);
  loss = job->add_losses();
  loss->set_epoch(1);
  loss->set_mean(0.5);
  job->set_priority(10);
  job->set_workers(3);
  job->set_workers_wanted(8);
  auto* evaluation = job->add_evaluations();
  evaluation->set_loss(0.625);
  evaluation->set_accuracy(0.875);
  auto* reason = job->add_waiting();
  reason->set_kind(v1::WaitReason::KIND_SERVER_AWAY);
  reason->set_subject("ps-1");
  reason->set_text("is away; 7 partitions wait for it");
  reason->set_for_ms(4000);
  return status;
}

TEST(StatusTextTest, PrintsWhoIsThereAndWhatTheyDo) {
  EXPECT_EQ(
      StatusText(Status(), "127.0.0.1:4000", {}),
      "ROLE       STATE   SINCE  PID  ADDRESS         WORK\n"
      "scheduler  up      2m     100  127.0.0.1:4000  1 job\n"
      "ps-0       up      9s     101  127.0.0.1:4001  8 partitions, 1,234 "
      "updates\n"
      "ps-1       away                                0 partitions, 0 updates, "
      "pushes back: no room, disk full\n"
      "worker-0   parked         103                  4/18@640  41.0k ex/s\n"
      "\n"
      "JOB           NUMBER  STATE    PRIORITY  WORKERS    ITEMS  DURABLE  "
      "APPLIED   SPEED  ETA  LOSS   TEST\n"
      "fashion-mlp  1795243  running        10      3/8  100/512       90    "
      "25.0%  112k/s   3s        0.875\n"
      "\n"
      "fashion-mlp waits:\n"
      "  ps-1: is away; 7 partitions wait for it (for 4.0 s)\n"
      "\n"
      "`ebb status JOB` shows the epochs and events of a job\n");
}

TEST(StatusTextTest, ALossThatIsNotKnownIsSaidSo) {
  v1::GetStatusResponse status = Status();
  status.mutable_jobs(0)->mutable_losses(1)->set_mean(
      std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(JobsText(status), HasSubstr("\n    2  not known\n"));
  EXPECT_THAT(StatusJson(status, "").ToLine(), HasSubstr("\"mean\": null"));
}

TEST(StatusTextTest, PrintsTheFiguresOfValues) {
  v1::GetStatusResponse status = Status();
  v1::JobStatus* job = status.mutable_jobs(0);
  job->set_squared_loss(true);
  job->set_recent_loss(50);
  job->mutable_losses(0)->set_mean(75);
  auto* evaluation = job->mutable_evaluations(0);
  evaluation->set_accuracy(-1);
  for (const auto& [name, value] : std::vector<std::pair<std::string, double>>{
           {"rmse", 11.5}, {"r2", 0.5}}) {
    auto* named = evaluation->mutable_figures()->add_named();
    named->set_name(name);
    named->set_value(value);
  }
  const std::string text = JobsText(status);
  EXPECT_THAT(text, HasSubstr("  rmse 10.000  rmse 11.500\n"));
  EXPECT_THAT(text, HasSubstr("EPOCH     RMSE  TEST RMSE  TEST R2\n"
                              "    1  12.2474    11.5000   0.5000\n"));
  EXPECT_THAT(StatusJson(status, "").ToLine(), HasSubstr("\"rmse\": 11.5"));
}

// Bug: the server was up and the worker idle, and nobody said why.
TEST(StatusTextTest, WhoCannotReachAServerIsShownAtBothEnds) {
  v1::GetStatusResponse status = Status();
  v1::Unreached one;
  one.set_who("worker-0");
  one.set_job(7);
  one.mutable_trouble()->set_server(1);
  one.mutable_trouble()->set_address("ps-1:7001");
  one.mutable_trouble()->set_cause(v1::PeerTrouble::CAUSE_NAME);
  one.mutable_trouble()->set_text("the name ps-1 does not resolve");
  one.mutable_trouble()->set_lasts_ms(2500);
  one.mutable_trouble()->set_attempts(9);
  *status.mutable_workers(0)->add_unreached() = one;
  *status.mutable_servers(1)->add_unreached_by() = one;
  status.mutable_workers(0)->set_state(v1::WorkerStatus::STATE_CUT_OFF);
  const std::string text = StatusText(status, "here:1", {});
  EXPECT_THAT(text, HasSubstr("worker-0   cut_off"));
  EXPECT_THAT(text, HasSubstr("cannot reach ps-1 at ps-1:7001: the name ps-1 "
                              "does not resolve"));
  EXPECT_THAT(text, HasSubstr("worker-0 cannot reach it at ps-1:7001: the name "
                              "ps-1 does not resolve"));
  const std::string json = StatusJson(status, "here:1").ToString();
  EXPECT_THAT(
      json, AllOf(HasSubstr("\"cause\": \"name\""),
                  HasSubstr("\"for_ms\": 2500"), HasSubstr("\"attempts\": 9")));
}

TEST(StatusTextTest, PrintsTheLastEpochsAndHowManyThereAre) {
  v1::GetStatusResponse status = Status();
  for (int32_t epoch = 2; epoch < 60; ++epoch) {
    auto* evaluation = status.mutable_jobs(0)->add_evaluations();
    evaluation->set_epoch(epoch);
    evaluation->set_loss(1.0 / epoch);
    evaluation->set_accuracy(-1);
  }
  const std::string text = JobsText(status);
  EXPECT_THAT(text,
              HasSubstr("\nfashion-mlp, the last 8 of 60 epochs\nEPOCH  "));
  EXPECT_THAT(text, HasSubstr("\n   53  "));
  EXPECT_THAT(text, HasSubstr("\n   60  "));
  EXPECT_THAT(text, Not(HasSubstr("\n   52  ")));
}

// Bug: the epoch had no figures, and nothing said why.
TEST(StatusTextTest, SaysWhyTheLastEvaluationWasNotMade) {
  v1::GetStatusResponse status = Status();
  auto* evaluation = status.mutable_jobs(0)->add_evaluations();
  evaluation->set_epoch(1);
  evaluation->set_error("no worker evaluates");
  EXPECT_THAT(StatusText(status, "127.0.0.1:4000", {}),
              HasSubstr("\nfashion-mlp: epoch 2 is not evaluated: no worker "
                        "evaluates\n"));
}

// Of an evaluation each tenth epoch hardly any was shown.
TEST(StatusTextTest, EvaluationsBeforeTheLastEpochsAreShown) {
  v1::GetStatusResponse status = Status();
  for (int32_t epoch = 2; epoch < 60; ++epoch) {
    auto* loss = status.mutable_jobs(0)->add_losses();
    loss->set_epoch(epoch);
    loss->set_mean(0.25);
    if (epoch % 10 != 9) continue;
    auto* evaluation = status.mutable_jobs(0)->add_evaluations();
    evaluation->set_epoch(epoch);
    evaluation->set_loss(epoch);
    evaluation->set_accuracy(-1);
  }
  EXPECT_THAT(JobsText(status),
              HasSubstr("the last 8 of 60 epochs and the evaluations before "
                        "them\nEPOCH    LOSS  TEST ACCURACY  TEST LOSS\n"
                        "   40  0.2500                   39.0000\n"
                        "   50  0.2500                   49.0000\n"
                        "   53  0.2500\n"));
}

// Bug: after the scheduler was away, six epochs had the same figures.
TEST(StatusTextTest, AnEpochWithoutASnapshotSaysWhoseFiguresItHas) {
  v1::GetStatusResponse status = Status();
  v1::JobStatus* job = status.mutable_jobs(0);
  EXPECT_THAT(JobsText(status), Not(HasSubstr("OF EPOCH")));
  auto* late = job->add_evaluations();
  *late = job->evaluations(0);
  late->set_epoch(1);
  late->set_position(300'000);  // 480,000 are 8 epochs.
  EXPECT_THAT(
      JobsText(status),
      HasSubstr("EPOCH    LOSS  TEST ACCURACY  TEST LOSS  TEST OF EPOCH\n"
                "    1  0.7500         0.8750     0.6250\n"
                "    2  0.5000         0.8750     0.6250            5.0\n"));
}

TEST(StatusTextTest, JobsThatAreOverAreFoldedButForTheNewest) {
  v1::GetStatusResponse status;
  for (int job = 1; job <= 6; ++job) {
    auto* summary = status.add_jobs()->mutable_summary();
    summary->set_name(absl::StrCat("job", job));
    summary->set_job(job);
    summary->set_state(job == 1 ? v1::JOB_STATE_RUNNING
                                : v1::JOB_STATE_COMPLETE);
  }
  const std::string text = StatusText(status, "127.0.0.1:4000", {});
  EXPECT_THAT(text,
              AllOf(HasSubstr("job1 "), HasSubstr("job4 "), HasSubstr("job6 "),
                    Not(HasSubstr("job2 ")), Not(HasSubstr("job3 "))));
  EXPECT_THAT(text, HasSubstr("2 older jobs are over: `ebb status --all`"));
  EXPECT_THAT(
      StatusText(status, "127.0.0.1:4000", {}, /*all_jobs=*/true),
      AllOf(HasSubstr("job2 "), HasSubstr("job3 "), Not(HasSubstr("older"))));
}

TEST(StatusTextTest, AWorkerThatOthersWaitForIsSingledOut) {
  v1::GetStatusResponse status = Status();
  v1::WorkerStatus* worker = status.mutable_workers(0);
  worker->set_state(v1::WorkerStatus::STATE_WORKING);
  worker->set_unheard_ms(2300);
  worker->set_awaited_by(3);
  EXPECT_THAT(StatusText(status, "127.0.0.1:4000", {}),
              HasSubstr("4/18@640  41.0k ex/s  said nothing for 2.3 s; "
                        "3 workers wait for it\n"));
  worker->set_unheard_ms(300);
  EXPECT_THAT(StatusText(status, "127.0.0.1:4000", {}),
              Not(HasSubstr("said nothing")));
}

TEST(StatusTextTest, RecentEventsStandBelow) {
  v1::GetStatusResponse status = Status();
  for (int i = 0; i < 8; ++i) {
    v1::Event* event = status.add_events();
    event->set_number(i + 1);
    event->set_unix_ms(status.now_unix_ms() - 9'000 - i);
    event->set_kind(v1::Event::KIND_SERVER_AWAY);
    event->set_text(absl::StrCat("server ", i, " is away"));
  }
  EXPECT_THAT(StatusText(status, "127.0.0.1:4000", {}),
              Not(HasSubstr("AGO  EVENT")));
  EXPECT_THAT(JobsText(status),
              AllOf(HasSubstr("\nAGO  EVENT        WHAT\n"
                              " 9s  server_away  server 2 is away\n"),
                    Not(HasSubstr("server 1 is away"))));
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              HasSubstr("\"events\": [{\"number\": 1, \"unix_ms\": 991000, "
                        "\"kind\": \"server_away\", \"job\": 0, "
                        "\"subject\": \"\", \"text\": \"server 0"));
}

TEST(StatusTextTest, PrintsJobsWithoutDaemons) {
  const std::string text = JobsText(Status());
  EXPECT_THAT(text, StartsWith("JOB           NUMBER  STATE"));
  EXPECT_THAT(
      text, AllOf(HasSubstr("fashion-mlp waits:"), Not(HasSubstr("worker-0"))));
}

// Nobody could tell which one `ebb explain NUMBER` should be asked of.
TEST(StatusTextTest, JobsOfOneNameHaveTheirNumbers) {
  v1::GetStatusResponse status = Status();
  status.mutable_jobs(0)->mutable_summary()->set_job(17);
  v1::JobStatus* other = status.add_jobs();
  other->mutable_summary()->set_name("fashion-mlp");
  other->mutable_summary()->set_job(18);
  EXPECT_THAT(StatusText(status, "127.0.0.1:4000", {}),
              AllOf(HasSubstr("\nfashion-mlp      17  running"),
                    HasSubstr("\nfashion-mlp      18  "),
                    HasSubstr("\nfashion-mlp (17) waits:")));
}

TEST(StatusTextTest, JsonHasRolesProcessesAddressesItemsAndMarks) {
  const std::string json = StatusJson(Status(), "127.0.0.1:4000").ToLine();
  EXPECT_THAT(
      json,
      AllOf(HasSubstr("{\"role\": \"scheduler\", \"name\": \"scheduler\", "
                      "\"process_id\": 100, \"address\": \"127.0.0.1:4000\""),
            HasSubstr("{\"role\": \"server\", \"name\": \"ps-0\", \"id\": 0, "
                      "\"process_id\": 101"),
            HasSubstr("{\"role\": \"worker\", \"name\": \"worker-0\", "
                      "\"process_id\": 103"),
            HasSubstr("\"epoch\": 3, \"shard\": 17, \"mark\": 640"),
            HasSubstr("\"marks\": {\"least\": 120000, \"most\": 120640}"),
            HasSubstr("\"kind\": \"server_away\"")));
}

TEST(StatusTextTest, SaysHowLateUpdatesAreAndWhoWaits) {
  v1::GetStatusResponse status = Status();
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              HasSubstr("\"scaled_updates\": null, \"bound_wait_seconds\": "
                        "null, \"worker_seconds\": null, "
                        "\"late_updates\": \"\""));
  v1::JobStatus* job = status.mutable_jobs(0);
  job->mutable_scaled()->set_updates(4);
  job->mutable_scaled()->set_scaled(2);
  job->mutable_scaled()->set_factor_sum(3);
  job->set_bound_wait_us(2'000'000);
  job->set_worker_us(8'000'000);
  job->set_late_updates("2 % were too late");
  EXPECT_THAT(
      JobsText(status),
      AllOf(HasSubstr("\nfashion-mlp scales late updates by 0.75 on average (2 "
                      "of 4 updates); effective staleness 0.0\n"),
            HasSubstr("\nfashion-mlp: workers waited 2.0 s for others, 25.0 % "
                      "of their time\n"),
            HasSubstr("\nfashion-mlp: 2 % were too late\n")));
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              AllOf(HasSubstr("\"mean_factor\": 0.75"),
                    HasSubstr("\"bound_wait_seconds\": 2, "
                              "\"worker_seconds\": 8, \"late_updates\": "
                              "\"2 % were too late\"")));
}

TEST(StatusTextTest, JsonSaysWhatIsWrongWithAnItem) {
  v1::GetStatusResponse status = Status();
  auto* const bad = status.mutable_jobs(0)->add_quarantined();
  bad->set_position(32);
  bad->set_failures(3);
  bad->set_error("no room");
  bad->set_applied_somewhere(true);
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              HasSubstr(R"("position": 32, "failures": 3, "error": "no room", )"
                        R"("skip_wanted": false, "non_finite": false, )"
                        R"("applied_somewhere": true)"));
  bad->set_applied_somewhere(false);
  bad->set_non_finite(true);
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              HasSubstr(R"("non_finite": true, "applied_somewhere": false)"));
}

TEST(StatusTextTest, ExplainsWhoWaitsForWhom) {
  v1::ExplainResponse explanation;
  const v1::JobState running = v1::JOB_STATE_RUNNING;
  EXPECT_EQ(ExplainText(explanation, running, {}),
            "It advances; nothing waits.\n");
  auto* reason = explanation.add_reasons();
  reason->set_kind(v1::WaitReason::KIND_PARKED_BY_SSP);
  reason->set_subject("worker-0");
  reason->set_text("parked at ps-1, waiting for worker-1");
  const std::string line = "  worker-0: parked at ps-1, waiting for worker-1\n";
  EXPECT_EQ(ExplainText(explanation, running, {}),
            "It advances. Meanwhile:\n" + line);
  explanation.set_not_advancing_ms(4000);
  EXPECT_EQ(ExplainText(explanation, running, {}),
            "Not advancing for 4.0 s.\n" + line);
  EXPECT_EQ(ExplainJson(explanation, running).ToLine(),
            "{\"state\": \"running\", \"advancing\": false, "
            "\"not_advancing_ms\": 4000, \"divergence\": \"\", "
            "\"stored_where\": \"\", \"workers_to_spare\": 0, \"reasons\": "
            "[{\"kind\": "
            "\"parked_by_ssp\", \"subject\": \"worker-0\", \"text\": \"parked "
            "at ps-1, waiting for worker-1\", \"for_ms\": 0}]}");
}

// Bug: "complete; nothing waits", with four of seven partitions gone.
TEST(StatusTextTest, ACompleteJobMayHaveLostItsModelAndSaysWhereItIs) {
  v1::ExplainResponse explanation;
  explanation.set_stored_where("its values are at ps-0 only");
  EXPECT_EQ(ExplainText(explanation, v1::JOB_STATE_COMPLETE, {}),
            "It is complete; nothing waits.\n"
            "Where it is: its values are at ps-0 only.\n");
  auto* reason = explanation.add_reasons();
  reason->set_kind(v1::WaitReason::KIND_SERVER_AWAY);
  reason->set_text("ps 0 is away");
  const std::string lost =
      "is complete, but its model is not whole now:\n  ps 0 is away\n";
  EXPECT_EQ(ExplainText(explanation, v1::JOB_STATE_COMPLETE, {}),
            "It " + lost + "Where it is: its values are at ps-0 only.\n");
  v1::GetStatusResponse status;
  v1::JobStatus* job = status.add_jobs();
  job->mutable_summary()->set_name("mnist");
  job->mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
  *job->add_waiting() = *reason;
  job->set_stored_where(explanation.stored_where());
  EXPECT_THAT(JobsText(status),
              AllOf(HasSubstr("\nmnist " + lost),
                    HasSubstr("\nmnist: its values are at ps-0 only.\n")));
  EXPECT_THAT(StatusJson(status, "").ToLine(),
              HasSubstr("\"stored_where\": \"its values are at"));
}

TEST(StatusTextTest, WorkersToSpareAreNoReasonToWait) {
  v1::ExplainResponse explanation;
  explanation.set_workers_to_spare(2);
  const std::string why =
      "2 more workers could work on the job than it takes at once "
      "(workers.max); other jobs may have them. With more at once, gradients "
      "come later, and the job learns less from each example; `ebb scale ";
  EXPECT_EQ(
      ExplainText(explanation, v1::JOB_STATE_RUNNING, {}),
      "It advances; nothing waits.\n" + why + "JOB --workers N` takes N.\n");
  EXPECT_THAT(ExplainJson(explanation, v1::JOB_STATE_RUNNING).ToLine(),
              HasSubstr("\"workers_to_spare\": 2, \"reasons\": []"));
  v1::GetStatusResponse status;
  v1::JobStatus* job = status.add_jobs();
  job->mutable_summary()->set_name("mnist");
  job->set_workers_to_spare(2);
  const std::string text = StatusText(status, "", {}, false);
  EXPECT_THAT(text, HasSubstr(why + "mnist --workers N` takes N.\n"));
  EXPECT_THAT(text, Not(HasSubstr("meanwhile")));
  EXPECT_THAT(text, Not(HasSubstr("waits")));
  EXPECT_THAT(StatusJson(status, "").ToLine(), HasSubstr("\"to_spare\": 2"));
}

// "It advances" stood above why it did not, for the first second of it.
TEST(StatusTextTest, AJobAdvancesOrIsSaidNotTo) {
  v1::ExplainResponse explanation;
  const auto first_line = [&](v1::JobState state) {
    const std::string text = ExplainText(explanation, state, {});
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(first_line(v1::JOB_STATE_COMPLETE),
            "It is complete; nothing waits.");
  EXPECT_EQ(first_line(v1::JOB_STATE_CANCELLED),
            "It is cancelled; nothing waits.");
  EXPECT_EQ(first_line(v1::JOB_STATE_FLUSHING),
            "All is applied, and not all is durable.");
  for (const auto kind :
       {v1::WaitReason::KIND_SERVER_AWAY, v1::WaitReason::KIND_STARTING,
        v1::WaitReason::KIND_NO_WORKERS, v1::WaitReason::KIND_NO_SERVERS,
        v1::WaitReason::KIND_PAUSED}) {
    explanation.clear_reasons();
    explanation.add_reasons()->set_kind(kind);
    EXPECT_EQ(first_line(v1::JOB_STATE_RUNNING), "Not advancing.") << kind;
  }
}

TEST(StatusTextTest, TellsOfADamagedStore) {
  v1::GetStatusResponse status = Status();
  v1::ServerStatus* server = status.mutable_servers(0);
  server->mutable_store_damage()->set_rescues(1);
  server->mutable_store_damage()->set_found("a checksum");
  server->mutable_store_damage()->set_set_aside("/s/db.damaged-1");
  const std::string text = StatusText(status, "here:1", {});
  EXPECT_THAT(text, HasSubstr("its store was damaged"));
  EXPECT_THAT(text, HasSubstr("the damaged files are in /s/db.damaged-1"));
  EXPECT_THAT(text, HasSubstr("no example is computed again"));
}

}  // namespace
}  // namespace ebb::tools
