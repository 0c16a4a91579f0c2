// How far a command is, on stderr: a line that is written over on a terminal,
// else one every few seconds.
#ifndef EBB_TOOLS_EBB_CLUSTER_SHOWN_LINE_H_
#define EBB_TOOLS_EBB_CLUSTER_SHOWN_LINE_H_

#include <string>

#include "absl/time/time.h"
#include "common/steady_time.h"
#include "tools/text/console.h"

namespace ebb::tools {

// Not thread-safe.
class ShownLine {
 public:
  // `quiet`: it writes nothing.
  explicit ShownLine(bool quiet);

  // Another step begins. On a terminal its first line is due at once.
  void BeginStep();
  // Returns whether the next line is due, which the caller then writes.
  bool IsDue();
  void Write(const std::string& line);
  // Makes room for what comes next.
  void End() const;

 private:
  const bool quiet_;
  const Console console_;
  bool written_ = false;
  absl::Time shown_ = SteadyNow();
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_SHOWN_LINE_H_
