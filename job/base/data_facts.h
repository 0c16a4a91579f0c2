// The facts about the data of a job that its rules and defaults ask for.
#ifndef EBB_JOB_BASE_DATA_FACTS_H_
#define EBB_JOB_BASE_DATA_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ebb::job {

// The facts about opened data.
struct SourceFacts {
  int64_t examples = 0;
  int64_t features = 0;
  // Labels are the whole numbers below this; 0: they are other numbers.
  int64_t classes = 0;
  // The places where the first few were first met, for people; empty: unknown.
  std::string class_places;
  // The mean over the examples of the sum of their features' absolute values,
  // of rows that lack most features; 0: of other data, or not known.
  double row_sum = 0;
  // The standard deviation of labels that are numbers; absent: of other data.
  std::optional<double> label_deviation;
  // Examples that are documents, and how many of them have a word, and two.
  struct Documents {
    int64_t with_a_word = 0;
    int64_t with_two_words = 0;
  };
  std::optional<Documents> documents;
  // The examples of each window of a packed set; 0: of other data.
  int64_t window = 0;
  // The text or number of each class, if there are two; else empty, or not
  // known.
  std::vector<std::string> class_texts;
};

// The facts about a job's surroundings that the caller found. Absent facts are
// not checked.
struct DataFacts {
  // After a `split`, both parts.
  std::optional<SourceFacts> train;
  std::optional<SourceFacts> test;
  // The models that can be had, those of the job's plugin among them.
  std::vector<std::string> model_kinds;
};

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_DATA_FACTS_H_
