// Mistakes in a job file, with their places and what would be right; and the
// place in the file from which each key of a job came.
#ifndef EBB_JOB_BASE_MISTAKE_H_
#define EBB_JOB_BASE_MISTAKE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ebb::job {

struct Place {
  std::string file;  // Or "--set"; empty: the job came from no file.
  int line = 0;      // From 1; 0: no line.
};

// The places of a job's keys, by path: "data.train.scale", "model.layers[2]".
class SourceMap {
 public:
  void Set(absl::string_view path, Place place);
  // Drops `path` and everything below it.
  void Forget(absl::string_view path);
  // The place of the key, or else of the nearest key around it.
  Place Find(absl::string_view path) const;

 private:
  std::map<std::string, Place, std::less<>> places_;
};

// Mistakes that are collected, at most about: enough for a person, and a bound
// on the work that a hostile file makes.
inline constexpr size_t kMaxMistakes = 100;

struct Mistake {
  Place place;
  std::string path;   // Path of the key; empty: the file itself.
  std::string what;   // The mistake itself.
  std::string hint;   // How to mend it.
  std::string meant;  // Path of the key that a misspelt one probably is.

  // "FILE:LINE: path: what" and, on a second line, "  hint: hint".
  std::string ToString() const;
};

// Shows a value of the user's in a message: quoted, escaped, cut if long.
std::string QuoteValue(absl::string_view text);

// In the order of their lines, one after the other.
std::string ToString(const std::vector<Mistake>& mistakes);
// OK without mistakes, else InvalidArgument with all of them as the message.
absl::Status ToStatus(const std::vector<Mistake>& mistakes);

// The first few of the mistakes in a file of many lines, such as a table, and
// how many more there are: a file of another kind is wrong in every line.
class FirstMistakes {
 public:
  void Add(Mistake mistake);
  bool empty() const { return mistakes_.empty(); }
  // Returns ToStatus of all of them.
  absl::Status Status() const;

 private:
  std::vector<Mistake> mistakes_;
  int64_t more_ = 0;
};

// The mistake that `status` reports as "PATH: WHAT", perhaps with a second line
// "hint: HINT": how parts of ebb that do not know files refuse a key.
Mistake MistakeFromStatus(const absl::Status& status, const SourceMap& sources);

// By line; those without a line (of --set) come last.
void SortByLine(std::vector<Mistake>* mistakes);

// Appends those of `more` that do not only follow from one in `mistakes`: a
// key that could not be read is not missing too.
void MergeMistakes(const std::vector<Mistake>& more,
                   std::vector<Mistake>* mistakes);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_MISTAKE_H_
