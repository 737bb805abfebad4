#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/scheduler/fake_job.h"

namespace sherd {

// Registers, does tasks and answers commands as docs/wire_format.md has it, one request at a time. Confined to its
// thread.
class FakeWorker {
 public:
  FakeWorker(FakeJob* job, std::uint32_t index);
  void Run();

 private:
  bool Register();
  bool DoTasks();
  void Train(const proto::Task& task);
  void Evaluate(const proto::Task& task);
  void Obey(const proto::Command& command);
  void Beat();
  void SendGarbage();
  // The answer, or nothing when the job is over.
  std::optional<Message> Call(Message message);
  Message Header(Message message);

  FakeJob* const job_;
  const std::uint32_t index_;
  const WorkerScript script_;
  int late_cuts_;
  const std::unique_ptr<Mailbox> mailbox_;
  Peer scheduler_;
  std::uint64_t request_ = 0, clock_ = 0;
  std::uint32_t epoch_ = 0, answered_cut_ = 0;
  bool retired_ = false, stop_ = false;
  int tasks_ = 0, minibatches_ = 0;
  std::map<std::pair<std::uint64_t, std::uint32_t>, proto::ChunkPosition> positions_;  // by chunk, first minibatch
};

}  // namespace sherd
