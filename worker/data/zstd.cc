#include <zstd.h>

#include <utility>

#include "worker/data/unpackers.h"

namespace sherd {
namespace {

class ZstdBytes : public ByteSource {
 public:
  ZstdBytes(const std::string& name, std::unique_ptr<ByteSource> packed)
      : input_(name, std::move(packed)), stream_(ZSTD_createDStream()) {
    CHECK(stream_ != nullptr);
  }
  ~ZstdBytes() override { ZSTD_freeDStream(stream_); }

  // Output may wait inside the decompressor after all input is taken, so it is asked once more at the end.
  Result<std::size_t> Read(char* data, std::size_t size) override {
    ZSTD_outBuffer output = {data, size, 0};
    while (output.pos == 0) {
      RETURN_IF_ERROR(input_.Refill());
      if (input_.at_end() && !inside_frame_) return std::size_t{0};
      ZSTD_inBuffer input = {input_.data(), input_.remaining(), 0};
      const std::size_t hint = ZSTD_decompressStream(stream_, &output, &input);
      input_.Consume(input.pos);
      if (ZSTD_isError(hint)) {
        return input_.Error(std::string("zstd data is corrupt (") + ZSTD_getErrorName(hint) + ")");
      }
      inside_frame_ = hint != 0;
      if (input_.at_end() && inside_frame_ && output.pos == 0) return input_.Error("zstd data ends early");
    }
    return output.pos;
  }

 private:
  PackedInput input_;
  ZSTD_DStream* const stream_;
  bool inside_frame_ = true;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> UnpackZstd(const std::string& name, std::unique_ptr<ByteSource> packed) {
  return std::unique_ptr<ByteSource>(std::make_unique<ZstdBytes>(name, std::move(packed)));
}

}  // namespace sherd
