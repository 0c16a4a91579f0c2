#include "worker/python/python_data.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "data/folds.h"
#include "job/base/traits.h"

namespace ebb::worker {

bool HasPythonData(const v1::Job& job) {
  return job::TraitsOf(job.data().train()).python();
}

FactoryName FactoryOf(const v1::PythonData& data, const v1::Model& model) {
  const std::string& factory = data.factory();
  const size_t colon = factory.rfind(':');
  if (colon == std::string::npos) return {"", factory};
  std::string file = factory.substr(0, colon);
  if (file == model.module()) file.clear();
  return {std::move(file), factory.substr(colon + 1)};
}

data::Index IndexOfPython(const v1::PythonData& data,
                          const data::FileFingerprint& found,
                          const std::optional<data::Split>& split) {
  data::Index index;
  index.meaning = absl::StrCat("python ", data.factory());
  if (data.has_fingerprint()) {
    absl::StrAppend(&index.meaning, " fingerprint=", data.fingerprint());
  }
  index.files = {found};
  index.examples = found.bytes;
  if (!split) return index;
  const bool test = split->part == data::Split::Part::kTest;
  if (split->folds.count > 0) {
    absl::StrAppend(&index.meaning,
                    " folds=", data::FoldsMeaning(split->folds));
  } else {
    absl::StrAppend(&index.meaning, " split=", split->test_fraction);
  }
  absl::StrAppend(&index.meaning, " seed=", split->seed,
                  test ? " part=test" : " part=train");
  index.examples = 0;
  for (int64_t number = 0; number < found.bytes; ++number) {
    if (data::Selects(*split, number)) ++index.examples;
  }
  return index;
}

absl::Status CheckSameExamples(absl::string_view name,
                               const data::FileFingerprint& here,
                               const data::FileFingerprint& submitted) {
  if (here == submitted) return absl::OkStatus();
  if (here.bytes != submitted.bytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the data set of ", name, " has ", here.bytes,
        " examples here, and had ", submitted.bytes,
        " when the job was submitted; give this machine the same data, or "
        "submit the job anew"));
  }
  return absl::FailedPreconditionError(absl::StrFormat(
      "the data set of %s has other examples here than when the job was "
      "submitted: the checksum of some is %016x, and was %016x. The same files "
      "and transforms? Random by other means than torch, numpy and random? "
      "Else say what the data is: fingerprint: v1",
      name, here.hash_high, submitted.hash_high));
}

}  // namespace ebb::worker
