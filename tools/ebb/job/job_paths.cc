#include "tools/ebb/job/job_paths.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <filesystem>
#include <vector>

#include "data/scheme.h"
#include "job/base/keys.h"
#include "tools/ebb/job/start_values.h"

namespace ebb::tools {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void MakeAbsolute(const std::filesystem::path& folder, Message* message) {
  std::vector<const FieldDescriptor*> fields;
  message->GetReflection()->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const auto* reflection = message->GetReflection();
    const bool of_messages =
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (job::KeyOf(*field).format() == v1::FORMAT_PATH) {
      const auto absolute = [&](const std::string& path) {
        return data::HasScheme(path)
                   ? path
                   : (folder / path).lexically_normal().string();
      };
      if (!field->is_repeated()) {
        reflection->SetString(message, field,
                              absolute(reflection->GetString(*message, field)));
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        reflection->SetRepeatedString(
            message, field, i,
            absolute(reflection->GetRepeatedString(*message, field, i)));
      }
    } else if (of_messages && !field->is_repeated()) {
      MakeAbsolute(folder, reflection->MutableMessage(message, field));
    }
  }
}

}  // namespace

std::string PathFrom(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

void MakePathsAbsolute(absl::string_view folder, v1::Job* job) {
  MakeAbsolute(std::string(folder), job->mutable_data());
  if (job->has_start() && !StartJobOf(job->start().from())) {
    job->mutable_start()->set_from(
        PathFrom(std::string(folder), job->start().from()));
  }
  if (job->model().has_initial()) {
    job->mutable_model()->set_initial(
        PathFrom(std::string(folder), job->model().initial()));
  }
}

}  // namespace ebb::tools
