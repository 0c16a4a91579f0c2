// The parts of keys.h that deal in words: job.proto's comments, and spelling.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/nearest.h"
#include "google/protobuf/descriptor.pb.h"
#include "job/base/keys.h"

namespace ebb::job {

// Generated: the FileDescriptorSet of job.proto, with its comments, which the
// descriptors in generated code lack.
extern const unsigned char kJobDescriptors[];
extern const size_t kJobDescriptorsSize;

namespace {

std::string FirstSentence(absl::string_view comment) {
  std::string text = absl::StrReplaceAll(comment, {{"\n", " "}});
  absl::RemoveExtraAsciiWhitespace(&text);
  const size_t end = text.find(". ");
  if (end != std::string::npos) text.resize(end);
  if (absl::EndsWith(text, ".")) text.pop_back();
  return text;
}

}  // namespace

KeyWords::KeyWords() {
  google::protobuf::FileDescriptorSet files;
  files.ParseFromArray(kJobDescriptors, static_cast<int>(kJobDescriptorsSize));
  using google::protobuf::DescriptorProto;
  using google::protobuf::FileDescriptorProto;
  for (const FileDescriptorProto& file : files.file()) {
    // A comment is found by the numbers that lead to what it stands above.
    std::map<std::vector<int>, std::string> comments;
    for (const auto& place : file.source_code_info().location()) {
      comments[{place.path().begin(), place.path().end()}] =
          place.leading_comments();
    }
    for (int i = 0; i < file.message_type_size(); ++i) {
      const DescriptorProto& type = file.message_type(i);
      for (int k = 0; k < type.field_size(); ++k) {
        words_[absl::StrCat(file.package(), ".", type.name(), ".",
                            type.field(k).name())] =
            FirstSentence(
                comments[{FileDescriptorProto::kMessageTypeFieldNumber, i,
                          DescriptorProto::kFieldFieldNumber, k}]);
      }
    }
  }
}

std::string KeyWords::Find(const FieldDescriptor& field) const {
  const auto it = words_.find(field.full_name());
  return it == words_.end() ? "" : it->second;
}

std::string Nearest(absl::string_view text,
                    const std::vector<std::string>& candidates) {
  constexpr size_t kLongest = 40;  // The distance takes quadratic time.
  if (text.size() > kLongest) return "";
  std::string nearest;
  size_t best = std::numeric_limits<size_t>::max();
  for (const std::string& candidate : candidates) {
    const size_t bound = MostWrongLetters(candidate.size());
    size_t distance = EditDistance(absl::AsciiStrToLower(text), candidate);
    // "batch_size" means "batch", "learning_rate" means "rate".
    if (candidate.size() >= 4 &&
        (absl::StrContains(text, absl::StrCat(candidate, "_")) ||
         absl::StrContains(text, absl::StrCat("_", candidate)))) {
      distance = std::min(distance, bound);
    }
    if (distance > bound || distance >= candidate.size()) continue;
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace ebb::job
