#!/usr/bin/env python3
"""Clicks with histories from MovieLens ratings: movielens_histories.py RATINGS.csv FOLDER

Writes FOLDER/train.csv and FOLDER/test.csv with the columns like,user,item,history. A rating of 4 or more is a 1, as in the
DIN paper (Zhou et al. 2018, section 6.1); the history of a row is the films that its user had rated so before, the last 50,
separated by blanks. A user's last fifth of rows, by time, is the test; a user's first row has no history and is left out.
"""
import csv
import pathlib
import sys

LIKED, LAST, TEST_SHARE = 4.0, 50, 0.2

ratings, folder = sys.argv[1:]
by_user = {}
with open(ratings, newline="") as file:
    for row in csv.DictReader(file):
        by_user.setdefault(row["userId"], []).append((int(row["timestamp"]), int(row["movieId"]), float(row["rating"])))

rows = {"train": [], "test": []}
for user, rated in sorted(by_user.items(), key=lambda entry: int(entry[0])):
    rated.sort()
    history, clicks = [], []
    for _, item, rating in rated:
        if history:
            clicks.append((int(rating >= LIKED), user, item, " ".join(history[-LAST:])))
        if rating >= LIKED:
            history.append(str(item))
    cut = len(clicks) - round(len(clicks) * TEST_SHARE)
    rows["train"] += clicks[:cut]
    rows["test"] += clicks[cut:]

for name, clicks in rows.items():
    path = pathlib.Path(folder) / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["like", "user", "item", "history"])
        writer.writerows(clicks)
    print(f"{path}: {len(clicks)} rows, {sum(click[0] for click in clicks)} of them liked")
