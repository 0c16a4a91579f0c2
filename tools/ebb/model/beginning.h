// Values that a workload chooses from the data for a job to begin with.
#ifndef EBB_TOOLS_EBB_MODEL_BEGINNING_H_
#define EBB_TOOLS_EBB_MODEL_BEGINNING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "job/base/choice.h"

namespace ebb::tools {

// The data and the job, which outlive it.
struct BeginInput {
  const data::Dataset& train;
  const v1::Job& given;  // The job file, without defaults.
  // The stored job of a run that goes on. Null: it is a new job.
  const v1::Specification* before = nullptr;
};

struct Beginning {
  // For all dense tables, one after the other. Empty: none are chosen.
  std::vector<float> values;
  std::string origin;  // Whence they are, for errors: "model.seeding".
  // The values with which the job began before it went on, in place of
  // `values`.
  std::optional<v1::InitialValues> before;
  // So many parameters are small enough for servers to keep many rounds of
  // them, unless the job says how many. 0: it is left as it is.
  int64_t kept_parameters = 0;
  std::vector<job::Choice> choices;  // The keys that it set.
  std::vector<std::string> notes;    // For people.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_BEGINNING_H_
