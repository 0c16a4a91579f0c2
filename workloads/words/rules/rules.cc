// The rules of models that have a vector for each word of a text.
#include "workloads/gradients/rules/rules.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

// Measured in docs/workloads.md.
constexpr double kRateOfWords = 0.1;
constexpr double kAccumulator = 1e-12;
constexpr int64_t kMostOfABatch = 16;  // Each example has hundreds of pairs.

class WordRules final : public GradientRules {
 public:
  // Words are rare or frequent by factors of thousands, so each row has a rate
  // of its own. Gradients are means over the pairs of a batch, far below 1.
  void Fill(v1::Job* job) const override {
    v1::Optimizer& optimizer = *job->mutable_optimizer();
    if (optimizer.has_kind()) return;
    optimizer.set_kind(v1::Optimizer::KIND_ADAGRAD);
    if (!optimizer.has_rate()) optimizer.set_rate(kRateOfWords);
    if (!optimizer.has_initial_accumulator()) {
      optimizer.set_initial_accumulator(kAccumulator);
    }
  }

  WorkloadFacts Facts(const v1::Job& /*job*/) const override {
    return {
        .labels = false,
        .documents = true,
        .zero_loss_is_none = true,  // Batches may have no pairs of words.
        .why_no_start =
            "the words of another text have other numbers, and so other rows"};
  }

  std::optional<OtherFigure> InPlaceOf(
      const v1::Job& job, absl::string_view figure) const override {
    if (auto other = GradientRules::InPlaceOf(job, figure)) return other;
    return OtherFigure{
        .why = absl::StrCat("compares predictions with labels, and ",
                            job.model().kind(), " looks at none"),
        .name = "loss",
        .bound = "\"<= 2.5\", the mean over pairs of words"};
  }

  void Check(const v1::Job& job, job::Complaints* found) const override {
    const v1::DataSource& train = job.data().train();
    if (job::TraitsOf(train).text() || job::FormatOf(train) == nullptr) return;
    found->Add(
        "data.train",
        absl::StrCat(job.model().kind(),
                     " learns from words in their order, which only text has"),
        "text: FILE");
  }

  void CheckTrain(const v1::Job& /*job*/, const job::SourceFacts& train,
                  job::Complaints* found) const override {
    RefuseSingleWords(
        train, "data.train",
        "documents of more words; least_count: 1 keeps rare words", found);
  }
  void CheckTest(const job::SourceFacts& test, const std::string& path,
                 job::Complaints* found) const override {
    RefuseSingleWords(test, path, "documents of more words", found);
  }

  Wishes WishesOf(const v1::Job& /*job*/, const job::SourceFacts& /*data*/,
                  int64_t /*parameters*/) const override {
    return {.most_of_a_batch = kMostOfABatch};
  }

 private:
  static void RefuseSingleWords(const job::SourceFacts& data,
                                const std::string& path,
                                const std::string& hint,
                                job::Complaints* found) {
    if (!data.documents || data.documents->with_two_words > 0) return;
    found->Add(path,
               "none of its documents has two words of the vocabulary, so no "
               "word stands beside another",
               hint);
  }
};

}  // namespace

void RegisterWordsRules(RulesSides* sides) {
  sides->Add("words", std::make_unique<WordRules>());
}

}  // namespace ebb::workloads
