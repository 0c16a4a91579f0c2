#include "tools/ebb/job/open_anywhere.h"

#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/text/console.h"

namespace ebb::tools {

data::OpenBytes OpenAnywhere(data::OpenBytes files,
                             data::RemoteFilesOptions options) {
  options.retries.tell =
      [patience = options.retries.patience](const std::string& why) {
        // Writes one piece: other threads may write, too.
        std::cerr << absl::StrCat("waiting up to ", DurationText(patience),
                                  " for an answer: ", why, "\n");
      };
  return data::WithRemoteFiles(std::move(files), std::move(options));
}

}  // namespace ebb::tools
