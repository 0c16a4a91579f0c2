#include "tools/ebb/cluster/shown_line.h"

#include <cstdio>

namespace ebb::tools {

ShownLine::ShownLine(bool quiet) : quiet_(quiet), console_(DetectConsole()) {}

void ShownLine::BeginStep() {
  // Where each is a line, the first look says nothing yet.
  shown_ = console_.terminal ? absl::InfinitePast() : SteadyNow();
}

bool ShownLine::IsDue() {
  if (quiet_) return false;
  const absl::Time now = SteadyNow();
  const absl::Duration pause =
      console_.terminal ? absl::Milliseconds(200) : absl::Seconds(10);
  if (now - shown_ < pause) return false;
  shown_ = now;
  return true;
}

void ShownLine::Write(const std::string& line) {
  std::fprintf(stderr, console_.terminal ? "\r%-60s" : "%s\n", line.c_str());
  std::fflush(stderr);
  written_ = true;
}

void ShownLine::End() const {
  if (written_ && console_.terminal) std::fprintf(stderr, "\r%-60s\r", "");
}

}  // namespace ebb::tools
