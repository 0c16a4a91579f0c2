#include "tools/process/last_words.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace ebb::tools {

namespace {

// Finds the begin of glog's lines: "I20261121 ", a letter for the severity.
bool IsInfo(absl::string_view line) {
  constexpr size_t kDate = 8;
  const absl::string_view date = line.substr(0, kDate + 1);
  return absl::StartsWith(line, "I") && date.size() == kDate + 1 &&
         std::all_of(date.begin() + 1, date.end(), absl::ascii_isdigit);
}

// True if glog prints the line upon a crash.
bool IsStack(absl::string_view line) {
  return absl::ascii_isspace(line.front()) || absl::StartsWith(line, "***") ||
         absl::StartsWith(line, "PC: @") || absl::StartsWith(line, "@");
}

// True if a program prints the line below a refused flag (FlagMistake).
bool IsHint(absl::string_view line) {
  return absl::EndsWith(line, " --help has all flags");
}

}  // namespace

std::string LastWords(absl::string_view log) {
  const std::vector<absl::string_view> lines =
      absl::StrSplit(log, '\n', absl::SkipWhitespace());
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (!IsInfo(*line)) {
      if (!IsStack(*line) && !IsHint(*line)) return std::string(*line);
    } else if (absl::StrContains(*line, " starts: ")) {
      break;  // What is above is of an earlier life.
    }
  }
  return "";
}

std::string LastFailedBatch(absl::string_view log) {
  constexpr absl::string_view kBefore = " cannot be computed: ";
  const size_t at = log.rfind(kBefore);
  if (at == log.npos) return "";
  const absl::string_view rest = log.substr(at + kBefore.size());
  return std::string(rest.substr(0, rest.find('\n')));
}

}  // namespace ebb::tools
