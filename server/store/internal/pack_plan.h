// Which files of values a new version lets go, by writing what it still needs
// of them once more. Pure.
//
// A file goes when no version names a block of it. Without more, one block that
// never changes would keep a file of a thousand that did. So a version leaves
//
//   - every file of whose bytes it needs less than a third;
//   - should more than kMostPacks remain, the smallest of them (by what it
//   needs
//     of them), up to the largest that has no more than all smaller ones
//     together.
//
// Room: the files that a version names have at most three times its values.
// Writing: by the first rule, the bytes that are written once more are at most
// half of those that became garbage in the same file, and each byte becomes
// garbage once. So all writing is at most twice that of new values. By the
// second rule, a block that moves comes to a file at least twice as large. So
// it moves at most log2(blocks) times, and only if a version has few new
// blocks.
#ifndef EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_
#define EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "server/store/internal/folder_manifest.h"

namespace ebb::server {

inline constexpr size_t kMostPacks = 64;

struct PackUse {
  uint64_t bytes = 0;   // Size of the file.
  uint64_t needed = 0;  // The part of it that the new version needs.
};

// Returns the files that the new version leaves. Files of which it needs no
// byte are left out: there is nothing to write.
std::set<PackName> PacksToLeave(const std::map<PackName, PackUse>& packs);

}  // namespace ebb::server

#endif  // EBB_SERVER_STORE_INTERNAL_PACK_PLAN_H_
