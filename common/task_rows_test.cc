#include "common/task_rows.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

using Rows = std::map<uint64_t, std::string>;

Rows Cut(int64_t task, const std::string& bytes) {
  Rows rows;
  EXPECT_TRUE(
      CutTask(task, bytes, [&](uint64_t key, std::span<const std::byte> part) {
        EXPECT_LE(part.size(), kTaskRowBytes);
        rows[key] = std::string(reinterpret_cast<const char*>(part.data()),
                                part.size());
      }).ok());
  return rows;
}

struct Result {
  int64_t task = 0;
  std::string bytes;
};

absl::StatusOr<std::vector<Result>> Join(const Rows& rows) {
  std::vector<Result> results;
  TaskJoiner joiner([&](int64_t task, absl::string_view bytes) {
    results.push_back({task, std::string(bytes)});
    return absl::OkStatus();
  });
  for (const auto& [key, part] : rows) {
    const absl::Status added = joiner.Add(key, std::as_bytes(std::span(part)));
    if (!added.ok()) return added;
  }
  const absl::Status finished = std::move(joiner).Finish();
  if (!finished.ok()) return finished;
  return results;
}

TEST(TaskRowsTest, JoinsWhatItCut) {
  Rows all;
  const size_t sizes[] = {0, 1, 4080, 4081, 100'000};
  for (size_t i = 0; i < std::size(sizes); ++i) {
    Rows cut = Cut(static_cast<int64_t>(3 * i),
                   std::string(sizes[i], static_cast<char>('a' + i)));
    EXPECT_EQ(TaskRows(static_cast<int64_t>(sizes[i])), std::ssize(cut));
    all.merge(std::move(cut));
  }
  const auto joined = Join(all);
  ASSERT_TRUE(joined.ok()) << joined.status();
  ASSERT_EQ(joined->size(), std::size(sizes));
  for (size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_EQ((*joined)[i].task, static_cast<int64_t>(3 * i));
    EXPECT_EQ((*joined)[i].bytes,
              std::string(sizes[i], static_cast<char>('a' + i)));
  }
}

TEST(TaskRowsTest, NamesTheTaskOfAKey) {
  for (const auto& [key, part] : Cut(17, std::string(10'000, 'x'))) {
    EXPECT_EQ(TaskOfKey(key), 17);
  }
}

TEST(TaskRowsTest, LeavesOutTasksWithoutAllParts) {
  const Rows whole = Cut(5, std::string(10'000, 'x'));
  ASSERT_EQ(whole.size(), 3u);
  for (const auto& [missing, part] : whole) {
    Rows rows = whole;
    rows.erase(missing);
    rows.merge(Cut(6, "y"));
    const auto joined = Join(rows);
    ASSERT_TRUE(joined.ok()) << joined.status();
    ASSERT_EQ(joined->size(), 1u);
    EXPECT_EQ(joined->front().bytes, "y");
  }
}

// Partitions lie on several servers. One may have a part of a result that was
// computed again.
TEST(TaskRowsTest, RefusesPartsOfDifferentResults) {
  Rows rows = Cut(5, std::string(10'000, 'x'));
  const Rows others = Cut(5, std::string(10'000, 'z'));
  rows.rbegin()->second = others.rbegin()->second;
  const auto joined = Join(rows);
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(joined.status().message().find("task 5"), absl::string_view::npos);
}

}  // namespace
}  // namespace ebb
