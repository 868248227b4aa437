"""./run course: the course's tasks, checked in a student's own folder. See README.md.

A stage is a folder here: a page (README.md), a header with the solution, tests.cpp with a test for
each task, and wrong.txt with answers that are often given and what the tests say to them; other
headers are given to students as they are. In the header a task's solution stands between two marks,

    //[2.3] what is to be written
    ..
    //[end]

and a student's copy has a call of todo("2.3") in its place. A title that begins with "optional: "
is of a task that nobody is sent to.
"""

import argparse
import concurrent.futures
import csv
import difflib
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LAST = ROOT / "build" / "course"  # names the folder that was made last
MARK = ".course"  # in a student's folder
WITH_LIBRARY = "#include \"engine/"  # in a header that uses tapesort itself
HOLE = re.compile(r"^( *)//\[(\d+\.\d+)\] ?([^\n]*)\n(.*?)^ *//\[end\]\n", re.M | re.S)


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name
        self.number = int(self.name.split("_")[0])
        self.header = self.name.split("_", 1)[1] + ".hpp"
        self.given = [file for file in sorted(folder.glob("*.hpp")) if file.name != self.header]
        self.solution = (folder / self.header).read_text()
        self.title = (folder / "README.md").read_text().split("\n")[0].lstrip("# ")
        self.tasks = {}  # number -> what is to be written
        for _, task, title, _ in HOLE.findall(self.solution):
            if title:
                self.tasks[task] = title

    def stub(self):
        def hole(match):
            indent, task, title, _ = match.groups()
            title = title or self.tasks[task]
            return f"{indent}// {task}: {title}\n{indent}course::todo(\"{task}\");\n"
        return HOLE.sub(hole, self.solution)

    def with_answer(self, task, body):
        """The solution with another body in the task's first hole."""
        for match in HOLE.finditer(self.solution):
            if match.group(2) == task:
                return self.solution[:match.start()] + body + self.solution[match.end():]
        raise SystemExit(f"course: {self.name} has no task {task}")

    def wrong_answers(self):
        """(task, name, what the message has to contain, body) of each answer in wrong.txt."""
        for block in re.split(r"\n(?=\[)", (self.folder / "wrong.txt").read_text().strip() + "\n"):
            first, body = block.split("\n", 1)
            task, name, message = re.fullmatch(r"\[(.*?)\] (.*) => (.*)", first).groups()
            yield task, name, message, body


STAGES = [Stage(tests.parent) for tests in sorted(HERE.glob("[0-9][0-9]_*/tests.cpp"))]


def quietly(*command):
    """What the command prints, which a student's answer is not to be mixed with."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"course: {' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}")
    return done.stdout


@functools.cache
def library():
    """tapesort's library, built where it has to be."""
    build = ROOT / "build"
    if not (build / "build.ninja").exists():
        quietly("meson", "setup", build, ROOT)
    ninja = ["ninja", "-C", build, "libtapesort.a"]
    if "no work to do" not in quietly(*ninja, "-n"):
        print("course: building tapesort's library, some minutes the first time", file=sys.stderr, flush=True)
        quietly(*ninja)
    return str(build / "libtapesort.a")


def compile_tests(stage, folder, program, source="tests.cpp", flags=()):
    """Builds the stage's tests against the header in `folder`; the compiler's words, or None."""
    command = [os.environ.get("CXX", "c++"), "-std=c++17", "-Werror=return-type", f"-I{folder}", *flags,
               str(stage.folder / source), "-o", str(program)]
    if WITH_LIBRARY in stage.solution:
        command += [f"-I{ROOT}", library(), "-lopenblas", "-pthread"]
    else:
        command.append("-D_GLIBCXX_ASSERTIONS")  # an index outside of a vector is never accepted
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    lines = done.stderr.splitlines()  # without the way by which the student's own file was reached
    return "\n".join(line for line in lines if not re.match(r"In file included from|\s+from ", line))


