// Points around known centres, each with the number of its centre.
#ifndef EBB_DATA_GENERATE_CLUSTERS_H_
#define EBB_DATA_GENERATE_CLUSTERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "data/generate/generator.h"
#include "data/generate/known_loss.h"
#include "data/generate/nearest.h"

namespace ebb::data::generate {

struct ClusterOptions {
  uint64_t seed = 1;
  int64_t clusters = 10;
  int64_t dimensions = 2;
  double separation = 5;  // Standard deviation of the centres, per dimension.
  double spread = 1;      // And of the points around theirs.

  // kInvalidArgument, naming the flag.
  absl::Status Validate() const;
};

class Clusters : public Generator {
 public:
  explicit Clusters(const ClusterOptions& options);  // They are valid.

  std::vector<std::string> Suffixes() const override { return {".csv"}; }
  std::vector<Fact> Model() const override;
  void Start(Part part, int64_t rows, std::span<std::string> files) override;
  void Append(int64_t row, std::span<std::string> files) override;
  std::vector<Fact> Known() const override;

 private:
  const ClusterOptions options_;
  Nearest centres_;
  std::vector<float> point_;
  Part part_ = Part::kTrain;
  KnownSquares distance_;  // In each dimension.
};

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_CLUSTERS_H_
