// Golden cases: NAME.yaml in a folder is what goes in, NAME.err beside it what
// must come out.
#ifndef EBB_TESTS_TESTING_GOLDEN_H_
#define EBB_TESTS_TESTING_GOLDEN_H_

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ebb::testing_golden {

inline std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Returns the names of the cases in a folder, sorted.
inline std::vector<std::string> CaseNames(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") {
      names.push_back(entry.path().stem());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Returns what goes in.
inline std::string CaseText(const std::filesystem::path& folder,
                            const std::string& name) {
  return ReadText(folder / (name + ".yaml"));
}

// Compares, or with EBB_REWRITE in the environment makes it so.
inline void ExpectGolden(const std::filesystem::path& folder,
                         const std::string& name, const std::string& actual) {
  const std::filesystem::path golden = folder / (name + ".err");
  if (std::getenv("EBB_REWRITE") != nullptr) {
    std::ofstream(golden, std::ios::binary) << actual;
  }
  EXPECT_EQ(actual, ReadText(golden));
}

}  // namespace ebb::testing_golden

#endif  // EBB_TESTS_TESTING_GOLDEN_H_
