// The annotations and comments of job.proto are complete and consistent.
#include "job/base/keys.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/mistake.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

// Every key of a job, each once.
std::vector<const FieldDescriptor*> AllKeys() {
  std::vector<const FieldDescriptor*> keys;
  std::vector<const Descriptor*> types = {v1::Job::descriptor()};
  std::set<const Descriptor*> seen(types.begin(), types.end());
  while (!types.empty()) {
    const Descriptor* type = types.back();
    types.pop_back();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      keys.push_back(field);
      const Descriptor* child = MessageTypeOf(*field);
      if (child != nullptr && seen.insert(child).second) {
        types.push_back(child);
      }
    }
  }
  return keys;
}

TEST(KeysTest, EveryKeyHasAShortWord) {
  const KeyWords words;
  for (const FieldDescriptor* field : AllKeys()) {
    const std::string word = words.Find(*field);
    EXPECT_FALSE(word.empty()) << field->full_name();
    EXPECT_LE(word.size(), 68u) << field->full_name() << ": " << word;
  }
}

TEST(KeysTest, WordsAreTheFirstSentenceOfTheComment) {
  const KeyWords words;
  EXPECT_EQ(words.Find(*v1::Train::descriptor()->FindFieldByName("epochs")),
            "How often workers go through every example");
  EXPECT_EQ(words.Find(*v1::Job::descriptor()->FindFieldByName("seed")),
            "Seed of the initial values, of dropout and of the data order");
}

TEST(KeysTest, EveryScalarTellsADefaultFromTheSameValueGiven) {
  for (const FieldDescriptor* field : AllKeys()) {
    EXPECT_TRUE(field->is_repeated() || field->has_presence())
        << field->full_name();
  }
}

TEST(KeysTest, EveryKeyHasAValueToShowInHints) {
  for (const FieldDescriptor* field : AllKeys()) {
    const v1::Key& key = KeyOf(*field);
    const bool opens_a_map =
        field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    EXPECT_TRUE(key.has_example() || key.has_default_value())
        << field->full_name();
    if (!opens_a_map) {
      EXPECT_NE(key.default_value(), "{}") << field->full_name();
    }
  }
}

TEST(KeysTest, DefaultsReadAsTheirType) {
  for (const FieldDescriptor* field : AllKeys()) {
    std::vector<std::string> texts;
    const v1::Key& key = KeyOf(*field);
    if (key.has_default_value()) texts.push_back(key.default_value());
    for (const auto& [kind, text] : key.default_by_kind()) {
      texts.push_back(text);
    }
    for (const std::string& text : texts) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        EXPECT_EQ(text, "{}") << field->full_name();
        continue;
      }
      const std::unique_ptr<Message> message(
          google::protobuf::MessageFactory::generated_factory()
              ->GetPrototype(field->containing_type())
              ->New());
      EXPECT_EQ(SetFromText(text, *field, message.get()), "")
          << field->full_name();
    }
  }
}

TEST(KeysTest, KindsNamedByAnnotationsExist) {
  for (const FieldDescriptor* field : AllKeys()) {
    const FieldDescriptor* kind =
        field->containing_type()->FindFieldByName("kind");
    const v1::Key& key = KeyOf(*field);
    if (key.kinds().empty() && key.default_by_kind().empty()) continue;
    ASSERT_NE(kind, nullptr) << field->full_name();
    EXPECT_LT(kind->index(), field->index());
    if (kind->enum_type() == nullptr) continue;
    const std::vector<std::string> known = EnumWords(*kind->enum_type());
    for (const std::string& name : key.kinds()) {
      EXPECT_THAT(known, testing::Contains(name)) << field->full_name();
    }
    for (const auto& [name, text] : key.default_by_kind()) {
      EXPECT_THAT(known, testing::Contains(name)) << field->full_name();
    }
  }
}

TEST(KeysTest, EnumWordsLackTheirPrefix) {
  EXPECT_THAT(EnumWords(*v1::Policy_descriptor()),
              testing::ElementsAre("pause", "skip", "rollback"));
  EXPECT_THAT(
      EnumWords(*v1::Optimizer::Kind_descriptor()),
      testing::ElementsAre("sgd", "momentum", "nesterov", "adagrad", "rmsprop",
                           "adam", "ftrl", "adamw", "average"));
}

