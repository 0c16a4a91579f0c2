#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "data/fuzz/fuzzing.h"
#include "data/source.h"

namespace {

constexpr char kDescriptors[] = R"(
  file { name: "f.proto" syntax: "proto3"
    message_type { name: "M"
      field { name: "a" number: 1 label: LABEL_REPEATED type: TYPE_SINT32 }
      field { name: "u" number: 2 label: LABEL_OPTIONAL
        type: TYPE_MESSAGE type_name: ".U" }
      field { name: "e" number: 3 label: LABEL_OPTIONAL
        type: TYPE_ENUM type_name: ".E" }
      field { name: "m" number: 4 label: LABEL_REPEATED
        type: TYPE_MESSAGE type_name: ".M" }
      field { name: "s" number: 5 label: LABEL_REPEATED
        type: TYPE_MESSAGE type_name: ".M.SEntry" }
      field { name: "b" number: 6 label: LABEL_OPTIONAL type: TYPE_BYTES }
      field { name: "y" number: 7 label: LABEL_OPTIONAL type: TYPE_FLOAT }
      nested_type { name: "SEntry" options { map_entry: true }
        field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
        field { name: "value" number: 2 label: LABEL_OPTIONAL
          type: TYPE_DOUBLE } } }
    message_type { name: "U"
      field { name: "id" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
      field { name: "w" number: 2 label: LABEL_REPEATED type: TYPE_STRING } }
    enum_type { name: "E" value { name: "NONE" number: 0 }
      value { name: "ONE" number: 1 } } })";

}  // namespace

// The input is read as messages, and as the descriptors of a few of them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using As = ebb::data::RecordFeature::As;
  static const std::string* const descriptors = [] {
    google::protobuf::FileDescriptorSet set;
    ebb::data::Require(
        google::protobuf::TextFormat::ParseFromString(kDescriptors, &set));
    return new std::string(set.SerializeAsString());
  }();
  const std::string input(reinterpret_cast<const char*>(data), size);
  ebb::data::SourceSpec spec = {
      .kind = ebb::data::SourceKind::kProtobuf,
      .path = "f",
      .protobuf = {.descriptors = "d", .message = "M"}};
  const std::string few("\0\x02\x08\x01\x04\x12\x02\x08\x03", 9);
  for (const auto policy :
       {ebb::data::OnBadExample::kStop, ebb::data::OnBadExample::kSkip}) {
    spec.on_bad_example = policy;
    for (const char* const message : {"M", "shop.Click"}) {
      spec.protobuf.message = message;
      spec.features = {};
      ebb::data::ReadEverything(spec, {{"d", input}, {"f", few}});
    }
    spec.protobuf.message = "M";
    ebb::data::ReadEverything(spec, {{"d", *descriptors}, {"f", input}});
    spec.features = {
        {.name = "a", .as = As::kDense, .width = 2, .log = true, .missing = 1},
        {.name = "b", .as = As::kBytes, .width = 3},
        {.name = "s.a", .as = As::kDense, .missing = 1},
        {.name = "y", .as = As::kLabel}};
    ebb::data::ReadEverything(spec, {{"d", *descriptors}, {"f", input}});
    spec.features = {{.name = "a", .as = As::kKeys, .most = 2},
                     {.name = "e", .as = As::kKey},
                     {.name = "m.m.a", .as = As::kKeys},
                     {.name = "m.u.w", .as = As::kKeys},
                     {.name = "s.a", .as = As::kDense, .missing = 1},
                     {.name = "y", .as = As::kLabel}};
    ebb::data::ReadEverything(spec, {{"d", *descriptors}, {"f", input}});
  }
  return 0;
}
