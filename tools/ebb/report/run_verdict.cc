// Judges whether a run was good; declared in run_report.h.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/expectations.h"
#include "tools/ebb/report/run_report.h"
#include "tools/text/evaluation_text.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// What was skipped was meant to be, but a model of the rest is another one.
void JudgeSkipped(RunReport* report) {
  const AuditResult& worst = report->audit->worst;
  if (worst.skipped == 0) return;
  const std::string text = absl::StrCat(
      WithCommas(worst.skipped), " of ", WithCommas(worst.expected),
      " examples were skipped, as batches of them failed");
  if (report->job.has_predict()) {
    report->problems.push_back(text);
  } else if (2 * worst.skipped > worst.expected) {
    report->problems.push_back(absl::StrCat(
        text,
        ": more than the model was trained on; take a smaller rate, or "
        "look at the data"));
  } else {
    report->warnings.push_back(text);
  }
}

// Warns of so few steps of the servers that hardly anything is learned. A
// script was told so when it submitted the job, in its own log.
void JudgeOuterSteps(RunReport* report) {
  constexpr int64_t kFew = 10;
  const v1::Job& job = report->job;
  if (report->script.empty() || !job::TraitsOf(job.algorithm().kind()).runs()) {
    return;
  }
  const int64_t epochs = std::max<int64_t>(1, job.train().epochs());
  const int64_t epoch = report->status.examples() / epochs;
  // A round, which may be an epoch; or a run, which is a step of its own.
  int64_t each = epoch;
  if (job.consistency().kind() != v1::Consistency::KIND_ROUNDS) {
    each = job.algorithm().period() * job.train().batch();
  } else if (!absl::SimpleAtoi(job.consistency().examples(), &each)) {
    each = epoch;
  }
  if (each <= 0) return;
  const int64_t steps = (epoch + each - 1) / each * epochs;
  if (steps >= kFew) return;
  report->warnings.push_back(absl::StrCat(
      "the servers made ", Count(steps, "step"),
      " in all, and so few change little: take a smaller period, fewer "
      "workers, or more epochs"));
}

// Says what helps a model that learns its training data by heart.
std::string AgainstLearningByHeart(const v1::Job& job) {
  std::string own = workloads::ToolsOf(job.model()).Facts().against_rote;
  if (!own.empty()) return own;
  const v1::AlgorithmTraits& algorithm = job::TraitsOf(job.algorithm().kind());
  if (algorithm.statistics() || algorithm.line_search()) {
    return "fewer train.epochs may help";
  }
  constexpr absl::string_view kKeep =
      "`keep_best: loss` keeps the best version";
  if (job.has_stop()) return std::string(kKeep);
  return absl::StrCat(kKeep,
                      ", and `stop: loss` ends the job when it no longer gets "
                      "better");
}

// Looks at the last model, and at whether an earlier one was better.
void JudgeCourse(RunReport* report) {
  const auto* last = LastEvaluation(report->status);
  if (last == nullptr) return;
  const std::string useless = UselessText(*last, report->has_trees());
  if (!useless.empty()) report->warnings.push_back(useless);
  // The job went back to the best one, or has the best number of trees.
  if (report->job.has_keep_best() || report->job.model().has_patience()) return;
  const std::string risen = RisenText(report->status);
  if (risen.empty()) return;
  report->warnings.push_back(
      absl::StrCat(risen, ": the last model is not the best one; ",
                   AgainstLearningByHeart(report->job)));
}

}  // namespace

std::vector<Expectation> CheckExpectations(const v1::Job& job,
                                           const v1::JobStatus& status) {
  const auto* last = LastEvaluation(status);
  std::vector<Expectation> expectations;
  for (const auto& [figure, wanted] : job::ExpectationsOf(job.expect())) {
    const auto found = last == nullptr ? std::nullopt : FigureOf(*last, figure);
    const auto comparison = job::ParseComparison(wanted);
    expectations.push_back({figure, wanted, found,
                            comparison && found && comparison->Holds(*found)});
  }
  return expectations;
}

