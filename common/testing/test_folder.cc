#include "common/testing/test_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ebb {

namespace {

namespace fs = std::filesystem;

constexpr char kMemory[] = "/dev/shm";

fs::path Parent(TestFolder::On on) {
  if (on == TestFolder::On::kMemory && access(kMemory, W_OK) == 0) {
    return kMemory;
  }
  // GoogleTest's own does not know TMPDIR.
  const char* const of_tests = getenv("TEST_TMPDIR");
  if (of_tests != nullptr && *of_tests != '\0') return of_tests;
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  return error ? fs::path(::testing::TempDir()) : parent;
}

// The running test's suite, as a part of a file's name. It is short, since a
// file in the folder may be a socket, whose path may not be long.
std::string SuiteName() {
  constexpr size_t kLongest = 24;
  const auto* suite = ::testing::UnitTest::GetInstance()->current_test_suite();
  if (suite == nullptr) return "test";
  std::string name = suite->name();
  std::ranges::replace_if(
      name, [](char c) { return !absl::ascii_isalnum(c); }, '_');
  return name.substr(0, kLongest);
}

}  // namespace

TestFolder::TestFolder(On on) {
  std::error_code error;
  fs::path parent = fs::canonical(Parent(on), error);
  if (error) parent = Parent(on);  // mkdtemp says why.
  path_ = (parent / absl::StrCat("ebb_", SuiteName(), "_XXXXXX")).string();
  if (mkdtemp(path_.data()) != nullptr) return;
  perror(absl::StrCat("cannot make the test's folder ", path_).c_str());
  abort();
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  if (!keep_) fs::remove_all(path_, ignored);
}

std::string TestFolder::operator/(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

}  // namespace ebb
