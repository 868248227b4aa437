#!/usr/bin/python3
"""Figures for a talk, each as SVG and PNG, from what the program computes and measures here and now.

    ./run figures DIR      (ten seconds; by hand: docs/figures.py build/apps/tapesort DIR)
    docs/figures.py build/apps/tapesort DIR 100000000      (cost alone, up to so many scores)

tau          P_hat of eight scores, from soft to hard
moving       the largest of three scores, softened, while one of them moves past the others
relaxations  the same by six relaxations
cost         NeuralSort over n: by its formula, on the tape, and std::sort
race         Plackett-Luce: how often each order of three items is drawn, beside its probability
estimators   bias and deviation of the gradient estimators
"""
import json
import math
import pathlib
import subprocess
import sys

SCORES = [0.3, 2.1, -0.7, 1.2, 0.1, 1.7, -1.5, 0.8]
COLOURS = ["#4477aa", "#ee6677", "#228833", "#aa3377", "#cc8800", "#33aacc"]
STYLE = "set grid linecolor rgb '#dddddd'\nset key left top\n" + "".join(
    f"set linetype {i + 1} linecolor rgb '{colour}'\n" for i, colour in enumerate(COLOURS))


def ask(*words, scores=None):
    """The program's answer; scores: a list of sets."""
    text = "\n".join(" ".join(map(repr, one)) for one in scores) if scores else None
    run = subprocess.run([program, "--threads", "1", *words], input=text, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"figures: tapesort {' '.join(words)}: {run.stderr.strip()}")
    return run.stdout


def plot(name, script, blocks, size=(900, 520)):
    """blocks: of rows of numbers or words, named $a, $b, .. in the script."""
    data = "".join(
        f"${chr(97 + i)} << EOD\n" + "\n".join(" ".join(map(str, row)) for row in rows) + "\nEOD\n"
        for i, rows in enumerate(blocks))
    width, height = size
    for kind, terminal in (("svg", f"svg size {width},{height} font 'sans-serif,16' background 'white'"),
                           ("png", f"pngcairo size {2 * width},{2 * height} fontscale 2 linewidth 2 pointscale 2")):
        file = folder / f"{name}.{kind}"
        begin = f"set terminal {terminal}\nset output '{file}'\n"
        subprocess.run(["gnuplot"], input=begin + data + STYLE + script, text=True, check=True)
        print(file, flush=True)


def curves(titles):
    """Lines of block after block, the first one, the sort itself, dashed and black."""
    return "plot " + ", ".join(
        f"${chr(97 + i)} using 1:2 with lines title '{title}' "
        + (f"lw 3 lc {i}" if i else "lw 2 dt 2 lc rgb 'black'") for i, title in enumerate(titles)) + "\n"


def tau():
    taus = [10, 3, 1, 0.3, 0.1]
    blocks = [json.loads(ask("relax", "--json", "--tau", str(t), scores=[SCORES]))["sets"][0]["P"] for t in taus]
    maps = "".join(f"set title 'tau = {t:g}'\nplot ${chr(97 + i)} matrix with image notitle\n"
                   for i, t in enumerate(taus))
    plot("tau", "unset grid\nunset key\nunset colorbox\nset palette gray negative\nset cbrange [0:1]\n"
         "set yrange [7.5:-0.5]\nset xrange [-0.5:7.5]\nset size square\nunset xtics\nunset ytics\n"
         "set multiplot layout 1,5\n" + maps + "unset multiplot\n", blocks, (1200, 270))


def largest(moving, *options):
    """(x, the first of the sorted values) for each x = moving score."""
    lines = ask("relax", "--csv", *options, scores=[[x, 0.0, 1.0] for x in moving]).splitlines()
    first = [line.split(",") for line in lines if line.split(",")[2] == "1"]
    return [(x, row[5]) for x, row in zip(moving, first)]


LABELS = "set xlabel 'a score that moves past 0 and 1'\nset ylabel 'largest score, softened'\n"
MOVING = [i / 50 for i in range(-100, 151)]


def moving():
    taus = [2, 1, 0.3, 0.1]
    blocks = [largest(MOVING, "--hard"), *(largest(MOVING, "--tau", str(t)) for t in taus)]
    plot("moving", LABELS + curves(["sort", *(f"NeuralSort, tau = {t:g}" for t in taus)]), blocks)


def relaxations():
    methods = {"neural_sort": 0.5, "soft_sort": 0.5, "fast_soft_sort": 0.5, "lap_sum": 0.3, "odd_even": 0.3,
               "perturbed": 0.5}
    blocks = [largest(MOVING, "--hard"),
              *(largest(MOVING, "--method", m, "--tau", str(t)) for m, t in methods.items())]
    titles = ["sort", *(f"{m.replace('_', ' ')}, tau = {t:g}" for m, t in methods.items())]
    plot("relaxations", LABELS + curves(titles), blocks)


def cost(largest=10**6):
    n = [10**e for e in range(1, 9) if 10**e <= largest]
    lines = ask("bench", "sort", "--json", "--tau", "1", "--budget", "0.3", "--n", ",".join(map(str, n))).splitlines()
    rows = [json.loads(line) for line in lines]
    keys = {"formula": "by the formula, n^2", "both": "on the tape, forward and backward", "argsort": "std::sort"}
    blocks = [[(r["n"], 1e3 * r[key]) for r in rows if r[key]] for key in keys]
    plot("cost", "set logscale\nset format '10^{%T}'\nset xlabel 'scores n'\nset ylabel 'milliseconds, one thread'\n"
         + "plot " + ", ".join(f"${c} using 1:2 with linespoints lw 3 pt 7 title '{t}'"
                               for c, t in zip("abc", keys.values())) + "\n", blocks)


def race():
    s, draws = [1.0, 0.3, -0.5], 20000
    answer = json.loads(ask("pl", "--sample", str(draws), "--json", scores=[s]))
    drawn = [tuple(order) for order in answer["order"][0]]
    log_prob = dict(zip(drawn, answer["log_prob"][0]))
    rows = [("".join("ABC"[item] for item in z), drawn.count(z) / draws, math.exp(log_prob[z])) for z in sorted(log_prob)]
    plot("race", "set style fill solid 0.6\nset boxwidth 0.6\nset yrange [0:]\nset key right top\n"
         f"set ylabel 'share of {draws} draws'\nset xlabel 'order of arrival'\n"
         "plot $a using 0:2:xtic(1) with boxes title 'drawn', "
         "$a using 0:3 with points pt 7 ps 1.5 lc rgb 'black' title 'probability'\n", [rows])


def estimators():
    answer = json.loads(ask("estimators", "--json", "--steps", "0", "--out", ""))
    length = answer["gradient length"]
    name = lambda e: '"' + e["estimator"].replace(", ", ",\\n").replace("+ ", "REINFORCE\\n+ ") + '"'
    rows = [(name(e), e["bias"] / length, e["variance"] ** 0.5 / length) for e in answer["estimators"] if e["variance"]]
    plot("estimators", "set style data histogram\nset style histogram clustered gap 1\nset style fill solid 0.6\n"
         "set bmargin 4\nset logscale y\nset ylabel 'in lengths of the exact gradient'\nset key right top\n"
         "plot $a using 2:xtic(1) title 'bias, with the noise of its measurement', "
         "$a using 3 title 'standard deviation'\n", [rows], (1500, 520))


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: ./run figures DIR")
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if sys.argv[3:]:
        sys.exit(cost(int(sys.argv[3])))
    for figure in (tau, moving, relaxations, cost, race, estimators):
        figure()
