#include "tools/ebb/report/run_report.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/storage/folder_owner.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/report/html_report.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/files/files.h"
#include "tools/text/read_json.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RunReport Good() {
  RunReport report;
  report.job.set_name("fashion-mlp");
  report.job.set_seed(1);
  report.job.mutable_train()->set_epochs(8);
  report.job.mutable_expect()->set_accuracy(">= 0.87");
  report.folder = "runs/fashion-mlp-1";
  report.files = {"report.html", "report.json", "metrics.csv", "logs"};
  report.seconds = 4.6;
  report.total_seconds = 5.5;
  report.cpu_seconds = 9;
  v1::JobStatus& status = report.status;
  status.mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
  status.set_examples(480'000);
  status.set_applied_min(480'000);
  status.set_updates(56'265);
  for (const int64_t count : {10, 60, 25, 5, 0}) status.add_staleness(count);
  auto* evaluation = status.add_evaluations();
  evaluation->set_epoch(7);
  evaluation->set_accuracy(0.8791);
  evaluation->set_loss(0.36);
  status.add_losses()->set_mean(0.25);
  for (int server : {0, 1}) {
    status.mutable_placement()->add_servers()->set_server(server);
  }
  for (int p = 0; p < 15; ++p) {
    auto* place = status.mutable_placement()->add_partitions();
    place->set_partition(p);
    place->set_server(p % 2);
  }
  for (const auto& [name, examples] :
       std::vector<std::pair<std::string, int64_t>>{{"worker-0", 160'000},
                                                    {"worker-1", 320'000}}) {
    auto* share = status.add_shares();
    share->set_name(name);
    share->set_examples(examples);
  }
  AuditReport audit;
  audit.worst = {480'000, 480'000, 0, 0, 0, 15};
  audit.sum = {7'200'000, 7'200'000, 0, 0, 0, 15};
  PartitionAudit partition;
  partition.server = 0;
  partition.ledger = audit.worst;
  partition.marks_agree = true;
  audit.partitions.assign(15, partition);
  for (int p = 0; p < 15; ++p) audit.partitions[p].server = p % 2;
  report.audit = audit;
  report.expectations = CheckExpectations(report.job, status);
  return report;
}

TEST(RunReportTest, TellsHowLongTheEndsOfEpochsDraggedOn) {
  RunReport report = Good();
  EXPECT_THAT(ReportText(report, Console()), Not(HasSubstr("epoch ends")));
  EXPECT_THAT(ReportJson(report).ToLine(), HasSubstr("\"epoch_ends\": null"));
  v1::JobStatus::EpochTails* tails = report.status.mutable_epoch_tails();
  tails->set_epochs(4);
  tails->set_sum_us(2'000'000);
  tails->set_longest_us(1'250'000);
  tails->set_slowest_batch_us(101'000);

  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("  epoch ends      idle workers waited 0.50 s for the "
                        "last items of an epoch on average, 1.25 s at most (4 "
                        "epochs; a batch takes the slowest worker 0.101 s)"));
  EXPECT_THAT(ReportJson(report).ToLine(), HasSubstr("\"longest_s\": 1.25"));
}

// The report of a job that predicts two classes, or values.
RunReport WithFigures(
    const std::vector<std::pair<std::string, double>>& figures) {
  RunReport report = Good();
  auto* evaluation = report.status.mutable_evaluations(0);
  for (const auto& [name, value] : figures) {
    auto* named = evaluation->mutable_figures()->add_named();
    named->set_name(name);
    named->set_value(value);
  }
  return report;
}

TEST(RunReportTest, TellsTheFiguresOfTwoClasses) {
  RunReport report = WithFigures({{"accuracy", 0.8791},
                                  {"log_loss", 0.36},
                                  {"auc", 0.95},
                                  {"f1", 0.88},
                                  {"baseline_accuracy", 0.5},
                                  {"baseline_log_loss", 0.69}});
  for (const int count : {41, 3, 2, 1054}) {
    report.status.mutable_evaluations(0)->mutable_figures()->add_confusion(
        count);
  }
  report.job.mutable_expect()->set_auc(">= 0.97");
  report.job.mutable_expect()->set_loss("<= 0.4");
  report.expectations = CheckExpectations(report.job, report.status);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("expected auc >= 0.97, found 0.9500"));
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_THAT(ReportText(report, Console()),
              AllOf(HasSubstr("  test accuracy   0.8791 (expected >= 0.87)\n"
                              "  test log loss   0.3600\n"
                              "  test AUC        0.9500 (expected >= 0.97: "
                              "missed)\n"
                              "  test F1         0.8800\n"
                              "  test loss       0.3600 (expected <= 0.4)\n"
                              "  baseline        accuracy 0.5000: always the "
                              "commonest class; log loss 0.6900: always the "
                              "shares of the classes\n"),
                    HasSubstr("  confusion       41 3  (label 0, by "
                              "prediction)\n"
                              "                  2 1,054  (label 1)\n")));
  EXPECT_THAT(ReportJson(report).ToLine(),
              AllOf(HasSubstr("\"auc\": 0.95"),
                    HasSubstr("\"confusion\": [[41, 3], [2, 1054]]")));
  EXPECT_THAT(HtmlReport(report, {}),
              AllOf(HasSubstr("0.9500</b><span>test AUC"),
                    HasSubstr("<td>1</td><td class=\"n\">2</td>"
                              "<td class=\"n\">1,054</td>")));
}

TEST(RunReportTest, TellsTheCalibrationOfTwoClasses) {
  RunReport report = WithFigures(
      {{"accuracy", 0.9}, {"log_loss", 0.36}, {"calibration_error", 0.0125}});
  const auto add = [&](int64_t examples, double predicted, double observed) {
    v1::Figures::Bin* bin = report.status.mutable_evaluations(0)
                                ->mutable_figures()
                                ->add_calibration();
    bin->set_examples(examples);
    bin->set_predicted(predicted);
    bin->set_observed(observed);
  };
  add(40, 0.0625, 0.05);
  add(0, 0, 0);
  add(60, 0.75, 0.8);
  report.job.mutable_expect()->set_calibration_error("<= 0.01");
  report.expectations = CheckExpectations(report.job, report.status);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("expected calibration_error <= 0.01, found 0.0125"));
  EXPECT_THAT(
      ReportText(report, Console()),
      AllOf(HasSubstr("  test ECE        0.0125 (expected <= 0.01: missed)\n"),
            HasSubstr("  calibration     predicted 0.0625, observed 0.0500  "
                      "(40 examples)\n"
                      "                  predicted 0.7500, observed 0.8000  "
                      "(60 examples)\n")));
  const std::string html = HtmlReport(report, {});
  EXPECT_THAT(html, AllOf(HasSubstr("0.0125</b><span>test ECE"),
                          HasSubstr("<h2>Calibration: observed by predicted "
                                    "probability</h2><svg "),
                          HasSubstr("<title>0.75: 0.8</title></circle>")));
  report.status.mutable_evaluations(0)->mutable_figures()->clear_calibration();
  EXPECT_THAT(HtmlReport(report, {}), Not(HasSubstr("Calibration")));
}

// The rows said label 0 and label 1.
TEST(RunReportTest, NamesTheClassesOfTheConfusionMatrix) {
  RunReport report = WithFigures({{"accuracy", 0.9}});
  for (const int count : {41, 3, 2, 5}) {
    report.status.mutable_evaluations(0)->mutable_figures()->add_confusion(
        count);
  }
  report.classes = {"ham & eggs", "spam"};
  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("41 3  (label ham & eggs, by prediction)\n"
                        "                  2 5  (label spam)\n"));
  EXPECT_THAT(
      HtmlReport(report, {}),
      AllOf(HasSubstr("colspan=\"2\">taken for</th></tr><tr><th></th><th "
                      "class=\"n\">ham &amp; eggs</th>"),
            HasSubstr("<td>spam</td><td class=\"n\">2</td>")));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"classes\": [\"ham & eggs\", \"spam\"]"));
}

