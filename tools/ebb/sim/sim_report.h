// `ebb sim --report`.
#ifndef EBB_TOOLS_EBB_SIM_SIM_REPORT_H_
#define EBB_TOOLS_EBB_SIM_SIM_REPORT_H_

#include <string>

#include "CLI/CLI.hpp"
#include "sim/report.h"
#include "tools/ebb/sim/market_flags.h"

namespace ebb::tools {

struct SimReportFlags {
  sim::ReportOptions options;
  MarketFlags market;
  bool json = false;
};

void AddSimReportFlags(CLI::App* command, SimReportFlags* flags);

// Prints the report; returns the exit code.
int SimReport(SimReportFlags flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SIM_SIM_REPORT_H_
