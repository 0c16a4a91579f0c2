#include "tools/ebb/job/data_facts.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/status_macros.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {

namespace {

// Counts the documents with a word, and with two.
absl::StatusOr<job::SourceFacts::Documents> CountDocuments(
    const data::Dataset& dataset) {
  constexpr int64_t kAtOnce = 4096;
  job::SourceFacts::Documents documents;
  data::ExampleBatch batch;
  for (int64_t begin = 0; begin < dataset.examples(); begin += kAtOnce) {
    std::vector<int64_t> rows(std::min(kAtOnce, dataset.examples() - begin));
    std::iota(rows.begin(), rows.end(), begin);
    EBB_RETURN_IF_ERROR(dataset.Gather(rows, &batch));
    for (int64_t row = 0; row < batch.rows; ++row) {
      const auto words =
          std::accumulate(batch.values.begin() + batch.offsets[row],
                          batch.values.begin() + batch.offsets[row + 1], 0.0);
      documents.with_a_word += words >= 1 ? 1 : 0;
      documents.with_two_words += words >= 2 ? 1 : 0;
    }
  }
  return documents;
}

}  // namespace

absl::StatusOr<job::SourceFacts> FactsOf(const v1::Job& job,
                                         const data::Dataset& dataset) {
  job::SourceFacts facts = {
      dataset.examples(), dataset.features(),
      static_cast<int64_t>(dataset.index().classes.size()),
      dataset.class_places(), dataset.mean_row_sum()};
  if (const auto& labels = dataset.index().labels) {
    facts.label_deviation = labels->stddev;
  }
  facts.window = dataset.window();
  if (facts.classes == 2) {
    facts.class_texts = {dataset.index().ClassText(0),
                         dataset.index().ClassText(1)};
  }
  if (workloads::FactsOf(job).documents) {
    EBB_ASSIGN_OR_RETURN(facts.documents, CountDocuments(dataset));
  }
  return facts;
}

}  // namespace ebb::tools
