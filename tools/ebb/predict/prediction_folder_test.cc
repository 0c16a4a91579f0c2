#include "tools/ebb/predict/prediction_folder.h"

#include <cstdlib>
#include <filesystem>
#include <latch>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"
#include "worker/predict/prediction_parts.h"

namespace ebb::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PredictionFolderTest : public testing::Test {
 protected:
  PredictionFolderTest() {
    plan_.examples = 2500;
    plan_.shard_size = 1024;
    plan_.batch_by_epoch = {1024};
  }

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(WriteFile(File(name), text).ok());
  }
  bool Has(const std::string& name) const {
    return std::filesystem::exists(File(name));
  }
  absl::StatusOr<PredictionFolder> Claim(const std::string& identity) const {
    return PredictionFolder::Claim(path_, {identity, 1024, {}});
  }
  void WriteParts() const {
    Write("part-000000-001023.csv", "prediction,\"p(a\nb)\"\n1,2\n");
    Write("part-001024-002047.csv", "prediction,\"p(a\nb)\"\n3,4\n");
    Write("part-002048-002499.csv", "prediction,\"p(a\nb)\"\n5,6\n");
  }

  TestFolder temp_;
  const std::string path_ = temp_.path() + "/predictions";
  JobPlan plan_;
};

TEST_F(PredictionFolderTest, NamesOfPartsSortAsTheirExamples) {
  EXPECT_EQ(worker::PartFileName(0, 1024, 2500), "part-000000-001023.csv");
  EXPECT_EQ(worker::PartFileName(2048, 2500, 2500), "part-002048-002499.csv");
  EXPECT_EQ(worker::PartFileName(0, 1024, 10'000'001),
            "part-00000000-00001023.csv");
}

TEST_F(PredictionFolderTest, TheSamePredictionsGoOnUnderTheSameName) {
  std::string first;
  {
    const auto folder = Claim("a");
    ASSERT_TRUE(folder.ok()) << folder.status();
    first = folder->request_id();
  }
  EXPECT_EQ(PredictionFolder::PartExamplesIn(path_), 1024);
  const auto again = Claim("a");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->request_id(), first);
}

// Bug: the claim kept the name of a job that had ended, and the scheduler
// answered with that job.
TEST_F(PredictionFolderTest, AnotherNameIsKeptToo) {
  std::string first, renewed;
  {
    auto folder = Claim("a");
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_FALSE(folder->goes_on());
    first = folder->request_id();
    ASSERT_TRUE(folder->Renew().ok());
    renewed = folder->request_id();
  }
  EXPECT_NE(renewed, first);
  EXPECT_EQ(*ReadFile(File("_JOB")),
            "identity a request " + renewed + " part 1024\n");
  const auto again = Claim("a");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->goes_on());
  EXPECT_EQ(again->request_id(), renewed);
}

TEST_F(PredictionFolderTest, OthersAreRefused) {
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok());
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("another `ebb predict` writes there"));
  EXPECT_THAT(std::string(Claim("b").status().message()),
              HasSubstr("of another model"));
}

// The message named all flags that there are.
TEST_F(PredictionFolderTest, TheFlagsThatDifferAreNamed) {
  const PredictionTerms begun = {
      "a", 1024, {{"DATA", "a b\tc.csv"}, {"--id", "x\n"}, {"--score", ""}}};
  { ASSERT_TRUE(PredictionFolder::Claim(path_, begun).ok()); }
  EXPECT_EQ(PredictionFolder::PartExamplesIn(path_), 1024);
  PredictionTerms now = begun;
  now.identity = "b";
  const auto refusal = [&] {
    return std::string(PredictionFolder::Claim(path_, now).status().message());
  };
  EXPECT_THAT(refusal(), HasSubstr("of DATA as it was then"));
  now.flags[1].second = "";
  now.flags[2].second = "given";
  EXPECT_EQ(refusal(),
            "--to " + path_ +
                ": it has unfinished predictions of another command: --id was "
                "x\n, and is not given; --score was not given, and is given. "
                "Repeat the command that began them, name another folder, or "
                "remove this one");
  // They go on under the same terms, also after another name.
  std::string renewed;
  {
    auto folder = PredictionFolder::Claim(path_, begun);
    ASSERT_TRUE(folder.ok()) << folder.status();
    ASSERT_TRUE(folder->Renew().ok());
    renewed = folder->request_id();
  }
  EXPECT_EQ(*ReadFile(File("_JOB")),
            "identity a request " + renewed +
                " part 1024\nDATA\ta b\\tc.csv\n--id\tx\\n\n--score\t\n");
  EXPECT_EQ(PredictionFolder::Claim(path_, begun)->request_id(), renewed);
}

