#include "tools/chaos/scenario.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/base/keys.h"
#include "job/base/mistake.h"
#include "job/yaml_maps.h"
#include "job/yaml_tree.h"
#include "tools/chaos/scenario_values.h"

namespace ebb::chaos {
namespace {

using Fields = job::YamlFields;
using job::YamlNode;

constexpr job::YamlKind kScenarioKind = {
    "scenario", "a scenario has at least the keys name and events"};

constexpr char kDaemonsHint[] =
    "scheduler, ps-0, worker-0, ps or worker (any that is there), all";

struct Verb {
  absl::string_view word;
  Op op;
  bool of_link = false;  // Its value is a map that says which connections.
  bool has_for = false;  // It may be undone after a while.
  bool has_grace = false;
  // A key of its own beside it, and whether that must be there; empty: none.
  absl::string_view besides = {};
  bool needs_it = false;
};

constexpr std::array kVerbs = {
    Verb{"add", Op::kAdd},
    Verb{"remove", Op::kRemove, false, false, true},
    Verb{"kill", Op::kKill, false, true},
    Verb{"terminate", Op::kTerminate, false, false, true},
    Verb{"stop", Op::kStop, false, true},
    Verb{"continue", Op::kContinue},
    Verb{"slow", Op::kSlow, false, true, false, "to", true},
    Verb{"fill_disk", Op::kFillDisk, false, true},
    Verb{"free_disk", Op::kFreeDisk},
    Verb{"damage", Op::kDamage, false, false, false, "file"},
    Verb{"lose", Op::kLose},
    Verb{"keep", Op::kKeep},
    Verb{"restore", Op::kRestore},
    Verb{"split", Op::kSplit, true, true},
    Verb{"drop", Op::kDrop, true},
    Verb{"delay", Op::kDelay, true, true},
    Verb{"limit", Op::kLimit, true, true},
    Verb{"heal", Op::kHeal, true},
};

// Returns the value that hints show for a key.
std::string ExampleOf(absl::string_view key) {
  static constexpr std::pair<absl::string_view, absl::string_view> kValues[] = {
      {"name", "worker killed"},
      {"about", "its item is leased again"},
      {"servers", "2"},
      {"workers", "3"},
      {"compute", "20ms"},
      {"events", "[{at: 2s, kill: worker}]"},
      {"at", "2s, or 30%"},
      {"every", "3s"},
      {"until", "15s"},
      {"times", "5"},
      {"for", "2s"},
      {"grace", "5s"},
      {"to", "0.1"},
      {"file", "newest"},
      {"damage", "ps-0"},
      {"fill_disk", "ps-0"},
      {"free_disk", "ps-0"},
      {"lose", "ps-0"},
      {"keep", "scheduler"},
      {"restore", "scheduler"},
      {"add", "worker"},
      {"split", "{between: worker, and: ps}"},
      {"drop", "{between: all}"},
      {"delay", "{between: worker, and: ps, by: 50ms}"},
      {"limit", "{between: ps-1, rate: 10Mbit/s}"},
      {"heal", "{between: worker, and: ps}"},
      {"between", "worker"},
      {"and", "ps"},
      {"by", "50ms"},
      {"rate", "10Mbit/s"},
  };
  for (const auto& [known, value] : kValues) {
    if (known == key) return absl::StrCat(key, ": ", value);
  }
  return absl::StrCat(key, ": worker-1");  // The other verbs of daemons.
}

// Maps a YAML tree onto a scenario. Collects mistakes and goes on.
class ScenarioReader final : private job::YamlMaps {
 public:
  explicit ScenarioReader(absl::string_view file)
      : job::YamlMaps(file, &mistakes) {}

  void Read(const YamlNode& root);
  absl::StatusOr<Scenario> Finish() && {
    if (!mistakes.empty()) return job::ToStatus(mistakes);
    return std::move(scenario_);
  }

  std::vector<job::Mistake> mistakes;

 private:
  // An event names a daemon by its number here.
  struct Named {
    int line;
    std::string path;
    std::string text;
    Daemons daemons;
  };

  std::string ExampleFor(absl::string_view key) const override {
    return ExampleOf(key);
  }
  void FailUnknown(const YamlNode& key, const std::string& path,
                   std::string hint) override;

  std::string Line(const Fields& fields, absl::string_view key);
  std::optional<int> Count(const Fields& fields, absl::string_view key,
                           int most);
  // `least` is nothing or anything more than nothing.
  std::optional<absl::Duration> Span(const Fields& fields,
                                     absl::string_view key, bool may_be_zero);
  std::optional<std::string> DaemonsOf(const Fields& fields,
                                       absl::string_view key);

