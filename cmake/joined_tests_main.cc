// Runs the tests of some of the files that a program of tests was compiled
// from:
//   PROGRAM [--file=server/partition_test.cc]... [FLAGS OF GOOGLETEST]
// Without --file it runs all of them. --gtest_filter replaces --file.
#include <cstdio>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// Returns a filter of GoogleTest's for the tests that stand in the file.
std::string FilterOf(std::string_view file) {
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  std::string filter;
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const ::testing::TestInfo& test = *suite.GetTestInfo(j);
      if (test.file() != file) continue;
      if (!filter.empty()) filter += ':';
      filter.append(suite.name()).append(".").append(test.name());
    }
  }
  return filter;
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  constexpr std::string_view kFile = "--file=";
  std::string filter;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag.substr(0, kFile.size()) != kFile) {
      std::fprintf(stderr, "unknown flag: %s\n", argv[i]);
      return 1;
    }
    const std::string of_file = FilterOf(flag.substr(kFile.size()));
    if (of_file.empty()) {
      std::fprintf(stderr, "%s: this program has no test from that file\n",
                   argv[i]);
      return 1;
    }
    filter += of_file + ":";
  }
  if (!filter.empty() && ::testing::GTEST_FLAG(filter) == "*") {
    ::testing::GTEST_FLAG(filter) = filter;
  }
  return RUN_ALL_TESTS();
}
