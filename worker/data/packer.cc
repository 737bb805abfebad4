#include "worker/data/packer.h"

#include <glog/logging.h>
#include <zlib.h>
#include <zstd.h>

namespace sherd {
namespace {

class Copier : public Packer {
 public:
  Status Pack(std::string_view text, std::string* packed) override {
    packed->assign(text);
    return {};
  }
};

class ZstdPacker : public Packer {
 public:
  ZstdPacker() : context_(CHECK_NOTNULL(ZSTD_createCCtx())) {}
  ~ZstdPacker() override { ZSTD_freeCCtx(context_); }

  Status Pack(std::string_view text, std::string* packed) override {
    packed->resize(ZSTD_compressBound(text.size()));
    constexpr int kLevel = 3;
    const std::size_t size =
        ZSTD_compressCCtx(context_, packed->data(), packed->size(), text.data(), text.size(), kLevel);
    if (ZSTD_isError(size)) return Status::BadData(std::string("zstd: ") + ZSTD_getErrorName(size));
    packed->resize(size);
    return {};
  }

 private:
  ZSTD_CCtx* const context_;
};

class GzipPacker : public Packer {
 public:
  GzipPacker() {
    constexpr int kLevel = 6, kMemory = 8, kGzipWindow = 15 + 16;
    CHECK_EQ(deflateInit2(&stream_, kLevel, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY), Z_OK);
  }
  ~GzipPacker() override { deflateEnd(&stream_); }

  Status Pack(std::string_view text, std::string* packed) override {
    CHECK_EQ(deflateReset(&stream_), Z_OK);
    packed->resize(deflateBound(&stream_, text.size()));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(packed->data());
    stream_.avail_out = static_cast<uInt>(packed->size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) return Status::BadData("gzip: a text that does not fit");
    packed->resize(packed->size() - stream_.avail_out);
    return {};
  }

 private:
  z_stream stream_ = {};
};

}  // namespace

Result<std::unique_ptr<Packer>> MakePacker(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return std::unique_ptr<Packer>(std::make_unique<Copier>());
    case Compression::kGzip:
      return std::unique_ptr<Packer>(std::make_unique<GzipPacker>());
    case Compression::kZstd:
      return std::unique_ptr<Packer>(std::make_unique<ZstdPacker>());
    case Compression::kXz:
      break;
  }
  return Status::Invalid("xz is read, but not written: choose zstd or gzip");
}

}  // namespace sherd