// Late updates and shares of workers stood between the accuracy and the audit.
TEST(RunReportTest, TheResultComesFirstAndDetailsIfTheyAreWanted) {
  RunReport report = WithFigures({{"rmse", 63.9}, {"baseline_rmse", 77.1}});
  report.job.clear_expect();
  report.expectations.clear();
  const std::string result =
      ReportText(report, Console(), ReportDetail::kResult);
  EXPECT_THAT(result,
              ::testing::StartsWith(
                  "done in 4.6 s\n"
                  "  test accuracy   0.8791\n"
                  "  test RMSE       63.9000\n"
                  "  baseline        RMSE 77.1000: always the mean\n"
                  "  examples        480,000 of 480,000 applied in each of 15 "
                  "partitions: 0 missing, 0 doubled, 0 skipped\n"
                  "  audit           exact\n"
                  "  speed           "));
  const std::string all = ReportText(report, Console(), ReportDetail::kAll);
  for (const std::string detail :
       {"updates", "staleness", "servers", "workers"}) {
    const std::string line = absl::StrCat("\n  ", detail, " ");
    EXPECT_THAT(result, Not(HasSubstr(line)));
    EXPECT_THAT(all, HasSubstr(line));
  }
  EXPECT_THAT(result, AllOf(HasSubstr("\n  restarts "), HasSubstr("\n  run ")));
}

// Bug: half of the matrix of ten classes lay outside of its card, and so did
// texts at the right.
TEST(RunReportTest, AWideMatrixHasACardAsWideAsThePage) {
  RunReport report = WithFigures({{"accuracy", 0.9}});
  const auto html_of = [&](int classes) {
    auto* figures = report.status.mutable_evaluations(0)->mutable_figures();
    figures->clear_confusion();
    for (int i = 0; i < classes * classes; ++i) figures->add_confusion(i);
    return HtmlReport(report, {});
  };
  constexpr char kWide[] = "<div class=\"card wide\"><h2>Confusion matrix</h2>";
  EXPECT_THAT(html_of(10), HasSubstr(kWide));
  EXPECT_THAT(html_of(3), Not(HasSubstr(kWide)));
  report.status.mutable_scaled()->set_updates(7);
  report.status.mutable_scaled()->set_scaled(7);
  report.status.mutable_scaled()->set_factor_sum(3.5);
  EXPECT_THAT(HtmlReport(report, {}),
              HasSubstr("<td>late updates scaled</td><td class=\"v\">"));
}

TEST(RunReportTest, FiguresOfOneClassNameIt) {
  RunReport report = WithFigures(
      {{"accuracy", 0.9}, {"auc", 0.9}, {"f1", 0.75}, {"recall", 0.5}});
  report.status.set_positive_class("left");
  EXPECT_THAT(ReportText(report, Console(), ReportDetail::kResult),
              AllOf(HasSubstr("  test F1         0.7500 of 'left'\n"),
                    HasSubstr("  test recall     0.5000 of 'left'\n"),
                    HasSubstr("  test AUC        0.9000\n")));
  EXPECT_THAT(HtmlReport(report, {}),
              HasSubstr("0.7500</b><span>test F1 of 'left'</span>"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"positive_class\": \"left\""));
}

