#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>

#include "base/file_system.h"

namespace sherd {

// The real file system, which also knows what a power cut would leave of one folder: of files what was fsynced, of
// names those that stood in their folder when that was fsynced. All that changes the folder must go through it.
// Thread-safe.
class VolatileDisk : public FileSystem {
 public:
  // What a system has written early, though nobody had asked for it yet. POSIX promises no order.
  struct Early {
    bool contents = false;  // of files
    bool added = false;     // names that are new, or of another file than before
    bool removed = false;   // names that are gone
  };

  // `root` is there and empty.
  explicit VolatileDisk(const std::string& root);

  // Called before each change of the folder, one at a time, in the thread that makes it.
  std::function<void()> before_change;
  // Makes `to` what `root` would be if the power were cut now. Within before_change.
  void CutPower(const std::string& to, Early early) const;

  int Open(const std::string& path, int flags) override;
  ssize_t Write(int descriptor, std::span<const std::byte> bytes) override;
  int Sync(int descriptor) override;
  int Close(int descriptor) override;
  int Rename(const std::string& from, const std::string& to) override;
  int MakeDirectory(const std::string& path) override;
  int Remove(const std::string& path) override;

 private:
  using Id = std::uint64_t;
  using Names = std::map<std::string, Id>;
  // A file or a folder, which stays known when its name is gone.
  struct Node {
    bool folder = false;
    std::string contents, synced_contents;
    Names names, synced_names;
  };

  // A path's folder, if that is one of ours, and its name there.
  struct Place {
    Node* folder = nullptr;
    std::string name;
  };
  Place Find(const std::string& path);
  bool Knows(const std::string& path);
  Id Add(bool folder);
  void Announce() const;
  static Names NamesAfterCut(const Node& folder, Early early);
  void Build(Id id, const std::string& path, Early early) const;

  const std::string root_;
  std::mutex mutex_;
  std::map<Id, Node> nodes_;  // 0: root
  std::map<int, Id> open_;    // by descriptor
  Id last_ = 0;
};

}  // namespace sherd
