// A moment as people write it.
#ifndef EBB_TOOLS_TEXT_WHEN_H_
#define EBB_TOOLS_TEXT_WHEN_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::tools {

// "90s", "5m", "2h" ago; "14:03" or "14:03:20", the latest that is not after
// `now`; "2026-01-31 14:03" (a T will do, seconds may follow); or RFC 3339 with
// a zone. nullopt: none of these.
std::optional<absl::Time> ParseWhen(absl::string_view text, absl::Time now,
                                    absl::TimeZone zone);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_WHEN_H_
