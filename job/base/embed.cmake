# cmake -DIN=job.binpb -DOUT=job_descriptors.cc -P embed.cmake
# Writes a file's bytes as the array that words.cc declares.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE
       "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
       "  \\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include <cstddef>
namespace ebb::job {
extern const unsigned char kJobDescriptors[];
extern const size_t kJobDescriptorsSize;
const unsigned char kJobDescriptors[] = {
${bytes}
};
const size_t kJobDescriptorsSize = ${size};
}  // namespace ebb::job
")