def verdict(program, task):
    """("right" | "wrong" | "stub", what the test says)."""
    try:
        done = subprocess.run([program, task], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return "wrong", ("Stopped after 20 seconds. Is there a loop that never leaves? Or does it do much more work than "
                         "the page says?")
    if done.returncode < 0:
        return "crash", done.stderr
    *_, (state, text) = re.findall(r"^(right|wrong|stub)(?:: )?(.*)", done.stdout, re.M | re.S) or [("wrong", done.stdout)]
    return state, text.rstrip("\n")


IN_WORDS = {"__n < this->size()": "an index is not less than the vector's size",
            "SEGV": "a pointer or a reference leads nowhere"}


def guilty_line(stage, content, task, lines):
    """The first of `lines`, innermost first, in the student's answer to the task; or else in another answer; or else of all."""
    stub, lines = stage.stub().splitlines(), list(lines)
    changes = difflib.SequenceMatcher(None, stub, content.splitlines(), autojunk=False).get_opcodes()
    answers = [(f'todo("{task}")' in "".join(stub[i:end]), range(j + 1, last + 1))
               for what, i, end, j, last in changes if what != "equal"]
    for wanted in (lambda line: any(mine and line in at for mine, at in answers),
                   lambda line: any(line in at for _, at in answers),
                   lambda line: True):
        for line in filter(wanted, lines):
            return line
    return None


def crash(stage, room, program, task):
    """What a sanitizer says of the task that crashed."""
    text = ("It crashed. Usual causes: an index outside of a vector; a loop over a std::size_t that goes below 0, which "
            "it cannot; a function that calls itself for ever; a lambda that captured by reference, [&], what is gone "
            "when it is called.")
    flags = ("-g", "-fsanitize=address", "-D_GLIBCXX_ASSERTIONS")
    if compile_tests(stage, room, program, flags=flags) is None:
        said = subprocess.run([program, task], capture_output=True, text=True,
                              env={**os.environ, "ASAN_OPTIONS": "handle_abort=1:detect_leaks=0"}).stderr
        stack = said[said.find("ERROR: AddressSanitizer"):].split("\n\n")[0]  # not where memory was allocated, or freed
        content = (room / stage.header).read_text()
        line = guilty_line(stage, content, task, map(int, re.findall(rf"/{stage.name}/{stage.header}:(\d+)", stack)))
        kind = re.search(r"Assertion '(.*?)' failed", said) or re.search(r"AddressSanitizer: ([\w-]+)", said)
        if line:
            text += f"\nIt happens at line {line} of {stage.header}, `{content.splitlines()[line - 1].strip()}`"
            text += f": {IN_WORDS.get(kind[1], kind[1])}." if kind else "."
    return "wrong", text


def results(stage, folder, tasks=None):
    """task -> (state, text), of the stage's header in `folder`."""
    tasks = list(tasks or stage.tasks)
    header = folder / stage.header
    if not header.exists():
        return {task: ("wrong", f"There is no {header}.") for task in tasks}
    if header.read_text() == stage.stub():
        return {task: ("stub", "it is not written yet") for task in tasks}
    with tempfile.TemporaryDirectory() as work:  # beside our own files, whatever became of the student's
        room, program = pathlib.Path(work) / stage.name, pathlib.Path(work) / "tests"
        room.mkdir()
        for file in [header, *stage.given]:
            shutil.copy(file, room)
        shutil.copy(HERE / "task.hpp", work)
        errors = compile_tests(stage, room, program)
        if errors is not None:
            lines = [line for line in errors.replace(str(room), str(folder)).split("\n") if line][:12]
            return {task: ("not compiled", "\n".join(lines)) for task in tasks}
        said = {task: verdict(program, task) for task in tasks}
        return {task: crash(stage, room, program, task) if state == "crash" else (state, text)
                for task, (state, text) in said.items()}


# --- What a student calls

def make(folder):
    """A new student's folder: stubs, pages, and a script to check with."""
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"course: {folder} is not empty; give the name of a new folder")
    for stage in STAGES:
        room = folder / stage.name
        room.mkdir(parents=True)
        (room / stage.header).write_text(stage.stub())
        for file in [*stage.given, *stage.folder.glob("*.md"), *stage.folder.glob("*.svg")]:
            shutil.copy(file, room)
    shutil.copy(HERE / "task.hpp", folder)
    (folder / MARK).write_text("")
    script = folder / "check"
    script.write_text(f'#!/bin/sh\n# ./check TASK, as in ./check 1.1; without one: where you stand.\n'
                      f'cd "$(dirname "$0")" && exec "{ROOT}/run" course "$@"\n')
    script.chmod(0o755)
    LAST.parent.mkdir(exist_ok=True)
    LAST.write_text(str(folder))
    print(f"{folder} is yours. Begin with {STAGES[0].name}/README.md; check a task by ./check 1.1 there,\n"
          f"or by ./run course 1.1 here.")


