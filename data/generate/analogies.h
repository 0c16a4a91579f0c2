// Text of a language in which words have two properties each, so that it is
// known which words are to each other as others are.
#ifndef EBB_DATA_GENERATE_ANALOGIES_H_
#define EBB_DATA_GENERATE_ANALOGIES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/generator.h"

namespace ebb::data::generate {

struct AnalogyOptions {
  uint64_t seed = 1;
  // Values of the first and of the second property: there is a word for each
  // two of them.
  int64_t first = 8;
  int64_t second = 8;
  int64_t neighbours = 4;  // Words that go with each value of a property.
  int64_t length = 16;     // Words of a line.
  double noise = 0.1;      // Share of words that say nothing,
  int64_t fillers = 50;    // and how many of those there are.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

// A row is a line of text about one word, and a question of four words.
class Analogies : public Generator {
 public:
  explicit Analogies(const AnalogyOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override {
    return {".txt", ".questions.txt"};
  }
  std::vector<Fact> Model() const override;
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  void AppendLine(Draws* draws, std::string* file);
  void AppendQuestion(Draws* draws, std::string* file) const;

  const AnalogyOptions options_;
  Part part_ = Part::kTrain;
  int64_t words_ = 0;     // Written since Start(),
  int64_t subjects_ = 0;  // and those that have two properties.
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_ANALOGIES_H_
