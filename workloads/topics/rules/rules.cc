// The rules of models that find topics of documents.
#include "workloads/gradients/rules/rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "job/base/refusals.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "protocol/contribution_rows.h"
#include "protocol/plan.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

// The rate of the first step, 10^-0.7: as if ten steps had been made before.
constexpr double kFirstRate = 0.1995;
// Epochs of Gibbs sampling: measured in docs/workloads.md.
constexpr int64_t kSweeps = 100;
// Topics of few documents are noise, whatever the rate.
constexpr int64_t kLeastOfABatch = 128;

bool HasRoundsOfEpochs(const v1::Job& job) {
  return job.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
         job::ParseEpochOrCount(job.consistency().examples())
                 .value_or(job::kWholeEpoch) == job::kWholeEpoch;
}

bool Draws(const v1::Job& job) {
  return job::TraitsOf(job.algorithm().kind()).contributions();
}

// Topics that are drawn for each word: nothing steps, and counts are exact.
void CheckDraws(const v1::Job& job, job::Complaints* found) {
  const auto refuse = [found](const char* key, const char* why) {
    found->Add(key, why, "leave it out");
  };
  constexpr char kNoSteps[] =
      "is for models that step along a gradient, and gibbs draws topics";
  constexpr char kCounts[] = "would change the counts of words";
  if (!job::TraitsOf(job.optimizer().kind()).plain()) {
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

void CheckSteps(const v1::Job& job, job::Complaints* found) {
  const v1::Optimizer& optimizer = job.optimizer();
  if (!job::TraitsOf(optimizer.kind()).plain()) {
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
        absl::StrCat("reaches ", job::NumberText(optimizer.rate() * most),
                     ", and it is the share of new counts in an "
                     "average"),
        "at most 1");
  }
  for (const auto& [name, table] : job.tables()) {
    if (!table.has_optimizer() && !table.has_rate_factor()) continue;
    found->Add(absl::StrCat("tables.", name),
               "lda averages all counts in one way", "leave it out");
  }
}

void CheckAveraging(const v1::Job& job, job::Complaints* found) {
  const v1::AlgorithmTraits& traits = job::TraitsOf(job.algorithm().kind());
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

// Each step of an average has a smaller share, (10 + step)^-0.7 (Hoffman, Blei
// and Bach 2010). The schedule follows this to a percent, and for some time
// after the last epoch, in case there are to be more.
Rules::ScheduleWish FallBySteps(const v1::Job& job, int64_t examples) {
  constexpr double kBefore = 10;
  constexpr double kExponent = -0.7;
  constexpr double kBetween = 1.25;
  const v1::Train& train = job.train();
  int64_t step = std::max<int64_t>(1, train.batch());
  if (job.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    step = std::max(
        step,
        job::ParseEpochOrCount(job.consistency().examples()).value_or(step));
  }
  const double steps =
      std::max<double>(1, static_cast<double>(examples) /
                              static_cast<double>(step));  // In an epoch.
  const double last = 10 * steps * static_cast<double>(train.epochs());
  Rules::ScheduleWish wish;
  wish.schedule.set_kind(v1::Schedule::KIND_TABLE);
  constexpr double kMostEpochs = 1'000'000;  // The most of job.proto.
  for (double times = 1; times < kBetween * (kBefore + last) / kBefore;
       times *= kBetween) {
    const double at = kBefore * (times - 1) / steps;
    if (at > kMostEpochs) break;
    wish.schedule.add_at(at);
    wish.schedule.add_factors(std::pow(times, kExponent));
  }
  wish.text = "falls with the number of steps";
  wish.reason =
      absl::StrFormat("(10 + step)^-0.7, of %.4g steps an epoch", steps);
  return wish;
}

class TopicRules final : public GradientRules {
 public:
  // Servers average counts of words, or keep them.
  void Fill(v1::Job* job) const override {
    v1::Optimizer& optimizer = *job->mutable_optimizer();
    if (!optimizer.has_kind()) optimizer.set_kind(v1::Optimizer::KIND_SGD);
    if (Draws(*job)) {
      if (!optimizer.has_rate()) optimizer.set_rate(1);
      v1::Schedule& schedule = *optimizer.mutable_schedule();
      if (!schedule.has_kind()) schedule.set_kind(v1::Schedule::KIND_CONSTANT);
      if (!job->train().has_epochs()) job->mutable_train()->set_epochs(kSweeps);
      return;
    }
    if (!job::TraitsOf(optimizer.kind()).plain()) return;  // Refused.
    if (!optimizer.has_weight_decay()) optimizer.set_weight_decay(1);
    if (optimizer.has_rate()) return;
    optimizer.set_rate(HasRoundsOfEpochs(*job) ? 1 : kFirstRate);
  }

  WorkloadFacts Facts(const v1::Job& job) const override {
    return {.labels = false,
            .documents = true,
            .quantities = false,
            .diverges = false,
            .schedule_by_data = !HasRoundsOfEpochs(job) && !Draws(job),
            .why_no_average =
                "averages weights that step along a gradient, and lda counts "
                "words",
            .why_no_start = "topics are counts of the documents of this job",
            .format = 10};
  }

  std::optional<OtherFigure> InPlaceOf(
      const v1::Job& /*job*/, absl::string_view figure) const override {
    if (figure == "perplexity") return std::nullopt;
    return OtherFigure{
        .why = "compares predictions with labels, and documents have none",
        .name = "perplexity",
        .bound = "\"<= 600\", of the words of test documents"};
  }

  void Check(const v1::Job& job, job::Complaints* found) const override {
    const auto check_source = [found](const v1::DataSource& source,
                                      const std::string& path) {
      const v1::FormatTraits& format = job::TraitsOf(source);
      if (job::FormatOf(source) == nullptr) return;  // Said elsewhere.
      if (format.bags() || format.text()) return;
      found->Add(path,
                 "lda learns from documents, as text or as counts of words",
                 "text: FILE, or bags: FILE");
    };
    if (job.data().has_train()) check_source(job.data().train(), "data.train");
    if (job.data().has_test()) check_source(job.data().test(), "data.test");
    if (job.model().has_topics()) return;
    found->Add("model.topics", "is missing: how many are there to find?",
               "topics: 20");
  }

  void CheckAlgorithm(const v1::Job& job,
                      job::Complaints* found) const override {
    if (Draws(job)) return CheckDraws(job, found);
    CheckSteps(job, found);
    CheckAveraging(job, found);
  }
  void RefuseModel(const v1::Job& /*job*/,
                   job::Complaints* found) const override {
    found->Add("algorithm.kind", "gibbs draws the topics of lda",
               "model: {kind: lda, topics: 20}");
  }

  void CheckTrain(const v1::Job& /*job*/, const job::SourceFacts& train,
                  job::Complaints* found) const override {
    if (!train.documents) return;
    if (train.documents->with_a_word == 0) {
      found->Add("data.train", "none of its documents has a word",
                 "documents with words");
    } else if (train.features < 2) {
      found->Add("data.train",
                 "its vocabulary is one word, which says nothing of topics",
                 "documents of several words");
    }
  }
  void CheckTest(const job::SourceFacts& test, const std::string& path,
                 job::Complaints* found) const override {
    if (!test.documents || test.documents->with_two_words > 0) return;
    found->Add(path,
               "none of its documents has two words: one half of the words "
               "is judged by the topics of the other",
               "documents of more words");
  }

  Wishes WishesOf(const v1::Job& job, const job::SourceFacts& data,
                  int64_t /*parameters*/) const override {
    Wishes wishes = {.least_of_a_batch = kLeastOfABatch};
    if (Facts(job).schedule_by_data) {
      wishes.schedule = FallBySteps(job, data.examples);
    }
    return wishes;
  }

  // A partition begins with a word, and has whole words: a contribution lies
  // where its counts lie. Its places are whole numbers in float32.
  absl::StatusOr<bool> Cut(const v1::Job& job, JobPlan* plan) const override {
    if (!Draws(job)) return false;
    const auto invalid = [](const auto&... text) {
      return absl::InvalidArgumentError(absl::StrCat(text...));
    };
    const int64_t topics = job.model().topics();
    if (topics > plan->block_floats) {
      return invalid("model.topics: gibbs draws from at most ",
                     plan->block_floats, " topics");
    }
    if (plan->examples > kMostContributors) {
      return invalid("data.train: gibbs takes at most ", kMostContributors,
                     " documents");
    }
    plan->cut_floats = topics;
    const int64_t words = plan->parameters / topics;
    const int64_t of_a_partition = kMostCount / topics;
    const int64_t least = (words + of_a_partition - 1) / of_a_partition;
    constexpr int64_t kMany = 64;
    const int64_t wanted =
        job.has_partitions()
            ? job.partitions()
            : std::clamp(plan->Blocks(), least, std::max(least, kMany));
    if (wanted < least) {
      return invalid("partitions: ", wanted, " are too few: one may have ",
                     kMostCount,
                     " counts with gibbs\nhint: partitions: ", least);
    }
    plan->partitions = static_cast<int32_t>(
        std::min({wanted, words, JobPlan::kMaxPartitions}));
    return true;
  }
};

}  // namespace

void RegisterTopicsRules(RulesSides* sides) {
  sides->Add("topics", std::make_unique<TopicRules>());
}

}  // namespace ebb::workloads
