#include "bench/common/bench_child.h"

#include <signal.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/program/ignored_signals.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr absl::Duration kTick = absl::Milliseconds(500);

void End(absl::Duration grace, ChildProcess* child) {
  child->Signal(IsIgnored(SIGINT) ? SIGTERM : SIGINT);
  const absl::Time limit = SteadyNow() + grace;
  while (!child->Poll() && SteadyNow() < limit) absl::SleepFor(kLook);
  // It has a group of its own; where it is gone, so may be the group.
  if (!child->Poll()) kill(-child->pid(), SIGKILL);
}

}  // namespace

absl::StatusOr<ProcessEnd> RunChild(const ChildRunOptions& options) {
  EBB_ASSIGN_OR_RETURN(ChildProcess child,
                       ChildProcess::Start(options.process));
  const absl::Time begun = SteadyNow();
  absl::Time ticked = begun;
  while (!child.Poll()) {
    if (options.stop != nullptr && options.stop()) {
      End(options.grace, &child);
      return absl::CancelledError("it was stopped");
    }
    const absl::Time now = SteadyNow();
    if (now - begun > options.limit) {
      End(options.grace, &child);
      return absl::FailedPreconditionError(absl::StrCat(
          options.process.argv.front(), " takes longer than ",
          absl::FormatDuration(options.limit), "; see ", options.process.log));
    }
    if (options.tick != nullptr && now - ticked > kTick) {
      ticked = now;
      options.tick();
    }
    absl::SleepFor(kLook);
  }
  return *child.Poll();
}

std::string LastLine(const std::string& log) {
  const std::string text = ReadFile(log).value_or("");
  const std::vector<absl::string_view> lines =
      absl::StrSplit(text, absl::ByAnyChar("\r\n"));
  const auto last =
      std::find_if(lines.rbegin(), lines.rend(), [](absl::string_view line) {
        return !absl::StripAsciiWhitespace(line).empty();
      });
  if (last == lines.rend()) return "";
  return std::string(absl::StripAsciiWhitespace(*last));
}

}  // namespace ebb::tools
