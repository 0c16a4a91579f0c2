// The workers' side of topics: they count the words of documents, and with
// gibbs draw the topic of each.
#include "workloads/seam/worker/worker.h"

#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "job/base/traits.h"
#include "workloads/topics/model/topic_inference.h"
#include "workloads/topics/worker/topic_draws.h"

namespace ebb::workloads {

namespace {

// The batch, with a key for each of the rows of its documents.
class RowMaker final : public BatchMaker {
 public:
  explicit RowMaker(std::shared_ptr<const TopicDraws> draws)
      : draws_(std::move(draws)) {}

  absl::Status Make(const worker::TrainingBatch& read, bool /*test*/,
                    data::ExampleBatch* made) const override {
    EBB_ASSIGN_OR_RETURN(const TopicDraws::Documents documents,
                         draws_->Read(read));
    *made = read.examples;
    for (const TopicDraws::Documents::Row& row : documents.rows) {
      made->keys.push_back(row.key);
    }
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const TopicDraws> draws_;
};

class TopicContributor final : public Contributor {
 public:
  TopicContributor(std::shared_ptr<TopicDraws> draws, int64_t counts)
      : draws_(std::move(draws)), counts_(counts) {}

  absl::Status Make(const worker::KeyedBatch& batch,
                    std::span<const float> values, std::span<float> new_rows,
                    models::BatchStats* stats) override {
    EBB_ASSIGN_OR_RETURN(const TopicDraws::Documents documents,
                         draws_->Read(batch.batch));
    return draws_->Draw(batch.batch, documents, batch.places,
                        values.first(counts_), values.subspan(counts_),
                        new_rows, stats);
  }

 private:
  const std::shared_ptr<TopicDraws> draws_;
  const int64_t counts_;
};

class TopicsWorker final : public WorkerSide {
 public:
  void Read(const v1::Job& /*job*/, data::SourceSpec* spec) const override {
    spec->documents.counts = true;
  }

  void Configure(const v1::Job& job, const data::Index& /*train*/,
                 models::ModelConfig* config) const override {
    const v1::Model& model = job.model();
    config->topics = model.topics();
    config->document_prior = model.document_prior();
    config->topic_prior = model.topic_prior();
    config->draws_topics = Draws(job);
  }

  absl::StatusOr<Work> Prepare(const WorkInput& input) const override {
    Work work;
    if (!Draws(input.job)) return work;
    const auto draws = std::make_shared<TopicDraws>(input.plan, input.job,
                                                    input.train.features());
    work.batches = std::make_unique<RowMaker>(draws);
    work.contributions =
        std::make_unique<TopicContributor>(draws, input.plan.parameters);
    return work;
  }

  bool IsDerived(absl::string_view tensor) const override {
    return tensor == kTopicShares;
  }

 private:
  static bool Draws(const v1::Job& job) {
    return job::TraitsOf(job.algorithm().kind()).contributions();
  }
};

}  // namespace

void RegisterTopicsWorker(WorkerSides* sides) {
  sides->Add("topics", std::make_unique<TopicsWorker>());
}

}  // namespace ebb::workloads
