// Flags that say on which spot market machines come and go.
#ifndef EBB_TOOLS_EBB_SIM_MARKET_FLAGS_H_
#define EBB_TOOLS_EBB_SIM_MARKET_FLAGS_H_

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sim/churn.h"

namespace ebb::tools {

// A figure that is not given is that of the trace, or of Bamboo's p3 trace if
// there is none.
struct MarketFlags {
  std::string trace;
  std::optional<double> hazard, bulk;
  std::optional<absl::Duration> away;
  double speed = 1;
};

// Adds --hazard, --bulk, --away and --speed in the group `group` of --help.
void AddMarketFlags(CLI::App* command, const std::string& group,
                    MarketFlags* flags);

struct ChosenMarket {
  sim::ChurnRates rates;
  std::string source;  // For people: where it is from.
};

// Reads the trace. The errors of ReadFile and ReadTrace.
absl::StatusOr<ChosenMarket> ChooseMarket(const MarketFlags& flags);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SIM_MARKET_FLAGS_H_
