#include "job/stop_rules.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/expectations.h"
#include "protocol/evaluation_check.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

// The scheduler remembers so many.
constexpr int64_t kMostDecisions = 1000;
// A server tells the scheduler of so many versions of a partition.
constexpr int64_t kMostVersions = 1000;

class StopRules {
 public:
  StopRules(const v1::Job& job, const DataFacts& facts, Complaints* found)
      : job_(job), facts_(facts), found_(found) {}

  void Check(const std::string& key, const std::string& path,
             const std::string& figure) {
    if (!IsEvaluated(job_)) {
      found_->Add(key, "there is no test data",
                  TraitsOf(job_.model()).program()
                      ? "evaluate: 1 epoch, by programs with test data"
                      : "data: {test: …}, or data: {split: 0.2}");
      return;
    }
    if (figure.empty()) return;  // Said elsewhere.
    CheckAlgorithm(key);
    CheckFigure(path, figure);
    if (Evaluations() > kMostDecisions) {
      found_->Add(key,
                  absl::StrCat("decides by at most ", kMostDecisions,
                               " evaluations, and the job has ", Evaluations()),
                  absl::StrCat("evaluate: ",
                               (job_.train().epochs() + kMostDecisions - 1) /
                                   kMostDecisions,
                               " epochs"));
    }
  }

  void CheckPatience() {
    // Epochs that are chosen by the data are not known yet.
    if (job_.train().epochs() == 0) return;
    const int64_t patience = job_.stop().patience();
    if (!IsEvaluated(job_) || !job_.stop().has_patience() ||
        patience < Evaluations()) {
      return;
    }
    found_->Add(
        "stop.patience",
        absl::StrCat("the job has ", Evaluations(),
                     Evaluations() == 1 ? " evaluation" : " evaluations",
                     ", so ", patience, " never pass without a better one"),
        Evaluations() == 1 ? "more epochs, or no stop"
                           : absl::StrCat("patience: ", Evaluations() - 1,
                                          " or less, or more epochs"));
  }

  void CheckDirection() {
    if (!job_.stop().has_larger_is_better() ||
        TraitsOf(job_.model()).program()) {
      return;
    }
    found_->Add("stop.larger_is_better",
                "is for figures of a program's own; of the others ebb knows "
                "which way is better",
                "leave it out");
  }

  void CheckVersions() {
    if (job_.on_nonfinite() == v1::POLICY_ROLLBACK) {
      found_->Add("keep_best",
                  "cannot be with on_nonfinite: rollback, which goes back to "
                  "versions that it chooses by their age",
                  "on_nonfinite: pause");
    }
    if (job_.checkpoint().keep() >= kMostVersions) {
      found_->Add("checkpoint.keep",
                  absl::StrCat(job_.checkpoint().keep(),
                               " versions and the best are more than ",
                               kMostVersions, ", the most with keep_best"),
                  absl::StrCat("keep: ", kMostVersions - 1));
    }
  }

 private:
  int64_t Evaluations() const {
    const int64_t epochs = job_.train().epochs();
    constexpr int64_t kByDefault = 20;  // Fit has it, too.
    const int64_t every =
        ParseEpochs(job_.evaluate().every())
            .value_or(std::max<int64_t>(1, epochs / kByDefault));
    return (epochs + every - 1) / every;
  }

  void CheckAlgorithm(const std::string& key) {
    const v1::AlgorithmTraits& traits = workloads::AlgorithmTraitsOf(job_);
    if (traits.tasks()) {
      found_->Add(
          key,
          absl::StrCat("the job consists of ", workloads::FactsOf(job_).unit,
                       "s, which are done when all are done"),
          "leave it out");
    } else if (traits.statistics() || traits.line_search()) {
      found_->Add(key,
                  absl::StrCat(KindOf(job_.algorithm()),
                               " closes rounds by operations, and ends by "
                               "itself when it has converged"),
                  "leave it out");
    }
  }

  void CheckFigure(const std::string& path, const std::string& figure) {
    // What a program tells of an evaluation is its own affair.
    if (TraitsOf(job_.model()).program() && IsFigureName(figure)) return;
    const google::protobuf::Descriptor& all = *v1::Expect::descriptor();
    if (all.FindFieldByName(figure) == nullptr) {
      std::vector<std::string> names;
      for (int i = 0; i < all.field_count(); ++i) {
        names.push_back(all.field(i)->name());
      }
      const std::string near = Nearest(figure, names);
      found_->Add(path, absl::StrCat("there is no figure \"", figure, "\""),
                  near.empty() ? absl::StrJoin(names, ", ") : near);
      return;
    }
    if (const auto unfit = FindUnfit(job_, facts_, figure)) {
      found_->Add(path, unfit->what, unfit->instead);
    }
  }

  const v1::Job& job_;
  const DataFacts& facts_;
  Complaints* const found_;
};

}  // namespace

void CheckStopRules(const v1::Job& job, const DataFacts& facts,
                    Complaints* found) {
  StopRules rules(job, facts, found);
  if (job.has_stop()) {
    rules.Check("stop", "stop.metric", job.stop().metric());
    rules.CheckPatience();
    rules.CheckDirection();
  }
  if (job.has_keep_best()) {
    rules.Check("keep_best", "keep_best", job.keep_best());
    rules.CheckVersions();
  }
}

}  // namespace ebb::job
