// Makes the rows of a data set whose true model is known.
//
//   ClickLog clicks(options);  // options.Validate() is OK.
//   std::vector<std::string> files(clicks.Suffixes().size());
//   clicks.Start(Part::kTrain, rows, files);
//   for (int64_t row = 0; row < rows; ++row) clicks.Append(row, files);
//   for (const Fact& fact : clicks.Known()) ...  // Of these rows.
#ifndef EBB_DATA_GENERATE_GENERATOR_H_
#define EBB_DATA_GENERATE_GENERATOR_H_

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/generate/draws.h"

namespace ebb::data::generate {

// Something that is true of a data set.
struct Fact {
  std::string name;
  std::variant<int64_t, double, std::vector<int64_t>, std::vector<double>>
      value;
};

// Use it on one thread. The bytes are a function of the options alone.
class Generator {
 public:
  virtual ~Generator() = default;

  // Ends of the names of a part's files, e.g. ".csv".
  virtual std::vector<std::string> Suffixes() const = 0;
  // The numbers that, with docs/generate.md, make the true model.
  virtual std::vector<Fact> Model() const = 0;
  // The most rows that its files can have.
  virtual int64_t most_rows() const { return int64_t{1} << 40; }

  // Begins a part, and appends what stands before its rows to `files`, in the
  // order of Suffixes().
  virtual void Start(Part part, int64_t rows, std::span<std::string> files) = 0;
  // Appends the row of that number of the part that was started.
  virtual void Append(int64_t row, std::span<std::string> files) = 0;
  // How well the true model itself does on the rows appended since Start().
  virtual std::vector<Fact> Known() const = 0;
};

// kInvalidArgument unless least <= value <= most.
template <typename Number>
absl::Status CheckBetween(absl::string_view name, Number value, Number least,
                          Number most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is ", value, "; write a number from ", least, " to ", most));
}

}  // namespace ebb::data::generate

#endif  // EBB_DATA_GENERATE_GENERATOR_H_
