#!/usr/bin/env python3
"""Films by their words, from MovieLens: movielens_content.py RATINGS.csv MOVIES.csv FOLDER

Writes FOLDER/train.tsv, eval.tsv and test.tsv, a line a rating: the user, and behind a TAB the film as a list of words,

    #1 comedy:0.21 toy:0.61 story:0.33 1995:0.30

its id, its genres, the words of its title and its year. Each word but the id weighs its TF-IDF: the logarithm of the films
over those that have the word, all of a film's scaled to length 1. A tenth of the films, chosen by hash, is in test.tsv alone
and a twentieth in eval.tsv alone: nobody has rated them in training, so only their words say anything about them.
FOLDER/films.tsv has the words of all films once, without ids, for movielens_contrast.pbtxt.
"""
import csv
import math
import pathlib
import re
import sys
import zlib

ID_WEIGHT = 0.3  # less than the words': an id learns what its film alone is like, and new films have none

ratings, movies, folder = sys.argv[1:]
with open(ratings, newline="") as file:
    rated = [(row["userId"], row["movieId"]) for row in csv.DictReader(file)]
films = {film for _, film in rated}
words = {}
with open(movies, newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if row["movieId"] in films:
            text = row["title"].lower() + " " + row["genres"].lower().replace("-", "")
            words[row["movieId"]] = sorted(set(re.findall(r"\w+", text)))

having = {}
for some in words.values():
    for word in some:
        having[word] = having.get(word, 0) + 1


def text_of(film):
    idf = {word: math.log(len(words) / having[word]) for word in words[film]}
    length = math.sqrt(sum(weight * weight for weight in idf.values())) or 1
    return " ".join(f"{word}:{weight / length:.4f}" for word, weight in idf.items())


def part_of(film):
    twentieth = zlib.crc32(film.encode()) % 20
    return "test" if twentieth < 2 else "eval" if twentieth == 2 else "train"


texts = {film: text_of(film) for film in films}
pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
for part in ["train", "eval", "test"]:
    rows = [(user, film) for user, film in rated if part_of(film) == part]
    path = pathlib.Path(folder) / f"{part}.tsv"
    lines = [f"{user}\t#{film}:{ID_WEIGHT} {texts[film]}\n" for user, film in rows]
    path.write_text("".join(lines), encoding="utf-8")
    print(f"{path}: {len(rows)} ratings of {len({film for _, film in rows})} films")
path = pathlib.Path(folder) / "films.tsv"
path.write_text("".join(f"-\t{texts[film]}\n" for film in sorted(films, key=int)), encoding="utf-8")
