#include "data/internal/line_reader.h"

#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "data/internal/text.h"

namespace ebb::data::internal {
namespace {

bool IsPair(absl::string_view word) {
  return word.find(':') != absl::string_view::npos;
}

// What rankers and SVM-light put between the label and the features.
struct NamedPair {
  absl::string_view front;
  absl::string_view what;
};
constexpr NamedPair kNamedPairs[] = {
    {"qid:", "the number of a query, for ranking"},
    {"sid:", "a number of SVM-light for slack variables"},
    {"cost:", "the cost of an example"}};

}  // namespace

absl::StatusOr<bool> LineReader::Next(Example* example) {
  for (;;) {
    absl::string_view line;
    EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(&line));
    if (!more) {
      EBB_RETURN_IF_ERROR(bad_.Judge(file_.name()));
      return false;
    }
    const absl::StatusOr<bool> taken = Take(line, example);
    if (!taken.ok()) {
      EBB_RETURN_IF_ERROR(bad_.Add(taken.status()));
    } else if (*taken) {
      bad_.AddGood();
      return true;
    }
  }
}

absl::Status LineReader::CheckNamedPair(absl::string_view word) const {
  for (const NamedPair& named : kNamedPairs) {
    if (!absl::StartsWith(word, named.front)) continue;
    return Bad(Excerpt(word), " is ", named.what,
               ", which ebb does not know; remove it, as `sed 's/ ",
               named.front, "[^ ]*//' ", file_.path(), "` does");
  }
  return absl::OkStatus();
}

absl::StatusOr<float> LineReader::Label(absl::string_view word) const {
  absl::StatusOr<float> label = ParseLabel(word, spec_.label_kind);
  if (!label.ok()) return Bad("label: ", label.status().message());
  return label;
}

absl::StatusOr<float> LineReader::TakeLabel(absl::string_view* line,
                                            absl::string_view* pair) const {
  *pair = TakeWord(line);
  float label = 0;
  if (spec_.has_labels) {
    EBB_RETURN_IF_ERROR(CheckNamedPair(*pair));
    if (IsPair(*pair)) {
      return Bad("the line begins with ", Excerpt(*pair),
                 " instead of a label. If it is a label and its weight, remove "
                 "the weights, which ebb does not know; if it is a feature, "
                 "write a label before it");
    }
    if (pair->find(',') != absl::string_view::npos) {
      return Bad("label: ", Excerpt(*pair),
                 " is not a number; if it is several labels of one example, "
                 "which ebb does not learn, make a file for each");
    }
    EBB_ASSIGN_OR_RETURN(label, Label(*pair));
  }
  if (!IsPair(*pair)) *pair = TakeWord(line);
  EBB_RETURN_IF_ERROR(CheckNamedPair(*pair));
  return label;
}

}  // namespace ebb::data::internal