// Bug: the pages of trees told of epochs, updates and staleness, and not of
// what the features say.
TEST(RunReportTest, ThePagesOfTreesTellOfTrees) {
  RunReport report = Good();
  report.job.mutable_model()->set_kind("boosted_trees");
  report.job.mutable_train()->set_epochs(60);
  report.status.set_examples(6000);
  report.figures.emplace();
  report.figures->counts = {{20, "trees"}, {140, "splits"}};
  report.figures->lines = {{"trees", "20, 140 splits"}};
  report.figures->key = "boosted";
  report.figures->json["trees"] = 20;
  report.figures->importances = {{"petal <cm>", 0.75, {}}, {"width", 0.25, {}}};
  const std::string html = HtmlReport(report, {});
  EXPECT_THAT(
      html,
      AllOf(HasSubstr("20 trees, grown in 60 passes over 100 examples, seed"),
            HasSubstr("20</b><span>trees</span>"),
            HasSubstr("140</b><span>splits</span>"),
            HasSubstr("<h2>Importance of the features</h2>"),
            HasSubstr("<td>petal &lt;cm&gt;</td>"), HasSubstr("75.0 %"),
            Not(HasSubstr("updates")), Not(HasSubstr("epoch"))));
  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("trees           20, 140 splits\n"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"boosted\": {\"trees\": 20}"));

  report.job.mutable_model()->set_kind("forest");
  report.job.mutable_model()->set_trees(20);
  report.job.mutable_algorithm()->set_kind(v1::Algorithm::KIND_TASKS);
  report.status.set_examples(20);
  report.figures.emplace();
  report.figures->counts = {{20, "trees"}, {300, "nodes"}};
  report.figures->importances = {{"width", 1, 0.125}};
  EXPECT_THAT(HtmlReport(report, {}),
              AllOf(HasSubstr(">20 trees, seed "),
                    HasSubstr("300</b><span>nodes</span>"),
                    HasSubstr("lost if shuffled</th>"), HasSubstr("0.1250"),
                    HasSubstr("trees applied, each partition"),
                    Not(HasSubstr("epoch")), Not(HasSubstr("updates"))));
}

// A log loss rose from epoch 4 to epoch 91, and the run was good.
TEST(RunReportTest, WarnsOfATestLossThatRises) {
  RunReport report = Good();
  report.status.clear_evaluations();
  for (int32_t epoch = 0; epoch < 8; ++epoch) {
    auto* evaluation = report.status.add_evaluations();
    evaluation->set_epoch(epoch);
    evaluation->set_accuracy(0.75);
    evaluation->set_loss(0.5 + 0.125 * epoch);
  }
  const auto warnings = [&] {
    report.warnings.clear();
    report.problems.clear();
    Judge(&report);
    return report.warnings;
  };
  EXPECT_THAT(
      warnings(),
      ElementsAre("the test loss has risen since epoch 1, from 0.5000 to "
                  "1.3750: the last model is not the best one; `keep_best: "
                  "loss` keeps the best version, and `stop: loss` ends the job "
                  "when it no longer gets better"));
  report.job.mutable_stop()->set_metric("loss");
  EXPECT_THAT(warnings(), ElementsAre(AllOf(HasSubstr("`keep_best: loss`"),
                                            Not(HasSubstr("stop")))));
  report.job.set_keep_best("loss");
  EXPECT_THAT(warnings(), IsEmpty());
}

// Half a mean squared error of 13,436 ended with a good verdict, and the model
// had not moved from zero.
TEST(RunReportTest, WarnsOfAModelThatIsNoBetterThanTheMean) {
  RunReport report =
      WithFigures({{"rmse", 163.9}, {"r2", -3.5}, {"baseline_rmse", 77.1}});
  report.job.clear_expect();
  report.expectations.clear();
  Judge(&report);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("no better than always saying the mean")));
  EXPECT_THAT(HtmlReport(report, {}), HasSubstr("always saying the mean"));
}

TEST(RunReportTest, WarnsOfATrainingThatDivergedToTheEnd) {
  RunReport report = Good();
  report.status.set_divergence("the training loss is 2.5");
  Judge(&report);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.warnings, ElementsAre("the training loss is 2.5"));
}

// Bug: it said "updates 0" and nothing of the examples.
TEST(RunReportTest, ARunThatStoppedTellsWhatIsApplied) {
  RunReport report = Good();
  report.status.mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  report.status.set_applied_min(160'000);
  report.status.set_updates(0);
  report.status.clear_staleness();
  report.audit->worst.applied = 160'000;
  report.audit->worst.missing = 320'000;
  report.audit->sum.missing = 320'000;
  report.problems = {"the job is paused"};
  Judge(&report);
  EXPECT_THAT(report.problems, ElementsAre("the job is paused"));
  EXPECT_THAT(
      ReportText(report, {}),
      AllOf(HasSubstr("  examples        160,000 of 480,000 applied at least "
                      "in each of 15 partitions: 0 doubled, 0 skipped\n"
                      "  audit           good so far: no example counts twice"),
            Not(HasSubstr("updates")), Not(HasSubstr("NOT EXACT"))));
  EXPECT_THAT(HtmlReport(report, {}), HasSubstr("good so far"));
  // Bug: one line had the applied examples of one partition, and what all of
  // them together were missing.
  report.audit->sum.missing = 15 * 320'000;
  report.status.mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  examples        160,000 of 480,000 applied at least "
                        "in each of 15 partitions: 320,000 missing, 0 doubled, "
                        "0 skipped; in all partitions together 4,800,000 "
                        "missing, 0 doubled\n"));
  report.status.mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  // What is applied twice is wrong however far it came.
  report.audit->partitions[3].ledger.doubled = 2;
  report.audit->worst.doubled = report.audit->sum.doubled = 2;
  report.problems.clear();
  Judge(&report);
  EXPECT_THAT(report.problems,
              ::testing::Contains(HasSubstr("2 applied twice")));
}