TEST(KeysTest, KeysOfWholeNumbersAreFoundByTheirPaths) {
  for (const char* path : {"train.batch", "validate", "tables.w.max_rows"}) {
    EXPECT_TRUE(TakesWholeNumber(path)) << path;
  }
  for (const char* path : {"optimizer.rate", "optimizer", "model.layers",
                           "train.bacth", "seed.x", "tables", "tables.w", ""}) {
    EXPECT_FALSE(TakesWholeNumber(path)) << path;
  }
}

TEST(KeysTest, NearestForgivesSmallMisspellings) {
  const std::vector<std::string> keys = {"epochs", "batch", "rate", "l2"};
  EXPECT_EQ(Nearest("epoch", keys), "epochs");
  EXPECT_EQ(Nearest("Epochs", keys), "epochs");
  EXPECT_EQ(Nearest("bacth", keys), "batch");
  EXPECT_EQ(Nearest("batch_size", keys), "batch");
  EXPECT_EQ(Nearest("learning_rate", keys), "rate");
  EXPECT_EQ(Nearest("l3", keys), "l2");
  EXPECT_EQ(Nearest("something", keys), "");
  EXPECT_EQ(Nearest("", keys), "");
  EXPECT_EQ(Nearest(std::string(1000, 'e'), keys), "");
}

// Bug: data.split: 0.99999999 was "not less than 1".
TEST(KeysTest, OnlyConstantsOfOptimizersKeepTheirBoundAsFloats) {
  const auto wrong = [](const Descriptor& type, const char* key, double value) {
    return OutOfRange(*type.FindFieldByName(key), value);
  };
  EXPECT_EQ(wrong(*v1::Data::descriptor(), "split", 0.99999999), "");
  EXPECT_EQ(wrong(*v1::Data::descriptor(), "split", 1),
            "must be less than 1, not 1");
  EXPECT_EQ(wrong(*v1::Optimizer::descriptor(), "beta2", 0.99999999),
            "must be less than 1 as a 32-bit float, not 0.99999999");
}

// The rows of docs/job-file.md below `path`: key, default, meaning. Of
// messages that several keys have, the keys are listed at the first.
void AppendRows(const Descriptor& type, const std::string& path,
                std::set<const Descriptor*>* seen, std::string* out) {
  const KeyWords words;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const v1::Key& key = KeyOf(field);
    const std::string name = Join(path, std::string(field.name()));
    std::string absent = key.required() ? "required" : "";
    if (key.has_default_value() && key.default_value() != "{}") {
      absent = absl::StrCat("`", key.default_value(), "`");
    }
    const std::map<std::string, std::string> by_kind(
        key.default_by_kind().begin(), key.default_by_kind().end());
    for (const auto& [kind, value] : by_kind) {
      absl::StrAppend(&absent, absent.empty() ? "" : "; ", kind, " `", value,
                      "`");
    }
    std::string meaning = words.Find(field);
    if (key.kinds_size() > 0) {
      absl::StrAppend(&meaning, " (of ", absl::StrJoin(key.kinds(), ", "), ")");
    }
    absl::StrAppend(out, "| `", name, "` | ", absent, " | ",
                    absl::StrReplaceAll(meaning, {{"|", "\\|"}}), " |\n");
    const Descriptor* child = MessageTypeOf(field);
    if (child == nullptr || !seen->insert(child).second) continue;
    AppendRows(*child, field.is_map() ? name + ".NAME" : name, seen, out);
  }
}

TEST(KeysTest, TheGuideListsEveryKey) {
  constexpr char kGuide[] = "docs/job-file.md";
  constexpr char kBegin[] = "| key | absent | |\n|---|---|---|\n";
  std::ifstream in(kGuide);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::string rows;
  std::set<const Descriptor*> seen;
  AppendRows(*v1::Job::descriptor(), "", &seen, &rows);

  const size_t begin = text.find(kBegin);
  ASSERT_NE(begin, std::string::npos);
  const size_t first = begin + std::string(kBegin).size();
  const size_t end = text.find("\n\n", first - 1) + 1;
  ASSERT_NE(end, 0u);

  if (std::getenv("EBB_REWRITE") != nullptr) {
    std::ofstream(kGuide) << text.substr(0, first) << rows << text.substr(end);
    return;
  }
  EXPECT_EQ(text.substr(first, end - first), rows);
}

}  // namespace
}  // namespace ebb::job
