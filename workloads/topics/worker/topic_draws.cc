#include "workloads/topics/worker/topic_draws.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "protocol/contribution_rows.h"

namespace ebb::workloads {

namespace {

static_assert(kAssignmentsOfARow == kContributionWidth);

TopicPriors PriorsOf(const v1::Model& model) {
  TopicPriors priors = {.topics = model.topics()};
  priors.document = PriorOf(model.document_prior(), model.topics());
  priors.topic = PriorOf(model.topic_prior(), model.topics());
  return priors;
}

}  // namespace

TopicDraws::TopicDraws(const JobPlan& plan, const v1::Job& job, int64_t words)
    : plan_(plan),
      topics_(job.model().topics()),
      words_(words),
      seed_(job.seed()),
      sampler_(PriorsOf(job.model()), words) {
  for (int32_t p = 0; p < plan.partitions; ++p) {
    firsts_.push_back(plan.ParameterRange(PartitionId(p)).first);
  }
}

int32_t TopicDraws::PartitionOf(int32_t word) const {
  // The last that begins there: those before it are empty.
  return static_cast<int32_t>(
      std::ranges::upper_bound(firsts_, word * topics_) - firsts_.begin() - 1);
}

absl::StatusOr<TopicDraws::Documents> TopicDraws::Read(
    const worker::TrainingBatch& batch) const {
  const data::ExampleBatch& examples = batch.examples;
  Documents documents;
  for (int64_t d = 0; d < examples.rows; ++d) {
    const int64_t example = batch.numbers[d];
    const auto refuse = [&](const auto&... what) {
      return absl::InvalidArgumentError(
          absl::StrCat("document ", example, " of the data: ", what...));
    };
    int32_t of = -1;   // The partition of the rows that are made.
    int64_t row = -1;  // The last one's number there.
    for (int64_t i = examples.offsets[d]; i < examples.offsets[d + 1]; ++i) {
      const int32_t word = examples.ids[i];
      const float count = examples.values[i];
      if (word < 0 || word >= words_) {
        return refuse("word ", word, " of ", words_);
      }
      if (!(count >= 0 && count <= static_cast<float>(kMostCount)) ||
          count != std::floor(count)) {
        return refuse("word ", word, " occurs ", count,
                      " times, and gibbs draws a topic for each time");
      }
      const int32_t p = PartitionOf(word);
      if (p != of) row = -1;
      for (int64_t k = 0; k < static_cast<int64_t>(count); ++k) {
        if (p != of || documents.rows.back().size == kContributionWidth) {
          of = p;
          if (++row == kMostContributionRows) {
            return refuse("it has more than ",
                          kMostContributionRows * kContributionWidth,
                          " words with counts in one partition");
          }
          documents.rows.push_back(
              {ContributionKey(plan_, PartitionId(p), example, row),
               std::ssize(documents.words), 0, firsts_[p]});
        }
        ++documents.rows.back().size;
        documents.words.push_back(word);
      }
    }
    documents.offsets.push_back(std::ssize(documents.words));
  }
  return documents;
}

absl::Status TopicDraws::Draw(const worker::TrainingBatch& batch,
                              const Documents& documents,
                              std::span<const int32_t> places,
                              std::span<const float> counts,
                              std::span<const float> rows,
                              std::span<float> new_rows,
                              models::BatchStats* stats) {
  EBB_RETURN_IF_ERROR(sampler_.Begin(counts, documents.words));
  std::vector<int32_t> topics(documents.words.size());
  for (size_t r = 0; r < documents.rows.size(); ++r) {
    const Documents::Row& row = documents.rows[r];
    const auto there =
        rows.subspan(static_cast<size_t>(places[r]) * kContributionWidth,
                     kContributionWidth);
    for (int64_t i = 0; i < row.size; ++i) {
      const int64_t at = row.first + i;
      if (there[i] == 0) {
        topics[at] = TopicSampler::kNoTopic;
        continue;
      }
      const int64_t value = row.base + static_cast<int64_t>(there[i]) - 1;
      if (there[i] < 0 || value / topics_ != documents.words[at]) {
        return absl::DataLossError(
            absl::StrCat("the row under key ", row.key,
                         " has the topic of word ", value / topics_,
                         " where its document has word ", documents.words[at]));
      }
      topics[at] = static_cast<int32_t>(value % topics_);
    }
  }
  *stats = {.examples = batch.examples.rows};
  const uint64_t epoch =
      HashAppend(Mix64(seed_), static_cast<uint64_t>(batch.item.epoch));
  for (int64_t d = 0; d < batch.examples.rows; ++d) {
    const int64_t first = documents.offsets[d];
    const auto size = static_cast<size_t>(documents.offsets[d + 1] - first);
    stats->loss_sum -= sampler_.Draw(
        std::span(documents.words).subspan(first, size),
        HashAppend(epoch, static_cast<uint64_t>(batch.numbers[d])),
        std::span(topics).subspan(first, size));
    stats->words += static_cast<double>(size);
  }
  if (!std::isfinite(stats->loss_sum)) {
    return absl::OutOfRangeError("the likelihood of the words is not finite");
  }
  std::ranges::fill(new_rows, 0.0f);
  for (size_t r = 0; r < documents.rows.size(); ++r) {
    const Documents::Row& row = documents.rows[r];
    float* const to =
        new_rows.data() + static_cast<size_t>(places[r]) * kContributionWidth;
    for (int64_t i = 0; i < row.size; ++i) {
      const int64_t at = row.first + i;
      const int64_t value = documents.words[at] * topics_ + topics[at];
      to[i] = static_cast<float>(1 + value - row.base);
    }
  }
  return absl::OkStatus();
}

}  // namespace ebb::workloads