// Bug: a server that was killed at the very end was not among the servers.
TEST(RunReportTest, AServerThatWasKilledLateIsNamed) {
  RunReport report = Good();
  report.status.clear_placement();
  report.status.mutable_placement()->add_servers()->set_server(0);
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  servers         ps-0 8 partitions, ps-1 7 "
                        "partitions\n"));
}

TEST(RunReportTest, TellsInPlainWordsWhatIdleWorkersTookOver) {
  RunReport report = Good();
  auto* backups = report.status.mutable_backups();
  backups->set_leased(1);
  backups->set_won(1);
  backups->set_moved(3);
  EXPECT_THAT(
      ReportText(report, {}),
      HasSubstr("  backup tasks    1 item was given to a second worker as well "
                "(the second was first 1 time, the first 0 times), 3 items "
                "were taken from a busy worker before it began, 0 examples "
                "were computed twice and counted once\n"));
}

TEST(RunReportTest, WhatIsAppliedAndNotStoredIsNotComplete) {
  RunReport report = Good();
  report.status.mutable_summary()->set_state(v1::JOB_STATE_FLUSHING);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("the job is not complete: all is applied, and not "
                          "all is durable"));
}

TEST(RunReportTest, TellsOfWhatOthersDidAndWasComputedAgain) {
  RunReport report = Good();
  EXPECT_THAT(ReportText(report, Console()), Not(HasSubstr("again")));
  report.status.mutable_shares(0)->set_examples(160'500);
  report.warnings = {"worker-1 ended"};
  Judge(&report);

  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(ReportText(report, Console()),
              AllOf(HasSubstr("  computed again  500 examples\n"),
                    HasSubstr("warning: worker-1 ended\n")));
  EXPECT_THAT(ReportJson(report).ToLine(),
              AllOf(HasSubstr("\"passed\": true"),
                    HasSubstr("\"warnings\": [\"worker-1 ended\"]")));
  EXPECT_THAT(
      HtmlReport(report, {}),
      AllOf(HasSubstr("examples computed again</td><td class=\"v\">500"),
            HasSubstr("<li>worker-1 ended</li>"), Not(HasSubstr("killed"))));
}

// Bug: a run was good of which hardly anything was trained.
TEST(RunReportTest, WhatIsSkippedIsWarnedOfAndMostlySkippedIsNotGood) {
  RunReport report = Good();
  report.audit->worst.skipped = 240'000;
  Judge(&report);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(
      report.warnings,
      ElementsAre("240,000 of 480,000 examples were skipped, as batches "
                  "of them failed"));
  report.warnings.clear();
  report.audit->worst.skipped = 240'001;
  Judge(&report);
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_THAT(report.problems,
              ElementsAre(HasSubstr("more than the model was trained on")));
  // Bug: the rate was said to be too large for predictions.
  report.problems.clear();
  report.job.mutable_predict();
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("240,001 of 480,000 examples were skipped, as "
                          "batches of them failed"));
}

TEST(RunReportTest, TellsThatTheJobConverged) {
  RunReport report = Good();
  EXPECT_THAT(ReportText(report, Console()), Not(HasSubstr("converged")));
  report.converged = true;
  report.job.mutable_train()->set_epochs(3);
  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("  converged       after 3 rounds\n"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"epochs\": 3, \"converged\": true, "));
  EXPECT_THAT(HtmlReport(report, {}), HasSubstr("converged after 3 rounds"));
}

TEST(RunReportTest, TellsWhyAJobEndedEarly) {
  RunReport report = Good();
  EXPECT_THAT(
      ReportText(report, Console()),
      AllOf(Not(HasSubstr("\n  best  ")), Not(HasSubstr("\n  ended  "))));
  auto* best = report.status.mutable_best();
  best->set_epoch(1);
  best->set_figure("loss");
  best->set_value(0.25);
  report.status.set_ended(
      "stopped after epoch 4: 2 evaluations without a better loss");
  EXPECT_THAT(ReportText(report, Console()),
              AllOf(HasSubstr("\n  best            epoch 2, "),
                    HasSubstr("\n  ended           stopped after epoch 4: 2 "
                              "evaluations without a better loss\n")));
}

// Bug: "0 of 480,000 applied in each of 0 partitions: 0 missing".
TEST(RunReportTest, WithoutAnAnswerNothingIsKnown) {
  RunReport report = Good();
  AuditReport& audit = *report.audit;
  audit.worst = {480'000, 0, 0, 0, 0, 0};
  audit.sum = {};
  for (PartitionAudit& one : audit.partitions) one.server = -1;
  audit.silent = {{.server = 1, .partitions = {0, 1, 2}, .why = "it is away"}};
  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("  examples        not known: no answer from ps-1 "
                        "(partitions 0-2): it is away\n"));
}

TEST(RunReportTest, TellsOfRollbacks) {
  RunReport report = Good();
  EXPECT_THAT(ReportText(report, Console()), Not(HasSubstr("rollbacks")));
  report.rollbacks = 2;
  report.status.mutable_summary()->set_generation(9);
  report.status.set_rolled_back("to the version 1 before the newest");
  report.status.set_rate_factor(0.5);
  report.status.set_nonfinite_rollbacks(1);

  EXPECT_THAT(ReportText(report, Console()),
              HasSubstr("  rollbacks       2, the last to the version 1 before "
                        "the newest\n"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"generation\": 9, \"rollbacks\": 2, "
                        "\"rolled_back\": \"to the version"));
  EXPECT_THAT(
      ReportText(report, Console()),
      HasSubstr("  rate            0.5 times the rate of the job file"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"rate_factor\": 0.5, \"nonfinite_rollbacks\": 1"));
}

