#include "common/metrics/open_metrics.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "glog/logging.h"

namespace ebb::metrics {

namespace {

std::string Escaped(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
}

// The shortest that is read as the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::abs(value) < 0x1p53) {
    return absl::StrCat(static_cast<int64_t>(value));
  }
  std::array<char, 32> text;
  const auto end = std::to_chars(text.begin(), text.end(), value).ptr;
  return std::string(text.begin(), end);
}

// `more`: one label more, written already; or empty.
std::string LabelText(const Labels& labels, absl::string_view more = "") {
  std::string text;
  for (const auto& [name, value] : labels) {
    absl::StrAppend(&text, text.empty() ? "" : ",", name, "=\"", Escaped(value),
                    "\"");
  }
  if (!more.empty()) absl::StrAppend(&text, text.empty() ? "" : ",", more);
  return text.empty() ? text : absl::StrCat("{", text, "}");
}

}  // namespace

OpenMetrics::Family& OpenMetrics::Family::Add(double value,
                                              const Labels& labels) {
  absl::StrAppend(&text_->text_, name_, suffix_, LabelText(labels), " ",
                  NumberText(value), "\n");
  return *this;
}

OpenMetrics::Family& OpenMetrics::Family::Add(const HistogramSnapshot& snapshot,
                                              const Labels& labels) {
  int64_t count = 0;
  for (size_t i = 0; i < snapshot.counts.size(); ++i) {
    count += snapshot.counts[i];
    const std::string bound =
        i < snapshot.bounds.size() ? NumberText(snapshot.bounds[i]) : "+Inf";
    absl::StrAppend(&text_->text_, name_, "_bucket",
                    LabelText(labels, absl::StrCat("le=\"", bound, "\"")), " ",
                    count, "\n");
  }
  absl::StrAppend(&text_->text_, name_, "_count", LabelText(labels), " ", count,
                  "\n", name_, "_sum", LabelText(labels), " ",
                  NumberText(snapshot.sum), "\n");
  return *this;
}

OpenMetrics::Family OpenMetrics::Begin(absl::string_view name,
                                       absl::string_view type,
                                       absl::string_view suffix,
                                       absl::string_view help) {
  for (const char c : name) {
    CHECK(absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_') << name;
  }
  absl::StrAppend(&text_, "# TYPE ", name, " ", type, "\n");
  for (const absl::string_view unit : {"seconds", "bytes"}) {
    if (absl::EndsWith(name, absl::StrCat("_", unit))) {
      absl::StrAppend(&text_, "# UNIT ", name, " ", unit, "\n");
    }
  }
  absl::StrAppend(&text_, "# HELP ", name, " ", Escaped(help), "\n");
  return Family(this, name, suffix);
}

OpenMetrics::Family OpenMetrics::Counter(absl::string_view name,
                                         absl::string_view help) {
  return Begin(name, "counter", "_total", help);
}

OpenMetrics::Family OpenMetrics::Gauge(absl::string_view name,
                                       absl::string_view help) {
  return Begin(name, "gauge", "", help);
}

OpenMetrics::Family OpenMetrics::Histogram(absl::string_view name,
                                           absl::string_view help) {
  return Begin(name, "histogram", "", help);
}

std::string OpenMetrics::Text() && {
  text_ += "# EOF\n";
  return std::move(text_);
}

}  // namespace ebb::metrics
