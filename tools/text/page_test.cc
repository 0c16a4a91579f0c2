#include "tools/text/page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(PageTest, ATitleIsTextAndTheRestIsHtml) {
  const std::string page = HtmlPage("a <b>", " <i>good</i>", "so &amp; so",
                                    Card("c <d>", "<p>e</p>"));
  EXPECT_THAT(page, HasSubstr("<title>a &lt;b&gt;</title>"));
  EXPECT_THAT(page, HasSubstr("<h1>a &lt;b&gt; <i>good</i></h1>"));
  EXPECT_THAT(page, HasSubstr("<p class=\"sub\">so &amp; so</p>"));
  EXPECT_THAT(page, HasSubstr("<div class=\"card\"><h2>c &lt;d&gt;</h2>"
                              "<p>e</p></div>"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST(PageTest, ACardMayHaveFurtherClasses) {
  EXPECT_EQ(Card("c", "d", " wide"),
            "<div class=\"card wide\"><h2>c</h2>d</div>\n");
}

}  // namespace
}  // namespace ebb::tools
