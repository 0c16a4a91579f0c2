#include "data/formats/bad_examples.h"

#include "absl/strings/str_cat.h"

namespace ebb::data::internal {

absl::Status BadExamples::Add(const absl::Status& mistake) {
  if (!skip()) return mistake;
  const absl::string_view message = mistake.message();
  if (left_out_.examples++ == 0) {  // A line for each mistake in it.
    left_out_.first = std::string(message.substr(0, message.find('\n')));
  }
  return absl::OkStatus();
}

absl::Status BadExamples::Judge(const std::string& path) const {
  if (left_out_.examples <= good_) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": ", left_out_.examples, " of ", good_ + left_out_.examples,
      " examples are bad, more than could be left out; is it read as what it "
      "is? The first: ",
      left_out_.first));
}

}  // namespace ebb::data::internal
