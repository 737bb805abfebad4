#ifndef GLOG_CUSTOM_PREFIX_SUPPORT
#define GLOG_CUSTOM_PREFIX_SUPPORT
#endif
#include "launch/process_log.h"

#include <gflags/gflags.h>
#include <glog/logging.h>

#include <iomanip>
#include <mutex>

namespace sherd {
namespace {

struct Role {
  std::mutex mutex;
  std::string name = "sherd";
};

// glog is a global of its own, and calls back without anything of ours; it lives as long as the process.
Role& LogRole() {
  static Role* const role = new Role();
  return *role;
}

void Prefix(std::ostream& out, const google::LogMessageInfo& info, void*) {
  Role& role = LogRole();
  std::lock_guard lock(role.mutex);
  out << info.severity[0] << ' ' << std::setfill('0') << std::setw(2) << info.time.hour() << ':' << std::setw(2)
      << info.time.min() << ':' << std::setw(2) << info.time.sec() << '.' << std::setw(3) << info.time.usec() / 1000
      << ' ' << role.name << ' ' << info.filename << ':' << info.line_number << ']';
}

}  // namespace

void StartLog(const std::string& log_dir) {
  FLAGS_log_dir = log_dir;
  FLAGS_logtostderr = log_dir.empty();
  FLAGS_minloglevel = log_dir.empty() ? google::GLOG_WARNING : google::GLOG_INFO;
  FLAGS_stderrthreshold = google::GLOG_WARNING;
  google::InitGoogleLogging("sherd", &Prefix);
}

void SetLogRole(const std::string& role) {
  std::lock_guard lock(LogRole().mutex);
  LogRole().name = role;
}

}  // namespace sherd