// Predictions had a report about training.
TEST(RunReportTest, PredictionsHaveNoTermsOfLearning) {
  RunReport report = Good();
  report.job.mutable_expect()->Clear();
  report.job.mutable_predict()->set_to("/predictions");
  report.job.mutable_train()->set_item_examples(2048);
  report.audit->sum = report.audit->worst;
  report.restarts.workers = 2;
  v1::JobStatus::EpochTails* tails = report.status.mutable_epoch_tails();
  tails->set_epochs(1);
  tails->set_sum_us(2'000'000);
  EXPECT_EQ(ReportText(report, {}),
            "done in 4.6 s\n"
            "  examples        480,000 of 480,000 predicted: 0 missing, 0 "
            "doubled, 0 skipped\n"
            "  audit           exact\n"
            "  parts           235 of 2,048 examples each\n"
            "  speed           104k examples/s\n"
            "  restarts        2 (scheduler 0, servers 0, workers 2)\n"
            "  workers         worker-0 33%, worker-1 67%\n"
            "  run             runs/fashion-mlp-1/ (report.html, report.json, "
            "metrics.csv, logs)\n");
}

TEST(RunReportTest, AGoodRunHasNoProblems) {
  RunReport report = Good();
  Judge(&report);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(
      ReportText(report, {}),
      "done in 4.6 s\n"
      "  test accuracy   0.8791 (expected >= 0.87)\n"
      "  test loss       0.3600\n"
      "  examples        480,000 of 480,000 applied in each of 15 partitions: "
      "0 "
      "missing, 0 doubled, 0 skipped\n"
      "  audit           exact\n"
      "  speed           104k examples/s\n"
      "  restarts        none\n"
      "  updates         56,265 applied by all partitions together\n"
      "  staleness       median 1, p99 3, max 3 updates (0: 10%, 1: 60%, 2: "
      "25%, 3: 5%)\n"
      "  servers         ps-0 8 partitions, ps-1 7 partitions\n"
      "  workers         worker-0 33%, worker-1 67%\n"
      "  model           in runs/fashion-mlp-1/state, a copy in "
      "runs/fashion-mlp-1/shared; `ebb checkpoint export runs/fashion-mlp-1 -o "
      "FILE.safetensors` takes it home\n"
      "  run             runs/fashion-mlp-1/ (report.html, report.json, "
      "metrics.csv, logs)\n");
}

// Bug: the note about so few steps was in the log of a copy alone.
TEST(RunReportTest, WarnsOfFewOuterStepsOfAScript) {
  RunReport report = Good();
  report.script = "gpt.py";
  v1::Job& job = report.job;
  job.mutable_algorithm()->set_kind(v1::Algorithm::KIND_DILOCO);
  job.mutable_consistency()->set_kind(v1::Consistency::KIND_ROUNDS);
  const int64_t epoch = report.status.examples() / job.train().epochs();
  job.mutable_consistency()->set_examples(absl::StrCat(epoch));
  job.mutable_train()->set_batch(64);
  const auto warned = [&] {
    RunReport judged = report;
    Judge(&judged);
    return absl::StrJoin(judged.warnings, "\n");
  };
  EXPECT_THAT(warned(), HasSubstr("the servers made 8 steps in all"));
  job.mutable_consistency()->set_examples(absl::StrCat(epoch / 100));
  EXPECT_THAT(warned(), Not(HasSubstr("steps in all")));
  job.mutable_consistency()->set_kind(v1::Consistency::KIND_ASP);
  job.mutable_algorithm()->set_period(1'000'000);
  EXPECT_THAT(warned(), HasSubstr("steps in all"));
  report.script.clear();  // It was told when the job was checked.
  EXPECT_THAT(warned(), Not(HasSubstr("steps in all")));
}

// Bug: nothing said that the quality of such a model is not known.
TEST(RunReportTest, TellsThatNothingWasHeldBackForATest) {
  RunReport report = Good();
  report.job.clear_expect();
  report.job.mutable_model()->set_kind("softmax");
  report.status.clear_evaluations();
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  training loss   0.250\n  quality         not known: "
                        "nothing was held back to test the model on"));
  report.job.mutable_model()->set_kind("kmeans");
  EXPECT_THAT(ReportText(report, {}), Not(HasSubstr("  quality  ")));
  report.job.mutable_model()->set_kind("softmax");
  report.job.mutable_data()->mutable_test()->mutable_csv()->add_path("t.csv");
  EXPECT_THAT(ReportText(report, {}), Not(HasSubstr("  quality  ")));
}

// Bug: no output said that it is in the servers' folders alone.
TEST(RunReportTest, TellsWhereTheModelIsOnceThereIsOne) {
  RunReport report = Good();
  report.copies = "s3://bucket/copies";
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  model           in runs/fashion-mlp-1/state, a copy "
                        "in s3://bucket/copies; `ebb checkpoint export"));
  report.status.mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  EXPECT_THAT(ReportText(report, {}), Not(HasSubstr("  model  ")));
}

// Bug: after the scheduler was away, epochs had the figures of a later one.
TEST(RunReportTest, TellsWhichEpochsHadNoSnapshotOfTheirOwn) {
  RunReport report = Good();
  EXPECT_THAT(ReportText(report, {}), Not(HasSubstr("tested late")));
  report.status.mutable_summary()->set_epochs(8);
  auto* late = report.status.add_evaluations();
  *late = report.status.evaluations(0);
  report.status.mutable_evaluations()->SwapElements(0, 1);
  report.status.mutable_evaluations(0)->set_epoch(2);
  report.status.mutable_evaluations(0)->set_position(480'000);
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  tested late     epoch 3, with the values of a later "
                        "epoch, for want of a snapshot\n"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"position\": 480000, \"further\": 5"));
  EXPECT_THAT(HtmlReport(report, {}),
              HasSubstr("tested with the values of a later epoch"));
}

