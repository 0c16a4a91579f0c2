// Questions about what a model has learned, which some answer in place of
// predicting examples.
#ifndef EBB_TOOLS_EBB_MODEL_QUESTIONS_H_
#define EBB_TOOLS_EBB_MODEL_QUESTIONS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// Thread-compatible. The model outlives it.
class Questions {
 public:
  virtual ~Questions() = default;

  // Answers the questions in `text`, one a line; messages call them `called`.
  // With `score`, a line has the right answer, too. Writes CSV. What cannot be
  // answered goes to `warn`. InvalidArgument: a line asks nothing, or all do.
  virtual absl::Status Answer(
      absl::string_view text, absl::string_view called, bool score,
      const std::function<void(absl::string_view)>& write,
      const std::function<void(const std::string&)>& warn) = 0;
  // How many of the scored answers were right, as a line.
  virtual std::string ScoreText() const = 0;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_QUESTIONS_H_
