// `ebb sim --report`.
#ifndef EBB_TOOLS_EBB_SIM_SIM_REPORT_H_
#define EBB_TOOLS_EBB_SIM_SIM_REPORT_H_

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "sim/report.h"

namespace ebb::tools {

struct SimReportFlags {
  sim::ReportOptions options;
  // Where a figure of the market is not given it is that of the trace, or of
  // the options where there is none.
  std::string trace;
  std::optional<double> hazard, bulk;
  std::optional<absl::Duration> away;
  double speed = 1;
  bool json = false;
};

void AddSimReportFlags(CLI::App* command, SimReportFlags* flags);

// Prints the report; returns the exit code.
int SimReport(SimReportFlags flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SIM_SIM_REPORT_H_