def student_folder(start):
    for folder in [start, *start.parents]:
        if (folder / MARK).exists():
            return folder
    if LAST.exists() and (pathlib.Path(LAST.read_text()) / MARK).exists():
        return pathlib.Path(LAST.read_text())
    return None


def show(stage, task, state, text, header):
    print(f"{task}  {stage.tasks[task]}: {state}")
    if state != "right":
        for line in text.split("\n"):
            print(f"     {line}")
        print(f"     (in {header}; the page is README.md beside it)")


def check_tasks(folder, wanted):
    """Checks the stages and tasks in `wanted`, as 2 or 2.3; the number of those that are not right."""
    bad = 0
    for word in wanted:
        stage = next((s for s in STAGES if word == str(s.number) or word in s.tasks), None)
        if stage is None:
            sys.exit(f"course: there is no task or stage {word}; ./run course lists them")
        tasks = [word] if word in stage.tasks else list(stage.tasks)
        said = results(stage, folder / stage.name, tasks)
        bad += sum(state != "right" for state, _ in said.values())
        for task, (state, text) in said.items():
            show(stage, task, state, text, folder / stage.name / stage.header)
            if state == "not compiled":
                break  # the others are not, either
    return bad


def stand(folder):
    """All stages, and what is done. What has not changed since is not built again."""
    cache_file = folder / ".results.json" if folder else None
    cache = json.loads(cache_file.read_text()) if cache_file and cache_file.exists() else {}
    following = None
    for stage in STAGES:
        done = {}
        header = folder and folder / stage.name / stage.header
        if folder and not header.exists():
            print(f"{stage.title} (not in your folder)")
            continue
        if folder:
            content = header.read_text() + (stage.folder / "tests.cpp").read_text()
            key = hashlib.sha256(content.encode()).hexdigest()
            if cache.get(stage.name, {}).get("key") != key:
                cache[stage.name] = {"key": key, "states": {
                    task: state for task, (state, _) in results(stage, header.parent).items()}}
            done = cache[stage.name]["states"]
        print(f"{stage.title}", flush=True)
        for task, title in stage.tasks.items():
            state = done.get(task, "stub")
            print(f"  {task}  {'done' if state == 'right' else '' if state == 'stub' else state:12}  {title}")
            if state != "right" and following is None and not title.startswith("optional"):
                following = task
    if not folder:
        print("\n./run course new DIR makes a folder of your own, with the pages and the stubs.")
    else:
        cache_file.write_text(json.dumps(cache))
        print(f"\nYour folder: {folder}. " + (f"Next: {following}" if following else "All tasks that are not optional are done."))


# --- What a teacher calls

def check_class(folder, file):
    """A CSV table with a line for each student's folder: 1 for each task that is right, and their sum."""
    tasks = [task for stage in STAGES for task in stage.tasks]
    with open(file, "w", newline="") if file else sys.stdout as out:
        table = csv.writer(out)
        table.writerow(["student", *tasks, "points"])
        for student in sorted(p for p in folder.iterdir() if (p / MARK).exists()):
            print(f"course: {student.name}", file=sys.stderr)
            points = {}
            for stage in STAGES:
                for task, (state, _) in results(stage, student / stage.name).items():
                    points[task] = int(state == "right")
            table.writerow([student.name, *points.values(), sum(points.values())])


# --- What keeps the course right

def excerpts_not_found(stage):
    """The pages' C++ excerpts that do not stand, line after line, in the stage's files."""
    def plain(text):
        lines = [re.sub(r" *//.*", "", line).strip() for line in text.split("\n")]
        return "\n".join(line for line in lines if line)
    sources = [plain(file.read_text()) for file in [*stage.folder.glob("*.hpp"), *stage.folder.glob("*.cpp")]]
    for excerpt in re.findall(r"```cpp\n(.*?)```", (stage.folder / "README.md").read_text(), re.S):
        if not any(plain(excerpt) in source for source in sources):
            yield excerpt


