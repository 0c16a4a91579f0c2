#include "data/formats/tables/dates.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/time/civil_time.h"

namespace ebb::data::internal {
namespace {

constexpr double kSecondsPerDay = 86400;

bool IsDigits(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Takes the digits at the front of `*text`, at most `most` of them; their
// number in `*digits`.
bool TakeWhole(absl::string_view* text, size_t most, int64_t* value,
               size_t* digits) {
  size_t n = 0;
  while (n < text->size() && n < most && absl::ascii_isdigit((*text)[n])) ++n;
  if (n == 0 || !absl::SimpleAtoi(text->substr(0, n), value)) return false;
  *digits = n;
  text->remove_prefix(n);
  return true;
}

// The moment so many days after 1970-01-01. Years have four digits.
std::optional<Moment> FromDays(double days) {
  constexpr double kMost = 3e6;
  if (!(std::fabs(days) < kMost)) return std::nullopt;
  const double whole = std::floor(days);
  const absl::CivilDay day =
      absl::CivilDay(1970, 1, 1) + static_cast<int64_t>(whole);
  if (day.year() < 0 || day.year() > 9999) return std::nullopt;
  Moment moment;
  moment.year = static_cast<int>(day.year());
  moment.month = day.month();
  moment.day = day.day();
  moment.weekday = static_cast<int>(absl::GetWeekday(day));
  constexpr double kMsPerHour = 3600e3;
  moment.hour = std::round((days - whole) * 24 * kMsPerHour) / kMsPerHour;
  moment.days = days;
  return moment;
}

std::optional<double> DaysOf(int64_t year, int64_t month, int64_t day) {
  const absl::CivilDay civil(year, month, day);
  const bool exists = civil.year() == year && civil.month() == month &&
                      civil.day() == day && year > 0 && year <= 9999;
  if (!exists) return std::nullopt;
  return static_cast<double>(civil - absl::CivilDay(1970, 1, 1));
}

// Takes the date at the front of `*text`: days since 1970.
std::optional<double> TakeDate(absl::string_view* text, DateOrder order) {
  int64_t first = 0;
  int64_t second = 0;
  int64_t third = 1;
  size_t width = 0;
  size_t ignored = 0;
  if (!TakeWhole(text, 8, &first, &width)) return std::nullopt;
  if (width == 8) {
    return DaysOf(first / 10000, first / 100 % 100, first % 100);
  }
  if (text->empty()) return std::nullopt;
  const char sign = text->front();
  if (sign != '-' && sign != '/' && sign != '.') return std::nullopt;
  text->remove_prefix(1);
  if (!TakeWhole(text, 2, &second, &ignored)) return std::nullopt;
  const bool third_follows = text->size() > 1 && text->front() == sign &&
                             absl::ascii_isdigit((*text)[1]);
  size_t third_width = 0;
  if (third_follows) {
    text->remove_prefix(1);
    if (!TakeWhole(text, 4, &third, &third_width)) return std::nullopt;
  }
  if (width == 4 && third_width <= 2) return DaysOf(first, second, third);
  if (width > 2 || third_width != 4) return std::nullopt;
  if (sign == '.') return DaysOf(third, second, first);
  if (order == DateOrder::kDayFirst) return DaysOf(third, second, first);
  if (order == DateOrder::kMonthFirst) return DaysOf(third, first, second);
  return std::nullopt;
}

// Takes "15:04:05.678" or "3:04 PM" from the front: seconds.
std::optional<double> TakeTime(absl::string_view* text) {
  int64_t hour = 0;
  int64_t minute = 0;
  double second = 0;
  size_t ignored = 0;
  if (!TakeWhole(text, 2, &hour, &ignored) || !absl::ConsumePrefix(text, ":") ||
      !TakeWhole(text, 2, &minute, &ignored)) {
    return std::nullopt;
  }
  if (absl::ConsumePrefix(text, ":")) {
    const size_t end =
        std::min(text->find_first_not_of("0123456789."), text->size());
    if (!absl::SimpleAtod(text->substr(0, end), &second)) return std::nullopt;
    text->remove_prefix(end);
  }
  const absl::string_view rest = absl::StripLeadingAsciiWhitespace(*text);
  const bool pm = absl::StartsWithIgnoreCase(rest, "pm");
  if (pm || absl::StartsWithIgnoreCase(rest, "am")) {
    if (hour < 1 || hour > 12) return std::nullopt;
    hour = hour % 12 + (pm ? 12 : 0);
    *text = rest.substr(2);
  }
  if (hour > 24 || minute > 59 || !(second >= 0 && second < 61)) {
    return std::nullopt;
  }
  return static_cast<double>(hour * 3600 + minute * 60) + second;
}

// The seconds that a time zone is ahead of UTC.
std::optional<double> ZoneOf(absl::string_view text) {
  if (text.empty() || text == "Z" || text == "UTC" || text == "GMT") return 0;
  const double sign = text.front() == '-' ? -1 : 1;
  if (text.front() != '+' && text.front() != '-') return std::nullopt;
  text.remove_prefix(1);
  int64_t hours = 0;
  int64_t minutes = 0;
  size_t ignored = 0;
  if (!TakeWhole(&text, 2, &hours, &ignored)) return std::nullopt;
  absl::ConsumePrefix(&text, ":");
  if (!text.empty() && !TakeWhole(&text, 2, &minutes, &ignored)) {
    return std::nullopt;
  }
  if (!text.empty() || hours > 14 || minutes > 59) return std::nullopt;
  return sign * static_cast<double>(hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<Moment> ParseMoment(absl::string_view text, DateOrder order) {
  if (IsDigits(text) && text.size() >= 9) {
    int64_t number = 0;
    if (text.size() > 13 || !absl::SimpleAtoi(text, &number)) {
      return std::nullopt;
    }
    const double unit = text.size() >= 12 ? 1000 : 1;
    auto moment = FromDays(static_cast<double>(number) / unit / kSecondsPerDay);
    if (moment.has_value()) moment->has_zone = true;
    return moment;
  }
  double days = 0;
  const size_t colon = text.find(':');
  const bool time_alone = colon == 1 || colon == 2;
  if (!time_alone) {
    const auto date = TakeDate(&text, order);
    if (!date.has_value()) return std::nullopt;
    days = *date;
    if (text.empty()) return FromDays(days);
    if (text.front() != 'T' && text.front() != ' ') return std::nullopt;
    text.remove_prefix(1);
    text = absl::StripLeadingAsciiWhitespace(text);
  }
  const auto seconds = TakeTime(&text);
  if (!seconds.has_value()) return std::nullopt;
  text = absl::StripAsciiWhitespace(text);
  const auto zone = ZoneOf(text);
  if (!zone.has_value()) return std::nullopt;
  auto moment = FromDays(days + (*seconds - *zone) / kSecondsPerDay);
  if (moment.has_value()) moment->has_zone = !text.empty();
  return moment;
}

}  // namespace ebb::data::internal
