#include "launch/doctor/findings.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "base/byte_count.h"
#include "launch/memory_budget.h"

namespace sherd {
namespace {

constexpr std::uint64_t kLeastFiles = 4096;
constexpr std::uint64_t kLeastMemory = std::uint64_t{512} << 20, kLeastDisk = std::uint64_t{1} << 30;
constexpr double kMostSkew = 1, kTellingSkew = 1e-3;                    // seconds
constexpr double kSlowCopy = 1e9, kSlowDisk = 30e6, kSlowLink = 100e6;  // bytes a second

std::string Rate(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 1e9 ? "%.0f MB/s" : "%.1f GB/s", bytes < 1e9 ? bytes / 1e6 : bytes / 1e9);
  return text;
}

std::string Fixed(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Judge {
 public:
  explicit Judge(const Examination& examination) : examination_(examination) {}

  std::vector<std::string> Judgement() {
    for (std::size_t rank = 0; rank < examination_.hosts.size(); ++rank) JudgeHost(rank);
    JudgeRates();
    for (std::size_t rank = 0; rank < examination_.reach.size(); ++rank) JudgeReach(rank);
    JudgeMemory();
    return std::move(problems_);
  }

 private:
  const proto::HostReport& first() const { return examination_.hosts[0]; }
  const std::string& HostOf(std::size_t rank) const { return examination_.hosts[rank].host(); }
  std::string NameOf(std::size_t rank) const { return "rank " + std::to_string(rank) + " on host " + HostOf(rank); }

  std::string Way(std::size_t from, std::size_t to) const {
    return "host " + HostOf(from) + " to host " + HostOf(to) + ": ";
  }

  // The same of several ranks of a host is one problem.
  void Add(const std::string& problem) {
    if (seen_.insert(problem).second) problems_.push_back(problem);
  }

  void JudgeHost(std::size_t rank) {
    const proto::HostReport& host = examination_.hosts[rank];
    const std::string on = "host " + host.host() + ": ";
    if (host.program_hash() != first().program_hash()) {
      Add(on + "another program than on host " + first().host() + ": install the same build of sherd on both");
    }
    if (host.has_job_problem()) {
      Add(on + "the job file cannot be read (" + host.job_problem() +
          "): put it into a folder that all hosts see, or copy it");
    } else if (host.job_hash() != first().job_hash()) {
      Add(on + "another text of the job file than on host " + first().host() + ": copy it anew");
    }
    if (examination_.tcp && host.has_address_problem()) Add(on + host.address_problem() + ": see cluster.interface");
    if (host.file_limit() < kLeastFiles) {
      Add(on + "only " + std::to_string(host.file_limit()) +
          " open files are allowed: raise the hard limit (ulimit -Hn) to " + std::to_string(kLeastFiles) +
          " or more, in /etc/security/limits.conf");
    }
    if (host.huge_pages() == "never") {
      Add(on +
          "huge pages are switched off, look-ups in large tables take longer: echo madvise > "
          "/sys/kernel/mm/transparent_hugepage/enabled");
    }
    for (const proto::DiskReport& disk : host.disk()) JudgeDisk(on, disk);
  }

  void JudgeDisk(const std::string& on, const proto::DiskReport& disk) {
    const std::string what = on + disk.purpose() + " " + disk.path() + ": ";
    if (disk.has_problem()) return Add(what + disk.problem());
    if (disk.free() < kLeastDisk)
      return Add(what + "only " + BytesText(disk.free()) + " are free: make room, or name another folder");
    const bool shared = disk.purpose() == "checkpoint.dir" && examination_.job.checkpoint().server_dir().empty();
    if (shared && !disk.sees_mark()) {
      Add(what + "is not the folder that host " + first().host() +
          " has there: name one that all hosts share, or set checkpoint.server_dir");
    }
  }

  // The slowest of the ranks of a host speaks for all of them.
  void JudgeRates() {
    std::map<std::string, double> copies, disks, links;  // the slow ones
    const auto note = [](std::map<std::string, double>* slowest, const std::string& what, double rate) {
      const auto [found, first] = slowest->emplace(what, rate);
      found->second = std::min(found->second, rate);
    };
    for (const proto::HostReport& host : examination_.hosts) {
      const std::string on = "host " + host.host() + ": ";
      if (host.has_copy_rate() && host.copy_rate() < kSlowCopy) note(&copies, on, host.copy_rate());
      for (const proto::DiskReport& disk : host.disk()) {
        const bool slow = disk.has_write_rate() && disk.write_rate() < kSlowDisk;
        if (slow) note(&disks, on + disk.purpose() + " " + disk.path(), disk.write_rate());
      }
    }
    for (std::size_t rank = 0; examination_.tcp && rank < examination_.reach.size(); ++rank) {
      for (const proto::LinkReport& link : examination_.reach[rank].link()) {
        const bool slow = !link.has_problem() && link.rate() < kSlowLink && HostOf(rank) != HostOf(link.to());
        if (slow) note(&links, Way(rank, link.to()), link.rate());
      }
    }
    for (const auto& [host, rate] : copies) {
      Add(host + "memory is copied at " + Rate(rate) + ": is the host overloaded, or does it swap?");
    }
    for (const auto& [disk, rate] : disks) {
      Add(disk + ": is written at " + Rate(rate) + ", so checkpoints will take long: name a folder on a faster disk");
    }
    for (const auto& [way, rate] : links) {
      Add(way + "the link carries " + Rate(rate) + ": `sherd plan` says whether that is enough for the job");
    }
  }

  void JudgeReach(std::size_t rank) {
    for (const proto::LinkReport& link : examination_.reach[rank].link()) {
      const std::string way = NameOf(rank) + " to " + NameOf(link.to()) + ": ";
      if (link.has_problem()) {
        if (examination_.tcp) {
          Add(way + "no connection (" + link.problem() +
              "): open the ports between the hosts, or set cluster.interface to the network that they share");
        }
        continue;
      }
      if (std::abs(link.clock_offset()) > kMostSkew) {
        Add(Way(rank, link.to()) + "the clocks differ by about " + Fixed("%.0f s", std::abs(link.clock_offset())) +
            ": let both follow one time server (chrony, ntpd)");
      }
    }
  }

  void JudgeMemory() {
    std::set<std::string> hosts;
    for (std::size_t rank = 0; rank < examination_.hosts.size(); ++rank) {
      const proto::HostReport& host = examination_.hosts[rank];
      if (!hosts.insert(host.host()).second) continue;
      const std::string on = "host " + host.host() + ": ";
      if (host.free_memory() < kLeastMemory) {
        Add(on + "only " + BytesText(host.free_memory()) + " of memory are free");
        continue;
      }
      const std::uint64_t budget = examination_.job.cluster().memory_budget() * ServersOn(host.host());
      if (budget <= host.free_memory()) continue;
      Add(on + "its servers' tables may take " + BytesText(budget) + " together (cluster.memory_budget), and " +
          BytesText(host.free_memory()) + " are free: lower it, or end what else runs there");
    }
  }

  std::uint64_t ServersOn(const std::string& name) const {
    std::uint64_t servers = 0;
    for (std::size_t rank = 0; rank < examination_.hosts.size(); ++rank) {
      const bool server = RoleOfRank(examination_.roles, static_cast<std::uint32_t>(rank)).role == proto::SERVER;
      servers += server && HostOf(rank) == name ? 1 : 0;
    }
    return servers;
  }

  const Examination& examination_;
  std::set<std::string> seen_;
  std::vector<std::string> problems_;
};

// A cell of a table, flush right.
std::string Cell(const std::string& text, std::size_t width = 10) {
  return std::string(width - std::min(width - 1, text.size()), ' ') + text;
}

using CellOf = std::string (*)(const proto::LinkReport&);

// Rows ask, columns answer.
void PrintMatrix(const Examination& examination, const char* title, CellOf cell, std::ostream& out) {
  out << title << '\n' << Cell("from \\ to");
  for (std::size_t rank = 0; rank < examination.reach.size(); ++rank) out << Cell(std::to_string(rank));
  out << '\n';
  for (std::size_t rank = 0; rank < examination.reach.size(); ++rank) {
    std::vector<std::string> row(examination.reach.size(), "-");
    for (const proto::LinkReport& link : examination.reach[rank].link()) {
      if (link.to() < row.size()) row[link.to()] = link.has_problem() ? "NONE" : cell(link);
    }
    out << Cell(std::to_string(rank));
    for (const std::string& text : row) out << Cell(text);
    out << '\n';
  }
}

// Between ranks of one host they never do.
bool ClocksDiffer(const Examination& examination) {
  for (const proto::ReachReport& reach : examination.reach) {
    for (const proto::LinkReport& link : reach.link()) {
      if (std::abs(link.clock_offset()) >= kTellingSkew) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> Problems(const Examination& examination) { return Judge(examination).Judgement(); }

void PrintExamination(const Examination& examination, std::ostream& out) {
  char line[200];
  std::snprintf(line, sizeof line, "%-5s %-12s %-20s %12s %12s %11s %9s %s\n", "rank", "role", "host", "free memory",
                "of", "copied at", "files", "huge pages");
  out << line;
  for (std::size_t rank = 0; rank < examination.hosts.size(); ++rank) {
    const proto::HostReport& host = examination.hosts[rank];
    const std::string role = RoleName(RoleOfRank(examination.roles, static_cast<std::uint32_t>(rank)));
    std::snprintf(line, sizeof line, "%-5zu %-12s %-20s %12s %12s %11s %9llu %s\n", rank, role.c_str(),
                  host.host().c_str(), BytesText(host.free_memory()).c_str(), BytesText(host.memory()).c_str(),
                  Rate(host.copy_rate()).c_str(), static_cast<unsigned long long>(host.file_limit()),
                  host.huge_pages().c_str());
    out << line;
  }
  std::set<std::string> disks;
  for (const proto::HostReport& host : examination.hosts) {
    for (const proto::DiskReport& disk : host.disk()) {
      if (!disks.insert(host.host() + disk.purpose()).second) continue;
      out << "disk  " << host.host() << "  " << disk.purpose() << " " << disk.path() << ": " << BytesText(disk.free())
          << " free, " << Rate(disk.write_rate()) << '\n';
    }
  }
  if (examination.reach.size() < 2) return;
  PrintMatrix(
      examination, "round trip, microseconds",
      [](const proto::LinkReport& link) { return Fixed("%.0f", 1e6 * link.round_trip()); }, out);
  PrintMatrix(
      examination, "rate, MB/s", [](const proto::LinkReport& link) { return Fixed("%.0f", link.rate() / 1e6); }, out);
  if (!ClocksDiffer(examination)) return;
  PrintMatrix(
      examination, "clock ahead, milliseconds",
      [](const proto::LinkReport& link) { return Fixed("%+.1f", 1e3 * link.clock_offset()); }, out);
}

}  // namespace sherd