TEST(RunReportTest, OfManyWorkersThoseThatComputedMostAreNamed) {
  RunReport report = Good();
  report.status.clear_shares();
  for (int i = 0; i < 100; ++i) {
    v1::JobStatus::WorkerShare* share = report.status.add_shares();
    share->set_name(absl::StrCat("worker-", i));
    share->set_examples(i == 40 || i == 7 || i == 90 ? 3 : 1);
  }
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("  workers         worker-7 3%, worker-40 3%, "
                        "worker-90 3% and 97 that computed less\n"));
}

TEST(RunReportTest, JsonHasWhatProgramsAskFor) {
  RunReport report = Good();
  Judge(&report);
  const std::string json = ReportJson(report).ToLine();
  EXPECT_THAT(
      json,
      AllOf(HasSubstr("\"passed\": true, \"complete\": true"),
            HasSubstr("\"accuracy\": 0.8791"), HasSubstr("\"seconds\": 4.6"),
            HasSubstr("\"examples_per_second\": 104347.8"),
            HasSubstr("\"audit\": {\"exact\": true, \"expected\": 480000, "
                      "\"applied\": 480000, \"missing\": 0, \"doubled\": 0, "
                      "\"skipped\": 0, \"partitions\": 15"),
            HasSubstr("\"histogram\": [10, 60, 25, 5]"),
            HasSubstr("\"restarts\": {\"total\": 0"),
            HasSubstr("{\"name\": \"ps-0\", \"partitions\": 8}")));
}

TEST(RunReportTest, AMissedExpectationIsAProblem) {
  RunReport report = Good();
  report.status.mutable_evaluations(0)->set_accuracy(0.86);
  report.job.mutable_expect()->set_loss("<= 0.5");
  report.expectations = CheckExpectations(report.job, report.status);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("expected accuracy >= 0.87, found 0.8600"));
  EXPECT_THAT(ReportText(report, {}),
              AllOf(HasSubstr("0.8600 (expected >= 0.87: missed)"),
                    HasSubstr("error: expected accuracy >= 0.87")));
  EXPECT_THAT(ReportJson(report).ToLine(), HasSubstr("\"passed\": false"));
}

TEST(RunReportTest, TheVerdictIsReadBackFromTheJson) {
  RunReport failed = Good();
  failed.problems = {"ps-0 \"died\"", "no audit"};
  RunReport interrupted = Good();
  interrupted.interrupted = true;
  for (const RunReport& report : {Good(), failed, interrupted}) {
    RunReport read;
    read.problems = {"of another run"};
    const absl::Status status =
        ReadVerdict(ReportJson(report).ToString(), &read);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(read.problems, report.problems);
    EXPECT_EQ(read.interrupted, report.interrupted);
  }
}

TEST(RunReportTest, ARunOfAProgramNamesItAndItsJobs) {
  EXPECT_THAT(ReportJson(Good()).ToString(), Not(HasSubstr("\"script\"")));
  RunReport report = Good();
  report.script = "mine.py";
  report.jobs = {{"first", v1::JOB_STATE_COMPLETE, true},
                 {"second", v1::JOB_STATE_CANCELLED, false}};
  const auto json = ParseJsonObject(ReportJson(report).ToString(), "report");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(TextIn(*json, "script"), "mine.py");
  const auto& jobs = ListIn(*json, "jobs").values();
  ASSERT_EQ(jobs.size(), 2);
  EXPECT_EQ(TextIn(jobs[0].struct_value(), "name"), "first");
  EXPECT_EQ(TextIn(jobs[1].struct_value(), "state"), "cancelled");
  EXPECT_TRUE(FlagIn(jobs[0].struct_value(), "exact"));
  EXPECT_FALSE(FlagIn(jobs[1].struct_value(), "exact"));
}

// A program that ended before it submitted one.
TEST(RunReportTest, ARunWithoutAJobHasAReport) {
  RunReport report;
  report.script = "idle.py";
  report.job.set_name("idle");
  report.problems = {"idle.py ended without a job"};
  Judge(&report);
  EXPECT_EQ(report.problems.size(), 1);
  EXPECT_THAT(ReportJson(report).ToString(), HasSubstr("\"passed\": false"));
  EXPECT_THAT(ReportText(report, Console()), HasSubstr("without a job"));
  EXPECT_THAT(HtmlReport(report, {}), HasSubstr("without a job"));
}

TEST(RunReportTest, OnlyProgramsNeedNotEvaluate) {
  for (const bool program : {false, true}) {
    RunReport report = Good();
    report.audit.emplace();
    if (program) {
      report.job.mutable_model()->set_kind("program");
    }
    report.status.mutable_evaluations(0)->set_error("nobody evaluates");
    Judge(&report);
    EXPECT_THAT(program ? report.warnings : report.problems,
                Contains(HasSubstr("epoch 8 was not evaluated")))
        << program;
  }
}

TEST(RunReportTest, WhatHasNoVerdictPassesForNoReport) {
  for (const char* json :
       {"", "{", "[]", "{}",
        R"({"passed": 1, "interrupted": false, "problems": []})",
        R"({"passed": true, "problems": []})",
        R"({"passed": true, "interrupted": false})",
        R"({"passed": true, "interrupted": true, "problems": []})",
        R"({"passed": false, "interrupted": false, "problems": []})"}) {
    RunReport read;
    EXPECT_TRUE(absl::IsDataLoss(ReadVerdict(json, &read))) << json;
  }
}

