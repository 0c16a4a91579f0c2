#include "tools/process/parent_process.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ebb::tools {

pid_t ParentOf(pid_t process) {
  std::ifstream file(absl::StrCat("/proc/", process, "/stat"));
  std::ostringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  // "PID (NAME) STATE PARENT ...", and the name may hold anything.
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return 0;
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(end + 1), ' ', absl::SkipEmpty());
  pid_t parent = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &parent)) return 0;
  return parent;
}

}  // namespace ebb::tools
