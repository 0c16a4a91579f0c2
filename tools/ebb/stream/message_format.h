// The format of messages, as people say it and as a set stores it.
#ifndef EBB_TOOLS_EBB_STREAM_MESSAGE_FORMAT_H_
#define EBB_TOOLS_EBB_STREAM_MESSAGE_FORMAT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::tools {

struct MessageFormat {
  data::SourceSpec spec;    // Not scaled.
  std::string data_source;  // A serialised DataSource of job.proto.
};

// `format` is a word of job files, as "csv"; `set` are keys of data.train, as
// "csv.label=price". InvalidArgument: one is wrong.
absl::StatusOr<MessageFormat> ParseMessageFormat(
    const std::string& format, const std::vector<std::string>& set);

// The same of what a set has stored. DataLoss: it cannot be read.
absl::StatusOr<MessageFormat> StoredMessageFormat(
    absl::string_view data_source);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STREAM_MESSAGE_FORMAT_H_
