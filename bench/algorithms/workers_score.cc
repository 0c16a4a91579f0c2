#include "bench/algorithms/workers_score.h"

namespace ebb::tools {

std::optional<double> WorkersScore(const RunReport& report,
                                   const std::string& metric) {
  // A run that was stopped has evaluations of some epochs, too.
  if (!report.complete() || report.status.evaluations().empty()) {
    return std::nullopt;
  }
  const auto& last = *report.status.evaluations().rbegin();
  if (!last.error().empty()) return std::nullopt;
  for (const auto& figure : last.figures().named()) {
    if (figure.name() == metric) return figure.value();
  }
  return std::nullopt;
}

}  // namespace ebb::tools
