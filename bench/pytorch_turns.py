#!/usr/bin/env python3
"""Runs a training script that asks time.perf_counter() once a step, a turn at a time: waits for a line with seconds, lets the
script go on for so long, and answers "rows seconds cpu_seconds" (turn_process.h). The script sees a clock that stands still
between turns. Arguments: the rows of a step, the script, and the script's own."""
import os
import runpy
import sys
import time


class TurnClock:
    """What the script calls in the place of time.perf_counter."""

    def __init__(self, real, rows_a_step, orders, answers):
        self.real, self.rows_a_step, self.orders, self.answers = real, rows_a_step, orders, answers
        self.before = 0.0  # seconds of the turns that are over
        self.length = None  # of the turn; the first one begins when the script first asks: it has read its data then

    def begin_turn(self):
        order = self.orders.readline()
        if not order:
            sys.exit(0)
        self.length, self.steps = float(order), 0
        self.cpu, self.begin = time.process_time(), self.real()

    def end_turn(self, past):
        print(self.steps * self.rows_a_step, past, time.process_time() - self.cpu, file=self.answers, flush=True)
        self.before += past

    def __call__(self):
        if self.length is None:
            self.begin_turn()
            return self.before
        self.steps += 1
        past = self.real() - self.begin
        if past < self.length:
            return self.before + past
        self.end_turn(past)
        self.begin_turn()
        return self.before


def main():
    rows, script, *arguments = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the script prints is no answer
    sys.argv = [script, *arguments]
    time.perf_counter = TurnClock(time.perf_counter, int(rows), os.fdopen(os.dup(0)), answers)
    runpy.run_path(script, run_name="__main__")


main()
