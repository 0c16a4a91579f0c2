#include "tools/text/page.h"

#include "absl/strings/str_cat.h"
#include "tools/text/charts.h"

namespace ebb::tools {

namespace {

constexpr char kPageStyle[] = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); max-width: 1010px; margin: 2.5rem auto;
  padding: 0 1.2rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .4rem; font-weight: 600; }
.sub { color: var(--soft); margin: .2rem 0 1.4rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.grid { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }
.card { background: var(--card); border-radius: 10px; padding: .9rem 1rem;
  min-width: 0; }
.wide { grid-column: 1 / -1; }
.figures { grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
.figure b { display: block; font-size: 1.45rem; font-weight: 650; }
.figure span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n, td.v { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; }
.bar { background: var(--c0); height: .55rem; margin-top: .45rem; }
ul { padding-left: 1.2rem; margin: 0; }
svg { width: 100%; height: auto; display: block; }
.log { max-height: 22rem; overflow-y: auto; }
)";

}  // namespace

std::string Card(absl::string_view title, absl::string_view content,
                 absl::string_view further) {
  return absl::StrCat("<div class=\"card", further, "\"><h2>",
                      EscapeHtml(title), "</h2>", content, "</div>\n");
}

std::string HtmlPage(absl::string_view title, absl::string_view behind_title,
                     absl::string_view sub, absl::string_view cards) {
  const std::string name = EscapeHtml(title);
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
      name, "</title>\n<style>", kChartColors, kPageStyle, kChartStyle,
      "</style></head><body>\n<h1>", name, behind_title,
      "</h1>\n<p class=\"sub\">", sub, "</p>\n", cards, "</body></html>\n");
}

}  // namespace ebb::tools
