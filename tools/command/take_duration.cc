#include "tools/command/take_duration.h"

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"

namespace ebb::tools {

void TakeDuration(const std::string& flag, const std::string& text,
                  absl::Duration* value) {
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    *value = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, value)) {
    throw CLI::ValidationError(
        flag, "\"" + text + "\" is no duration; write 10, 500ms, 2h or 1h30m");
  }
  if (*value <= absl::ZeroDuration() || *value == absl::InfiniteDuration()) {
    throw CLI::ValidationError(flag, "it must be more than nothing");
  }
}

}  // namespace ebb::tools
