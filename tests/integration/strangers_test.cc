// A server of a running job, and all that anyone who can reach its port may do to it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "base/hash.h"
#include "launch/keys/key_file.h"
#include "net/requester.h"
#include "net/zmq_network.h"
#include "tests/integration/counting_job.h"

namespace sherd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A number in /proc/PID/status, in kB.
std::uint64_t StatusOf(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1));
  }
  return 0;
}

// The TCP ports that a process listens at.
std::vector<std::uint16_t> PortsOf(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  std::set<std::string> inodes;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd", gone)) {
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
  }
  std::vector<std::uint16_t> ports;
  std::ifstream table(proc + "/net/tcp");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::vector<std::string> word(std::istream_iterator<std::string>(words), {});
    constexpr char kListens[] = "0A";
    if (word.size() < 10 || word[3] != kListens || !inodes.contains(word[9])) continue;
    ports.push_back(static_cast<std::uint16_t>(std::stoul(word[1].substr(word[1].find(':') + 1), nullptr, 16)));
  }
  return ports;
}

// A job over tcp on this host, from its first report of progress on.
class TcpJob {
 public:
  TcpJob(CountingJob::Shape shape, const std::vector<std::string>& flags)
      : counting_(shape), metrics_(counting_.test().Path("metrics")), run_(Command(flags)) {
    began_ = WaitForEvent(metrics_, "progress", 60);
    EXPECT_TRUE(began_) << run_.out() << run_.err();
    const auto server = run_.Descendants("OMPI_COMM_WORLD_RANK", "1");
    EXPECT_THAT(server, SizeIs(1));
    if (!server.empty()) server_ = server[0];
    const auto ports = PortsOf(server_);
    EXPECT_THAT(ports, SizeIs(1));
    if (!ports.empty()) port_ = ports[0];
  }

  bool good() const { return began_ && port_ != 0; }
  pid_t server() const { return server_; }
  std::uint16_t port() const { return port_; }
  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  CountingJob& counting() { return counting_; }
  Process& run() { return run_; }

  void ExpectGoodEnd() {
    const ProcessResult result = run_.Wait(120);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.left, IsEmpty());
    EXPECT_EQ(counting_.WrongCounts(1), "");
  }

 private:
  std::vector<std::string> Command(const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"train",           counting_.test().Write(), "--servers=1",
                                          "--transport=tcp", "--interface=lo",         "--metrics=" + metrics_};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return UnderMpirun(3, arguments);
  }

  CountingJob counting_;
  const std::string metrics_;
  Process run_;
  bool began_ = false;
  pid_t server_ = 0;
  std::uint16_t port_ = 0;
};

// ---- bytes ----------------------------------------------------------------------------------------------------------

// The first 64 bytes of a ZMTP 3 client (RFC 23), so many of them.
std::string Greeting(const std::string& mechanism, std::size_t length = 64) {
  std::string bytes("\xff\0\0\0\0\0\0\0\x01\x7f\x03\x00", 12);
  bytes += mechanism;
  bytes.resize(64, '\0');
  return bytes.substr(0, length);
}

// A command frame of so many bytes, of which only the first few are there.
std::string Announces(std::uint64_t length) {
  std::string bytes("\x06", 1);
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(length >> shift);
  return bytes + "\x05HELLO";
}

std::string RandomBytes(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(Mix(seed, i));
  return bytes;
}

// What the i-th stranger says.
std::string Words(std::uint64_t i) {
  switch (i % 8) {
    case 0:
      return "";
    case 1:
      return Greeting("CURVE", 1 + i % 63);
    case 2:
      return Greeting("CURVE") + Announces(std::uint64_t{4} << 30);
    case 3:
      return Greeting("CURVE") + Announces((std::uint64_t{1} << 30) - 1);
    case 4:
      return Greeting("NULL") + Announces(200);
    case 5:
      return Greeting("CURVE") + RandomBytes(i, 2000);
    case 6:
      return Greeting("PLAIN") + RandomBytes(i, 200);
    default:
      return RandomBytes(i, Below(Mix(i), 4000));
  }
}

// Connections that stay open until the end.
class Strangers {
 public:
  explicit Strangers(std::uint16_t port) : port_(port) {}
  ~Strangers() {
    for (const int descriptor : descriptors_) close(descriptor);
  }

