// The bad examples of one file, as its reader meets them.
#ifndef EBB_DATA_FORMATS_BAD_EXAMPLES_H_
#define EBB_DATA_FORMATS_BAD_EXAMPLES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

class BadExamples {
 public:
  explicit BadExamples(OnBadExample policy) : policy_(policy) {}

  bool skip() const { return policy_ == OnBadExample::kSkip; }

  // Counts an example with this mistake and returns OK if it is left out, else
  // the mistake itself.
  absl::Status Add(const absl::Status& mistake);
  // Counts one that is good.
  void AddGood() { ++good_; }

  // At the end of the file. An error where more examples are bad than good:
  // then it is rather the options that are wrong, or the file.
  absl::Status Judge(const std::string& path) const;

  const LeftOut& left_out() const { return left_out_; }

 private:
  const OnBadExample policy_;
  int64_t good_ = 0;
  LeftOut left_out_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_BAD_EXAMPLES_H_
