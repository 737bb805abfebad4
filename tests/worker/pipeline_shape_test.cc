#include "worker/pipeline_shape.h"

#include <gtest/gtest.h>

namespace sherd {
namespace {

proto::Job Job(proto::Train::Consistency consistency) {
  proto::Job job;
  job.mutable_train()->set_consistency(consistency);
  return job;
}

void ExpectShape(const PipelineShape& shape, std::uint32_t compute_threads, std::uint32_t max_in_flight) {
  EXPECT_EQ(shape.compute_threads, compute_threads);
  EXPECT_EQ(shape.max_in_flight, max_in_flight);
}

TEST(PipelineShapeTest, GoesByTheCores) {
  const proto::Job job = Job(proto::Train::ASYNC);
  ExpectShape(PipelineShape::Choose(job, 0), 1, 2);
  ExpectShape(PipelineShape::Choose(job, 1), 1, 2);
  ExpectShape(PipelineShape::Choose(job, 2), 2, 3);
  ExpectShape(PipelineShape::Choose(job, 100), 8, 9);
}

TEST(PipelineShapeTest, WhatTheJobSaysHolds) {
  proto::Job job = Job(proto::Train::BOUNDED);
  job.mutable_train()->set_max_in_flight(3);
  ExpectShape(PipelineShape::Choose(job, 1), 1, 3);
  ExpectShape(PipelineShape::Choose(job, 16), 3, 3);
  job.mutable_cluster()->set_compute_threads(2);
  ExpectShape(PipelineShape::Choose(job, 16), 2, 3);
  job.mutable_train()->clear_max_in_flight();
  job.mutable_cluster()->set_compute_threads(20);
  ExpectShape(PipelineShape::Choose(job, 1), 20, 21);
}

TEST(PipelineShapeTest, NoMoreComputeThanMay) {
  proto::Job job = Job(proto::Train::BSP);
  job.mutable_cluster()->set_compute_threads(4);
  job.mutable_train()->set_max_in_flight(8);
  ExpectShape(PipelineShape::Choose(job, 16), 1, 1);
  job.mutable_train()->set_consistency(proto::Train::ASYNC);
  job.mutable_train()->set_dense_staleness(1);
  ExpectShape(PipelineShape::Choose(job, 16), 2, 8);
}

}  // namespace
}  // namespace sherd