  void ReadEvent(const YamlNode& node, const std::string& path);
  const Verb* FindVerb(const Fields& fields);
  void ReadTarget(const Fields& fields, const Verb& verb, ChaosEvent* event);
  void ReadLink(const Fields& fields, const Verb& verb, ChaosEvent* event);
  void CheckStores(const Fields& fields, const Verb& verb,
                   const DaemonPattern& target);
  void CheckEnds(const Fields& link, const Link& ends);
  void ReadLength(const Fields& fields, const Verb& verb, ChaosEvent* event);
  void ReadShare(const Fields& fields, ChaosEvent* event);
  void ReadFile(const Fields& fields, ChaosEvent* event);
  // False: `key` is not there, or means nothing with `verb`, which is said.
  template <typename Allowed>
  bool MayHave(const Fields& fields, absl::string_view key, const Verb& verb,
               Allowed allowed);
  // The first moment, how often, and how far apart.
  struct Times {
    Moment first;
    absl::Duration every;
    int64_t count = 1;
  };
  Times ReadTimes(const Fields& fields);
  Moment ReadMoment(const Fields& fields);
  void CheckNumbers();

  Scenario scenario_;
  std::vector<Named> named_;
  std::set<int> added_;  // Workers that are added by name.
  bool adds_unnamed_ = false;
};

void ScenarioReader::FailUnknown(const YamlNode& key, const std::string& path,
                                 std::string hint) {
  Fail(key.line, path,
       absl::StrCat(job::QuoteValue(key.text), " is no key here"),
       std::move(hint));
}

std::string ScenarioReader::Line(const Fields& fields, absl::string_view key) {
  const auto text = Text(fields, key);
  if (!text.has_value()) return "";
  if (std::any_of(text->begin(), text->end(), absl::ascii_iscntrl) ||
      absl::StripAsciiWhitespace(*text).empty()) {
    Fail(fields.Find(key)->line, std::string(key),
         absl::StrCat(job::QuoteValue(*text), " is not one line of text"),
         ExampleOf(key));
  }
  return *text;
}

std::optional<int> ScenarioReader::Count(const Fields& fields,
                                         absl::string_view key, int most) {
  const auto text = Text(fields, key);
  if (!text.has_value()) return {};
  int count = 0;
  if (absl::SimpleAtoi(*text, &count) && count >= 1 && count <= most) {
    return count;
  }
  Fail(fields.Find(key)->line, job::Join(fields.path, key),
       absl::StrCat(job::QuoteValue(*text), " is no number from 1 to ", most),
       ExampleOf(key));
  return {};
}

std::optional<absl::Duration> ScenarioReader::Span(const Fields& fields,
                                                   absl::string_view key,
                                                   bool may_be_zero) {
  const auto text = Text(fields, key);
  if (!text.has_value()) return {};
  const auto span = ParseSpan(*text);
  if (span.has_value() && (may_be_zero || *span > absl::ZeroDuration())) {
    return span;
  }
  const bool is_zero = span.has_value();
  Fail(fields.Find(key)->line, job::Join(fields.path, key),
       absl::StrCat(job::QuoteValue(*text),
                    is_zero ? " is no time at all" : " is no duration"),
       is_zero ? absl::StrCat("more than 0, or leave ", key, " out")
               : absl::StrCat(ExampleOf(key),
                              "; a number with h, m, s or ms, up to a year"));
  return {};
}

std::optional<std::string> ScenarioReader::DaemonsOf(const Fields& fields,
                                                     absl::string_view key) {
  auto text = Text(fields, key);
  if (!text.has_value()) return {};
  const int line = fields.Find(key)->line;
  const std::string path = job::Join(fields.path, key);
  const auto daemons = ParseDaemons(*text);
  if (!daemons.has_value()) {
    Fail(line, path,
         absl::StrCat(job::QuoteValue(*text), " is no daemon and no role"),
         kDaemonsHint);
    return {};
  }
  if (daemons->index.has_value()) {
    named_.push_back({line, path, *text, *daemons});
  }
  return text;
}

void ScenarioReader::Read(const YamlNode& root) {
  const Fields top =
      ReadMap(root, "",
              {"name", "about", "workers", "servers", "compute", "events"}, "");
  constexpr int kMostDaemons = 10'000;
  scenario_.name = Line(top, "name");
  scenario_.about = Line(top, "about");
  scenario_.servers = Count(top, "servers", kMostDaemons);
  scenario_.workers = Count(top, "workers", kMostDaemons);
  scenario_.compute = Span(top, "compute", /*may_be_zero=*/false);
  for (const absl::string_view key : {"name", "events"}) {
    if (top.Find(key) == nullptr && !top.misspelt) {
      Fail(root.line, std::string(key), "is missing", ExampleOf(key));
    }
  }
  const YamlNode* events = top.Find("events");
  if (events == nullptr) return;
  if (events->kind != YamlNode::Kind::kList || events->items.empty()) {
    Fail(events->line, "events",
         events->kind == YamlNode::Kind::kList ? "is an empty list"
                                               : "is not a list",
         ExampleOf("events"));
    return;
  }
  for (size_t i = 0; i < events->items.size(); ++i) {
    if (mistakes.size() >= job::kMaxMistakes) return;
    ReadEvent(events->items[i], absl::StrCat("events[", i, "]"));
  }
  CheckNumbers();
}

void ScenarioReader::ReadEvent(const YamlNode& node, const std::string& path) {
  std::vector<std::string> known = {"at",  "every", "until", "times",
                                    "for", "grace", "to",    "file"};
  for (const Verb& verb : kVerbs) known.emplace_back(verb.word);
  const Fields fields = ReadMap(node, path, known, "{at: 2s, kill: worker-1}");
  if (node.kind != YamlNode::Kind::kMap) return;
  const Times times = ReadTimes(fields);
  const Verb* verb = FindVerb(fields);
  if (verb == nullptr) return;
  ChaosEvent event;
  event.op = verb->op;
  verb->of_link ? ReadLink(fields, *verb, &event)
                : ReadTarget(fields, *verb, &event);
  ReadLength(fields, *verb, &event);
  ReadShare(fields, &event);
  ReadFile(fields, &event);
  const int64_t left =
      static_cast<int64_t>(kMostEvents - scenario_.events.size());
  if (times.count > left) {
    Fail(fields.line, path,
         absl::StrCat("happens ", times.count, " times, and ",
                      scenario_.events.size(), " events come before it"),
         absl::StrCat("a scenario has at most ", kMostEvents, " events"));
    return;
  }
  for (int64_t i = 0; i < times.count; ++i) {
    event.when = times.first;
    event.when.at += i * times.every;
    scenario_.events.push_back(event);
  }
}

const Verb* ScenarioReader::FindVerb(const Fields& fields) {
  const Verb* found = nullptr;
  std::vector<absl::string_view> words;
  for (const Verb& verb : kVerbs) {
    if (fields.Find(verb.word) == nullptr) continue;
    words.push_back(verb.word);
    found = &verb;
  }
  if (words.size() == 1) return found;
  if (words.size() > 1) {
    Fail(fields.line, fields.path,
         absl::StrCat("does several things: ", absl::StrJoin(words, ", ")),
         "one of them, and an event of its own for each other");
  } else if (!fields.misspelt) {
    for (const Verb& verb : kVerbs) words.push_back(verb.word);
    Fail(fields.line, fields.path, "does nothing",
         absl::StrCat("one of ", absl::StrJoin(words, ", ")));
  }
  return nullptr;
}

void ScenarioReader::ReadTarget(const Fields& fields, const Verb& verb,
                                ChaosEvent* event) {
  const size_t named = named_.size();
  event->target = DaemonsOf(fields, verb.word).value_or("");
  CheckStores(fields, verb, event->target);
  if (verb.op != Op::kAdd || event->target.empty()) return;
  named_.resize(named);  // What is added need not be there.
  const Daemons daemons = *ParseDaemons(event->target);
  if (daemons.role != Daemons::Role::kWorker) {
    Fail(fields.Find(verb.word)->line, job::Join(fields.path, verb.word),
         absl::StrCat(job::QuoteValue(event->target), " cannot be added"),
         "add: worker, or by its name: worker-7");
  } else if (daemons.index.has_value()) {
    added_.insert(*daemons.index);
  } else {
    adds_unnamed_ = true;
  }
}

void ScenarioReader::CheckStores(const Fields& fields, const Verb& verb,
                                 const DaemonPattern& target) {
  const bool of_disk = verb.op == Op::kFillDisk || verb.op == Op::kFreeDisk;
  const bool of_files = verb.op == Op::kDamage || verb.op == Op::kLose ||
                        verb.op == Op::kKeep || verb.op == Op::kRestore;
  if (target.empty() || !(of_disk || of_files)) return;
  const Daemons::Role role = ParseDaemons(target)->role;
  // A disk may be that of all, but files belong to a server or scheduler.
  if (role != Daemons::Role::kWorker &&
      (role != Daemons::Role::kAll || of_disk)) {
    return;
  }
  Fail(fields.Find(verb.word)->line, job::Join(fields.path, verb.word),
       role == Daemons::Role::kAll ? "names several daemons"
                                   : "workers store nothing",
       absl::StrCat(verb.word, ": ps-0, ps or scheduler"));
}

void ScenarioReader::ReadLink(const Fields& fields, const Verb& verb,
                              ChaosEvent* event) {
  std::vector<std::string> known = {"between", "and"};
  if (verb.op == Op::kDelay) known.push_back("by");
  if (verb.op == Op::kLimit) known.push_back("rate");
  const Fields link =
      ReadMap(*fields.Find(verb.word), job::Join(fields.path, verb.word), known,
              ExampleOf(verb.word));
  for (const std::string& key : known) {
    if (key != "and" && link.Find(key) == nullptr && !link.misspelt) {
      Fail(link.line, job::Join(link.path, key), "is missing",
           ExampleOf(verb.word));
    }
  }
  const auto a = DaemonsOf(link, "between");
  const auto b = DaemonsOf(link, "and");
  if (a.has_value()) event->link.a = *a;
  if (b.has_value()) event->link.b = *b;
  if (a.has_value()) CheckEnds(link, event->link);
  event->delay =
      Span(link, "by", /*may_be_zero=*/false).value_or(absl::ZeroDuration());
  const auto rate = Text(link, "rate");
  if (!rate.has_value()) return;
  const auto bytes = ParseRate(*rate);
  event->bytes_per_second = bytes.value_or(0);
  if (bytes.has_value()) return;
  Fail(link.Find("rate")->line, job::Join(link.path, "rate"),
       absl::StrCat(job::QuoteValue(*rate), " is no rate"),
       "a number with bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s or GB/s, "
       "from 1B/s to 1000GB/s");
}

void ScenarioReader::CheckEnds(const Fields& link, const Link& ends) {
  const Daemons a = *ParseDaemons(ends.a);
  const Daemons b = *ParseDaemons(ends.b);
  if (a.role == Daemons::Role::kWorker && b.role == a.role) {
    Fail(link.line, link.path, "workers have no connections to one another",
         "and: ps, or and: scheduler");
  } else if (ends.a == ends.b &&
             (a.index.has_value() || a.role == Daemons::Role::kScheduler)) {
    Fail(link.line, link.path,
         absl::StrCat(job::QuoteValue(ends.a), " is at both ends"),
         "name another daemon, or leave out `and`: all");
  }
}

template <typename Allowed>
bool ScenarioReader::MayHave(const Fields& fields, absl::string_view key,
                             const Verb& verb, Allowed allowed) {
  const YamlNode* node = fields.Find(key);
  if (node == nullptr) return false;
  if (allowed(verb)) return true;
  std::vector<absl::string_view> words;
  for (const Verb& other : kVerbs) {
    if (allowed(other)) words.push_back(other.word);
  }
  Fail(node->line, job::Join(fields.path, key),
       absl::StrCat("means nothing with ", verb.word),
       absl::StrCat("only with ", absl::StrJoin(words, ", ")));
  return false;
}

void ScenarioReader::ReadLength(const Fields& fields, const Verb& verb,
                                ChaosEvent* event) {
  if (MayHave(fields, "for", verb, [](const Verb& v) { return v.has_for; })) {
    event->lasts = Span(fields, "for", /*may_be_zero=*/false)
                       .value_or(absl::InfiniteDuration());
  }
  event->grace =
      verb.op == Op::kTerminate ? kDefaultGrace : absl::ZeroDuration();
  if (MayHave(fields, "grace", verb,
              [](const Verb& v) { return v.has_grace; })) {
    event->grace =
        Span(fields, "grace", /*may_be_zero=*/false).value_or(event->grace);
  }
  for (const absl::string_view key : {"to", "file"}) {
    MayHave(fields, key, verb,
            [key](const Verb& v) { return v.besides == key; });
  }
  if (verb.needs_it && fields.Find(verb.besides) == nullptr &&
      !fields.misspelt) {
    Fail(fields.line, job::Join(fields.path, verb.besides), "is missing",
         absl::StrCat(ExampleOf(verb.besides), " with ", verb.word));
  }
}

void ScenarioReader::ReadShare(const Fields& fields, ChaosEvent* event) {
  if (event->op != Op::kSlow) return;
  const auto text = Text(fields, "to");
  if (!text.has_value()) return;
  const auto share = ParseShare(*text);
  event->share = share.value_or(1);
  if (share.has_value()) return;
  Fail(fields.Find("to")->line, job::Join(fields.path, "to"),
       absl::StrCat(job::QuoteValue(*text), " is no share of its speed"),
       "to: 0.1, a tenth; from 0.01 to 1");
}

void ScenarioReader::ReadFile(const Fields& fields, ChaosEvent* event) {
  if (event->op != Op::kDamage) return;
  const auto text = Text(fields, "file");
  if (!text.has_value()) return;
  constexpr std::pair<absl::string_view, FileChoice> kChoices[] = {
      {"any", FileChoice::kAny},
      {"newest", FileChoice::kNewest},
      {"biggest", FileChoice::kBiggest}};
  for (const auto& [word, choice] : kChoices) {
    if (*text != word) continue;
    event->file = choice;
    return;
  }
  Fail(fields.Find("file")->line, job::Join(fields.path, "file"),
       absl::StrCat(job::QuoteValue(*text), " is no choice of a file"),
       "file: newest, biggest or any");
}

Moment ScenarioReader::ReadMoment(const Fields& fields) {
  const YamlNode* at = fields.Find("at");
  Moment moment;
  if (at == nullptr) {
    if (fields.Find("every") == nullptr && !fields.misspelt) {
      Fail(fields.line, fields.path, "does not say when",
           absl::StrCat(ExampleOf("at"), " of the job, or every: 3s"));
    }
    return moment;
  }
  if (at->is_scalar()) moment.progress = ParsePercent(at->text);
  if (!moment.progress.has_value()) {
    moment.at =
        Span(fields, "at", /*may_be_zero=*/true).value_or(absl::ZeroDuration());
  } else if (*moment.progress >= 1) {
    Fail(
        at->line, job::Join(fields.path, "at"),
        absl::StrCat(job::QuoteValue(at->text), " is after the end of the job"),
        "below 100%");
  } else if (fields.Find("every") != nullptr) {
    Fail(at->line, job::Join(fields.path, "at"),
         "what is repeated begins at a time, not at a share of the job",
         "at: 2s");
  }
  return moment;
}

ScenarioReader::Times ScenarioReader::ReadTimes(const Fields& fields) {
  Times times;
  times.first = ReadMoment(fields);
  const YamlNode* until = fields.Find("until");
  if (fields.Find("every") == nullptr) {
    for (const absl::string_view key : {"until", "times"}) {
      const YamlNode* node = fields.Find(key);
      if (node == nullptr || fields.misspelt) continue;
      Fail(node->line, job::Join(fields.path, key),
           "means nothing without every", ExampleOf("every"));
    }
    return times;
  }
  const auto every = Span(fields, "every", /*may_be_zero=*/false);
  if (until == nullptr && fields.Find("times") == nullptr && !fields.misspelt) {
    Fail(fields.Find("every")->line, job::Join(fields.path, "every"),
         "has no end", "until: 15s, or times: 5");
  }
  const auto most = Count(fields, "times", static_cast<int>(kMostEvents));
  const auto last = Span(fields, "until", /*may_be_zero=*/true);
  if (last.has_value() && *last < times.first.at) {
    Fail(until->line, job::Join(fields.path, "until"), "is before at",
         absl::StrCat("until: ", absl::FormatDuration(times.first.at),
                      " or later"));
    return times;
  }
  if (!every.has_value()) return times;
  times.every = *every;
  if (most.has_value()) times.count = *most;
  if (last.has_value()) {
    absl::Duration rest;
    const int64_t fit =
        1 + absl::IDivDuration(*last - times.first.at, *every, &rest);
    times.count = most.has_value() ? std::min(times.count, fit) : fit;
  }
  return times;
}

void ScenarioReader::CheckNumbers() {
  for (const Named& named : named_) {
    const bool server = named.daemons.role == Daemons::Role::kServer;
    const std::optional<int>& known =
        server ? scenario_.servers : scenario_.workers;
    const int index = *named.daemons.index;
    if (!known.has_value() || index < *known) continue;
    if (!server && (adds_unnamed_ || added_.count(index) > 0)) continue;
    const absl::string_view role = server ? "server" : "worker";
    Fail(named.line, named.path,
         absl::StrCat(named.text, " is not there: the scenario has ", *known,
                      " ", role, *known == 1 ? "" : "s"),
         absl::StrCat("the last is ", server ? "ps-" : "worker-", *known - 1,
                      ", or ", role, "s: ", index + 1));
  }
}

}  // namespace

absl::StatusOr<Scenario> ReadScenario(absl::string_view text,
                                      absl::string_view file_name) {
  ScenarioReader reader(file_name);
  const auto tree =
      job::ReadYaml(text, file_name, &reader.mistakes, kScenarioKind);
  if (tree.has_value()) reader.Read(*tree);
  return std::move(reader).Finish();
}

}  // namespace ebb::chaos
