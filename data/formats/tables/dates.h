// Dates and times as tables write them.
#ifndef EBB_DATA_FORMATS_TABLES_DATES_H_
#define EBB_DATA_FORMATS_TABLES_DATES_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "data/encoding.h"

namespace ebb::data::internal {

// A moment in UTC; a text without a time zone is taken to be UTC.
struct Moment {
  int year = 1970;
  int month = 1;  // From 1.
  int day = 1;
  int weekday = 3;  // Monday is 0.
  double hour = 0;  // With a fraction.
  double days = 0;  // Since 1970-01-01, with a fraction.
  // The text says that it is UTC or how far from it, or counts seconds.
  bool has_zone = false;
};

// Parses
//   2021-03-04, 2021/3/4, 2021.03.04, 20210304, 2021-03,
//   04.03.2021, and 04/03/2021 or 04-03-2021 in the order that is given;
// each perhaps followed by T or a space and 15:04, 15:04:05, 15:04:05.678 or
// 3:04 PM. Z, UTC, +01:00 or +0100 may follow the time. It also parses a time
// alone, as on 1970-01-01; and seconds or milliseconds since 1970 as 9 to 10 or
// 12 to 13 digits. Nothing if the text is none of these or there is no such
// day. kYearFirst takes only dates whose day and month cannot be confused.
std::optional<Moment> ParseMoment(absl::string_view text, DateOrder order);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_DATES_H_