  void Add(const std::string& bytes) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(descriptor, 0) << strerror(errno);
    descriptors_.push_back(descriptor);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    ASSERT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << strerror(errno);
    // Whoever is refused while he still speaks is welcome to hear of it here.
    if (!bytes.empty()) (void)send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

 private:
  const std::uint16_t port_;
  std::vector<int> descriptors_;
};

TEST(StrangersTest, AThousandOfThemDoAServerNoHarm) {
  TcpJob job({.files = 60, .rows = 6400}, {});
  ASSERT_TRUE(job.good());
  // Half a gigabyte more than it has, so that none of the gigabytes announced can be had.
  constexpr std::uint64_t kRoom = 512 << 20, kMostResident = 200 << 10;  // bytes, kB
  const rlim_t most = StatusOf(job.server(), "VmSize") * 1024 + kRoom;
  const rlimit limit{most, most};
  ASSERT_EQ(prlimit(job.server(), RLIMIT_AS, &limit, nullptr), 0);
  const std::uint64_t before = StatusOf(job.server(), "VmHWM");
  Strangers strangers(job.port());
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_NO_FATAL_FAILURE(strangers.Add(Words(i)));
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const std::uint64_t after = StatusOf(job.server(), "VmHWM");
  EXPECT_GT(after, 0u) << "the server is gone";
  EXPECT_LT(after, before + kMostResident);
  job.ExpectGoodEnd();
}

// Whoever is connected already goes on; new ones wait until the strangers' time for a handshake is over.
TEST(StrangersTest, AThousandOfThemMayUseUpAServersDescriptors) {
  TcpJob job({.files = 60, .rows = 6400}, {});
  ASSERT_TRUE(job.good());
  const std::filesystem::directory_iterator open("/proc/" + std::to_string(job.server()) + "/fd");
  const rlim_t most = static_cast<rlim_t>(std::distance(open, {})) + 100;
  const rlimit limit{most, most};
  ASSERT_EQ(prlimit(job.server(), RLIMIT_NOFILE, &limit, nullptr), 0);
  {
    Strangers strangers(job.port());
    for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_NO_FATAL_FAILURE(strangers.Add(Words(i)));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    EXPECT_GT(StatusOf(job.server(), "VmHWM"), 0u) << "the server is gone";
  }
  job.ExpectGoodEnd();
}

// ---- messages -------------------------------------------------------------------------------------------------------

// What a server answers to whoever asks for everything that it would tell the scheduler: its tables, by name. "":
// nothing.
std::string AskForTables(const std::string& endpoint, const std::optional<CurveKeys>& keys, std::uint64_t job) {
  const auto network = ZmqNetwork::Create({.job = job, .keys = keys, .linger = std::chrono::milliseconds(0)});
  CHECK(network.ok()) << network.status().text();
  const auto mailbox = (*network)->Open();
  const Peer server = mailbox->Connect(endpoint).value();
  Message ask;
  ask.header.set_kind(proto::SHARD_STATUS);
  ask.header.set_job(job);
  ask.header.set_request(1);
  ask.header.set_map_epoch(1);
  (void)mailbox->Send(server, ask);
  const auto deadline = Clock::now() + std::chrono::milliseconds(700);
  while (Clock::now() < deadline) {
    const auto envelope = mailbox->Receive(deadline);
    if (!envelope) continue;
    std::string all = envelope->message.header.DebugString();
    for (const Frame& frame : envelope->message.frames) {
      all.append(reinterpret_cast<const char*>(frame.bytes().data()), frame.size());
    }
    return all;
  }
  return "";
}

TEST(StrangersTest, WhoeverHasNotTheKeysOrIsOfAnotherJobLearnsNoTablesName) {
  CountingJob folder({.files = 1, .rows = 64});  // of the key file
  const std::string key_file = folder.test().Path("job.keys");
  ASSERT_TRUE(MakeKeyFile(key_file).ok());
  TcpJob job({.files = 200, .rows = 6400}, {"--key_file=" + key_file});
  ASSERT_TRUE(job.good());
  const CurveKeys keys = ReadKeyFile(key_file).value();
  CurveKeys stranger = MakeCurveKeys();
  EXPECT_EQ(AskForTables(job.endpoint(), std::nullopt, 1), "");
  EXPECT_EQ(AskForTables(job.endpoint(), stranger, 1), "");
  stranger.server_public = keys.server_public;
  stranger.server_secret = keys.server_secret;
  EXPECT_EQ(AskForTables(job.endpoint(), stranger, 1), "");
  // Of an earlier job with the same keys: told so, and no more.
  const std::string answer = AskForTables(job.endpoint(), keys, 1);
  EXPECT_THAT(answer, HasSubstr("message of another job"));
  EXPECT_THAT(answer, Not(HasSubstr("linear")));
  for (const char* table : {"a", "b", "file"}) EXPECT_THAT(answer, Not(HasSubstr("\"" + std::string(table) + "\"")));
  job.ExpectGoodEnd();
}

