#include <zlib.h>

#include <utility>

#include "worker/data/unpackers.h"

namespace sherd {
namespace {

class GzipBytes : public ByteSource {
 public:
  GzipBytes(const std::string& name, std::unique_ptr<ByteSource> packed) : input_(name, std::move(packed)) {
    CHECK_EQ(inflateInit2(&stream_, 16 + MAX_WBITS), Z_OK);  // 16: gzip headers only
  }
  ~GzipBytes() override { inflateEnd(&stream_); }

  Result<std::size_t> Read(char* data, std::size_t size) override {
    std::size_t written = 0;
    while (written == 0) {
      RETURN_IF_ERROR(input_.Refill());
      if (input_.at_end()) {
        if (inside_member_) return input_.Error("gzip data ends early");
        return std::size_t{0};
      }
      ASSIGN_OR_RETURN(written, Inflate(data, size));
    }
    return written;
  }

 private:
  Result<std::size_t> Inflate(char* data, std::size_t size) {
    if (!inside_member_) CHECK_EQ(inflateReset(&stream_), Z_OK);
    inside_member_ = true;
    const std::size_t available = std::min<std::size_t>(size, 1u << 30);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
    stream_.avail_in = static_cast<uInt>(input_.remaining());
    stream_.next_out = reinterpret_cast<Bytef*>(data);
    stream_.avail_out = static_cast<uInt>(available);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input_.Consume(input_.remaining() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      inside_member_ = false;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return input_.Error(std::string("gzip data is corrupt (") + (stream_.msg ? stream_.msg : zError(result)) + ")");
    }
    return available - stream_.avail_out;
  }

  PackedInput input_;
  z_stream stream_ = {};
  bool inside_member_ = true;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> UnpackGzip(const std::string& name, std::unique_ptr<ByteSource> packed) {
  return std::unique_ptr<ByteSource>(std::make_unique<GzipBytes>(name, std::move(packed)));
}

}  // namespace sherd
