// The small texts that values of a scenario are written as. Each function
// returns nullopt for a text that it does not understand.
#ifndef EBB_TOOLS_CHAOS_SCENARIO_VALUES_H_
#define EBB_TOOLS_CHAOS_SCENARIO_VALUES_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::chaos {

inline constexpr absl::Duration kLongestSpan = absl::Hours(24 * 365);

// 0 to kLongestSpan: "500ms", "2s", "1h30m", "0s".
std::optional<absl::Duration> ParseSpan(absl::string_view text);

// "30%": 0.3. At least 0; above 1 too, which its reader may want to refuse in
// its own words.
std::optional<double> ParsePercent(absl::string_view text);

// "0.1": the remaining share of a speed; from kLeastShare to 1.
inline constexpr double kLeastShare = 0.01;
std::optional<double> ParseShare(absl::string_view text);

// "10Mbit/s", "1.5 MB/s": bytes a second, at least 1. Units are bit/s and B/s,
// with k, M or G (of 1000) before them.
std::optional<int64_t> ParseRate(absl::string_view text);

// The daemons that a text means: "scheduler", "ps-1", "worker" (any), "all".
struct Daemons {
  enum class Role { kScheduler, kServer, kWorker, kAll };
  Role role = Role::kAll;
  std::optional<int> index;  // For servers and workers; absent: any of them.
};
std::optional<Daemons> ParseDaemons(absl::string_view text);

}  // namespace ebb::chaos

#endif  // EBB_TOOLS_CHAOS_SCENARIO_VALUES_H_
