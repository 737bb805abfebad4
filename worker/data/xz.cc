#include <lzma.h>

#include <utility>

#include "worker/data/unpackers.h"

namespace sherd {
namespace {

constexpr std::uint64_t kMemoryLimit = 512 << 20;

const char* Explain(lzma_ret result) {
  switch (result) {
    case LZMA_BUF_ERROR:
      return "xz data ends early";
    case LZMA_MEMLIMIT_ERROR:
      return "xz data needs more than 512 MiB to unpack";
    case LZMA_OPTIONS_ERROR:
      return "xz data uses options that are not supported";
    case LZMA_FORMAT_ERROR:
      return "xz data is followed by something else";
    default:
      return "xz data is corrupt";
  }
}

class XzBytes : public ByteSource {
 public:
  XzBytes(const std::string& name, std::unique_ptr<ByteSource> packed) : input_(name, std::move(packed)) {
    CHECK_EQ(lzma_stream_decoder(&stream_, kMemoryLimit, LZMA_CONCATENATED), LZMA_OK);
  }
  ~XzBytes() override { lzma_end(&stream_); }

  Result<std::size_t> Read(char* data, std::size_t size) override {
    if (done_) return std::size_t{0};
    stream_.next_out = reinterpret_cast<std::uint8_t*>(data);
    stream_.avail_out = size;
    while (stream_.avail_out == size && !done_) {
      RETURN_IF_ERROR(input_.Refill());
      stream_.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
      stream_.avail_in = input_.remaining();
      const lzma_ret result = lzma_code(&stream_, input_.at_end() ? LZMA_FINISH : LZMA_RUN);
      input_.Consume(input_.remaining() - stream_.avail_in);
      done_ = result == LZMA_STREAM_END;
      if (result != LZMA_OK && !done_) return input_.Error(Explain(result));
    }
    return size - stream_.avail_out;
  }

 private:
  PackedInput input_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool done_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> UnpackXz(const std::string& name, std::unique_ptr<ByteSource> packed) {
  return std::unique_ptr<ByteSource>(std::make_unique<XzBytes>(name, std::move(packed)));
}

}  // namespace sherd
