#include "tools/ebb/run/program_ends.h"

#include <string.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace ebb::tools {

std::string ProgramEndText(const ProcessEnd& end) {
  if (end.signal == 0) {
    return absl::StrCat("ended with exit code ", end.exit_code);
  }
  const char* const name = sigabbrev_np(end.signal);
  return name != nullptr ? absl::StrCat("was ended by SIG", name)
                         : absl::StrCat("was ended by signal ", end.signal);
}

std::string LogTail(absl::string_view log) {
  constexpr size_t kLines = 24;
  const absl::string_view said = absl::StripTrailingAsciiWhitespace(log);
  std::vector<absl::string_view> lines = absl::StrSplit(said, '\n');
  if (lines.size() > kLines) {
    lines.erase(lines.begin(), lines.end() - kLines);
  }
  return absl::StrJoin(lines, "\n",
                       [](std::string* out, absl::string_view line) {
                         absl::StrAppend(out, "  ", line);
                       });
}

bool ProgramEnds::EndsRun(const ProgramEnd& end) {
  constexpr int kMostFailures = 3;
  // A batch that kills programs is found and may be left out, which takes some.
  constexpr int kMostDeaths = 6;
  constexpr absl::Duration kSteady = absl::Seconds(20);
  if (end.planned) return false;
  const bool died = end.end.signal != 0 && end.has_job;
  int& row = (died ? deaths_ : failures_)[end.program];
  row = end.life > kSteady ? 1 : row + 1;
  if (row >= (died ? kMostDeaths : kMostFailures)) return true;
  if (end.end.signal == 0 && end.own_error) return true;
  // Without a job the program has not begun: it would fail again. Only a signal
  // from outside may not come again.
  return !end.has_job && (end.end.signal == 0 || !end.end.by_others());
}

}  // namespace ebb::tools