// ---- keys -----------------------------------------------------------------------------------------------------------

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// How often a text stands in the memory of a process.
int CopiesIn(pid_t pid, const std::string& text) {
  const std::string proc = "/proc/" + std::to_string(pid);
  std::ifstream maps(proc + "/maps"), memory(proc + "/mem", std::ios::binary);
  int copies = 0;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, mode;
    words >> range >> mode;
    if (mode.substr(0, 2) != "rw") continue;
    const std::uint64_t begin = std::stoull(range, nullptr, 16);
    const std::uint64_t end = std::stoull(range.substr(range.find('-') + 1), nullptr, 16);
    std::string bytes(end - begin, '\0');
    memory.clear();
    memory.seekg(static_cast<std::streamoff>(begin));
    memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(memory.gcount()));
    for (std::size_t at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) ++copies;
  }
  return copies;
}

TEST(StrangersTest, OneCopyOfAKeyLivesInAServer) {
  CountingJob folder({.files = 1, .rows = 64});
  const std::string key_file = folder.test().Path("job.keys");
  ASSERT_TRUE(MakeKeyFile(key_file).ok());
  TcpJob job({.files = 20, .rows = 6400}, {"--key_file=" + key_file});
  ASSERT_TRUE(job.good());
  EXPECT_GT(CopiesIn(job.server(), key_file), 0) << "the test cannot read the server's memory";
  EXPECT_EQ(CopiesIn(job.server(), ReadKeyFile(key_file)->client_secret), 1);
  job.ExpectGoodEnd();
}

TEST(StrangersTest, KeysStandInNoCommandLineEnvironmentLogOrCheckpoint) {
  CountingJob folder({.files = 1, .rows = 64});
  const std::string key_file = folder.test().Path("job.keys"), logs = folder.test().Path("logs");
  ASSERT_TRUE(MakeKeyFile(key_file).ok());
  ASSERT_TRUE(std::filesystem::create_directory(logs));
  TcpJob job({.files = 20, .rows = 6400}, {"--key_file=" + key_file, "--log_dir=" + logs});
  ASSERT_TRUE(job.good());
  std::string seen;
  for (const pid_t pid : job.run().Descendants()) {
    for (const char* what : {"cmdline", "environ"}) seen += Contents("/proc/" + std::to_string(pid) + "/" + what);
  }
  EXPECT_THAT(seen, HasSubstr(key_file)) << "the test looks at the wrong processes";
  job.ExpectGoodEnd();
  seen += job.run().out() + job.run().err();
  for (const std::string& root : {logs, job.counting().test().Path("checkpoints")}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.is_regular_file()) seen += Contents(entry.path());
    }
  }
  const CurveKeys keys = ReadKeyFile(key_file).value();
  for (const std::string& key : {keys.server_secret, keys.client_secret, keys.server_public, keys.client_public}) {
    EXPECT_EQ(seen.find(key), std::string::npos);
  }
}

TEST(StrangersTest, AKeyFileThatOthersMayReadIsRefusedByAllRanks) {
  CountingJob counting({.files = 1, .rows = 64});
  const std::string key_file = counting.test().Path("job.keys");
  ASSERT_TRUE(MakeKeyFile(key_file).ok());
  std::filesystem::permissions(key_file, std::filesystem::perms(0644));
  const ProcessResult run = RunProcess(
      UnderMpirun(3, {"train", counting.test().Write(), "--servers=1", "--transport=tcp", "--key_file=" + key_file}),
      60);
  EXPECT_EQ(run.exit_code, 2) << run.out << run.err;
  EXPECT_THAT(run.err, HasSubstr("others may read or write it"));
}

}  // namespace
}  // namespace sherd
