// A folder for what a test writes.
//
//   class FilesTest : public ::testing::Test {
//    protected:
//     const TestFolder folder_;
//   };
//   TEST_F(FilesTest, ...) { Write(folder_ / "a.csv"); ... }
#ifndef EBB_COMMON_TESTING_TEST_FOLDER_H_
#define EBB_COMMON_TESTING_TEST_FOLDER_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb {

// A new and empty folder, named after the test suite; the destructor removes it
// with its content. Ends the process if it cannot be made: the test would write
// somewhere else.
class TestFolder {
 public:
  enum class On {
    // Below $TEST_TMPDIR, else $TMPDIR, else /tmp.
    kDisk,
    // In memory where possible: where nothing asks whether a sync reaches a
    // disk.
    kMemory,
  };
  explicit TestFolder(On on = On::kDisk);
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  // From the root, over no links, without a slash at its end.
  const std::string& path() const { return path_; }
  // Returns the path of this name in the folder.
  std::string operator/(absl::string_view name) const;
  // The destructor leaves the folder, for inspection.
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_TESTING_TEST_FOLDER_H_
