#include "common/yaml_text.h"

#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(YamlTextTest, QuotesWhatYamlWouldReadAsSomethingElse) {
  for (const char* plain :
       {"lines.csv", "Sample Weight", "-3", "./a", "1e-3"}) {
    EXPECT_EQ(QuoteYaml(plain), plain);
  }
  for (const char* other :
       {"", "null", "- a", "a: b", "a, b", "[a", "a #b", "a ", "Größe", "*a"}) {
    EXPECT_EQ(QuoteYaml(other), InYamlQuotes(other));
  }
  EXPECT_EQ(InYamlQuotes("7"), "\"7\"");
}

TEST(YamlTextTest, EscapesAsYamlDoes) {
  EXPECT_EQ(QuoteYaml("a\"b\\c"), R"("a\"b\\c")");
  // Octal escapes, as those of C, are none of YAML.
  EXPECT_EQ(QuoteYaml("a\x01\n\x7f"), R"("a\x01\x0a\x7f")");
}

}  // namespace
}  // namespace ebb
