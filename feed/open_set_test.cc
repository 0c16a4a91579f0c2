#include "feed/open_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/objects/memory_objects.h"
#include "data/growing/growing_set.h"
#include "data/growing/message_decoder.h"
#include "feed/feeder.h"
#include "feed/line_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::feed {
namespace {

using data::growing::OnBad;
using ::testing::HasSubstr;

std::unique_ptr<LineSource> Lines(const std::string& text) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd writer(ends[1]);
  EXPECT_EQ(write(writer.get(), text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  std::vector<LineSource::Input> inputs;
  inputs.push_back({"lines", Fd(ends[0])});
  return *LineSource::Make(std::move(inputs));
}

SetSettings Csv() {
  SetSettings settings;
  settings.spec.emplace();
  settings.data_source = "text";
  return settings;
}

TEST(OpenSetTest, FindsTheSchemaAndFeedsTheMessagesItLookedAt) {
  MemoryObjects store;
  const auto source = Lines("a,b\n1,0\n2,1\n3,0\n");
  SetSettings settings = Csv();
  settings.sample = 3;
  const auto about = OpenOrCreateSet(&store, source.get(), settings);
  ASSERT_TRUE(about.ok()) << about.status();
  EXPECT_EQ(about->header_line, "a,b");
  EXPECT_EQ(about->sampled, 3);
  const data::growing::MessageDecoder decoder(*settings.spec, *about);
  Feeder feeder(&store, source.get(), &*about, &decoder, {});
  ASSERT_TRUE(feeder.Run().ok());
  EXPECT_EQ(feeder.progress().examples, 3);
  EXPECT_EQ(feeder.progress().left_out, 1);
}

TEST(OpenSetTest, ASetThatIsThereDecides) {
  MemoryObjects store;
  SetSettings settings = Csv();
  settings.on_bad = OnBad::kAside;
  const auto begun =
      OpenOrCreateSet(&store, Lines("1,0\n2,1\n").get(), settings);
  ASSERT_TRUE(begun.ok()) << begun.status();
  // Without settings, and with the same.
  const auto again = OpenOrCreateSet(&store, Lines("").get(), {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->identity, begun->identity);
  EXPECT_TRUE(OpenOrCreateSet(&store, Lines("").get(), settings).ok());

  settings.on_bad = OnBad::kStop;
  const auto other = OpenOrCreateSet(&store, Lines("").get(), settings);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.status().message(), HasSubstr("--on-bad aside"));
  settings = Csv();
  settings.spec->kind = data::SourceKind::kLibsvm;
  EXPECT_THAT(
      OpenOrCreateSet(&store, Lines("").get(), settings).status().message(),
      HasSubstr("and not as \"libsvm"));
}

TEST(OpenSetTest, ANewSetNeedsAFormatAndMessages) {
  MemoryObjects store;
  EXPECT_THAT(
      OpenOrCreateSet(&store, Lines("1,0\n").get(), {}).status().message(),
      HasSubstr("--format"));
  EXPECT_EQ(OpenOrCreateSet(&store, Lines("").get(), Csv()).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(store.Keys().size(), 0u);
}

}  // namespace
}  // namespace ebb::feed
