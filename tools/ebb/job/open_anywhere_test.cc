#include "tools/ebb/job/open_anywhere.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"

namespace ebb::tools {
namespace {

// Bug: a command that read data of a server that is away was silent for a
// minute.
TEST(OpenAnywhereTest, SaysWhatItWaitsFor) {
  data::RemoteFilesOptions options;
  options.retries.patience = absl::Milliseconds(100);
  options.retries.tell_after = absl::ZeroDuration();
  testing::internal::CaptureStderr();
  // No server listens at port 1.
  const auto opened =
      OpenAnywhere(data::OpenFile, options)("http://127.0.0.1:1/a.csv");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(opened.ok());
  EXPECT_THAT(said, testing::StartsWith("waiting up to "));
  EXPECT_THAT(said,
              testing::HasSubstr(" for an answer: http://127.0.0.1:1/a.csv: "));
}

}  // namespace
}  // namespace ebb::tools
