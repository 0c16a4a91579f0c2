#include "job/job_change.h"

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "google/protobuf/util/message_differencer.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

bool Holds(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  return field->is_repeated() ? reflection->FieldSize(message, field) > 0
                              : reflection->HasField(message, field);
}

// The message with this field alone.
std::unique_ptr<Message> Only(const Message& message,
                              const FieldDescriptor* field) {
  std::unique_ptr<Message> copy(message.New());
  copy->CopyFrom(message);
  std::vector<const FieldDescriptor*> all;
  message.GetReflection()->ListFields(message, &all);
  for (const FieldDescriptor* other : all) {
    if (other != field) copy->GetReflection()->ClearField(copy.get(), other);
  }
  return copy;
}

void Compare(const Message& before, const Message& after,
             const std::string& prefix, std::vector<std::string>* keys) {
  const auto* descriptor = before.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    const std::string key = absl::StrCat(prefix, field->name());
    const bool deeper = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
                        !field->is_repeated() && Holds(before, field) &&
                        Holds(after, field);
    if (deeper) {
      Compare(before.GetReflection()->GetMessage(before, field),
              after.GetReflection()->GetMessage(after, field),
              absl::StrCat(key, "."), keys);
    } else if (!MessageDifferencer::Equals(*Only(before, field),
                                           *Only(after, field))) {
      keys->push_back(key);
    }
  }
}

bool MayChange(absl::string_view key) {
  return std::ranges::any_of(KeysThatMayChange(), [&](const std::string& free) {
    return key == free || absl::StartsWith(key, absl::StrCat(free, "."));
  });
}

}  // namespace

const std::vector<std::string>& KeysThatMayChange() {
  static const auto& keys = *new std::vector<std::string>{
      "train.epochs",
      "optimizer.rate",
      "optimizer.schedule",
      "algorithm.inner.rate",
      "algorithm.inner.schedule",
      "evaluate",
      "expect",
      "stop",
      "keep_best",
      "checkpoint",
      "workers",
      "priority",
      "on_poison",
      "on_nonfinite",
      "on_nonfinite_rollback",
      "on_divergence",
      "quarantine_after",
      "device",
  };
  return keys;
}

std::string ChangeFlag(absl::string_view key, absl::string_view value) {
  CHECK(MayChange(key)) << key << " may not change";
  return absl::StrCat("--set ", key, "=", value);
}

std::vector<std::string> ChangedKeys(const v1::Job& before,
                                     const v1::Job& after) {
  std::vector<std::string> keys;
  Compare(before, after, "", &keys);
  return keys;
}

absl::Status CheckChange(const v1::Specification& before,
                         const v1::Specification& after) {
  std::vector<std::string> keys = ChangedKeys(before.job(), after.job());
  const v1::Algorithm& algorithm = before.job().algorithm();
  const v1::AlgorithmTraits& traits =
      workloads::AlgorithmTraitsOf(before.job());
  if (!keys.empty() && (traits.line_search() || traits.statistics())) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::StrJoin(keys, ", "), keys.size() == 1 ? " is" : " are",
        " another, and nothing of a job with `algorithm: ", KindOf(algorithm),
        "` can change while it goes on: it ends with its last round"));
  }
  std::erase_if(keys, MayChange);
  if (!keys.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        absl::StrJoin(keys, ", "), keys.size() == 1 ? " is" : " are",
        " another, and cannot change while the job goes on. What can: ",
        absl::StrJoin(KeysThatMayChange(), ", ")));
  }
  if (before.train_index() != after.train_index() ||
      before.test_index() != after.test_index()) {
    return absl::InvalidArgumentError("the data has changed");
  }
  if (!MessageDifferencer::Equals(before.initial(), after.initial())) {
    return absl::InvalidArgumentError(
        "model.initial: what is in the file has changed");
  }
  return absl::OkStatus();
}

}  // namespace ebb::job