// Bug: two commands at once both wrote the claim. The second one replaced the
// file that the first one had locked, and both had the folder.
TEST_F(PredictionFolderTest, OneOfTwoAtOnceHasTheFolder) {
  constexpr int kRounds = 50, kCommands = 4;
  for (int round = 0; round < kRounds; ++round) {
    std::filesystem::remove_all(path_);
    std::latch together(kCommands);
    std::vector<absl::StatusOr<PredictionFolder>> claims;
    for (int i = 0; i < kCommands; ++i) {
      claims.emplace_back(absl::UnknownError("not tried"));
    }
    {
      std::vector<std::jthread> commands;
      for (auto& claim : claims) {
        commands.emplace_back([&] {
          together.arrive_and_wait();
          claim = Claim("a");
        });
      }
    }
    std::string request;
    for (const auto& claim : claims) {
      if (claim.ok()) {
        EXPECT_EQ(request, "") << "two have it";
        request = claim->request_id();
      } else {
        EXPECT_THAT(std::string(claim.status().message()),
                    HasSubstr("another `ebb predict` writes there"));
      }
    }
    EXPECT_NE(request, "");
    EXPECT_THAT(*ReadFile(File("_JOB")), HasSubstr(request));
  }
}

TEST_F(PredictionFolderTest, AClaimThatWasNotWrittenWhollyIsWrittenAgain) {
  std::filesystem::create_directories(path_);
  Write("_JOB", "identity a requ");
  const auto folder = Claim("b");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(*ReadFile(File("_JOB")),
            "identity b request " + folder->request_id() + " part 1024\n");
}

TEST_F(PredictionFolderTest, AnotherFileOfThatNameIsKept) {
  std::filesystem::create_directories(path_);
  Write("_JOB", "precious");
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("not begun by `ebb predict`"));
  EXPECT_EQ(*ReadFile(File("_JOB")), "precious");
}

TEST_F(PredictionFolderTest, AFolderWithSomethingElseIsRefused) {
  std::filesystem::create_directories(path_);
  Write("mine.txt", "precious");
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("not begun by `ebb predict`"));
  EXPECT_EQ(PredictionFolder::PartExamplesIn(path_), 0);
}

TEST_F(PredictionFolderTest, CompletePredictionsAreKept) {
  {
    const auto folder = Claim("a");
    ASSERT_TRUE(folder.ok());
    ASSERT_TRUE(folder->Finish(Json::Object()).ok());
  }
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("complete predictions"));
}

// Bug: the message was the same, whichever flags the command had.
TEST_F(PredictionFolderTest, CompletePredictionsOfOtherFlagsAreTold) {
  const PredictionTerms then = {"a", 1024, {{"--id", "x"}, {"--score", ""}}};
  {
    const auto folder = PredictionFolder::Claim(path_, then);
    ASSERT_TRUE(folder.ok());
    ASSERT_TRUE(folder->Finish(Json::Object()).ok());
  }
  PredictionTerms now = then;
  const auto refusal = [&] {
    return std::string(PredictionFolder::Claim(path_, now).status().message());
  };
  EXPECT_EQ(refusal(), "--to " + path_ +
                           ": it has complete predictions of this model and "
                           "this data already. Name another folder, or remove "
                           "this one");
  now.identity = "b";
  EXPECT_THAT(refusal(), HasSubstr("complete predictions of DATA as it was"));
  now.flags[0].second = "";
  EXPECT_EQ(refusal(), "--to " + path_ +
                           ": it has complete predictions of another command: "
                           "--id was x, and is not given. Name another folder, "
                           "or remove this one");
}

// Bug: a command that was interrupted at once left its folder.
TEST_F(PredictionFolderTest, WithoutAPartNothingIsLeft) {
  {
    const auto folder = Claim("a");
    ASSERT_TRUE(folder.ok());
    Write(".part-000000-001023.csv.Ab3xYz", "half");
    EXPECT_TRUE(folder->LeaveNothing().ok());
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  // A folder that was there stays.
  std::filesystem::create_directories(path_);
  {
    const auto folder = Claim("a");
    ASSERT_TRUE(folder.ok());
    EXPECT_TRUE(folder->LeaveNothing().ok());
    EXPECT_TRUE(std::filesystem::is_empty(path_));
  }
  // So do parts, and what another command began.
  {
    const auto folder = Claim("a");
    ASSERT_TRUE(folder.ok());
    WriteParts();
    EXPECT_TRUE(folder->LeaveNothing().ok());
    EXPECT_TRUE(Has("_JOB"));
    EXPECT_TRUE(Has("part-000000-001023.csv"));
    std::filesystem::remove(File("part-000000-001023.csv"));
    std::filesystem::remove(File("part-001024-002047.csv"));
    std::filesystem::remove(File("part-002048-002499.csv"));
  }
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE(folder->LeaveNothing().ok());
  EXPECT_TRUE(Has("_JOB"));
}

TEST_F(PredictionFolderTest, MissingPartsAreNamedAndLeftoversRemoved) {
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok());
  WriteParts();
  Write(".part-000000-001023.csv.Ab3xYz", "half");
  EXPECT_THAT(*folder->Settle(plan_, {}), IsEmpty());
  EXPECT_FALSE(Has(".part-000000-001023.csv.Ab3xYz"));
  // A part that was left out is not there, whatever a worker wrote.
  v1::JobStatus status;
  status.add_skipped()->mutable_item()->set_shard(2);
  EXPECT_THAT(*folder->Settle(plan_, status),
              ElementsAre("the predictions of the examples 2,049 to 2,500 are "
                          "missing (part-002048-002499.csv)"));
  EXPECT_FALSE(Has("part-002048-002499.csv"));
  // Bug: each part had a line, however many there were.
  status.add_skipped()->mutable_item()->set_shard(1);
  EXPECT_THAT(*folder->Settle(plan_, status),
              ElementsAre("the predictions of the examples 1,025 to 2,500 are "
                          "missing (2 parts, from part-001024-002047.csv on)"));
}

