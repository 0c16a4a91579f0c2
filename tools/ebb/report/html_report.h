// A run as one page: what came out, and how it went there. The page needs
// nothing else: no script, no file beside it.
#ifndef EBB_TOOLS_EBB_REPORT_HTML_REPORT_H_
#define EBB_TOOLS_EBB_REPORT_HTML_REPORT_H_

#include <string>
#include <vector>

#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/report/run_report.h"

namespace ebb::tools {

std::string HtmlReport(const RunReport& report,
                       const std::vector<RunSample>& samples);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_HTML_REPORT_H_
