// The request of an `ebb predict`.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICT_FLAGS_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICT_FLAGS_H_

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/run/local_run.h"

namespace ebb::tools {

struct PredictFlags {
  CheckpointPlace model;
  std::string data;
  std::string output;
  std::vector<std::string> plugin_folders;
  bool labelled = false;
  std::string id;
  bool score = false;
  bool incomplete = false;  // Also the model of a job that is not complete.
  bool skip_bad = false;    // Leave out examples that cannot be read.

  // On many workers.
  std::string to;
  bool cluster = false;  // The one of --scheduler; otherwise one of its own.
  int64_t part_examples = 0;
  DataFlags remote;
  RunOptions run;
  absl::Duration kill_every;  // Zero: no daemon is killed.
  std::optional<uint64_t> kill_seed;

  bool on_workers() const { return !to.empty() || run.workers.has_value(); }
  // Warns of the data, unless only errors are wanted. Doubts about the model
  // are told in any case.
  void Warn(absl::string_view text) const {
    if (!run.quiet) std::cerr << "warning: " << text << "\n";
  }
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICT_FLAGS_H_