TEST_F(PredictionFolderTest, JoinsPartsUnderOneHeader) {
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok());
  WriteParts();
  std::ostringstream joined;
  ASSERT_TRUE(folder->Join(plan_, &joined).ok());
  EXPECT_EQ(joined.str(), "prediction,\"p(a\nb)\"\n1,2\n3,4\n5,6\n");
}

TEST_F(PredictionFolderTest, NamesThePartThatIsNotTaken) {
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok());
  WriteParts();
  int parts = 0;
  const absl::Status status = folder->ReadParts(plan_, [&](absl::string_view) {
    return ++parts < 2 ? absl::OkStatus() : absl::DataLossError("damaged");
  });
  EXPECT_EQ(parts, 2);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("part-001024-002047.csv: damaged"));
}

class PredictionBucketTest : public ::testing::Test {
 protected:
  // The command finds the bucket by what its environment says.
  PredictionBucketTest() {
    for (const std::string& variable : server_.environment()) {
      const size_t equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(),
             variable.substr(equals + 1).c_str(), /*overwrite=*/1);
    }
  }

  static absl::StatusOr<PredictionFolder> Claim(const std::string& identity) {
    return PredictionFolder::Claim("s3://bucket/to", {identity, 1024, {}});
  }
  std::string Content(const std::string& key) {
    const auto content = store_->Get(key, {});
    return content.ok() ? content->bytes
                        : std::string(content.status().message());
  }

  S3Server& server_ = S3Server::Shared();
  std::unique_ptr<S3Objects> store_ = server_.Open("to/");
};

TEST_F(PredictionBucketTest, OneOfTwoGivesThePredictionsAnotherName) {
  auto one = Claim("a"), other = Claim("a");
  ASSERT_TRUE(one.ok() && other.ok()) << one.status() << other.status();
  EXPECT_FALSE(one->goes_on());
  EXPECT_TRUE(other->goes_on());
  const std::string first = one->request_id();
  EXPECT_EQ(other->request_id(), first);
  ASSERT_TRUE(one->Renew().ok());
  EXPECT_NE(one->request_id(), first);
  // The other one finds that it was done: both are of the same job.
  ASSERT_TRUE(other->Renew().ok());
  EXPECT_EQ(other->request_id(), one->request_id());
  EXPECT_THAT(Content("_JOB"), HasSubstr(one->request_id()));
}

// Bug: two commands of different predictions both had the bucket.
TEST_F(PredictionBucketTest, AServerThatIgnoresConditionsIsFoundOut) {
  const auto mine = Claim("a");
  ASSERT_TRUE(mine.ok()) << mine.status();
  // The other command saw an empty bucket before.
  server_.SetFaults(R"([{"kind": "no_conditions", "method": "PUT"}])");
  const std::string others = "identity b request c part 1024\n";
  ASSERT_TRUE(CreateObject(store_.get(), "_JOB", others).ok());
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("of another model"));
  const absl::Status finished = mine->Finish(Json::Object());
  EXPECT_EQ(finished.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(finished.message()),
              HasSubstr("has written over _JOB"));
  EXPECT_FALSE(store_->Get("_SUCCESS", {}).ok());
}

TEST_F(PredictionBucketTest, TheMarkerOfAFolderIsNothing) {
  // The console of S3 makes a "folder" like this.
  server_.PutMarker("to/");
  const auto folder = Claim("a");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_FALSE(folder->goes_on());
}

TEST_F(PredictionBucketTest, WhatIsBehindAMarkerIsSomethingElse) {
  server_.PutMarker("to/");
  ASSERT_TRUE(PutObject(store_.get(), "mine.txt", "precious").ok());
  EXPECT_THAT(std::string(Claim("a").status().message()),
              HasSubstr("not begun by `ebb predict`"));
}

}  // namespace
}  // namespace ebb::tools
