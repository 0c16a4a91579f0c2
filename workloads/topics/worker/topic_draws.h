// Documents whose words' topics are drawn (Gibbs sampling): which rows of the
// job's sparse table a batch has, and what becomes of them.
//
// The topic of each word lies in the partition of the word's counts, in a row
// of the document (protocol/contribution_rows.h).
#ifndef EBB_WORKLOADS_TOPICS_WORKER_TOPIC_DRAWS_H_
#define EBB_WORKLOADS_TOPICS_WORKER_TOPIC_DRAWS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "models/model.h"
#include "protocol/plan.h"
#include "worker/base/batch_reader.h"
#include "workloads/topics/model/topic_sampler.h"

namespace ebb::workloads {

// Thread-compatible; Read may be called beside Draw.
class TopicDraws {
 public:
  // `plan` outlives it.
  TopicDraws(const JobPlan& plan, const v1::Job& job, int64_t words);

  // The documents of a batch, word by word.
  struct Documents {
    // Each word as often as it occurs, ascending within a document.
    std::vector<int32_t> words;
    std::vector<int64_t> offsets = {0};  // By document, and one more.
    // The rows that have their topics, in the order of the words.
    struct Row {
      uint64_t key = 0;
      int64_t first = 0;  // The first word of which it has the topic.
      int64_t size = 0;
      int64_t base = 0;  // The first value of the partition.
    };
    std::vector<Row> rows;
  };
  // InvalidArgument: a word occurs not a whole number of times, or too often.
  absl::StatusOr<Documents> Read(const worker::TrainingBatch& batch) const;

  // Draws the topics anew, by the dense `counts`, of what `rows` has: a row of
  // the table for each of the documents', at `places` of the matrix. Writes the
  // new rows. DataLoss: the rows are not of these documents.
  absl::Status Draw(const worker::TrainingBatch& batch,
                    const Documents& documents, std::span<const int32_t> places,
                    std::span<const float> counts, std::span<const float> rows,
                    std::span<float> new_rows, models::BatchStats* stats);

 private:
  // The partition with the counts of this word.
  int32_t PartitionOf(int32_t word) const;

  const JobPlan& plan_;
  const int64_t topics_;
  const int64_t words_;
  const uint64_t seed_;
  std::vector<int64_t> firsts_;  // The first value of each partition.
  TopicSampler sampler_;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_TOPICS_WORKER_TOPIC_DRAWS_H_
