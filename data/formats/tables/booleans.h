// The words that tables write for no and yes.
#ifndef EBB_DATA_FORMATS_TABLES_BOOLEANS_H_
#define EBB_DATA_FORMATS_TABLES_BOOLEANS_H_

#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace ebb::data::internal {

using BooleanWords = std::pair<absl::string_view, absl::string_view>;

// No and yes, in lower case.
inline constexpr std::array<BooleanWords, 5> kBooleans = {
    {{"false", "true"}, {"f", "t"}, {"no", "yes"}, {"n", "y"}, {"off", "on"}}};

// The two words that all of `texts` are, whatever their case; nothing where
// another text is there, or one of the two is not.
template <typename Texts>
std::optional<BooleanWords> BooleansOf(const Texts& texts) {
  std::set<std::string> folded;
  for (const std::string& text : texts) {
    folded.insert(absl::AsciiStrToLower(text));
    if (folded.size() > 2) return std::nullopt;
  }
  for (const BooleanWords& words : kBooleans) {
    if (folded == std::set<std::string>{std::string(words.first),
                                        std::string(words.second)}) {
      return words;
    }
  }
  return std::nullopt;
}

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_BOOLEANS_H_
