// UTF-8, as the Unicode Standard defines it in table 3-7: no longer forms than
// need be, no surrogates, nothing beyond U+10FFFF.
#ifndef EBB_COMMON_UTF8_H_
#define EBB_COMMON_UTF8_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace ebb {

// Returns how many bytes the first character of the text has, 1 to 4; 0 if the
// text is empty or does not begin with a character.
size_t Utf8Length(absl::string_view text);

// Returns whether all of the text is UTF-8. Zero bytes are.
bool IsUtf8(absl::string_view text);

}  // namespace ebb

#endif  // EBB_COMMON_UTF8_H_
