#include "tools/chaos/trace.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/exponential.h"
#include "common/utf8.h"
#include "job/base/mistake.h"
#include "tools/text/daemon_names.h"

namespace ebb::chaos {
namespace {

constexpr char kHeader[] = "t_s,op,node";
constexpr absl::Duration kLongest = absl::Hours(24 * 365);

// --- Reading ----------------------------------------------------------------

// Plain decimals: neither hexadecimal nor inf nor nan.
std::optional<absl::Duration> ParseSeconds(absl::string_view text) {
  if (text.find_first_not_of("0123456789.eE+-") != text.npos) return {};
  double seconds = 0;
  if (!absl::SimpleAtod(text, &seconds) || !(seconds >= 0) ||
      seconds > absl::ToDoubleSeconds(kLongest)) {
    return {};
  }
  return absl::Seconds(seconds);
}

// Takes a trace line by line. Collects mistakes and goes on.
class TraceReader {
 public:
  explicit TraceReader(absl::string_view file) : file_(file) {}

  void TakeLine(absl::string_view line) {
    ++line_;
    absl::ConsumeSuffix(&line, "\r");
    if (absl::StripAsciiWhitespace(line).empty()) return;
    if (has_header_) {
      TakeEvent(line);
      return;
    }
    has_header_ = true;  // Or is missing, which is said once.
    if (line == kHeader) return;
    Fail(absl::StrCat("the header is ", job::QuoteValue(line)),
         absl::StrCat("the first line of a trace is ", kHeader));
    // Where it was left out, later lines make sense with this one only.
    const std::pair<absl::string_view, absl::string_view> first =
        absl::StrSplit(line, absl::MaxSplits(',', 1));
    if (ParseSeconds(first.first).has_value()) TakeEvent(line);
  }

  absl::StatusOr<Trace> Finish() {
    if (trace_.events.empty() && mistakes_.empty()) {
      line_ = 1;
      Fail("the trace has no events",
           absl::StrCat("the header ", kHeader,
                        ", then a line like 0,add,node1 for each event"));
    }
    if (!mistakes_.empty()) return mistakes_.Status();
    trace_.duration = trace_.events.back().at;
    const double seconds = absl::ToDoubleSeconds(trace_.duration);
    trace_.mean_nodes = seconds > 0 ? node_seconds_ / seconds
                                    : static_cast<double>(there_.size());
    return std::move(trace_);
  }

 private:
  void Fail(std::string what, std::string hint) {
    mistakes_.Add(
        {{std::string(file_), line_}, "", std::move(what), std::move(hint)});
  }

  void TakeEvent(absl::string_view line) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ',');
    if (fields.size() != 3) {
      Fail(absl::StrCat("has ", fields.size(), " fields, not 3"),
           "time, operation, node: 60,remove,node1");
      return;
    }
    const auto at = ParseSeconds(fields[0]);
    const bool good_op = fields[1] == "add" || fields[1] == "remove";
    if (!at.has_value()) {
      Fail(absl::StrCat("t_s: ", job::QuoteValue(fields[0]),
                        " is no number of seconds within a year"),
           "seconds since the trace began: 60 or 61.5");
    } else if (*at < last_) {
      Fail(absl::StrCat("t_s: ", job::QuoteValue(fields[0]), " is before ",
                        last_text_, ", the time of an event above it"),
           "sort the lines by time");
    }
    if (!good_op) {
      Fail(absl::StrCat("op: ", job::QuoteValue(fields[1]), " is no operation"),
           "add or remove");
    }
    if (fields[2].empty()) Fail("node: is empty", "a name, like node1");
    if (at.has_value() && *at >= last_) {
      Pass(*at);
      last_text_ = fields[0];
    }
    if (good_op && !fields[2].empty()) {
      Apply({last_, fields[1] == "add", std::string(fields[2])});
    }
  }

  // Time goes on to `at`.
  void Pass(absl::Duration at) {
    node_seconds_ +=
        static_cast<double>(there_.size()) * absl::ToDoubleSeconds(at - last_);
    last_ = at;
  }

  void Apply(TraceEvent event) {
    const auto there = there_.find(event.node);
    if (event.add && there != there_.end()) {
      Fail(absl::StrCat("node: ", job::QuoteValue(event.node),
                        " is there since line ", there->second),
           "remove it first, or name another");
    } else if (event.add) {
      there_.emplace(event.node, line_);
    } else if (there == there_.end()) {
      Fail(absl::StrCat("node: ", job::QuoteValue(event.node),
                        " is removed but is not there"),
           "add it in a line before");
    } else {
      there_.erase(there);
    }
    trace_.peak_nodes =
        std::max(trace_.peak_nodes, static_cast<int64_t>(there_.size()));
    trace_.events.push_back(std::move(event));
  }

  const absl::string_view file_;
  int line_ = 0;
  bool has_header_ = false;
  // The latest time so far, and as it was written.
  absl::Duration last_;
  absl::string_view last_text_;
  std::map<std::string, int> there_;  // Nodes, and the lines of their adding.
  double node_seconds_ = 0;
  Trace trace_;
  job::FirstMistakes mistakes_;
};

// --- Making -----------------------------------------------------------------

// Draws that are the same on every machine, which distributions do not promise.
class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}

  // Evenly from [0, bound).
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  double Exponential() { return DrawExponential(random_); }

 private:
  std::mt19937_64 random_;
};

// In whole milliseconds, so that sums are the same on every machine.
class MarketMaker {
 public:
  explicit MarketMaker(const Market& market)
      : market_(market),
        end_ms_(absl::ToInt64Milliseconds(market.duration)),
        draws_(market.seed),
        text_(absl::StrCat(kHeader, "\n")) {}

