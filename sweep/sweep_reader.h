// From the YAML tree of a sweep file to a Sweep, and its checks against the
// job. For sweep_file.cc.
#ifndef EBB_SWEEP_SWEEP_READER_H_
#define EBB_SWEEP_SWEEP_READER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/base/mistake.h"
#include "job/yaml_maps.h"
#include "job/yaml_tree.h"
#include "sweep/sweep_file.h"

namespace ebb::sweep {

using Fields = job::YamlFields;
using job::YamlNode;

// Returns the value that hints show for a key.
std::string ExampleOf(absl::string_view key);

// Maps a YAML tree onto a sweep. Collects mistakes and goes on.
class SweepReader final : private job::YamlMaps {
 public:
  // `study`: a program runs the trials, and may tell figures of its own.
  SweepReader(absl::string_view name, bool study, SweepFile* file)
      : job::YamlMaps(name, &file->mistakes), study_(study), file_(*file) {}

  // `path` is that of the sweep in its file: "sweep", or empty.
  void Read(const YamlNode& node, const std::string& path);
  // Once the job is known.
  void CheckJob();
  // Finds what is wrong only if nothing else is: a condition names a value that
  // its key never has.
  void CheckConditions();
  // Checks what --set says.
  void CheckOverrides();
  // A metric that there is not, and CheckJob did not come to it.
  void TellWrongMetric();
  // The sweep of a job's folds alone, without a space.
  void TakeFolds();

 private:
  std::string ExampleFor(absl::string_view key) const override {
    return ExampleOf(key);
  }
  void FailUnknown(const YamlNode& key, const std::string& path,
                   std::string hint) override;
  std::optional<int64_t> Whole(const Fields& fields, absl::string_view key,
                               int64_t least, int64_t most);
  // The number of one of these words; -1: the key is absent or wrong.
  int Word(const Fields& fields, absl::string_view key,
           const std::vector<std::string>& words);

  // `text`, the value of a key of the sweep, is none of these. `hint`: if none
  // of them is near.
  void FailWord(int line, absl::string_view key, const std::string& text,
                const std::vector<std::string>& words, std::string hint);

  void ReadBudget(const Fields& top);
  void ReadHalving(const Fields& top);
  void ReadMetric(const Fields& top);
  // Takes a figure that a program tells, of which ebb knows nothing.
  void CheckOwnMetric(const std::string& metric);
  void ReadSpace(const Fields& top);
  void ReadDimension(const std::string& key, const YamlNode& node,
                     const std::string& path);
  void ReadValues(const YamlNode& node, const std::string& path,
                  Dimension* dimension);
  void ReadEnds(const YamlNode& node, const std::string& path,
                Dimension* dimension);
  void ReadCondition(const YamlNode& node, const std::string& path,
                     Dimension* dimension);
  void CheckMethod(const Fields& top, int line);
  // Returns whether a condition of the dimension cannot hold.
  bool NeverIs(const Dimension& dimension) const;
  // Names the figures that the job may have.
  void TellWrongMetric(const v1::Job& job);

  // Refuses ranges of keys that take whole numbers.
  void CheckRanges();
  // Returns the text of the job with this value, without its name.
  std::string CheckValue(const Dimension& at, const std::string& value,
                         std::set<std::string>* told);
  void CheckEvaluations();
  void CheckFolds();

  // A condition on a value that is not in the list of its key.
  struct Unmet {
    int line = 0;
    std::string path;
    size_t dimension = 0;
    std::string value;
  };

  const bool study_;
  SweepFile& file_;
  std::string path_;
  std::vector<int> lines_;  // By dimension.
  std::vector<Unmet> unmet_;
  std::string wrong_metric_;  // Empty: there is such a metric.
  bool own_metric_ = false;   // It is a figure of the program's own.
  int metric_line_ = 1;
  int halving_line_ = 1;
};

}  // namespace ebb::sweep

#endif  // EBB_SWEEP_SWEEP_READER_H_
