#include "job/topic_rules.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "job/base/values.h"

namespace ebb::job {
namespace {

// The rate of the first step, 10^-0.7: as if ten steps had been made before.
constexpr double kFirstRate = 0.1995;
// Epochs of Gibbs sampling: measured in docs/workloads.md.
constexpr int64_t kSweeps = 100;

bool HasRoundsOfEpochs(const v1::Job& job) {
  return job.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
         ParseEpochOrCount(job.consistency().examples())
                 .value_or(kWholeEpoch) == kWholeEpoch;
}

bool Draws(const v1::Job& job) {
  return TraitsOf(job.algorithm().kind()).contributions();
}

// Topics that are drawn for each word: nothing steps, and counts are exact.
void CheckDraws(const v1::Job& job, Complaints* found) {
  const auto refuse = [found](const char* key, const char* why) {
    found->Add(key, why, "leave it out");
  };
  constexpr char kNoSteps[] =
      "is for models that step along a gradient, and gibbs draws topics";
  constexpr char kCounts[] = "would change the counts of words";
  if (!TraitsOf(job.optimizer().kind()).plain()) {
    refuse("optimizer.kind", kNoSteps);
  }
  if (job.optimizer().weight_decay() > 0) {
    refuse("optimizer.weight_decay", kNoSteps);
  }
  if (job.on_nonfinite() == v1::POLICY_ROLLBACK) {
    refuse("on_nonfinite", kNoSteps);
  }
  if (job.has_on_divergence()) refuse("on_divergence", kNoSteps);
  if (job.train().has_clip_norm()) refuse("train.clip_norm", kCounts);
  if (job.model().l2() != 0) refuse("model.l2", kCounts);
  if (job.model().has_initial()) {
    refuse("model.initial", "would be counts of no document");
  }
  if (!job.tables().empty()) {
    refuse("tables", "gibbs keeps all counts, and the topics of all words");
  }
  const auto filtered = [](const v1::Filter& filter) {
    return filter.kind() != v1::Filter::KIND_UNSPECIFIED &&
           filter.kind() != v1::Filter::KIND_NONE;
  };
  if (filtered(job.filters().push())) refuse("filters.push.kind", kCounts);
  if (filtered(job.filters().pull())) {
    refuse("filters.pull.kind", "rounds off counts");
  }
  const v1::Consistency::Kind kind = job.consistency().kind();
  if (kind == v1::Consistency::KIND_ROUNDS) {
    found->Add("consistency.kind",
               "a document's topics replace those it had, and rounds sum up "
               "batches",
               "consistency: asp");
  }
}

void CheckSteps(const v1::Job& job, Complaints* found) {
  const v1::Optimizer& optimizer = job.optimizer();
  if (!TraitsOf(optimizer.kind()).plain()) {
    found->Add("optimizer.kind", "lda averages counts of words, as sgd does",
               "leave it out");
  } else if (optimizer.weight_decay() != 1) {
    found->Add("optimizer.weight_decay",
               "is 1 for lda: a step takes away from the old counts what it "
               "adds of new ones",
               "leave it out");
  }
  double most = 1;
  const auto& factors = optimizer.schedule().factors();
  if (!factors.empty()) most = *std::ranges::max_element(factors);
  if (optimizer.rate() * most > 1) {
    found->Add(
        "optimizer.rate",
        absl::StrCat("reaches ", NumberText(optimizer.rate() * most),
                     ", and it is the share of new counts in an average"),
        "at most 1");
  }
  for (const auto& [name, table] : job.tables()) {
    if (!table.has_optimizer() && !table.has_rate_factor()) continue;
    found->Add(absl::StrCat("tables.", name),
               "lda averages all counts in one way", "leave it out");
  }
}

void CheckAlgorithm(const v1::Job& job, Complaints* found) {
  const v1::AlgorithmTraits& traits = TraitsOf(job.algorithm().kind());
  if (traits.local_rule() || traits.line_search() || traits.tasks()) {
    found->Add("algorithm.kind",
               "lda has no gradient to step along: servers average counts",
               "kind: sgd, staleness_aware or gibbs");
  }
  const auto refuse = [found](const char* key) {
    found->Add(key, "would change the counts of words", "leave it out");
  };
  if (job.train().has_clip_norm()) refuse("train.clip_norm");
  if (job.model().l2() != 0) refuse("model.l2");
}

}  // namespace

void FillTopics(v1::Job* job) {
  if (!TraitsOf(job->model()).topics()) return;
  v1::Optimizer& optimizer = *job->mutable_optimizer();
  if (!optimizer.has_kind()) optimizer.set_kind(v1::Optimizer::KIND_SGD);
  if (Draws(*job)) {
    if (!optimizer.has_rate()) optimizer.set_rate(1);
    v1::Schedule& schedule = *optimizer.mutable_schedule();
    if (!schedule.has_kind()) schedule.set_kind(v1::Schedule::KIND_CONSTANT);
    if (!job->train().has_epochs()) job->mutable_train()->set_epochs(kSweeps);
    return;
  }
  if (!TraitsOf(optimizer.kind()).plain()) return;  // Refused.
  if (!optimizer.has_weight_decay()) optimizer.set_weight_decay(1);
  if (optimizer.has_rate()) return;
  optimizer.set_rate(HasRoundsOfEpochs(*job) ? 1 : kFirstRate);
}

bool RateFallsBySteps(const v1::Job& job) {
  return TraitsOf(job.model()).topics() && !HasRoundsOfEpochs(job) &&
         !Draws(job);
}

void CheckTopicRules(const v1::Job& job, Complaints* found) {
  if (!TraitsOf(job.model()).topics()) {
    if (Draws(job)) {
      found->Add("algorithm.kind", "gibbs draws the topics of lda",
                 "model: {kind: lda, topics: 20}");
    }
    return;
  }
  const auto check_source = [found](const v1::DataSource& source,
                                    const std::string& path) {
    const v1::FormatTraits& format = TraitsOf(source);
    if (FormatOf(source) == nullptr) return;  // Said elsewhere.
    if (format.bags() || format.text()) return;
    found->Add(path, "lda learns from documents, as text or as counts of words",
               "text: FILE, or bags: FILE");
  };
  if (job.data().has_train()) check_source(job.data().train(), "data.train");
  if (job.data().has_test()) check_source(job.data().test(), "data.test");
  if (!job.model().has_topics()) {
    found->Add("model.topics", "is missing: how many are there to find?",
               "topics: 20");
  }
  if (Draws(job)) return CheckDraws(job, found);
  CheckSteps(job, found);
  CheckAlgorithm(job, found);
}

}  // namespace ebb::job
