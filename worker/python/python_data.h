// Data sets of PyTorch that functions of Python files return: what a job says
// of them (data.train.python, data.test.python), and what an index keeps.
//
// ebb knows such examples by their numbers. The index of a part has the whole
// data set as its one file: the bytes are the number of the examples, and the
// hash is of those that the process of Python looked at.
#ifndef EBB_WORKER_PYTHON_PYTHON_DATA_H_
#define EBB_WORKER_PYTHON_PYTHON_DATA_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/fingerprint.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"

namespace ebb::worker {

// Describes a data set to a process of Python.
struct PythonDataSet {
  // The name in the job: "my_model.py:train_set".
  std::string name;
  // The file; empty: it is the model's module.
  std::string path;
  std::string text;
  std::string function;
  std::map<std::string, std::string> options;
  // Stands for the examples. Empty: some are looked at.
  std::string fingerprint;
};

// True if only a module of Python knows the job's examples.
bool HasPythonData(const v1::Job& job);

// The parts of "my_model.py:train_set". Without a file, or with that of the
// model, it is the model's module.
struct FactoryName {
  std::string file;  // Empty: the model's.
  std::string function;
};
FactoryName FactoryOf(const v1::PythonData& data, const v1::Model& model);

// The index of the part of a data set that the split selects (all, without
// one); `found` is the data set. No examples: it is empty.
data::Index IndexOfPython(const v1::PythonData& data,
                          const data::FileFingerprint& found,
                          const std::optional<data::Split>& split);

// FailedPrecondition, with both numbers: the data set that is found here is not
// the one of the submission.
absl::Status CheckSameExamples(absl::string_view name,
                               const data::FileFingerprint& here,
                               const data::FileFingerprint& submitted);

}  // namespace ebb::worker

#endif  // EBB_WORKER_PYTHON_PYTHON_DATA_H_
