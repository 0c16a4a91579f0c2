// Lines that another program writes while this one goes on.
#ifndef EBB_TOOLS_PROCESS_INCOMING_LINES_H_
#define EBB_TOOLS_PROCESS_INCOMING_LINES_H_

#include <string>
#include <vector>

namespace ebb::tools {

// Not thread-safe.
class IncomingLines {
 public:
  // The file is not closed.
  explicit IncomingLines(int fd) : fd_(fd) {}

  // Returns the lines that have come since the last call, without empty ones,
  // and does not wait for more.
  std::vector<std::string> Take();
  // True if the file has ended, or cannot be read.
  bool over() const { return over_; }
  // -1: no more comes.
  int fd() const { return over_ ? -1 : fd_; }

 private:
  const int fd_;
  std::string begun_;  // A line whose end has not come.
  bool over_ = false;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_INCOMING_LINES_H_
