// The output of a run: lines that stay, and below them, on a terminal, one
// that is written over.
#ifndef EBB_TOOLS_EBB_RUN_SCREEN_H_
#define EBB_TOOLS_EBB_RUN_SCREEN_H_

#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/text/console.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

// Not thread-safe. The destructor removes the progress line.
class Screen {
 public:
  // With `quiet` it writes nothing.
  Screen(const Console& console, bool quiet, std::FILE* out)
      : console_(console), quiet_(quiet), out_(out) {}
  ~Screen() { Clear(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  const Console& console() const { return console_; }

  // Text that ends with a line break.
  void Print(absl::string_view text);
  // "! 12:04:31 text".
  void Event(absl::string_view text, absl::Time now);
  // On a terminal at once; in a log now and then, rarer as time goes by.
  void Show(const Progress& progress, absl::Time now);
  // Removes the progress line.
  void Clear();

 private:
  const Console console_;
  const bool quiet_;
  std::FILE* const out_;  // Not owned.
  std::string line_;      // The progress line on the terminal.
  absl::Time first_ = absl::InfinitePast();
  absl::Time logged_ = absl::InfinitePast();
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_SCREEN_H_