  std::string Make() && {
    for (int64_t i = 0; i < market_.nodes; ++i) Add();
    while (true) {
      // An exponential time has no memory: what is left of it after another
      // event is drawn anew.
      const int64_t loss = NextLoss();
      const int64_t replacement =
          replacements_.empty() ? end_ms_ + 1 : replacements_.top();
      const int64_t next = std::min(loss, replacement);
      if (next > end_ms_) break;
      now_ms_ = next;
      if (replacement <= loss) {
        replacements_.pop();
        Add();
      } else {
        Lose();
      }
    }
    return std::move(text_);
  }

 private:
  int64_t Bulk() const {
    return std::min(market_.bulk, static_cast<int64_t>(there_.size()));
  }

  // `mean_ms` is positive; past the end stays there.
  int64_t Later(double mean_ms) {
    const double wait = draws_.Exponential() * mean_ms;
    if (!(wait <= static_cast<double>(end_ms_))) return end_ms_ + 1;
    return now_ms_ + static_cast<int64_t>(wait);
  }

  int64_t NextLoss() {
    constexpr double kMsPerHour = 3.6e6;
    if (there_.empty() || !(market_.losses_per_node_hour > 0)) {
      return end_ms_ + 1;
    }
    // Each of n is lost at the hazard rate h if n * h / b times an hour b go.
    return Later(kMsPerHour * static_cast<double>(Bulk()) /
                 static_cast<double>(there_.size()) /
                 market_.losses_per_node_hour);
  }

  void Write(absl::string_view op, int64_t node) {
    absl::StrAppend(&text_, now_ms_ / 1000);
    if (now_ms_ % 1000 != 0) {
      absl::StrAppendFormat(&text_, ".%03d", now_ms_ % 1000);
    }
    absl::StrAppend(&text_, ",", op, ",node", node, "\n");
  }

  void Add() {
    there_.push_back(++nodes_);
    Write("add", nodes_);
  }

  void Lose() {
    for (int64_t left = Bulk(); left > 0; --left) {
      std::swap(there_[draws_.Below(there_.size())], there_.back());
      Write("remove", there_.back());
      there_.pop_back();
      if (market_.replaced_after == absl::InfiniteDuration()) continue;
      replacements_.push(
          Later(absl::ToDoubleMilliseconds(market_.replaced_after)));
    }
  }

  const Market& market_;  // Not owned.
  const int64_t end_ms_;
  Draws draws_;
  int64_t now_ms_ = 0;
  int64_t nodes_ = 0;  // Ever added.
  std::vector<int64_t> there_;
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>>
      replacements_;  // When new nodes come.
  std::string text_;
};

}  // namespace

absl::StatusOr<Trace> ReadTrace(absl::string_view text,
                                absl::string_view file_name) {
  if (!IsUtf8(text)) {
    return job::ToStatus({{{std::string(file_name), 1},
                           "",
                           "the file is not UTF-8 text",
                           "is it a trace, not compressed?"}});
  }
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // A mark of UTF-8.
  TraceReader reader(file_name);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    reader.TakeLine(line);
  }
  return reader.Finish();
}

std::vector<ChaosEvent> EventsOf(const Trace& trace, double speed,
                                 absl::Duration notice) {
  std::map<absl::string_view, std::string> workers;
  std::vector<ChaosEvent> events;
  for (const TraceEvent& traced : trace.events) {
    std::string& worker = workers[traced.node];
    if (worker.empty()) {
      worker = tools::WorkerName(static_cast<int>(workers.size()) - 1);
    }
    ChaosEvent event;
    event.when.at = traced.at / speed;
    event.op = traced.add ? Op::kAdd : Op::kRemove;
    event.target = worker;
    if (!traced.add) event.grace = notice;
    events.push_back(std::move(event));
  }
  return events;
}

absl::Status Market::Validate() const {
  constexpr double kMostLosses = 1e6;
  const auto out = [](absl::string_view what, absl::string_view range) {
    return absl::InvalidArgumentError(absl::StrCat(what, "; give ", range));
  };
  if (nodes < 1 || nodes > 10'000) {
    return out(absl::StrCat("a market of ", nodes, " nodes"), "1 to 10000");
  }
  if (!(losses_per_node_hour >= 0 && losses_per_node_hour <= 3600)) {
    return out(absl::StrCat(losses_per_node_hour, " losses per node-hour"),
               "0 to 3600");
  }
  if (bulk < 1) {
    return out(absl::StrCat(bulk, " nodes taken at one instant"), "at least 1");
  }
  if (replaced_after < absl::Milliseconds(1) ||
      (replaced_after > kLongest &&
       replaced_after != absl::InfiniteDuration())) {
    return out(absl::StrCat("lost nodes replaced after ",
                            absl::FormatDuration(replaced_after)),
               "1ms to 8760h, or inf for never");
  }
  if (duration <= absl::ZeroDuration() || duration > kLongest) {
    return out(absl::StrCat("a trace over ", absl::FormatDuration(duration)),
               "more than 0 and at most 8760h");
  }
  const double losses = static_cast<double>(nodes) * losses_per_node_hour *
                        absl::ToDoubleHours(duration);
  if (losses > kMostLosses) {
    return out(absl::StrFormat("a trace of about %.0f losses", losses),
               "fewer nodes or losses, or a shorter duration");
  }
  return absl::OkStatus();
}

std::string MakeTrace(const Market& market) {
  return MarketMaker(market).Make();
}

}  // namespace ebb::chaos
