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

// New and empty, named after the test suite; the destructor removes it with all
// that it holds. Ends the process if it cannot be made: whoever went on would
// write somewhere else.
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
  // Of what has this name in it.
  std::string operator/(absl::string_view name) const;
  // The destructor leaves it: somebody will want to look.
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

}  // namespace ebb

#endif  // EBB_COMMON_TESTING_TEST_FOLDER_H_