def test(wanted):
    """Solutions pass, stubs say that they are stubs, and wrong answers get the answer meant for them."""
    passed = failed = 0

    def expect(holds, what):
        nonlocal passed, failed
        passed, failed = passed + bool(holds), failed + (not holds)
        if not holds:
            print(f"course: FAILED: {what}", file=sys.stderr, flush=True)

    def answers(stage, text, tasks):
        with tempfile.TemporaryDirectory() as work:
            folder = pathlib.Path(work)
            (folder / stage.header).write_text(text)
            return results(stage, folder, tasks)

    for stage in STAGES:
        if wanted and str(stage.number) not in wanted:
            continue
        print(f"course: {stage.name}", file=sys.stderr, flush=True)
        before = failed
        for task, (state, text) in results(stage, stage.folder).items():
            expect(state == "right", f"the solution of {task}: {state}: {text}")
        if failed > before:
            continue
        # A stub beside finished work, so that it is compiled and run.
        for task, (state, text) in answers(stage, stage.stub() + "\n", stage.tasks).items():
            expect(state == "stub", f"the stub of {task}: {state}: {text}")
        wrong = list(stage.wrong_answers())
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            said = pool.map(lambda w: answers(stage, stage.with_answer(w[0], w[3]), [w[0]])[w[0]], wrong)
            for (task, name, message, _), (state, text) in zip(wrong, said):
                expect(state in ("wrong", "not compiled") and message in text, f"{task}, {name}: {state}: {text}")
        expect({task for task, *_ in wrong} == set(stage.tasks), f"{stage.name}/wrong.txt has no answer to a task")
        for excerpt in excerpts_not_found(stage):
            expect(False, f"{stage.name}/README.md shows what is in no file:\n{excerpt}")
    print(f"{passed} passed, {failed} failed")
    return failed


def pictures():
    """Makes the pages' plots anew, from what each stage's pictures.cpp prints."""
    for stage in STAGES:
        if not (stage.folder / "pictures.cpp").exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            program = pathlib.Path(work) / "pictures"
            errors = compile_tests(stage, stage.folder, program, "pictures.cpp")
            if errors is not None:
                sys.exit(errors)
            printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
            for script in printed.split("file ")[1:]:
                name, script = script.split("\n", 1)
                begin = ("set terminal svg size 560,320 font 'sans-serif,13' background 'white'\n"
                         f"set output '{stage.folder / name}'\nset grid linecolor rgb '#dddddd'\n")
                subprocess.run(["gnuplot"], input=begin + script, text=True, check=True)
                print(stage.folder / name)


def main():
    parser = argparse.ArgumentParser(
        prog="./run course", description="Reverse mode in C++, from one node to a differentiable kNN.",
        epilog="without arguments: where you stand; TASK or STAGE, as 2.3 or 2: checks it; new DIR: a folder of "
               "your own; class DIR: a CSV table of the students' folders in DIR; test: the course's own tests")
    parser.add_argument("words", nargs="*", metavar="TASK | STAGE | new DIR | class DIR | test")
    parser.add_argument("--csv", help="file for the table of `class`, instead of standard output")
    parser.add_argument("--from", dest="start", default=os.getcwd(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    start = pathlib.Path(options.start)
    words = options.words
    if words and words[0] in ("new", "class"):
        if len(words) != 2:
            sys.exit(f"course: {words[0]} takes one folder, as in: ./run course {words[0]} DIR")
        folder = (start / words[1]).resolve()
        if words[0] == "new":
            return make(folder)
        if not folder.is_dir():
            sys.exit(f"course: {folder} is not a folder")
        return check_class(folder, options.csv and start / options.csv)
    if words == ["pictures"]:
        return pictures()
    if words and words[0] == "test":
        return sys.exit(test(words[1:]) > 0)
    folder = student_folder(start)
    if not words:
        return stand(folder)
    if folder is None:
        sys.exit("course: you have no folder yet; ./run course new DIR makes one")
    return sys.exit(check_tasks(folder, words) > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # ./check | head
    main()
