// Update rules of rows that are not trained: what is pushed is no gradient.
//
// Notation of optimizer.h; a row is words of four bytes, of which these rules
// know more than that they are floats. They have no slots, and read nothing of
// the StepContext.
//
// counts      n' = n + m modulo 2^64, of each two words, little-endian.
// write-once  the row that is there stays; one whose first word is 0 is none
//             yet, and becomes what is pushed.
#ifndef EBB_SERVER_OPTIMIZER_WORD_RULES_H_
#define EBB_SERVER_OPTIMIZER_WORD_RULES_H_

#include <memory>

#include "server/optimizer/optimizer.h"

namespace ebb::server {

// Rows of an even number of words (checked).
std::unique_ptr<Optimizer> MakeCountsRule();
std::unique_ptr<Optimizer> MakeWriteOnceRule();

}  // namespace ebb::server

#endif  // EBB_SERVER_OPTIMIZER_WORD_RULES_H_
