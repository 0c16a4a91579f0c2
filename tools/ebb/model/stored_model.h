// A trained model outside of a cluster: all that is needed to use it again.
#ifndef EBB_TOOLS_EBB_MODEL_STORED_MODEL_H_
#define EBB_TOOLS_EBB_MODEL_STORED_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/ebb/model/row_runs.h"
#include "worker/base/exported_model.h"

namespace ebb::tools {

using worker::StoredRows;

// Which parts of a stored model are read beside its parameters.
struct StoredParts {
  bool slots = false;  // All, also averages.
  bool averages = false;
  bool rows = true;  // Rows of sparse tables.
  // Only the model of a complete job.
  bool only_complete = false;
};

// Rows from which a workload assembled what it computes with are not here.
struct StoredModel : worker::ExportedModel {
  // States of the optimizers: arrays as long as the parameters. Empty where
  // they were not asked for.
  std::vector<std::vector<float>> slots;
  // By dense table, what is in them: "adam/first_moment". A table may have less
  // than there are.
  std::vector<std::vector<std::string>> slot_names;
  // Averages of the weights, as long as the parameters: those of tables that
  // have some, else the parameters. Empty: not asked for, or no table has some.
  std::vector<float> averages;
  std::vector<bool> has_average;  // By dense table, with averages.
  // Averages stand in the place of the parameters (TakeAverages).
  bool is_average = false;
  // With slots: by dense table, the steps that its rule made in all.
  std::vector<int64_t> steps;

  // For each sparse table there are values and slots as read from versions,
  // with their names beside; or, for an exported file, the means to find them.
  std::vector<RowRuns> runs;
  std::vector<std::vector<std::string>> run_slots;
  std::vector<int64_t> run_steps;  // With slots: as `steps`, by sparse table.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_STORED_MODEL_H_