TEST(RunReportTest, AnExpectationWithoutEvaluationIsMissed) {
  RunReport report = Good();
  report.status.clear_evaluations();
  report.expectations = CheckExpectations(report.job, report.status);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("expected accuracy >= 0.87, found none"));
}

TEST(RunReportTest, AnIncompleteJobAndAnInexactAuditAreProblems) {
  RunReport report = Good();
  report.audit->partitions[0].ledger.missing = 3;
  report.audit->sum.missing = 3;
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("partition 0: 3 examples missing, 0 applied twice"));

  report = Good();
  report.status.mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  report.status.set_applied_min(240'000);
  Judge(&report);
  EXPECT_THAT(report.problems,
              ElementsAre("the job is not complete: 240,000 of 480,000 "
                          "examples are applied"));
  EXPECT_THAT(ReportText(report, {}), HasSubstr("stopped after 4.6 s, at 50%"));
}

// Bug: what an interrupted run had yet to reach was called missed.
TEST(RunReportTest, NothingIsMissedBeforeTheEnd) {
  RunReport report = Good();
  report.interrupted = true;
  report.status.mutable_summary()->set_state(v1::JOB_STATE_RUNNING);
  report.status.mutable_evaluations(0)->set_accuracy(0.5);
  report.expectations = CheckExpectations(report.job, report.status);
  EXPECT_THAT(ReportText(report, {}),
              HasSubstr("0.5000 (expected >= 0.87 at the end)\n"));
}

// Bug: figures that nobody knew were zeros.
TEST(RunReportTest, StalenessThatIsNotKnownIsNull) {
  RunReport report = Good();
  report.status.clear_staleness();
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"staleness\": {\"median\": null, \"p99\": null, "
                        "\"max\": null, \"mean\": null, "
                        "\"histogram\": []}"));
}

TEST(RunReportTest, SaysHowMuchLateUpdatesWereScaledAndWhoWaited) {
  RunReport report = Good();
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"scaled_updates\": null, \"bound_wait_seconds\": "
                        "null, \"worker_seconds\": null"));
  v1::ScaledUpdates* scaled = report.status.mutable_scaled();
  scaled->set_updates(9380);
  scaled->set_scaled(5120);
  scaled->set_to_nothing(3);
  scaled->set_factor_sum(6660);
  scaled->set_scaled_staleness(61272);
  report.status.set_bound_wait_us(500'000);
  report.status.set_worker_us(10'000'000);
  report.status.set_late_updates("2 % were too late");
  Judge(&report);
  const std::string text = ReportText(report, {});
  EXPECT_THAT(text,
              HasSubstr("  scaled          by 0.71 on average (5,120 of 9,380 "
                        "updates), 3 of them to nothing; effective staleness "
                        "9.2\n"));
  EXPECT_THAT(text, HasSubstr("  bound waits     workers waited 0.5 s for "
                              "others, 5.0 % of their time\n"));
  EXPECT_THAT(text, HasSubstr("warning: 2 % were too late\n"));
  EXPECT_THAT(ReportJson(report).ToLine(),
              HasSubstr("\"scaled_updates\": {\"updates\": 9380, "));
  std::vector<RunSample> samples(2);
  EXPECT_THAT(
      HtmlReport(report, samples),
      AllOf(HasSubstr("by 0.71 on average"), HasSubstr("workers waited 0.5 s"),
            Not(HasSubstr("Rate that late updates keep"))));
  samples[1].seconds = 1;
  samples[0].progress.scale = samples[1].progress.scale = 0.7;
  EXPECT_THAT(HtmlReport(report, samples),
              HasSubstr("Rate that late updates keep"));
}

TEST(HtmlReportTest, IsOnePageWithCharts) {
  RunReport report = Good();
  report.job.set_name("a<b");
  std::vector<RunSample> samples(3);
  for (int i = 0; i < 3; ++i) {
    samples[i].seconds = i;
    samples[i].progress.loss = 1.0 / (i + 1);
    samples[i].progress.examples_per_second = 1000 * i;
    samples[i].progress.workers = 3;
  }
  const std::string html = HtmlReport(report, samples);
  EXPECT_THAT(html, AllOf(HasSubstr("<h1>a&lt;b <span class=\"good\">passed"),
                          HasSubstr("<svg"), HasSubstr("0.8791"),
                          Not(HasSubstr("<script")), Not(HasSubstr("http"))));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  // Nothing was evaluated in the samples: no chart of it.
  EXPECT_THAT(html, Not(HasSubstr("Test accuracy by seconds")));
}

class RunFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(folder_.path());
  }
  void TearDown() override { std::filesystem::current_path(before_); }
  std::filesystem::path before_;
  const TestFolder folder_;
};

TEST_F(RunFolderTest, CountsRunsOfAName) {
  const auto first = RunFolder::Make("job", "");
  const auto second = RunFolder::Make("job", "");
  const auto other = RunFolder::Make("other", "");
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  EXPECT_EQ(first->shown(), "runs/job-1");
  EXPECT_EQ(second->shown(), "runs/job-2");
  EXPECT_EQ(other->shown(), "runs/other-1");
  EXPECT_TRUE(std::filesystem::is_directory(second->File("logs")));
}

// Bug: "cannot make the folder : Permission denied".
TEST_F(RunFolderTest, NamesTheFolderThatCannotBeMade) {
  std::ofstream("runs") << "a file";
  const auto run = RunFolder::Make("job", "");
  EXPECT_THAT(
      run.status().message(),
      HasSubstr(absl::StrCat("cannot make the folder runs in ",
                             std::filesystem::current_path().string(), ": ")));
  const auto named = RunFolder::Make("job", "runs/mine");
  EXPECT_THAT(named.status().message(),
              HasSubstr("cannot make the folder runs/mine: "));
}

