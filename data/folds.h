// Cross-validation's folds (docs/data-order.md): which fold an example is in.
#ifndef EBB_DATA_FOLDS_H_
#define EBB_DATA_FOLDS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/encoding.h"
#include "data/source.h"

namespace ebb::data {

inline constexpr int64_t kMostFolds = 1000;

// The stratum of folds that are not stratified.
inline constexpr uint64_t kAllExamples = 0;

// The fold of the example that stands at `place`, from 0, among those of its
// stratum. Each `folds` examples of a stratum that follow one another are in
// different folds, in an order of their own.
int64_t FoldOf(uint64_t seed, uint64_t stratum, int64_t place, int64_t folds);

// "0/5", "0/5/stratified", "0/5/group='user'": a part of SourceSpec::Meaning().
std::string FoldsMeaning(const Folds& folds);

// The payload of an error that says that a fold has no example of a class: the
// number of classes.
inline constexpr char kFoldWithoutClass[] = "ebb/fold-without-class";

// Deals the examples of a source into folds, one after another. Not
// thread-safe.
class FoldCounter {
 public:
  // `classes`: labels are classes, each of which must be in every fold.
  // `encoding` has their texts.
  FoldCounter(uint64_t seed, const Folds& folds, bool classes,
              const Encoding& encoding);

  // The fold of the next example.
  int64_t Next(float label, absl::string_view group);
  // After the last example. InvalidArgument: a fold has no examples, or none of
  // a class. `name` is that of the source.
  absl::Status CheckAll(absl::string_view name) const;

 private:
  // Says what to do about a class with too few examples.
  std::string TooFewHint(int64_t examples) const;

  // Examples that are dealt in one row.
  struct Stratum {
    int64_t examples = 0;
    std::vector<int32_t> order;  // Folds of the next `folds` examples.
  };
  struct Class {
    Stratum stratum;
    int64_t examples = 0;
    std::vector<bool> in_fold;
  };

  int64_t Deal(uint64_t name, Stratum* stratum);

  const uint64_t seed_;
  const Folds folds_;
  const bool classes_;
  const std::vector<std::string> texts_;  // By label; empty: numbers.
  Stratum all_;
  std::map<float, Class> by_label_;
  absl::flat_hash_map<std::string, int64_t> by_group_;  // Their folds.
  std::vector<int64_t> sizes_;                          // By fold.
};

}  // namespace ebb::data

#endif  // EBB_DATA_FOLDS_H_
