// Any bytes as a job file: no crash, and what is a job survives being written
// and read again.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/util/message_differencer.h"
#include "job/base/mistake.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace {

using ebb::job::JobFile;
using ebb::job::JobToYaml;
using ebb::job::ReadJob;
using ebb::job::YamlStyle;

void CheckRoundTrip(const ebb::v1::Job& job, YamlStyle style,
                    const ebb::v1::Job& expected) {
  const std::string text = JobToYaml(job, style);
  const JobFile again = ReadJob(text, "written");
  if (again.ok() &&
      google::protobuf::util::MessageDifferencer::Equals(again.job, expected)) {
    return;
  }
  std::fprintf(stderr, "%s\n%s\n", text.c_str(),
               ToString(again.mistakes).c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const JobFile file = ReadJob(text, "fuzz");
  // A line of its own as an override too.
  ReadJob("{}", "fuzz", {std::string(text)});
  if (!file.ok()) return 0;
  CheckRoundTrip(file.job, YamlStyle::kCompact, file.job);
  ebb::v1::Job full = file.job;
  ebb::job::FillDefaults(&full);
  CheckRoundTrip(file.job, YamlStyle::kExplained, full);
  return 0;
}
