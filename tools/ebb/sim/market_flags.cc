#include "tools/ebb/sim/market_flags.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "tools/chaos/market.h"
#include "tools/chaos/trace.h"
#include "tools/files/files.h"

namespace ebb::tools {

void AddMarketFlags(CLI::App* command, const std::string& group,
                    MarketFlags* flags) {
  const auto add = [&](CLI::Option* option) { return option->group(group); };
  add(command->add_option("--hazard", flags->hazard,
                          "Losses of each worker in an hour (0.611)"));
  add(command->add_option("--bulk", flags->bulk,
                          "Workers lost at an instant (2.11)"));
  add(command->add_option_function<std::string>(
      "--away",
      [flags](const std::string& text) {
        absl::Duration away;
        if (!absl::ParseDuration(text, &away)) {
          throw CLI::ValidationError(
              "--away", "\"" + text + "\" is not a duration; write 5m or 30s");
        }
        flags->away = away;
      },
      "Time until a lost worker is replaced (36.7m)"));
  add(command->add_option("--speed", flags->speed,
                          "Play the market this many times faster"))
      ->check(CLI::PositiveNumber);
}

absl::StatusOr<ChosenMarket> ChooseMarket(const MarketFlags& flags) {
  ChosenMarket market = {.rates = sim::BambooMarket(),
                         .source = "as in Bamboo's p3 trace"};
  sim::ChurnRates& rates = market.rates;
  if (!flags.trace.empty()) {
    EBB_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.trace));
    EBB_ASSIGN_OR_RETURN(const chaos::Trace trace,
                         chaos::ReadTrace(text, flags.trace));
    const chaos::MarketFigures figures = chaos::FiguresOf(trace);
    rates.losses_per_worker_hour = figures.losses_per_node_hour;
    rates.bulk = figures.bulk;
    // If no node of that market comes back, none is expected.
    if (figures.replaced_after != absl::InfiniteDuration()) {
      rates.away = figures.replaced_after;
    }
    market.source =
        absl::StrFormat("%s: %d losses in %.1f node-hours", flags.trace,
                        figures.losses, figures.node_hours);
  }
  if (flags.hazard || flags.bulk || flags.away) {
    absl::StrAppend(&market.source, ", but for what is given");
  }
  if (flags.hazard) rates.losses_per_worker_hour = *flags.hazard;
  if (flags.bulk) rates.bulk = *flags.bulk;
  if (flags.away) rates.away = *flags.away;
  if (flags.speed != 1) {
    rates.losses_per_worker_hour *= flags.speed;
    rates.away /= flags.speed;
    absl::StrAppendFormat(&market.source, ", %g times faster", flags.speed);
  }
  return market;
}

}  // namespace ebb::tools
