#include "data/formats/text/sparse_line_reader.h"

#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

bool IsPair(absl::string_view word) {
  return word.find(':') != absl::string_view::npos;
}

// Rankers and SVM-light put these between the label and the features.
struct NamedPair {
  absl::string_view front;
  absl::string_view what;
};
constexpr NamedPair kNamedPairs[] = {
    {"qid:", "the number of a query, for ranking"},
    {"sid:", "a number of SVM-light for slack variables"},
    {"cost:", "the cost of an example"}};

}  // namespace

absl::StatusOr<bool> SparseLineReader::Take(absl::string_view line,
                                            Example* example) {
  if (IsBlank(line)) return NothingIn();
  absl::string_view word;
  EBB_ASSIGN_OR_RETURN(const float label, TakeLabel(&line, &word));
  Clear();
  for (; !word.empty(); word = TakeWord(&line)) {
    EBB_RETURN_IF_ERROR(Add(word));
  }
  *example = Row();
  example->label = label;
  return true;
}

absl::Status SparseLineReader::CheckNamedPair(absl::string_view word) const {
  for (const NamedPair& named : kNamedPairs) {
    if (!absl::StartsWith(word, named.front)) continue;
    return Bad(Excerpt(word), " is ", named.what,
               ", which ebb does not know; remove it, as `sed 's/ ",
               named.front, "[^ ]*//' ", path(), "` does");
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SparseLineReader::NothingIn() const {
  if (spec().has_labels) return false;
  return Bad(
      "the line is empty; where examples have no labels it could be one "
      "without features: remove it, or give each line a label");
}

absl::StatusOr<float> SparseLineReader::TakeLabel(
    absl::string_view* line, absl::string_view* pair) const {
  *pair = TakeWord(line);
  float label = 0;
  if (spec().has_labels) {
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
  if (!IsPair(*pair)) {
    const absl::string_view front = *pair;
    *pair = TakeWord(line);
    // A line of a table is one such word.
    if (pair->empty() && !IsNumber(front)) {
      return Bad("the line is ", Excerpt(front),
                 ", which is neither a label, which is a number, nor a feature "
                 "with a colon in it");
    }
  }
  EBB_RETURN_IF_ERROR(CheckNamedPair(*pair));
  return label;
}

}  // namespace ebb::data::internal