TEST_F(RunFolderTest, NamesTheFolderThatWasMeant) {
  ASSERT_TRUE(RunFolder::Make("job", "runs/tuesday").ok());
  const auto run = RunFolder::Open("job", "runs/tuseday");
  EXPECT_THAT(run.status().message(), HasSubstr("; is it runs/tuesday?\nhint"));
}

// Bug: a server took it, and hid the checkpoints of the run.
TEST_F(RunFolderTest, IsNoDaemonsFolder) {
  const auto run = RunFolder::Make("job", "");
  ASSERT_TRUE(run.ok());
  const auto server = LockFor({ServerId(0)}, run->path());
  EXPECT_EQ(server.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(server.status().message(),
              HasSubstr("is that of an `ebb run`, whose daemons have theirs"));
  EXPECT_TRUE(LockFor({ServerId(0)}, run->State("ps-0")).ok());
}

TEST_F(RunFolderTest, OpensTheNewestUnlessSomebodyRunsInIt) {
  EXPECT_EQ(RunFolder::Open("job", "").status().code(),
            absl::StatusCode::kNotFound);
  { ASSERT_TRUE(RunFolder::Make("job", "").ok()); }
  auto second = RunFolder::Make("job", "");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(RunFolder::Open("job", "").status().code(),
            absl::StatusCode::kInvalidArgument);
  { const RunFolder ended = *std::move(second); }
  const auto again = RunFolder::Open("job", "");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->shown(), "runs/job-2");
  EXPECT_TRUE(RunFolder::Open("job", "runs/job-1").ok());
}

TEST_F(RunFolderTest, WillNotMixWithWhatIsThere) {
  std::filesystem::create_directories("full/of/things");
  EXPECT_EQ(RunFolder::Make("job", "full").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(RunFolder::Open("job", "full").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(RunFolder::Make("job", "a/new/one").ok());
}

TEST_F(RunFolderTest, RemembersSamples) {
  const auto run = RunFolder::Make("job", "");
  ASSERT_TRUE(run.ok());
  EXPECT_THAT(run->ReadSamples(), IsEmpty());
  RunSample sample;
  sample.seconds = 1.5;
  sample.progress.epoch = 2;
  sample.progress.applied = 100;
  sample.progress.loss = 0.25;
  sample.progress.workers = 3;
  sample.progress.scale = 0.5;
  sample.progress.effective_staleness = 2.5;
  sample.progress.test_calibration_error = 0.0125;
  sample.progress.test_epochs = 2.5;
  const std::vector<RunSample> twice(2, sample);
  ASSERT_TRUE(run->AppendSamples(twice).ok());
  const auto samples = run->ReadSamples();
  ASSERT_EQ(samples.size(), 2);
  EXPECT_EQ(samples[1].seconds, 1.5);
  EXPECT_EQ(samples[1].progress.epoch, 2);
  EXPECT_EQ(samples[1].progress.applied, 100);
  EXPECT_EQ(samples[1].progress.loss, 0.25);
  EXPECT_EQ(samples[1].progress.test_accuracy, std::nullopt);
  EXPECT_EQ(samples[1].progress.workers, 3);
  EXPECT_EQ(samples[1].progress.scale, 0.5);
  EXPECT_EQ(samples[1].progress.effective_staleness, 2.5);
  EXPECT_EQ(samples[1].progress.bound_wait, std::nullopt);
  EXPECT_EQ(samples[1].progress.test_calibration_error, 0.0125);
  EXPECT_EQ(samples[1].progress.test_epochs, 2.5);
}

TEST_F(RunFolderTest, TheFirstSampleBringsTheHeaderThatIsMissing) {
  const auto run = RunFolder::Make("job", "");
  ASSERT_TRUE(run.ok());
  const std::string file = run->File("metrics.csv");
  const std::string header = *ReadFile(file);
  std::filesystem::remove(file);
  const std::vector<RunSample> one(1);
  ASSERT_TRUE(run->AppendSamples(one).ok());
  ASSERT_TRUE(run->AppendSamples(one).ok());
  EXPECT_EQ(ReadFile(file)->substr(0, header.size()), header);
  EXPECT_EQ(run->ReadSamples().size(), 2);
}

TEST_F(RunFolderTest, ReadsSamplesOfOlderEbbs) {
  const auto samples = RunFolder::SamplesOf(
      "seconds,epoch\n"
      "1,2,100,200,50,0.5,,,1.5,3,2\n"
      "2,2,100,200,50,0.5,,,1.5,3,2,0.9,,,,\n"
      "3,2,100,200,50,0.5,,,1.5,3,2,0.9,,,,,0.5,0.75,2\n"
      "4,2,100,200,50,0.5,,,1.5,3,2,0.9,,,,,0.5,0.75,2,0.25\n"
      "5,2,100,200,50,0.5,,,1.5,3,2,0.9,,,,,0.5,0.75,2,0.25,2.5\n");
  ASSERT_EQ(samples.size(), 5);
  EXPECT_EQ(samples[0].progress.scale, std::nullopt);
  EXPECT_EQ(samples[1].progress.test_auc, 0.9);
  EXPECT_EQ(samples[1].progress.scale, std::nullopt);
  EXPECT_EQ(samples[2].progress.scale, 0.5);
  EXPECT_EQ(samples[2].progress.effective_staleness, 0.75);
  EXPECT_EQ(samples[2].progress.bound_wait, 2);
  EXPECT_EQ(samples[2].progress.test_calibration_error, std::nullopt);
  EXPECT_EQ(samples[3].progress.test_calibration_error, 0.25);
  EXPECT_EQ(samples[3].progress.test_epochs, std::nullopt);
  EXPECT_EQ(samples[4].progress.test_epochs, 2.5);
}

}  // namespace
}  // namespace ebb::tools
