// The figures that only one workload's models have, as reports show them.
#ifndef EBB_TOOLS_EBB_MODEL_MODEL_FIGURES_H_
#define EBB_TOOLS_EBB_MODEL_MODEL_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/model/importances.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct ModelFigures {
  using Lines = std::vector<std::pair<std::string, std::string>>;
  Lines lines;  // For people: name and text.
  // The member of the report for programs.
  std::string key;
  Json json;
  // The large numbers of the page, and their units.
  std::vector<std::pair<int64_t, std::string>> counts;
  Lines details;                        // On the page: name and text.
  std::vector<Importance> importances;  // The largest share first.
  std::optional<double> inertia;
  // On the test data, if workers evaluate none.
  std::optional<v1::JobStatus::Evaluation> test;
  std::vector<std::string> warnings;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_MODEL_FIGURES_H_
