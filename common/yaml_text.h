// Texts as values of YAML, for what people are told to write.
#ifndef EBB_COMMON_YAML_TEXT_H_
#define EBB_COMMON_YAML_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

// The text, which is UTF-8, as one YAML value on one line, in a list or map,
// too: in quotes where it needs them.
std::string QuoteYaml(absl::string_view text);

// The same, always in quotes, which make a text of "7".
std::string InYamlQuotes(absl::string_view text);

}  // namespace ebb

#endif  // EBB_COMMON_YAML_TEXT_H_
