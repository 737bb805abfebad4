#include "tests/scheduler/fake_worker.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sherd {
namespace {

Frame Floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Frame::Of(std::move(bytes));
}

}  // namespace

FakeWorker::FakeWorker(FakeJob* job, std::uint32_t index)
    : job_(job),
      index_(index),
      script_(job->scripts[index]),
      late_cuts_(script_.late_cuts),
      mailbox_(job->network_.Open()),
      scheduler_(*mailbox_->Connect(job->endpoint_)) {}

void FakeWorker::Run() {
  while (script_.joins && !job_->over_ && job_->record.Of("worker 0").empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (script_.missing || !Register()) return;
  while (!stop_ && !job_->over_ && DoTasks()) Beat();
}

Message FakeWorker::Header(Message message) {
  message.header.set_role(proto::WORKER);
  message.header.set_index(index_);
  message.header.set_incarnation(1);
  return message;
}

std::optional<Message> FakeWorker::Call(Message message) {
  message = Header(std::move(message));
  const std::uint64_t request = ++request_;
  message.header.set_request(request);
  const proto::Kind kind = message.header.kind();
  for (int i = 0; i < (script_.send_twice ? 2 : 1); ++i) (void)mailbox_->Send(scheduler_, message).ok();
  while (!job_->over_) {
    auto envelope = mailbox_->Receive(Clock::now() + std::chrono::milliseconds(50));
    if (!envelope) (void)mailbox_->Send(scheduler_, Header(MakeControl(proto::HEARTBEAT, proto::Heartbeat()))).ok();
    if (!envelope || envelope->message.header.request() != request || envelope->message.header.kind() != kind) continue;
    if (envelope->message.header.code() != proto::OK) {
      job_->record.Add("refused", envelope->message.header.text());
      stop_ = true;
      return std::nullopt;
    }
    return std::move(envelope->message);
  }
  return std::nullopt;
}

bool FakeWorker::Register() {
  proto::Register body;
  body.set_host("host" + std::to_string(index_));
  body.set_pid(1000 + index_);
  if (script_.stand) *body.mutable_stand() = *script_.stand;
  return Call(MakeControl(proto::REGISTER, body)).has_value();
}

void FakeWorker::Beat() {
  proto::Heartbeat body;
  body.set_doing("task " + std::to_string(tasks_));
  const auto answer = Call(MakeControl(proto::HEARTBEAT, body));
  proto::Command command;
  if (answer && ParseBody(*answer, &command).ok()) Obey(command);
}

bool FakeWorker::DoTasks() {
  if (script_.garbage) SendGarbage();
  proto::NextTask ask;
  ask.set_clock(clock_);
  ask.set_retired(retired_);
  ask.set_leaving(script_.leaves_after_tasks >= 0 && tasks_ >= script_.leaves_after_tasks);
  const auto answer = Call(MakeControl(proto::NEXT_TASK, ask));
  proto::Task task;
  if (!answer || !ParseBody(*answer, &task).ok()) return false;
  if (task.kind() != proto::Task::WAIT && tasks_++ == script_.silent_after_tasks) return false;
  if (tasks_ - 1 == script_.stalls_after_tasks) std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  if (tasks_ - 1 == script_.fails_after_tasks) {
    proto::Failure failure;
    failure.set_text(script_.own_failure.empty() ? "the loss is not a number" : script_.own_failure);
    if (script_.own_failure.empty()) failure.set_exit_code(1);
    Call(MakeControl(proto::FAILURE, failure));
    return false;
  }
  if (task.kind() == proto::Task::TRAIN || task.kind() == proto::Task::END_EPOCH) {
    if (retired_ || clock_ < task.start_clock()) {
      positions_.clear();
      clock_ = task.start_clock();
    }
    retired_ = task.kind() == proto::Task::END_EPOCH;
    epoch_ = task.epoch();
  }
  if (task.kind() == proto::Task::TRAIN) Train(task);
  if (task.kind() == proto::Task::EVALUATE) Evaluate(task);
  return task.kind() != proto::Task::STOP;
}

void FakeWorker::Train(const proto::Task& task) {
  job_->record.Add("worker " + std::to_string(index_), std::to_string(task.epoch()) + "/" +
                                                           std::to_string(task.chunk().id()) + ":" +
                                                           std::to_string(task.first_minibatch()));
  for (const std::uint32_t applied : task.applied()) job_->record.Add("applied", std::to_string(applied));
  job_->record.Add("rate", std::to_string(task.learning_rate_scale()));
  proto::ChunkPosition& position = positions_[{task.chunk().id(), task.first_minibatch()}];
  *position.mutable_chunk() = task.chunk();
  position.set_first_minibatch(task.first_minibatch());
  const std::uint32_t end = task.end_minibatch() == 0 ? kMinibatches : task.end_minibatch();
  const auto& applied = task.applied();
  for (std::uint32_t i = task.first_minibatch(); i < end && !stop_; ++i) {
    if (minibatches_++ == script_.silent_after_minibatches) {
      stop_ = true;
      return;
    }
    const auto count =
        std::count_if(applied.begin(), applied.end(), [&](std::uint32_t minibatch) { return i < minibatch; });
    ++clock_;
    position.set_minibatches(i + 1);
    position.set_done(i + 1 == end);
    position.set_rows(position.rows() + kRows);
    position.set_read_rows(position.read_rows() + kRows + script_.bad_rows);
    position.set_bad_rows(position.bad_rows() + script_.bad_rows);
    if (count > 0 && count < applied.size()) position.set_repeated_rows(position.repeated_rows() + kRows);
    proto::Progress progress;
    progress.set_clock(clock_);
    progress.set_rows(kRows);
    progress.set_loss_sum(0.5 * kRows);
    progress.set_read_rows(kRows + script_.bad_rows);
    progress.set_bad_rows(script_.bad_rows);
    if (script_.bad_rows > 0) {
      proto::BadRow* const row = progress.add_bad_row();
      row->set_reason("integer expected");
      row->set_where("train.txt:7: I1");
      row->set_count(script_.bad_rows);
    }
    *progress.add_position() = position;
    const auto answer = Call(MakeControl(proto::PROGRESS, progress));
    proto::Command command;
    if (answer && ParseBody(*answer, &command).ok()) Obey(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void FakeWorker::Obey(const proto::Command& command) {
  stop_ |= command.stop();
  if (command.cut() <= answered_cut_) return;
  answered_cut_ = command.cut();
  proto::CutPosition body;
  body.set_cut(command.cut());
  body.set_clock(clock_);
  body.set_late(late_cuts_ > 0);
  if (late_cuts_ > 0) --late_cuts_;
  for (const auto& [id, position] : positions_) *body.add_position() = position;
  Call(MakeControl(proto::CUT_POSITION, body));
}

// Ten rows a chunk, of which the version's accuracy are right. To predict: a row's score is its place in the input.
void FakeWorker::Evaluate(const proto::Task& task) {
  if (script_.before_result) script_.before_result(task.chunk().id());
  proto::EvalResult body;
  body.set_evaluation(task.evaluation());
  body.set_chunk(task.chunk().id());
  body.set_rows(10);
  std::vector<float> scores, labels;
  int right = 5;
  {
    const std::lock_guard lock(job_->mutex_);
    const auto found = job_->accuracy.find(job_->version_);
    if (found != job_->accuracy.end()) right = found->second;
  }
  const bool predict = job_->options.mode == SchedulerOptions::Mode::kPredict;
  for (int i = 0; i < 10; ++i) {
    labels.push_back(static_cast<float>(i % 2));
    const float sign = (labels.back() > 0.5f) == (i < right) ? 1.0f : -1.0f;
    const auto place = static_cast<float>(task.chunk().id() * 10) + static_cast<float>(i);
    scores.push_back(predict ? (i == 3 ? NAN : place / 100) : sign);
  }
  Message message = MakeControl(proto::EVAL_RESULT, body);
  message.frames.push_back(Floats(scores));
  message.frames.push_back(predict ? Frame() : Floats(labels));
  message.frames.emplace_back();
  message.frames.emplace_back();
  Call(std::move(message));
}

// Bodies that are none, a wrong number of frames, positions and results of nowhere. None waits for an answer.
void FakeWorker::SendGarbage() {
  const auto send = [this](Message message) {
    message = Header(std::move(message));
    message.header.set_request(1'000'000'000 + request_);
    (void)mailbox_->Send(scheduler_, std::move(message)).ok();
  };
  for (const auto kind : {proto::REGISTER, proto::HEARTBEAT, proto::NEXT_TASK, proto::PROGRESS, proto::EVAL_RESULT,
                          proto::CUT_POSITION, proto::PULL, proto::START_EPOCH, proto::STOP}) {
    Message torn;
    torn.header.set_kind(kind);
    send(torn);
    torn.frames.push_back(Frame::Of("\xff\xff\xff\xff"));
    send(torn);
    torn.header.set_reply(true);
    send(torn);
  }
  proto::EvalResult result;
  result.set_evaluation(1);
  result.set_chunk(999);
  send(MakeControl(proto::EVAL_RESULT, result));
  proto::CutPosition cut;
  cut.set_cut(4711);
  cut.set_late(true);
  send(MakeControl(proto::CUT_POSITION, cut));
  Message stranger = MakeControl(proto::HEARTBEAT, proto::Heartbeat());
  stranger.header.set_role(proto::WORKER);
  stranger.header.set_index(77);
  (void)mailbox_->Send(scheduler_, std::move(stranger)).ok();
}

}  // namespace sherd
