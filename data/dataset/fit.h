// Checks whether examples fit what is known of the training data, and which
// classes their labels name.
#ifndef EBB_DATA_DATASET_FIT_H_
#define EBB_DATA_DATASET_FIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/encoding.h"
#include "data/index.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// The properties that CheckFit() compares with the training data.
struct Fitting {
  Layout layout = Layout::kDense;
  int64_t features = 0;
  bool width_is_known = true;
  std::string shape;  // ShapeIn().
};
Fitting FittingOf(const SourceSpec& spec, const Reader& reader);

// In the meaning of an index: before the order of columns, or the size of
// images, and before the format that a packed set was made of.
inline constexpr absl::string_view kColumnsAre = " columns=";
inline constexpr absl::string_view kPackedFrom = " of ";

// The meaning of an index whose source is read in this order of columns. An
// empty one is the usual order.
std::string WithColumns(absl::string_view meaning, absl::string_view columns);

// The width and the height of images, "6x4", in the meaning of their index.
// Empty for other data.
std::string ShapeIn(absl::string_view meaning);

// Checks whether data of this kind can be read with the constants of others.
absl::Status CheckFit(const SourceSpec& spec, const Fitting& fitting,
                      const Index& constants);

// The number of a class that is in `classes`, or -1.
int64_t ClassOf(const std::vector<float>& classes, float label);

// Returns whether labels are to be classes.
bool HasClasses(const SourceSpec& spec);

// Adds the label of the example read last to `classes`, if it is new, and where
// it is to `places`. An error: there are too many.
absl::Status AddClass(const Reader& reader, float label,
                      const Encoding& encoding, std::vector<float>* classes,
                      std::string* places);

// Checks that an example has no class and no features that the training data
// has not.
absl::Status CheckExample(const Reader& reader, const Example& example,
                          bool classes, const Index& constants);

// Where features are standardised, categories of text are shifted and keep
// their unit: divided by its deviation, a category of one row in a thousand
// would become 30. Sets their deviations in the index of training data to
// `unit`, the value of a category that is there, but those of constants.
void KeepUnitsOfCategories(const SourceSpec& spec, double unit, Index* index);

// " ('price')": of the feature with this number, where it has one.
std::string NameOf(const Encoding& encoding,
                   const std::optional<ColumnNames>& names, int64_t feature);

// Names are kept with the model.
absl::Status CheckNames(const SourceSpec& spec,
                        const std::optional<ColumnNames>& names);

// "no record has the feature 'tags'": a name that is likely misspelt. Empty:
// each named feature is in a record. All records are read.
std::string AbsentFeature(const Reader& reader);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_DATASET_FIT_H_
