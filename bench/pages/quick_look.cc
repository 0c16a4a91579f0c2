#include "bench/pages/quick_look.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/text/console.h"

namespace ebb::tools {

namespace {

std::string RatioText(const bench::PairedRatio& ratio) {
  return absl::StrFormat("%.2f (%.2f-%.2f)", ratio.median, ratio.low,
                         ratio.high);
}

std::string SectionText(const PageSection& section, const BenchRecord& record) {
  TextTable table({"", "", absl::AsciiStrToUpper(section.limit), "EBB", "RATIO",
                   "RECORDED"},
                  {2, 3, 4, 5});
  for (const bench::Row& row : section.figures.rows) {
    const RecordedRow* const recorded =
        FindRecorded(record, section.figures.name, row);
    table.Add({row.what, row.measure, absl::StrFormat("%.3g", row.limit),
               absl::StrFormat("%.3g", row.ours), RatioText(row.ratio),
               recorded == nullptr ? "" : RatioText(recorded->ratio)});
  }
  std::string text = absl::StrCat(section.title, " (", section.command, ")\n",
                                  table.ToString(),
                                  ContestantsText(section.figures.contestants));
  for (const std::string& note : section.figures.notes) {
    absl::StrAppend(&text, "not measured: ", note, "\n");
  }
  return text;
}

}  // namespace

std::string QuickLook(const std::vector<PageSection>& sections,
                      const BenchRecord& record) {
  std::string text;
  for (const PageSection& section : sections) {
    if (section.figures.rows.empty()) continue;
    absl::StrAppend(&text, SectionText(section, record), "\n");
  }
  return text;
}

}  // namespace ebb::tools
