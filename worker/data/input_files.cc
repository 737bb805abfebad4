#include "worker/data/input_files.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/file.h"
#include "worker/data/row_file.h"

namespace sherd {
namespace {

// Row files tell by their first bytes what they are.
Status CheckFormat(const proto::Data& data, const std::string& path) {
  ASSIGN_OR_RETURN(const bool row_file, IsRowFile(path));
  if (row_file == (data.format() == proto::Data::ROW_FILE)) return {};
  if (row_file) return Status::BadData(path + ": this is a row file; set data.format: ROW_FILE");
  return Status::BadData(path + ": not a row file; `sherd convert` makes one of it, or set data.format to what it is");
}

Result<InputFile> Inspect(const proto::Data& data, const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return Status::Io("look at " + path, errno);
    return Status::NotFound(path +
                            ": the file is not there; relative paths start from data.data_dir, which --data_dir "
                            "overrides");
  }
  if (!S_ISREG(info.st_mode)) return Status::BadData(path + ": is no file");
  if (info.st_size == 0) return Status::BadData(path + ": the file is empty");
  RETURN_IF_ERROR(CheckFormat(data, path));
  ASSIGN_OR_RETURN(const Compression compression, DetectCompression(path));
  return InputFile{path, static_cast<std::uint64_t>(info.st_size), compression};
}

bool IsFolder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// The files of a folder whose names match a pattern, in the order of their names.
Result<std::vector<std::string>> Expand(const std::string& pattern) {
  const std::string folder = DirectoryOf(pattern);
  const std::string name = EscapedPattern(pattern.substr(pattern.rfind('/') + 1));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  if (directory == nullptr) {
    return Status::NotFound(pattern +
                            ": the folder is not there; relative paths start from data.data_dir, which "
                            "--data_dir overrides");
  }
  std::vector<std::string> paths;
  while (const dirent* entry = readdir(directory.get())) {
    if (fnmatch(name.c_str(), entry->d_name, FNM_PERIOD) == 0) paths.push_back(JoinPath(folder, entry->d_name));
  }
  if (paths.empty()) return Status::NotFound(pattern + ": no file matches");
  std::sort(paths.begin(), paths.end());
  return paths;
}

// All files of a folder, but those that are kept beside data: hidden ones and such as _SUCCESS.
Result<std::vector<std::string>> FilesOf(const std::string& folder) {
  ASSIGN_OR_RETURN(std::vector<std::string> paths, Expand(JoinPath(folder, "*")));
  std::erase_if(paths, [](const std::string& path) { return path[path.rfind('/') + 1] == '_' || IsFolder(path); });
  if (paths.empty()) return Status::NotFound(folder + ": the folder has no files");
  return paths;
}

}  // namespace

std::string ResolvePath(const proto::Data& data, const std::string& path) {
  return data.data_dir().empty() ? path : JoinPath(data.data_dir(), path);
}

// fnmatch knows brackets and backslashes too, which a job file's patterns do not.
std::string EscapedPattern(const std::string& pattern) {
  std::string escaped;
  for (const char c : pattern) {
    if (c == '[' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

Result<std::vector<InputFile>> FindInputFiles(const proto::Data& data,
                                              const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  std::vector<InputFile> files;
  for (const std::string& pattern : patterns) {
    const std::string path = ResolvePath(data, pattern);
    std::vector<std::string> paths = {path};
    if (path.find_first_of("*?", path.rfind('/') + 1) != std::string::npos) {
      ASSIGN_OR_RETURN(paths, Expand(path));
    } else if (IsFolder(path)) {
      ASSIGN_OR_RETURN(paths, FilesOf(path));
    }
    for (const std::string& one : paths) {
      ASSIGN_OR_RETURN(InputFile file, Inspect(data, one));
      files.push_back(std::move(file));
    }
  }
  return files;
}

Result<InputFile> FindInputFile(const proto::Data& data, const std::string& name) {
  return Inspect(data, ResolvePath(data, name));
}

}  // namespace sherd
