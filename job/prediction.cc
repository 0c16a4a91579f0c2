#include "job/prediction.h"

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "job/base/traits.h"

namespace ebb::job {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// No model of this kind is trained.
constexpr char kKind[] = "predict";
constexpr char kLabelled[] = "labelled";
constexpr char kId[] = "id";

// The key of a source's format that names the input.
const FieldDescriptor* PathKey(const v1::DataSource& source, bool labelled) {
  const FieldDescriptor* format = FormatOf(source);
  if (format == nullptr) return nullptr;
  const char* const name = source.has_npy()    ? "features"
                           : !source.has_idx() ? "path"
                           : labelled          ? "prefix"
                                               : "images";
  return format->message_type()->FindFieldByName(name);
}

}  // namespace

void SetPrediction(const PredictionInput& input, v1::Job* job) {
  v1::Model& model = *job->mutable_model();
  model.Clear();
  model.set_kind(kKind);
  if (input.labelled) (*model.mutable_options())[kLabelled] = "true";
  if (!input.id.empty()) (*model.mutable_options())[kId] = input.id;
  if (input.skip_bad) {
    job->mutable_data()->set_on_bad_example(v1::Data::BAD_EXAMPLE_SKIP);
  }
  v1::DataSource& source = *job->mutable_data()->mutable_train();
  job->mutable_data()->clear_test();
  job->mutable_data()->clear_split();
  if (source.has_idx()) source.mutable_idx()->Clear();
  const FieldDescriptor* key = PathKey(source, input.labelled);
  if (key == nullptr) return;
  Message& format =
      *source.GetReflection()->MutableMessage(&source, FormatOf(source));
  format.GetReflection()->ClearField(&format, key);
  if (key->is_repeated()) {
    format.GetReflection()->AddString(&format, key, input.path);
  } else {
    format.GetReflection()->SetString(&format, key, input.path);
  }
}

PredictionInput PredictionInputOf(const v1::Job& job) {
  const auto& options = job.model().options();
  PredictionInput input;
  input.labelled = options.contains(kLabelled);
  if (const auto id = options.find(kId); id != options.end()) {
    input.id = id->second;
  }
  input.skip_bad = job.data().on_bad_example() == v1::Data::BAD_EXAMPLE_SKIP;
  const v1::DataSource& source = job.data().train();
  const FieldDescriptor* key = PathKey(source, input.labelled);
  if (key == nullptr) return input;
  const Message& format =
      source.GetReflection()->GetMessage(source, FormatOf(source));
  if (!key->is_repeated()) {
    input.path = format.GetReflection()->GetString(format, key);
  } else if (format.GetReflection()->FieldSize(format, key) > 0) {
    input.path = format.GetReflection()->GetRepeatedString(format, key, 0);
  }
  return input;
}

}  // namespace ebb::job
