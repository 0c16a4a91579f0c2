// Reads JSON that a command wrote: absent members have a default.
#ifndef EBB_TOOLS_TEXT_READ_JSON_H_
#define EBB_TOOLS_TEXT_READ_JSON_H_

#include <google/protobuf/struct.pb.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// The object that `text` is. DataLoss, naming `what`: it is none.
absl::StatusOr<google::protobuf::Struct> ParseJsonObject(
    absl::string_view text, absl::string_view what);

double NumberIn(const google::protobuf::Struct& object, const std::string& key,
                double otherwise);
std::string TextIn(const google::protobuf::Struct& object,
                   const std::string& key);
// False where there is no such value.
bool FlagIn(const google::protobuf::Struct& object, const std::string& key);
// Empty where there is no list.
const google::protobuf::ListValue& ListIn(
    const google::protobuf::Struct& object, const std::string& key);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_READ_JSON_H_
