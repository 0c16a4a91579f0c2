#include "data/growing/testing.h"

#include "data/growing/codec.h"
#include "gtest/gtest.h"

namespace ebb::data::growing {

About TestAbout(char identity) {
  About about;
  about.identity = std::string(kIdentityBytes, identity);
  about.created_unix_ms = 1000;
  about.schema = {Layout::kDense, false, false, 1};
  about.index.features = 1;
  about.index.meaning = "csv labels=none";
  return about;
}

TestChain::TestChain(ObjectStore* store, About about)
    : store_(store), about_(std::move(about)) {
  EXPECT_TRUE(CreateObject(store_, kAboutKey, EncodeAbout(about_)).ok());
}

ObjectHeader TestChain::Next() const {
  ObjectHeader header;
  header.identity = about_.identity;
  header.place = tail_.place;
  header.first = tail_.number;
  header.ends = tail_.ends;
  header.totals = tail_.totals;
  header.before = tail_.before;
  header.created_unix_ms = tail_.created_unix_ms + 10;
  return header;
}

void TestChain::Put(ObjectHeader header, const pack::Window& window) {
  Floor floor;
  floor.identity = about_.identity;
  floor.place = tail_.place;
  floor.number = tail_.number;
  floor.ends = tail_.ends;
  floor.totals = tail_.totals;
  floor.before = tail_.before.value_or(ObjectHash());
  at_.push_back(floor);
  const auto bytes = EncodeObject(about_.schema, window, &header);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_TRUE(CreateObject(store_, ObjectKey(header.place), *bytes).ok());
  tail_.Follow(header, HashOfObject(*bytes));
}

void TestChain::Append(const std::string& partition,
                       const std::vector<float>& values) {
  ObjectHeader header = Next();
  pack::Window window;
  for (const float value : values) {
    Example example;
    example.values = std::span(&value, 1);
    window.Add(about_.schema, example);
  }
  header.count = std::ssize(values);
  PartitionEnd& end = header.ends[partition];
  header.ranges = {{partition, end.end, end.end + header.count, header.count}};
  end.end += header.count;
  Put(header, window);
}

void TestChain::AppendHoles(const std::string& partition, int64_t offsets) {
  ObjectHeader header = Next();
  PartitionEnd& end = header.ends[partition];
  header.ranges = {{partition, end.end, end.end + offsets}};
  end.end += offsets;
  Put(header, {});
}

void TestChain::AppendEnd() {
  ObjectHeader header = Next();
  header.end = true;
  Put(header, {});
}

void TestChain::PutFloor(int64_t place) {
  Floor floor = at_[place];
  floor.floor = tail_.floors++;
  ASSERT_TRUE(
      CreateObject(store_, FloorKey(floor.floor), EncodeFloor(floor)).ok());
  for (int64_t k = tail_.lowest_place(); k < place; ++k) {
    ASSERT_TRUE(store_->Delete(ObjectKey(k)).ok());
  }
  tail_.floor = floor;
}

}  // namespace ebb::data::growing
