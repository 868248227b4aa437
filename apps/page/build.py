#!/usr/bin/python3
"""Builds the page: the engine compiled to WebAssembly, and one HTML file that holds it and all else.

    apps/page/build.py FOLDER      writes FOLDER/tapesort.html

It writes a build.ninja into the folder, and ninja does the rest, as for the program.
"""
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What stands in the page, in this order.
STYLES = [ROOT / "replay/view.css", HERE / "style.css"]
SCRIPTS = [ROOT / "replay/view.js", *(HERE / f"{name}.js" for name in "base tape sort randomness learning start".split())]

# What the page needs, and no more: every file costs seconds of each build.
SOURCES = """
engine/array.cpp engine/blas.cpp engine/broadcast.cpp engine/memory.cpp engine/parallel.cpp
engine/parameter.cpp engine/random.cpp engine/tape.cpp engine/trap.cpp
ops/arithmetic.cpp ops/distances.cpp ops/estimators/conditional_noise.cpp
ops/estimators/control_variate.cpp ops/estimators/estimators.cpp ops/estimators/exact.cpp
ops/functions.cpp ops/logistic.cpp ops/losses.cpp ops/mask.cpp ops/matmul.cpp ops/noise.cpp
ops/plackett_luce.cpp ops/reduce.cpp ops/score_function.cpp ops/select.cpp ops/shape.cpp ops/softmax.cpp
ops/sorting/black_box.cpp ops/sorting/fast_soft_sort.cpp ops/sorting/hard.cpp ops/sorting/k_subsets.cpp
ops/sorting/lap_sum.cpp ops/sorting/logits.cpp ops/sorting/neural_sort/band.cpp
ops/sorting/neural_sort/band_columns.cpp ops/sorting/neural_sort/formula.cpp
ops/sorting/neural_sort/matrix.cpp ops/sorting/neural_sort/neural_sort.cpp
ops/sorting/neural_sort/sorted_scores.cpp ops/sorting/permutation.cpp ops/sorting/perturbed.cpp
ops/sorting/radix_sort.cpp ops/sorting/relaxation.cpp ops/sorting/sinkhorn.cpp ops/sorting/soft_sort.cpp
ops/sorting/sorting_network.cpp ops/tile.cpp
models/nearest_neighbours.cpp models/optimizers.cpp
replay/formula.cpp replay/json.cpp replay/replay.cpp
apps/estimators/study.cpp apps/page/browser.cpp apps/page/estimators.cpp apps/page/page.cpp
apps/page/program.cpp apps/page/race.cpp apps/page/sort.cpp apps/page/training.cpp
""".split()

# SSE2 is the name under which xsimd knows the registers that WebAssembly has.
FLAGS = "-std=c++17 -O1 -fexceptions -msimd128 -msse2 -fno-math-errno -DNDEBUG"
# A page has no BLAS: xtensor-blas multiplies by plain loops.
MORE_FLAGS = {"engine/blas.cpp": "-DXTENSOR_USE_FLENS_BLAS"}
LINK = ("-O1 -fexceptions -sMODULARIZE=1 -sEXPORT_NAME=tapesortEngine -sSINGLE_FILE=1 -sENVIRONMENT=web "
        "-sALLOW_MEMORY_GROWTH=1 -sFILESYSTEM=0 -sEXPORTED_FUNCTIONS=_answer,_malloc,_free "
        "-sEXPORTED_RUNTIME_METHODS=cwrap")

# Headers are copied, so that no other header of the system is found beside them.
HEADERS = "nlohmann xflens xsimd xtensor xtensor-blas xtl".split()


def ninja_file(folder):
    flags = f"{FLAGS} -I{folder}/include -I{ROOT}"
    lines = [
        f"flags = {flags}",
        "rule header",
        "  command = em++ $flags -MD -MF $out.d -x c++-header $in -o $out",
        "  description = precompiled headers",
        "  depfile = $out.d",
        "rule compile",
        f"  command = em++ $flags -include-pch {folder}/precompiled.pch -MD -MF $out.d -c $in -o $out",
        "  description = WebAssembly of $source",
        "  depfile = $out.d",
        "rule link",
        f"  command = em++ {LINK} $in -o $out",
        "  description = linking the engine",
        f"build {folder}/precompiled.pch: header {ROOT}/engine/precompiled/tape.hpp",
    ]
    objects = []
    for source in SOURCES:
        objects.append(f"{folder}/objects/{source.replace('/', '-')}.o")
        lines.append(f"build {objects[-1]}: compile {ROOT}/{source} | {folder}/precompiled.pch")
        lines.append(f"  source = {source}")
        if source in MORE_FLAGS:
            lines.append(f"  flags = $flags {MORE_FLAGS[source]}")
    lines.append(f"build {folder}/engine.js: link {' '.join(objects)}")
    return "\n".join(lines) + "\n"


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    for name in HEADERS:
        if not (folder / "include" / name).exists():
            shutil.copytree(f"/usr/include/{name}", folder / "include" / name)
    (folder / "build.ninja").write_text(ninja_file(folder))
    subprocess.run(["ninja", "-C", folder, *sys.argv[2:]], check=True,
                   env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
    html = (HERE / "index.html").read_text()
    for place, files in (("/*STYLE*/", STYLES), ("/*SCRIPT*/", [folder / "engine.js", *SCRIPTS])):
        html = html.replace(place, "\n".join(file.read_text() for file in files))
    (folder / "tapesort.html").write_text(html)


main()
