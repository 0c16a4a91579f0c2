#include "tools/ebb/bench_machine.h"

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tools/ebb/files.h"

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
  return json;
}

}  // namespace ebb::tools
