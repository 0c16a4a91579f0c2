#include "tools/text/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace ebb::tools {

namespace {

absl::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool LocaleIsUtf8() {
  // The first that is set decides (POSIX, Base Definitions, 8.2).
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = absl::AsciiStrToLower(Environment(name));
    if (value.empty()) continue;
    return absl::StrContains(value, "utf-8") ||
           absl::StrContains(value, "utf8");
  }
  return false;
}

const char* Code(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kBold:
      return "\x1b[1m";
    case Ink::kDim:
      return "\x1b[2m";
    case Ink::kGreen:
      return "\x1b[32m";
    case Ink::kYellow:
      return "\x1b[33m";
    case Ink::kRed:
      return "\x1b[31m";
    case Ink::kCyan:
      return "\x1b[36m";
  }
  return "";
}

}  // namespace

Console DetectConsole() {
  Console console;
  console.terminal =
      isatty(STDOUT_FILENO) == 1 && Environment("TERM") != "dumb";
  console.color = console.terminal && Environment("NO_COLOR").empty();
  console.unicode = LocaleIsUtf8();
  winsize size = {};
  if (console.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
      size.ws_col > 0) {
    console.columns = size.ws_col;
  }
  return console;
}

std::string Paint(const Console& console, Ink ink, absl::string_view text) {
  if (!console.color || ink == Ink::kPlain) return std::string(text);
  return absl::StrCat(Code(ink), text, "\x1b[0m");
}

int DisplayWidth(absl::string_view text) {
  int width = 0;
  bool escape = false;
  for (const char c : text) {
    if (escape) {
      escape = c != 'm';
    } else if (c == '\x1b') {
      escape = true;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++width;
    }
  }
  return width;
}

TextTable::TextTable(std::vector<std::string> header, std::vector<int> right)
    : rows_{std::move(header)}, right_(std::move(right)) {}

void TextTable::Add(std::vector<std::string> row) {
  rows_.push_back(std::move(row));
}

std::string TextTable::ToString() const {
  std::vector<int> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - DisplayWidth(row[i]), ' ');
      const bool right =
          std::ranges::find(right_, static_cast<int>(i)) != right_.end();
      if (i > 0) line.append("  ");
      absl::StrAppend(&line, right ? pad : "", row[i], right ? "" : pad);
    }
    absl::StrAppend(&out, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return out;
}

std::string WithCommas(int64_t number) {
  const std::string digits = absl::StrCat(number);
  const size_t sign = number < 0 ? 1 : 0;
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out;
}

std::string Short(double number) {
  const char* unit = "";
  for (const char* next : {"k", "M", "G"}) {
    if (std::abs(number) < 999.5) break;
    number /= 1000;
    unit = next;
  }
  const bool whole = number == std::floor(number) && *unit == '\0';
  const int decimals = whole || std::abs(number) >= 99.95 ? 0
                       : std::abs(number) >= 9.995        ? 1
                                                          : 2;
  return absl::StrFormat("%.*f%s", decimals, number, unit);
}

std::string LossText(double loss, int digits) {
  if (std::isnan(loss)) return "nan";
  return absl::StrFormat("%.*f", digits, loss);
}

std::string DurationText(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 0.995) return absl::StrFormat("%.2f s", seconds);
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(std::lround(seconds));
  if (whole < 3600) {
    return absl::StrFormat("%d min %d s", whole / 60, whole % 60);
  }
  return absl::StrFormat("%d h %d min", whole / 3600, whole % 3600 / 60);
}

std::string AgeText(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m");
  if (seconds < 86400) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string BytesText(int64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double number = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    number /= 1024;
    unit = next;
    if (number < 1023.95) break;
  }
  return absl::StrFormat("%.1f %s", number, unit);
}

std::string Count(int64_t number, absl::string_view noun) {
  return absl::StrCat(WithCommas(number), " ", noun, number == 1 ? "" : "s");
}

}  // namespace ebb::tools
