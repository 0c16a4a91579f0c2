// Update rules of rows that no gradient steps: pushes carry other values.
//
// The notation is that of optimizer.h. A row is words of four bytes; each rule
// knows what its words mean. The rules have no slots, and do not read the
// StepContext.
//
// additive    w' = w + G, of floats.
// counts      n' = n + m modulo 2^64, for each two words, little-endian.
// write-once  a row that is there stays. A first word of 0 means that there is
//             no row yet; it becomes the pushed one.
// replace     a row becomes the pushed one.
#ifndef EBB_OPTIMIZER_WORD_RULES_H_
#define EBB_OPTIMIZER_WORD_RULES_H_

#include <memory>

#include "optimizer/optimizer.h"

namespace ebb {

std::unique_ptr<Optimizer> MakeAdditiveRule();
// Rows of an even number of words (checked).
std::unique_ptr<Optimizer> MakeCountsRule();
std::unique_ptr<Optimizer> MakeWriteOnceRule();
std::unique_ptr<Optimizer> MakeReplaceRule();

}  // namespace ebb

#endif  // EBB_OPTIMIZER_WORD_RULES_H_
