#include "tools/command/command.h"

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace ebb::tools {

void AddDurationFlag(CLI::App* command, const std::string& name,
                     absl::Duration* value, const std::string& help) {
  command->add_option_function<std::string>(
      name,
      [name, value](const std::string& text) {
        double seconds = 0;
        if (absl::SimpleAtod(text, &seconds)) {
          *value = absl::Seconds(seconds);
        } else if (!absl::ParseDuration(text, value)) {
          throw CLI::ValidationError(
              name,
              "\"" + text + "\" is no duration; write 10, 500ms, 2h or 1h30m");
        }
        if (*value <= absl::ZeroDuration() ||
            *value == absl::InfiniteDuration()) {
          throw CLI::ValidationError(name, "it must be more than nothing");
        }
      },
      help);
}

void AddJsonFlag(CLI::App* command, bool* json) {
  command->add_flag("--json", *json, "For programs");
}

int Report(const absl::Status& status) {
  if (status.ok()) return kExitGood;
  // Mistakes of a job file begin with its place, as compilers' do.
  const bool place = absl::IsInvalidArgument(status) &&
                     absl::StrContains(status.message(), ".yaml:");
  std::cerr << (place ? "" : "ebb: ") << status.message();
  if (status.message().empty() || status.message().back() != '\n') {
    std::cerr << "\n";
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return kExitUsage;
    default:
      return kExitFailed;
  }
}

}  // namespace ebb::tools
