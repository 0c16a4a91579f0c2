#include "tools/ebb/run/screen.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ebb::tools {

namespace {

void Write(std::FILE* out, absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

}  // namespace

void Screen::Print(absl::string_view text) {
  if (quiet_) return;
  const std::string line = line_;
  Clear();
  Write(out_, text);
  line_ = line;
  if (!line_.empty()) Write(out_, line_);
}

void Screen::Event(absl::string_view text, absl::Time now) {
  Print(absl::StrCat(Paint(console_, Ink::kYellow, "!"), " ",
                     absl::FormatTime("%H:%M:%S", now, absl::LocalTimeZone()),
                     " ", text, "\n"));
}

void Screen::Show(const Progress& progress, absl::Time now) {
  if (quiet_) return;
  if (console_.terminal) {
    const std::string line = ProgressLine(progress, console_);
    if (line == line_) return;
    Write(out_, absl::StrCat("\r", line, "\x1b[K"));
    line_ = line;
    return;
  }
  if (first_ == absl::InfinitePast()) first_ = now;
  const absl::Duration interval =
      std::max(absl::Seconds(1), (now - first_) / 20);
  if (now - logged_ < interval) return;
  logged_ = now;
  Write(out_, absl::StrCat(ProgressLogLine(progress), "\n"));
}

void Screen::Clear() {
  if (line_.empty()) return;
  Write(out_, "\r\x1b[K");
  line_.clear();
}

}  // namespace ebb::tools