void Judge(RunReport* report) {
  std::vector<std::string>& problems = report->problems;
  if (report->cut_short) {
    if (!report->audit) {
      problems.push_back("there was no audit");
      return;
    }
    const auto wrong = report->audit->Problems(report->complete());
    problems.insert(problems.end(), wrong.begin(), wrong.end());
    return;
  }
  if (!report->complete()) {
    if (report->audit) {
      const auto wrong = report->audit->Problems(/*complete=*/false);
      problems.insert(problems.end(), wrong.begin(), wrong.end());
    }
    // It was said why, and the line of the examples says how far it came.
    const v1::JobState state = report->status.summary().state();
    if (!problems.empty() &&
        (state == v1::JOB_STATE_PAUSED || state == v1::JOB_STATE_CANCELLED)) {
      return;
    }
    // Without any result, an explanation above is enough.
    if (!problems.empty() && report->status.applied_min() == 0) return;
    if (report->status.applied_min() == report->status.examples()) {
      problems.push_back(
          "the job is not complete: all is applied, and not all is durable");
      return;
    }
    problems.push_back(absl::StrCat(
        "the job is not complete: ", WithCommas(report->status.applied_min()),
        " of ", WithCommas(report->status.examples()),
        " examples are applied"));
    return;  // The rest says the same.
  }
  if (!report->audit) {
    problems.push_back("there was no audit");
  } else {
    if (!report->audit->exact()) {
      const auto wrong = report->audit->Problems();
      problems.insert(problems.end(), wrong.begin(), wrong.end());
    }
    JudgeSkipped(report);
  }
  std::string wrong =
      workloads::ToolsOf(report->job.model()).Problem(report->status);
  if (!wrong.empty()) problems.push_back(std::move(wrong));
  for (const auto& evaluation : report->status.evaluations()) {
    if (evaluation.error().empty()) continue;
    // Programs need not evaluate.
    const bool own = job::TraitsOf(report->job.model()).program();
    (own ? report->warnings : problems)
        .push_back(absl::StrCat("epoch ", evaluation.epoch() + 1,
                                " was not evaluated: ", evaluation.error()));
  }
  if (const auto loss = report->test_loss(); loss && !std::isfinite(*loss)) {
    problems.push_back(absl::StrCat(
        "the test loss is ", std::isnan(*loss) ? "not a number" : "infinite",
        ": the values have gone beyond what floats hold; take a smaller rate"));
  }
  for (const Expectation& expectation : report->expectations) {
    if (expectation.met) continue;
    problems.push_back(absl::StrCat(
        "expected ", expectation.figure, " ", expectation.wanted, ", found ",
        expectation.found ? FigureText(*expectation.found)
                          : std::string("none")));
  }
  if (!report->status.divergence().empty()) {
    report->warnings.push_back(report->status.divergence());
  }
  if (!report->status.late_updates().empty()) {
    report->warnings.push_back(report->status.late_updates());
  }
  JudgeOuterSteps(report);
  JudgeCourse(report);
}

absl::Status ReadVerdict(absl::string_view json, RunReport* report) {
  google::protobuf::Struct stored;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(std::string(json), &stored);
  const auto& fields = stored.fields();
  const auto passed = fields.find("passed");
  const auto interrupted = fields.find("interrupted");
  const auto problems = fields.find("problems");
  if (!parsed.ok() || passed == fields.end() ||
      !passed->second.has_bool_value() || interrupted == fields.end() ||
      problems == fields.end()) {
    return absl::DataLossError("it is no report of a run");
  }
  report->interrupted = interrupted->second.bool_value();
  report->problems.clear();
  for (const auto& problem : problems->second.list_value().values()) {
    report->problems.push_back(problem.string_value());
  }
  const bool good = report->problems.empty() && !report->interrupted;
  if (passed->second.bool_value() != good) {
    return absl::DataLossError(
        "its \"passed\" and its \"problems\" contradict each other");
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
