// Pages of HTML for people: a head line, and cards below it, with charts in
// them. A page needs nothing else: no script, no file beside it.
#ifndef EBB_TOOLS_TEXT_PAGE_H_
#define EBB_TOOLS_TEXT_PAGE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// A card of this title. `content` is HTML; `further` are classes of the card,
// each after a space: " wide" is a card as wide as the page.
//
// In tables td.n is a number, and td.v a text at the right. A <div> of class
// "scroll" scrolls what is wider than the card, and one of class "log" what is
// long.
std::string Card(absl::string_view title, absl::string_view content,
                 absl::string_view further = "");

// A whole page. `title` is plain text. The others are HTML: what stands in the
// head line behind the title, the line below it, and the cards. Those in a
// <div> of class "grid" stand side by side, in columns in which the texts of a
// chart are at least 10 pixels high.
std::string HtmlPage(absl::string_view title, absl::string_view behind_title,
                     absl::string_view sub, absl::string_view cards);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_PAGE_H_
