#include "common/shm/file_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace ebb::shm {
namespace {

constexpr int64_t kBytes = 8192;

struct File {
  File() : fd(*CreateMemoryFile("test", kBytes)) {
    mapping = *MapToWrite(fd.get(), kBytes);
    EXPECT_TRUE(SealAgainstWriters(fd.get()).ok());
  }
  Payload At(size_t offset, size_t bytes) const {
    Payload payload;
    payload.Append(nullptr, mapping.bytes().subspan(offset, bytes));
    return payload;
  }
  Fd fd;
  Mapping mapping;
};

Payload Join(const Payload& a, const Payload& b) {
  Payload both = a;
  for (const auto& slice : b.slices()) both.Append(slice.owner, slice.bytes);
  return both;
}

TEST(FileTableTest, FindsTheFileAndThePlaceOfEachSlice) {
  const File first, second;
  FileTable table;
  ASSERT_TRUE(
      table.Add(first.fd.get(), first.mapping.bytes(), [] { return kBytes; }));
  ASSERT_TRUE(table.Add(second.fd.get(), second.mapping.bytes(),
                        [] { return kBytes; }));

  const auto runs = table.Find(Join(second.At(64, 128), first.At(0, 4)));

  ASSERT_EQ(runs.size(), 2);
  EXPECT_EQ(runs[0].file, 1);
  EXPECT_EQ(runs[0].offset, 64);
  EXPECT_EQ(runs[0].bytes, 128);
  EXPECT_EQ(runs[1].file, 0);
  EXPECT_EQ(runs[1].offset, 0);
  EXPECT_EQ(table.Get(1)->bytes, kBytes);
  EXPECT_FALSE(table.Get(2).has_value());
}

TEST(FileTableTest, NeighborsAreOneRun) {
  const File file;
  FileTable table;
  ASSERT_TRUE(
      table.Add(file.fd.get(), file.mapping.bytes(), [] { return kBytes; }));

  const auto runs =
      table.Find(Join(Join(file.At(0, 64), file.At(64, 64)), file.At(256, 64)));

  ASSERT_EQ(runs.size(), 2);
  EXPECT_EQ(runs[0].bytes, 128);
  EXPECT_EQ(runs[1].offset, 256);
}

TEST(FileTableTest, WhatLiesInNoFileIsCountedByItself) {
  const File file;
  FileTable table;
  ASSERT_TRUE(
      table.Add(file.fd.get(), file.mapping.bytes(), [] { return kBytes; }));
  const auto own = [](size_t floats) {
    return Payload::Of(std::vector<float>(floats));
  };

  const auto runs =
      table.Find(Join(Join(own(1), own(2)), Join(file.At(64, 4), own(3))));

  ASSERT_EQ(runs.size(), 3);
  EXPECT_EQ(runs[0].file, kNoFile);
  EXPECT_EQ(runs[0].offset, 0);
  EXPECT_EQ(runs[0].bytes, 12);
  EXPECT_EQ(runs[1].file, 0);
  EXPECT_EQ(runs[1].offset, 64);
  EXPECT_EQ(runs[2].file, kNoFile);
  EXPECT_EQ(runs[2].offset, 12);
  EXPECT_EQ(runs[2].bytes, 12);
  // Nothing of it is kept for a reader.
  ASSERT_TRUE(table.Pin(runs));
  EXPECT_EQ(table.pinned_bytes(), 4);
  table.Unpin(runs);
  EXPECT_EQ(table.pinned_bytes(), 0);
}

TEST(FileTableTest, AFileThatOthersCouldWriteToIsNotAdded) {
  const auto file = CreateMemoryFile("test", kBytes);
  const auto mapping = MapToWrite(file->get(), kBytes);
  FileTable table;

  EXPECT_FALSE(table.Add(file->get(), mapping->bytes(), [] { return kBytes; }));
  EXPECT_FALSE(table.Add(-1, {}, [] { return kBytes; }));
}

TEST(FileTableTest, ReadersKeepNoMoreThanIsSpare) {
  const File file;
  FileTable table;
  int64_t spare = 192;
  ASSERT_TRUE(
      table.Add(file.fd.get(), file.mapping.bytes(), [&] { return spare; }));
  const auto runs = table.Find(file.At(0, 128));

  ASSERT_TRUE(table.Pin(runs));
  EXPECT_FALSE(table.Pin(runs));
  EXPECT_EQ(table.pinned_bytes(), 128);
  table.Unpin(runs);
  EXPECT_TRUE(table.Pin(runs));
  table.Unpin(runs);
  spare = 127;
  EXPECT_FALSE(table.Pin(runs));
}

TEST(FileTableTest, KeepsUntilTheEnd) {
  auto owner = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owner;
  const File file;
  {
    FileTable table;
    Payload values;
    values.Append(std::move(owner), file.mapping.bytes().first(4));
    table.Keep({std::move(values)});
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace ebb::shm
