#include "common/shm/memory_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ebb::shm {
namespace {

constexpr int64_t kBytes = 8192;

TEST(MemoryFileTest, TwoMappingsShareBytes) {
  const auto file = CreateMemoryFile("test", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto writer = MapToWrite(file->get(), kBytes);
  const auto reader = MapToRead(file->get(), kBytes);
  ASSERT_TRUE(writer.ok() && reader.ok());

  writer->bytes()[5000] = std::byte{7};

  EXPECT_EQ(reader->bytes()[5000], std::byte{7});
  EXPECT_EQ(reader->bytes()[0], std::byte{0});
}

TEST(MemoryFileTest, NobodyCutsItShort) {
  const auto file = CreateMemoryFile("test", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();

  EXPECT_NE(ftruncate(file->get(), 0), 0);
}

TEST(MemoryFileTest, SealedAgainstWritersItIsWrittenByItsOwnerOnly) {
  const auto file = CreateMemoryFile("test", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto owner = MapToWrite(file->get(), kBytes);
  ASSERT_TRUE(owner.ok());
  EXPECT_FALSE(SealedAgainstWriters(file->get()));

  ASSERT_TRUE(SealAgainstWriters(file->get()).ok());

  EXPECT_TRUE(SealedAgainstWriters(file->get()));
  EXPECT_FALSE(MapToWrite(file->get(), kBytes).ok());
  EXPECT_EQ(write(file->get(), "x", 1), -1);
  owner->bytes()[1] = std::byte{9};
  const auto reader = MapToRead(file->get(), kBytes);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->bytes()[1], std::byte{9});
  EXPECT_NE(mprotect(reader->bytes().data(), kBytes, PROT_READ | PROT_WRITE),
            0);
}

TEST(MemoryFileTest, AFileThatIsTooShortOrMayBecomeSoIsNotRead) {
  const auto file = CreateMemoryFile("test", kBytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const Fd open(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(open.get(), kBytes), 0);

  EXPECT_TRUE(
      absl::IsInvalidArgument(MapToRead(file->get(), kBytes + 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MapToRead(file->get(), 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MapToRead(open.get(), kBytes).status()));
}

// Where the system has no huge pages to spare, reading it would be fatal.
TEST(MemoryFileTest, AFileOfHugePagesIsNotReliedUpon) {
  const Fd file(
      memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  if (!file) return;  // Then nobody has such files.
  constexpr int64_t kHuge = int64_t{2} << 20;
  ASSERT_EQ(ftruncate(file.get(), kHuge), 0);
  ASSERT_EQ(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);

  EXPECT_TRUE(absl::IsInvalidArgument(MapToRead(file.get(), kHuge).status()));
}

}  // namespace
}  // namespace ebb::shm
