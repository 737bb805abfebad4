#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "base/file.h"
#include "bench/bench_case.h"
#include "bench/click_log.h"
#include "launch/convert/conversion.h"
#include "launch/convert/crew.h"
#include "launch/temporary_dir.h"

namespace sherd::bench {
namespace {

constexpr std::uint64_t kRows = 600'000;
constexpr int kThreads = 2;

constexpr char kJob[] = R"(name: "bench"
data { format: CRITEO_TSV train: "log.tsv" }
feature { column: "I1..I13" bucket {} }
feature { column: "C1..C26" categorical {} }
model { name: "fm" }
)";

Status Convert(const std::string& folder) {
  JobRequest request;
  request.command = JobRequest::Command::kConvert;
  request.job_file = folder + "/job.pbtxt";
  request.convert.out = folder + "/rows";
  request.convert.overwrite = true;
  Crew crew(nullptr, kThreads);
  std::ostringstream said;
  return Conversion(request, &crew, &said).Run();
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// What `zstd -3 -T2` does with the log.
Status Compress(const std::string& folder) {
  const File in(std::fopen((folder + "/log.tsv").c_str(), "r"), std::fclose);
  const File out(std::fopen((folder + "/log.zst").c_str(), "w"), std::fclose);
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> zstd(ZSTD_createCCtx(), ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_compressionLevel, 3);
  if (ZSTD_isError(ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_nbWorkers, kThreads))) {
    return Status::Unavailable("this zstd has no threads");
  }
  std::vector<char> text(1 << 20), packed(1 << 20);
  for (bool last = false; !last;) {
    ZSTD_inBuffer input = {text.data(), std::fread(text.data(), 1, text.size(), in.get()), 0};
    last = input.size < text.size();
    for (bool more = true; more;) {
      ZSTD_outBuffer output = {packed.data(), packed.size(), 0};
      const std::size_t left = ZSTD_compressStream2(zstd.get(), &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) return Status::Io("compress", EIO);
      if (std::fwrite(packed.data(), 1, output.pos, out.get()) != output.pos) return Status::Io("write", errno);
      more = last ? left != 0 : input.pos < input.size;
    }
  }
  return {};
}

Result<std::uint64_t> SizeOf(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, FileReader::Open(path));
  return file->size();
}

Result<Figure> Measure(const std::string& folder, std::uint64_t rows) {
  RETURN_IF_ERROR(WriteClickLog(folder + "/log.tsv", rows));
  RETURN_IF_ERROR(WriteFileAtomically(folder + "/job.pbtxt", kJob));
  ASSIGN_OR_RETURN(const std::uint64_t bytes, SizeOf(folder + "/log.tsv"));
  Status failed;
  const auto note = [&failed](const Status& status) {
    if (!status.ok()) failed = status;
  };
  Figure figure = CompareInTurns(static_cast<double>(bytes) / 1e6, "MB/s", [&] { note(Convert(folder)); },
                                 {[&] { note(Compress(folder)); }});
  RETURN_IF_ERROR(failed);
  std::uint64_t converted = 0;
  for (int i = 0;; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "/rows/train-%05d.sherd", i);
    const auto size = SizeOf(folder + name);
    if (!size.ok()) break;
    converted += *size;
  }
  ASSIGN_OR_RETURN(const std::uint64_t packed, SizeOf(folder + "/log.zst"));
  figure.With("bytes_a_row", static_cast<double>(converted) / static_cast<double>(rows))
      .With("zstd_bytes_a_row", static_cast<double>(packed) / static_cast<double>(rows));
  return figure;
}

}  // namespace

Status DataConvert(const Options& options, const Report& report) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TemporaryDir> folder, TemporaryDir::Make());
  ASSIGN_OR_RETURN(const Figure figure, Measure(folder->path(), options.rows_or(kRows)));
  report(figure);
  return {};
}

}  // namespace sherd::bench
