#include "bench/command/bench_machine.h"

#include <sys/utsname.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/common/limits.h"
#include "tools/files/files.h"

namespace ebb::tools {

extern const char kCommit[];  // Written by commit.cmake in each build.

namespace {

std::string Machine() {
  const auto info = ReadFile("/proc/cpuinfo");
  std::string model = "unknown processor";
  if (info.ok()) {
    for (absl::string_view line : absl::StrSplit(*info, '\n')) {
      if (!absl::StartsWith(line, "model name")) continue;
      model = std::string(
          absl::StripAsciiWhitespace(line.substr(line.find(':') + 1)));
      break;
    }
  }
  return absl::StrCat(model, ", ", std::thread::hardware_concurrency(),
                      " cores");
}

}  // namespace

std::string WhereItRan() {
  return absl::StrCat("machine ", Machine(), "; build ", EBB_BUILD_TYPE,
                      "; commit ", kCommit);
}

Json WhereItRanJson() {
  Json json = Json::Object();
  json["machine"] = Machine();
  json["build"] = EBB_BUILD_TYPE;
  json["commit"] = kCommit;
  utsname system = {};
  if (uname(&system) == 0) json["kernel"] = system.release;
  json["congestion_control"] = bench::CongestionControl();
  json["measured"] =
      absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone());
  return json;
}

}  // namespace ebb::tools
