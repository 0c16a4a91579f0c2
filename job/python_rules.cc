#include "job/python_rules.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "job/base/traits.h"

namespace ebb::job {
namespace {

// The most bytes that the Python process gets in one message, with room to
// spare: the model's options, and what each of two data sets has.
constexpr size_t kMostOptionBytes = 32 << 10;
constexpr size_t kMostDataBytes = 8 << 10;

bool IsClassName(absl::string_view name) {
  return !name.empty() && !absl::ascii_isdigit(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// The options at the key `path`, beside which so many bytes are handed over.
void CheckOptions(
    const google::protobuf::Map<std::string, std::string>& options,
    size_t bytes, size_t most, const std::string& path, Complaints* found) {
  for (const auto& [name, value] : options) {
    bytes += name.size() + value.size() + 2;
    if (!IsClassName(name)) {
      found->Add(absl::StrCat(path, ".", name),
                 "cannot be the name of an argument in Python",
                 "options: {hidden: 3}");
    }
  }
  if (bytes > most) {
    found->Add(path, absl::StrCat("have ", bytes, " bytes; the most is ", most),
               "let the module read a file");
  }
}

void CheckModule(const v1::Model& model, Complaints* found) {
  if (!model.has_module()) {
    found->Add("model.module", "is missing: which file has the model",
               "module: my_model.py");
  } else if (!absl::EndsWith(model.module(), ".py")) {
    found->Add("model.module",
               absl::StrCat(model.module(), " is no Python file"),
               "module: my_model.py");
  }
  if (!model.has_class_()) {
    found->Add("model.class", "is missing: which torch.nn.Module of the module",
               "class: Net");
  } else if (!IsClassName(model.class_())) {
    found->Add("model.class", absl::StrCat(model.class_(), " is no name"),
               "class: Net");
  }
  if (model.has_l2()) {
    found->Add("model.l2", "the module computes the loss, and its penalty",
               "leave it out");
  }
  CheckOptions(model.options(), 0, kMostOptionBytes, "model.options", found);
}

// The key `path` of the job's data is a data set of Python.
void CheckDataSet(const v1::DataSource& source, const std::string& path,
                  Complaints* found) {
  const std::string& factory = source.python().factory();
  const size_t colon = factory.rfind(':');
  const bool has_file = colon != std::string::npos;
  if (has_file && !absl::EndsWith(factory.substr(0, colon), ".py")) {
    found->Add(path + ".python.factory",
               absl::StrCat(factory.substr(0, colon), " is no Python file"),
               "my_model.py:train_set");
  } else if (!IsClassName(has_file ? factory.substr(colon + 1) : factory)) {
    found->Add(path + ".python.factory",
               absl::StrCat(factory, " names no function"),
               "my_model.py:train_set");
  }
  CheckOptions(source.python().options(),
               factory.size() + source.python().fingerprint().size(),
               kMostDataBytes, path + ".python.options", found);
  if (source.scale() != 1) {
    found->Add(path + ".scale", "the data set makes its own features",
               "leave it out");
  }
}

void CheckData(const v1::Job& job, Complaints* found) {
  const v1::Data& data = job.data();
  const auto refuse = [&](absl::string_view key, absl::string_view why) {
    found->Add(std::string(key), std::string(why), "leave it out");
  };
  if (!TraitsOf(job.model()).python()) {
    for (const auto* source : {&data.train(), &data.test()}) {
      if (!TraitsOf(*source).python()) continue;
      found->Add(
          source == &data.train() ? "data.train.python" : "data.test.python",
          absl::StrCat("only a model of Python reads such a data set, "
                       "and ",
                       job.model().kind(), " is none"),
          "model: {kind: python, module: my_model.py, class: Net}, or "
          "write it to arrays: npy: {features: X.npy, labels: y.npy}");
    }
    return;
  }
  const bool trains = TraitsOf(data.train()).python();
  if (trains) CheckDataSet(data.train(), "data.train", found);
  if (data.has_test() && FormatOf(data.test()) != nullptr) {
    const bool tests = TraitsOf(data.test()).python();
    if (tests) CheckDataSet(data.test(), "data.test", found);
    if (tests != trains && FormatOf(data.train()) != nullptr) {
      found->Add("data.test",
                 "ebb reads one of data.train and data.test, and the module "
                 "the other; the model gets examples of one form",
                 trains ? "python: my_model.py:test_set" : "csv: FILE");
    }
  }
  if (!trains) return;
  if (data.standardise()) {
    refuse("data.standardise", "ebb reads no features to scale");
  }
  if (data.standardise_labels()) {
    refuse("data.standardise_labels", "ebb reads no labels to scale");
  }
  if (data.has_positive()) {
    refuse("data.positive", "ebb reads no labels, so it knows no classes");
  }
  if (data.on_bad_example() == v1::Data::BAD_EXAMPLE_SKIP) {
    refuse("data.on_bad_example",
           "each worker would have to find the same bad examples; the module "
           "leaves them out of its data set");
  }
  if (job.model().has_labels()) {
    refuse("model.labels", "the module knows what the labels of its data are");
  }
}

}  // namespace

void CheckPythonRules(const v1::Job& job, Complaints* found) {
  CheckData(job, found);
  if (!TraitsOf(job.model()).python()) return;
  CheckModule(job.model(), found);
  if (FormatOf(job.data().train()) != nullptr && IsSparse(job.data().train())) {
    found->Add("data.train",
               "models of Python take dense features, and these examples name "
               "only some of theirs",
               "python: my_model.py:train_set, a data set of the module's own, "
               "whose collate() makes what the model takes "
               "(docs/python-models.md, Sparse examples); or csv: FILE");
  }
  if (job.device().kind() != v1::Device::KIND_CPU) {
    found->Add("device.kind",
               "what the module computes on is its own affair; the values come "
               "in the memory of the processor",
               "leave it out");
  }
}

}  // namespace ebb::job
