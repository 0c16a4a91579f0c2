#include "data/generate/analogies.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::data::generate {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 20;

// The word with these two properties.
std::string Subject(int64_t first, int64_t second) {
  return absl::StrCat("p", first, "q", second);
}

// One of [0, n) that is not `other`.
int64_t BelowBut(Draws* draws, int64_t n, int64_t other) {
  const int64_t drawn = draws->Below(n - 1);
  return drawn < other ? drawn : drawn + 1;
}

}  // namespace

absl::Status AnalogyOptions::Validate() const {
  EBB_RETURN_IF_ERROR(CheckBetween("--first", first, int64_t{2}, kMostValues));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--second", second, int64_t{2}, kMostValues));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--neighbours", neighbours, int64_t{1}, kMostValues));
  EBB_RETURN_IF_ERROR(
      CheckBetween("--length", length, int64_t{1}, int64_t{100'000}));
  EBB_RETURN_IF_ERROR(CheckBetween("--noise", noise, 0.0, 1.0));
  return CheckBetween("--fillers", fillers, int64_t{1}, kMostValues);
}

Analogies::Analogies(const AnalogyOptions& options) : options_(options) {}

std::vector<Fact> Analogies::Model() const {
  return {{"subjects", options_.first * options_.second},
          {"vocabulary",
           options_.first * options_.second +
               (options_.first + options_.second) * options_.neighbours +
               options_.fillers}};
}

void Analogies::Start(Part part, int64_t /*rows*/,
                      std::span<std::string> /*files*/) {
  part_ = part;
  words_ = 0;
  subjects_ = 0;
}

void Analogies::Append(int64_t row, std::span<std::string> files) {
  Draws draws(options_.seed, part_, row);
  AppendLine(&draws, &files[0]);
  AppendQuestion(&draws, &files[1]);
}

void Analogies::AppendLine(Draws* draws, std::string* file) {
  const int64_t first = draws->Below(options_.first);
  const int64_t second = draws->Below(options_.second);
  for (int64_t i = 0; i < options_.length; ++i) {
    if (i > 0) file->push_back(' ');
    ++words_;
    if (draws->Uniform() < options_.noise) {
      absl::StrAppend(file, "f", draws->Below(options_.fillers));
      continue;
    }
    const int64_t neighbour = draws->Below(options_.neighbours);
    switch (draws->Below(3)) {
      case 0:
        ++subjects_;
        absl::StrAppend(file, Subject(first, second));
        break;
      case 1:
        absl::StrAppend(file, "p", first, "n", neighbour);
        break;
      default:
        absl::StrAppend(file, "q", second, "n", neighbour);
    }
  }
  file->push_back('\n');
}

void Analogies::AppendQuestion(Draws* draws, std::string* file) const {
  const int64_t first = draws->Below(options_.first);
  const int64_t second = draws->Below(options_.second);
  const int64_t other_first = BelowBut(draws, options_.first, first);
  const int64_t other_second = BelowBut(draws, options_.second, second);
  absl::StrAppend(file, Subject(first, second), " ",
                  Subject(first, other_second), " ",
                  Subject(other_first, second), " ");
  absl::StrAppend(file, Subject(other_first, other_second), "\n");
}

std::vector<Fact> Analogies::Known() const {
  return {{"words", words_}, {"subject_words", subjects_}};
}

}  // namespace ebb::data::generate
