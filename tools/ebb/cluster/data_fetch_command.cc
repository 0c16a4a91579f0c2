// `ebb data fetch`.
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/remote_files.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// EX_TEMPFAIL of sysexits(3) says that it may work later.
constexpr int kExitAway = 75;

struct FetchFlags {
  std::string url;
  std::string file;
  int64_t most_bytes = 0;  // 0: any number.
};

absl::Status Fetch(const FetchFlags& flags) {
  if (!data::IsRemote(flags.url)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.url,
                     ": must begin with s3://BUCKET/, http://HOST/ or "
                     "https://HOST/"));
  }
  data::RemoteFilesOptions options;
  options.decompress = false;
  const data::OpenBytes open =
      data::WithRemoteFiles(data::OpenFile, std::move(options));
  EBB_RETURN_IF_ERROR(CheckWritable(flags.file));
  EBB_ASSIGN_OR_RETURN(const auto source, open(flags.url));
  return WriteFile(flags.file, [&](std::ostream& out) -> absl::Status {
    std::vector<char> piece(size_t{1} << 20);
    int64_t bytes = 0;
    while (out) {
      EBB_ASSIGN_OR_RETURN(const size_t read, source->Read(piece));
      if (read == 0) break;
      bytes += static_cast<int64_t>(read);
      if (flags.most_bytes > 0 && bytes > flags.most_bytes) {
        return absl::InvalidArgumentError(
            absl::StrCat(flags.url, ": has more than the ", flags.most_bytes,
                         " bytes of --most-bytes"));
      }
      out.write(piece.data(), static_cast<std::streamsize>(read));
    }
    return absl::OkStatus();  // WriteFile reports a disk that failed.
  });
}

}  // namespace

void AddDataFetchCommand(CLI::App* data, int* exit_code) {
  CLI::App* command = data->add_subcommand(
      "fetch", "Copies a file from a bucket or a web server");
  const auto flags = std::make_shared<FetchFlags>();
  command->add_option("URL", flags->url, "s3://BUCKET/KEY or https://HOST/PATH")
      ->required();
  command->add_option("FILE", flags->file, "File to write")->required();
  command
      ->add_option("--most-bytes", flags->most_bytes,
                   "Refuse a file that is larger")
      ->check(CLI::PositiveNumber);
  command->callback([=] {
    const absl::Status fetched = Fetch(*flags);
    *exit_code = fetched.ok() ? kExitGood : Report(fetched);
    if (absl::IsUnavailable(fetched)) *exit_code = kExitAway;
  });
  command->footer(R"(
The file is there whole or not at all, and is not decompressed. Credentials
and endpoints of buckets come from the environment, as for training data.
Exits 75 if the place did not answer for a minute.
Example:
  ebb data fetch s3://texts/tok/train/footer.ebbt footer.ebbt)");
}

}  // namespace ebb::tools
