#include "data/formats/records/binary_reader.h"

#include <utility>

namespace ebb::data::internal {

BinaryReader::BinaryReader(const SourceSpec& spec, Input file,
                           absl::string_view noun)
    : mapping_(spec),
      file_(std::move(file)),
      bad_(spec.on_bad_example),
      noun_(noun) {}

absl::StatusOr<bool> BinaryReader::Next(Example* example) {
  for (;;) {
    absl::Status mistake;
    EBB_ASSIGN_OR_RETURN(const bool more, ReadRecord(&mistake));
    if (!more) {
      EBB_RETURN_IF_ERROR(bad_.Judge(file_.name()));
      return false;
    }
    if (mistake.ok()) mistake = Take(example);
    if (mistake.ok()) {
      bad_.AddGood();
      return true;
    }
    EBB_RETURN_IF_ERROR(file_.CheckUnchanged());
    EBB_RETURN_IF_ERROR(bad_.Add(absl::InvalidArgumentError(
        absl::StrCat(Where(), ": ", mistake.message()))));
  }
}

std::string BinaryReader::Where() const {
  return absl::StrCat(file_.path(), ": ", noun_, " ", number_, " (byte ",
                      begin_, ")");
}

}  // namespace ebb::data::internal
