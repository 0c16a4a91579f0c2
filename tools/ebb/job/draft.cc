#include "tools/ebb/job/draft.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "job/base/mistake.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

// A mistake of the key `path`, unless the status names another itself.
job::Mistake MistakeOf(const absl::Status& status, absl::string_view path,
                       const job::SourceMap& sources) {
  job::Mistake mistake = job::MistakeFromStatus(status, sources);
  if (mistake.path.empty()) {
    mistake.path = std::string(path);
    mistake.place = sources.Find(path);
  }
  return mistake;
}

}  // namespace

void Draft::NoteLeftOut(const data::Dataset& data, absl::string_view key,
                        int64_t known_already) {
  const int64_t count = data.left_out().examples - known_already;
  if (count <= 0) return;
  notes.push_back(
      absl::StrCat(Count(count, "bad example"), " of ", key,
                   " left out; the first: ", data.left_out().first));
}

void Draft::NoteRemarks(const data::Dataset& data, absl::string_view key) {
  constexpr size_t kMost = 30;
  const std::vector<std::string>& remarks = data.remarks();
  for (size_t i = 0; i < remarks.size(); ++i) {
    if (i == kMost) {
      notes.push_back(absl::StrCat(key, ": ", remarks.size() - kMost,
                                   " more columns like these"));
      break;
    }
    notes.push_back(absl::StrCat(key, ": ", remarks[i]));
  }
}

void Draft::Fail(const absl::Status& status, absl::string_view path) {
  if (status.ok()) return;
  std::vector<job::Mistake> mistakes;
  std::string text;
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    if (!text.empty() && !absl::StartsWith(line, "hint: ")) {
      mistakes.push_back(
          MistakeOf(absl::Status(status.code(), text), path, file.sources));
      text.clear();
    }
    absl::StrAppend(&text, text.empty() ? "" : "\n", line);
  }
  mistakes.push_back(
      MistakeOf(absl::Status(status.code(), text), path, file.sources));
  if (absl::IsNotFound(status) && absl::StartsWith(path, "data.") &&
      mistakes.back().hint.empty()) {
    mistakes.back().hint = data_hint;
  }
  job::MergeMistakes(mistakes, &file.mistakes);
}

void Draft::Validate() {
  job::MergeMistakes(
      job::ValidateJob(file.job, known, file.sources, file.mistakes),
      &file.mistakes);
}

bool Draft::WrongIn(absl::string_view key) const {
  return std::ranges::any_of(file.mistakes, [&](const job::Mistake& one) {
    return one.path == key ||
           absl::StartsWith(one.path, absl::StrCat(key, "."));
  });
}

absl::Status Refuse(const absl::Status& status, absl::string_view path,
                    const job::SourceMap& sources) {
  return job::ToStatus({MistakeOf(status, path, sources)});
}

int64_t ParametersOf(const job::JobFacts& facts) {
  int64_t sum = 0;
  for (const job::DenseTable& table : facts.tables) sum += table.size;
  return sum;
}

}  // namespace ebb::tools
