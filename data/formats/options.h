// Helps formats to check their options and to say what they mean.
#ifndef EBB_DATA_FORMATS_OPTIONS_H_
#define EBB_DATA_FORMATS_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::data::internal {

// An option is wrong: kInvalidArgument.
template <typename... Args>
absl::Status WrongOption(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

absl::Status ValidateText(const TextOptions& text);

// The texts that stand in meanings. Indexes hold them, so they never change.

// "0.10000000000000001": names every double exactly.
std::string Exact(double value);
// "'it\'s'".
std::string Quoted(absl::string_view text);
// "['a','3']".
std::string QuotedList(const std::vector<std::string>& texts);

// These say something only of an option that is used: indexes from before there
// was the option do not contain it.

void AppendNamed(absl::string_view key, absl::string_view value,
                 std::string* meaning);
void AppendList(absl::string_view key, const std::vector<std::string>& values,
                std::string* meaning);
// All but the delimiter, which tables always have. `quotes` is how releases
// read whose indexes do not contain it.
std::string MeaningOf(const TextOptions& text, bool quotes);
std::string MeaningOf(const std::optional<ColumnNames>& like);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_OPTIONS_H_
