#include "common/nearest.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/testing/test_folder.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

TEST(NearestTest, CountsLettersThatAreWrongMissingTooManyOrSwapped) {
  EXPECT_EQ(EditDistance("run", "run"), 0);
  EXPECT_EQ(EditDistance("rum", "run"), 1);
  EXPECT_EQ(EditDistance("rn", "run"), 1);
  EXPECT_EQ(EditDistance("ruun", "run"), 1);
  EXPECT_EQ(EditDistance("rnu", "run"), 1);
  EXPECT_EQ(EditDistance("", "run"), 3);
  EXPECT_EQ(EditDistance("audit", "run"), 4);
}

TEST(NearestTest, FindsTheNameThatWasMeant) {
  EXPECT_EQ(NearestName("statsu", {"run", "status", "audit"}), "status");
  EXPECT_EQ(NearestName("STATUS", {"run", "status"}), "status");
  EXPECT_EQ(NearestName("fashion-mpl", {"Fashion-MLP"}), "Fashion-MLP");
  EXPECT_EQ(NearestName("ru", {"rn", "run"}), "rn");  // The first of two.
  EXPECT_EQ(NearestName("no.yaml", {"job.yaml"}), "");
  EXPECT_EQ(NearestName("jbo.yaml", {"job.yaml"}), "job.yaml");
  EXPECT_EQ(NearestName("frob", {"run", "status"}), "");
  // Bug: half the letters of these are others.
  EXPECT_EQ(NearestName("keep", {"help"}), "");
  EXPECT_EQ(NearestName("train", {"again"}), "");
  EXPECT_EQ(NearestName("port", {"report"}), "");
  EXPECT_EQ(NearestName("hlep", {"help"}), "help");
  EXPECT_EQ(NearestName("a", {"b"}), "");  // No letter of it is right.
  EXPECT_EQ(NearestName("", {"run"}), "");
  EXPECT_EQ(NearestName(std::string(100'000, 'x'), {"run"}), "");
}

class NearestPathTest : public ::testing::Test {
 protected:
  NearestPathTest() {
    std::filesystem::create_directories(folder_ / "examples/jobs");
    std::ofstream(folder_ / "examples/jobs/fashion_mlp.yaml") << "x";
    std::ofstream(folder_ / "examples/README.md") << "x";
  }
  std::string Nearest(absl::string_view path) const {
    return NearestPath(folder_ / path);
  }

  const TestFolder folder_;
};

TEST_F(NearestPathTest, PutsEachNameRight) {
  const std::string meant = folder_ / "examples/jobs/fashion_mlp.yaml";
  EXPECT_EQ(Nearest("examples/jobs/fashion_mpl.yaml"), meant);
  EXPECT_EQ(Nearest("exmaples/job/fashion-mlp.yaml"), meant);
  EXPECT_EQ(Nearest("examples/jobs/fashion_mlp"), meant);
  EXPECT_EQ(Nearest("examples/jbos/"), folder_ / "examples/jobs");
}

TEST_F(NearestPathTest, NamesNothingThatIsFarOrThereAlready) {
  EXPECT_EQ(Nearest("examples/jobs/fashion_mlp.yaml"), "");
  EXPECT_EQ(Nearest("examples/jobs/clicks.yaml"), "");
  EXPECT_EQ(Nearest("nowhere/jobs/fashion_mlp.yaml"), "");
  EXPECT_EQ(Nearest("examples/README.md/x"), "");  // A file has no names.
  EXPECT_EQ(NearestPath(""), "");
  EXPECT_EQ(NearestPath(std::string("a\0b", 3)), "");
}

TEST_F(NearestPathTest, IsTheEndOfAMessage) {
  EXPECT_EQ(IsItPath(folder_ / "examples/README"),
            "; is it " + (folder_ / "examples/README.md") + "?");
  EXPECT_EQ(IsItPath(folder_ / "clicks.yaml"), "");
  const std::string missing = folder_ / "example";
  EXPECT_EQ(
      WithNearestPath(absl::NotFoundError("no example"), missing),
      absl::NotFoundError("no example; is it " + (folder_ / "examples") + "?"));
  EXPECT_EQ(WithNearestPath(absl::InternalError("bad"), missing),
            absl::InternalError("bad"));
}

}  // namespace
}  // namespace ebb
