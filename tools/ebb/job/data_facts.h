// Counts in a data set what defaults and checks of a job follow from.
#ifndef EBB_TOOLS_EBB_JOB_DATA_FACTS_H_
#define EBB_TOOLS_EBB_JOB_DATA_FACTS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "job/fit.h"

namespace ebb::tools {

// How much data a job has.
struct DataExtent {
  int64_t bytes = 0;     // In a worker's memory, test data included.
  int64_t features = 0;  // Features of the training data.
  // Numbers in its rows, where these lack most features; else 0. For word
  // vectors it is the rows that they touch.
  int64_t entries = 0;
  // Different rows that examples can touch; 0: unknown.
  int64_t rows = 0;
};

// Returns the extent by which `ebb job check` judges a batch's size.
DataExtent ExtentOf(const v1::Model& model, const data::Dataset& train);

// Reads the whole data set if the model counts words.
absl::StatusOr<job::SourceFacts> FactsOf(const v1::Job& job,
                                         const data::Dataset& dataset);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DATA_FACTS_H_
