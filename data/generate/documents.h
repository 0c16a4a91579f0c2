// Documents whose words come from known topics, as counts of words.
#ifndef EBB_DATA_GENERATE_DOCUMENTS_H_
#define EBB_DATA_GENERATE_DOCUMENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/generate/generator.h"

namespace ebb::data::generate {

struct DocumentOptions {
  uint64_t seed = 1;
  int64_t topics = 10;
  int64_t vocabulary = 1000;
  int64_t words = 100;  // The mean length of a document.
  // The smaller they are, the fewer topics a document has, and the fewer words
  // a topic.
  double document_prior = 0.1;
  double topic_prior = 0.05;

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

class Documents : public Generator {
 public:
  explicit Documents(const DocumentOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override {
    return {".bags", ".words"};
  }
  std::vector<Fact> Model() const override;
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  // The shares of the words in each topic, (topics, vocabulary), and each of
  // them with those before it.
  std::span<const double> SumsOf(int64_t topic) const;

  const DocumentOptions options_;
  std::vector<double> shares_;
  std::vector<double> sums_;
  Part part_ = Part::kTrain;
  std::map<int64_t, int64_t> counts_;  // How often the row has which word.
  double log_likelihood_ = 0;
  int64_t words_ = 0;
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_DOCUMENTS_H_
