// Tables of Unicode that words.cc looks up.
#ifndef EBB_DATA_BYTES_LETTER_TABLES_H_
#define EBB_DATA_BYTES_LETTER_TABLES_H_

#include <cstddef>
#include <cstdint>

namespace ebb::data::internal {

// Characters [first, last] are letters, marks on letters, or digits.
struct LetterRange {
  uint32_t first;
  uint32_t last;
};
// Ascending.
extern const LetterRange kLetterRanges[];
extern const size_t kLetterRangeCount;

// Every `step`-th character of [first, last] is an upper-case letter, whose
// lower-case one is `difference` further.
struct LowerRun {
  uint32_t first;
  uint32_t last;
  uint32_t step;
  int32_t difference;
};
// Ascending.
extern const LowerRun kLowerRuns[];
extern const size_t kLowerRunCount;

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_LETTER_TABLES_H_
