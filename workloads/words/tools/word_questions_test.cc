#include "workloads/words/tools/word_questions.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Words on a grid: king is to man as queen is to woman.
StoredModel Royals() {
  StoredModel stored;
  stored.job.mutable_model()->set_kind("word_vectors");
  stored.job.mutable_model()->set_dim(3);
  stored.index.encoding.vocabulary = {{"man", "woman", "king", "queen", "cake"},
                                      {9, 8, 7, 6, 5}};
  stored.parameters = {1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, -1, -1, -1};
  stored.parameters.resize(30);  // The contexts.
  return stored;
}

struct Answers {
  std::string text;
  std::vector<std::string> warnings;
  absl::Status status;
};

Answers Ask(const std::string& questions, AnalogyTally* tally = nullptr) {
  const StoredModel stored = Royals();
  const auto index = WordIndex::Create(stored);
  EXPECT_TRUE(index.ok()) << index.status();
  Answers answers;
  answers.status = AnswerQuestions(
      *index, true, questions, "questions",
      [&](absl::string_view text) { absl::StrAppend(&answers.text, text); },
      [&](const std::string& text) { answers.warnings.push_back(text); },
      tally);
  return answers;
}

TEST(WordQuestionsTest, FindsTheNearestWords) {
  const Answers answers = Ask("King\n\n");
  EXPECT_TRUE(answers.status.ok()) << answers.status;
  EXPECT_EQ(answers.text,
            "question,word,cosine\n"
            "king,man,0.7071\n"
            "king,queen,0.5000\n"
            "king,woman,0.0000\n"
            "king,cake,-0.8165\n");
}

TEST(WordQuestionsTest, FindsWhatIsToTheThirdAsTheSecondIsToTheFirst) {
  EXPECT_THAT(Ask("man king woman").text,
              HasSubstr("cosine\nman king woman,queen,"));
}

TEST(WordQuestionsTest, WarnsOfWordsThatItDoesNotKnow) {
  const Answers answers = Ask("pie\nman pie cake\n");
  EXPECT_TRUE(answers.status.ok());
  EXPECT_THAT(answers.warnings,
              ElementsAre(HasSubstr("questions:1: the vocabulary has no pie"),
                          HasSubstr("questions:2: the vocabulary has no pie")));
  EXPECT_EQ(answers.text, "question,word,cosine\n");
}

TEST(WordQuestionsTest, CountsTheAnalogiesThatItFinds) {
  AnalogyTally tally;
  const Answers answers =
      Ask(": family\nman king woman queen\nman woman king queen\n"
          "man king woman cake\nman king woman pie\n",
          &tally);
  EXPECT_TRUE(answers.status.ok()) << answers.status;
  EXPECT_THAT(answers.warnings, IsEmpty());
  EXPECT_EQ(tally.asked, 3);
  EXPECT_EQ(tally.found, 2);
  EXPECT_EQ(TallyText(tally),
            "66.7 % of 3 analogies found; 1 more have words without a "
            "vector\n");
}

TEST(WordQuestionsTest, RefusesLinesThatAreNoQuestions) {
  EXPECT_THAT(std::string(Ask("man\nman king\n").status.message()),
              HasSubstr("questions:2: 2 words; a line has one word"));
  AnalogyTally tally;
  EXPECT_THAT(std::string(Ask("man\n", &tally).status.message()),
              HasSubstr("questions:1: 1 word; a line has an analogy of four"));
}

}  // namespace
}  // namespace ebb::tools
