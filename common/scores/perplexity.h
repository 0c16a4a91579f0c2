// The figure of models of documents.
#ifndef EBB_COMMON_SCORES_PERPLEXITY_H_
#define EBB_COMMON_SCORES_PERPLEXITY_H_

#include "absl/strings/string_view.h"

namespace ebb {

// Exp of the mean loss of a word.
inline constexpr absl::string_view kPerplexity = "perplexity";

}  // namespace ebb

#endif  // EBB_COMMON_SCORES_PERPLEXITY_H_
