// Output for people: the terminal's abilities, tables, numbers.
#ifndef EBB_TOOLS_TEXT_CONSOLE_H_
#define EBB_TOOLS_TEXT_CONSOLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::tools {

// The abilities of the standard output.
struct Console {
  bool terminal = false;  // Lines may be written over.
  bool color = false;     // A terminal, and NO_COLOR is not set.
  bool unicode = false;   // The locale says UTF-8.
  int columns = 80;
};
Console DetectConsole();

enum class Ink { kPlain, kBold, kDim, kGreen, kYellow, kRed, kCyan };
// `text` in a color, where there are colors.
std::string Paint(const Console& console, Ink ink, absl::string_view text);

// The columns that `text` takes on a screen: color codes take none. Every
// character is taken to be one column wide.
int DisplayWidth(absl::string_view text);

// Columns of text, each as wide as its widest cell.
class TextTable {
 public:
  // `right` names the columns whose cells stand at the right.
  explicit TextTable(std::vector<std::string> header,
                     std::vector<int> right = {});
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.size() <= 1; }
  // A line for each row, the header first; no spaces at the ends of lines.
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<int> right_;
};

// 60000 -> "60,000".
std::string WithCommas(int64_t number);
// 112345 -> "112k"; three digits at most.
std::string Short(double number);
// With this many digits after the point. NaN has no sign.
std::string LossText(double loss, int digits);
// "0.04 s", "4.6 s", "3 min 12 s", "2 h 5 min".
std::string DurationText(absl::Duration duration);
// For a column: "9s", "2m", "3h", "4d".
std::string AgeText(absl::Duration duration);
// 1536 -> "1.5 KiB".
std::string BytesText(int64_t bytes);
// "1 worker", "3 workers".
std::string Count(int64_t number, absl::string_view noun);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_CONSOLE_H_
