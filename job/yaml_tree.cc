#include "job/yaml_tree.h"

#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/utf8.h"
#include "job/base/values.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace ebb::job {
namespace {

// Builds the tree from the parser's events. It keeps the first refusal and goes
// on: the parser's own depth limit bounds it.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(absl::string_view kind) : kind_(kind) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Attach(Make(YamlNode::Kind::kNull, mark, "", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Attach(Make(YamlNode::Kind::kNull, mark, "", anchor));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    YamlNode node = Make(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.text = value;
    Attach(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Make(YamlNode::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Open(Make(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Close(); }

  const std::optional<Mistake>& refusal() const { return refusal_; }
  YamlNode TakeRoot() { return std::move(root_); }

 private:
  YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark,
                const std::string& tag, YAML::anchor_t anchor) {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    if (anchor != YAML::NullAnchor) {
      Refuse(node.line,
             absl::StrCat("a ", kind_, " file takes no anchors and aliases"),
             "write the value out; a text that starts with & or * needs "
             "quotes");
    }
    // "?" and "!" are what the parser calls plain and quoted values.
    if (tag != "" && tag != "?" && tag != "!") {
      Refuse(node.line,
             absl::StrCat("a ", kind_, " file takes no tags like ", tag),
             "write the value alone; a text that starts with ! needs quotes");
    }
    return node;
  }

  void Refuse(int line, std::string what, std::string hint) {
    if (!refusal_.has_value()) {
      refusal_ = Mistake{{"", line}, "", std::move(what), std::move(hint)};
    }
  }

  void Open(YamlNode node) {
    if (open_.size() >= kMaxYamlDepth) {
      Refuse(node.line,
             absl::StrCat("more than ", kMaxYamlDepth,
                          " lists and maps inside one another"),
             absl::StrCat("no key of a ", kind_, " lies so deep"));
    }
    open_.push_back(std::move(node));
  }

  void Close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = open_.back();
    const bool is_key = parent.kind == YamlNode::Kind::kMap &&
                        parent.keys.size() == parent.items.size();
    (is_key ? parent.keys : parent.items).push_back(std::move(node));
  }

  const absl::string_view kind_;
  std::vector<YamlNode> open_;  // The lists and maps around the next event.
  YamlNode root_;
  std::optional<Mistake> refusal_;
};

// The probable mistake of the author of a line that is not YAML.
std::string SyntaxHint(absl::string_view text, int line,
                       absl::string_view message) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  const absl::string_view bad =
      line >= 1 && static_cast<size_t>(line) <= lines.size() ? lines[line - 1]
                                                             : "";
  if (absl::StrContains(bad, '\t')) return "indent with spaces, not tabs";
  if (absl::StrContains(message, "anchor")) {
    return "a text that starts with & or * needs quotes";
  }
  if (absl::StrContains(bad, ": >") || absl::StrContains(bad, ": <")) {
    return "quote a comparison: accuracy: \">= 0.87\"";
  }
  if (absl::StrContains(message, "end of map flow")) {
    return "a { has no } that closes it, or lacks a comma before this";
  }
  if (absl::StrContains(message, "end of sequence flow")) {
    return "a [ has no ] that closes it, or lacks a comma before this";
  }
  return "key: value, or key: {key: value, …}, or deeper keys indented";
}

}  // namespace

std::optional<YamlNode> ReadYaml(absl::string_view text, absl::string_view file,
                                 std::vector<Mistake>* mistakes,
                                 const YamlKind& kind) {
  const auto fail = [&](int line, std::string what, std::string hint) {
    mistakes->push_back(
        {{std::string(file), line}, "", std::move(what), std::move(hint)});
    return std::nullopt;
  };
  if (text.size() > kMaxYamlBytes) {
    return fail(
        1, absl::StrCat("the file has ", text.size(), " bytes"),
        absl::StrCat("a ", kind.name, " file has at most ", kMaxYamlBytes));
  }
  if (!IsUtf8(text)) {
    return fail(1, "the file is not UTF-8 text",
                absl::StrCat("is it a ", kind.name, " file?"));
  }
  TreeBuilder builder(kind.name);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) {
      return fail(1, "the file is empty", std::string(kind.least));
    }
    YamlNode root = builder.TakeRoot();
    if (builder.refusal().has_value()) {
      return fail(builder.refusal()->place.line, builder.refusal()->what,
                  builder.refusal()->hint);
    }
    TreeBuilder second(kind.name);
    if (parser.HandleNextDocument(second)) {
      return fail(second.TakeRoot().line,
                  "a second YAML document begins here (after ---)",
                  absl::StrCat("one file, one ", kind.name));
    }
    return root;
  } catch (const YAML::Exception& e) {
    const int line = e.mark.is_null() ? 1 : e.mark.line + 1;
    return fail(line, absl::StrCat("not YAML: ", e.msg),
                SyntaxHint(text, line, e.msg));
  } catch (const std::exception& e) {
    return fail(1, absl::StrCat("not YAML: ", e.what()), "");
  }
}

}  // namespace ebb::job
