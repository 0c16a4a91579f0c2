// How word vectors are stored, exported and asked.
#include "workloads/gradients/tools/tools.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/dataset.h"
#include "ebb/v1/scheduler.pb.h"
#include "models/model.h"
#include "tools/ebb/model/job_sizes.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/questions.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/text/json.h"
#include "workloads/seam/tools/tools.h"
#include "workloads/words/tools/word_export.h"
#include "workloads/words/tools/word_questions.h"

namespace ebb::workloads {

namespace {

class WordQuestions final : public tools::Questions {
 public:
  WordQuestions(tools::WordIndex index, bool lower_case)
      : index_(std::move(index)), lower_case_(lower_case) {}

  absl::Status Answer(
      absl::string_view text, absl::string_view called, bool score,
      const std::function<void(absl::string_view)>& write,
      const std::function<void(const std::string&)>& warn) override {
    return tools::AnswerQuestions(index_, lower_case_, text, called, write,
                                  warn, score ? &tally_ : nullptr);
  }
  std::string ScoreText() const override { return tools::TallyText(tally_); }

 private:
  const tools::WordIndex index_;
  const bool lower_case_;
  tools::AnalogyTally tally_;
};

class WordTools final : public GradientTools {
 public:
  ToolsFacts Facts() const override {
    return {.answers = "word vectors", .about = "words"};
  }

  // A word as a centre and in contexts, and what is drawn against these: the
  // mean width of a window is (window + 1) / 2 to either side.
  tools::DataExtent ExtentOf(const v1::Model& model,
                             const data::Dataset& train) const override {
    tools::DataExtent extent = GradientTools::ExtentOf(model, train);
    extent.entries *= 2 + (model.window() + 1) * model.negatives();
    extent.rows = 2 * static_cast<int64_t>(
                          train.index().encoding.vocabulary.words.size());
    return extent;
  }

  absl::Status CheckParts(const v1::Job& job,
                          const tools::StoredParts& parts) const override {
    EBB_RETURN_IF_ERROR(CheckRows(job, parts));
    if (!parts.slots) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "--with-slots: word vectors are exported in the order of the "
        "vocabulary, without the optimizer's state; leave it out");
  }

  tools::ModelExport Export(
      const tools::StoredModel& stored,
      const models::ModelDescription& description) const override {
    tools::ModelExport all =
        BeginExport(stored, Describe(stored, description, ScalingOf(stored)));
    all.tensors = tools::WordTensors(stored);
    return all;
  }

  // Words that are left out as frequent ones have no pairs, and a batch without
  // pairs has a loss of 0.
  std::string Problem(const v1::JobStatus& status) const override {
    const auto& losses = status.losses();
    const bool none =
        !losses.empty() && std::ranges::all_of(losses, [](const auto& loss) {
          return loss.mean() == 0;
        });
    if (!none) return "";
    return "no word stood beside another, so nothing was learnt: "
           "model.subsample leaves nearly all words out; take a larger one, or "
           "0, which leaves out none";
  }

  absl::StatusOr<std::unique_ptr<tools::Questions>> Ask(
      const tools::StoredModel& stored) const override {
    EBB_ASSIGN_OR_RETURN(tools::WordIndex index,
                         tools::WordIndex::Create(stored));
    return std::make_unique<WordQuestions>(
        std::move(index), stored.job.data().train().text().lower_case());
  }

 protected:
  tools::Json Describe(const tools::StoredModel& stored,
                       const models::ModelDescription& /*description*/,
                       const tools::Scaling& scaling) const override {
    const auto& vocabulary = stored.index.encoding.vocabulary;
    tools::Json json = DescribeHead(stored, scaling);
    json["vocabulary"] = tools::ListOf(vocabulary.words);
    json["counts"] = tools::ListOf(vocabulary.counts);
    json["lower_case"] = stored.job.data().train().text().lower_case();
    return json;
  }
};

}  // namespace

void RegisterWordsTools(ToolsSides* sides) {
  sides->Add("words", std::make_unique<WordTools>());
}

}  // namespace ebb::workloads
