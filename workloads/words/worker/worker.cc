// The workers' side of word vectors: they read short documents, and draw pairs
// of words from them.
#include "workloads/seam/worker/worker.h"

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workloads/words/worker/word_pairs.h"

namespace ebb::workloads {

namespace {

// Longer documents are cut, so that the items of a job are even and a batch has
// moderately many pairs.
constexpr int64_t kLongest = 64;  // Words.

class PairMaker final : public BatchMaker {
 public:
  PairMaker(const data::Vocabulary& vocabulary,
            const WordPairs::Options& options)
      : pairs_(vocabulary, options) {}

  absl::Status Make(const worker::TrainingBatch& read, bool test,
                    data::ExampleBatch* made) const override {
    const ItemId item = test ? ItemId{WordPairs::kTestEpoch, 0} : read.item;
    pairs_.Draw(read.examples, item, read.begin, made);
    return absl::OkStatus();
  }

 private:
  const WordPairs pairs_;
};

class WordsWorker final : public WorkerSide {
 public:
  void Read(const v1::Job& /*job*/, data::SourceSpec* spec) const override {
    spec->documents.longest = kLongest;
  }

  absl::StatusOr<Work> Prepare(const WorkInput& input) const override {
    const v1::Model& model = input.job.model();
    Work work;
    work.batches = std::make_unique<PairMaker>(
        input.train.index().encoding.vocabulary,
        WordPairs::Options{model.window(), model.negatives(), model.subsample(),
                           input.job.seed()});
    return work;
  }
};

}  // namespace

void RegisterWordsWorker(WorkerSides* sides) {
  sides->Add("words", std::make_unique<WordsWorker>());
}

}  // namespace ebb::workloads
