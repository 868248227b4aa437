#!/usr/bin/python3
"""Drives the page in headless Chromium, and compares its numbers with the program's.

    apps/page/test.py PAGE PROGRAMS [TEST ..]      PROGRAMS: the folder with tapesort and page_answers
"""
import base64
import itertools
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from browser import Browser  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

browser = programs = None
compared = equal = 0  # numbers of the page with those of the program; to the last bit

METHODS = ("neural_sort neural_sort_smooth soft_sort sinkhorn odd_even bitonic fast_soft_sort fast_soft_rank lap_sum perturbed "
           "black_box_rank sparse_top_k k_subset").split()
WITHOUT_MATRIX = ("fast_soft_sort", "fast_soft_rank", "black_box_rank", "sparse_top_k", "k_subset")


# --- The program

def program(name, *arguments, text=""):
    done = subprocess.run([programs / name, *map(str, arguments)], input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} {arguments}: {done.stderr}")
    return done.stdout


def answers(*questions):
    """What the library, compiled for this machine, answers to the page's questions."""
    lines = program("page_answers", text="".join(json.dumps(q) + "\n" for q in questions))
    return [json.loads(line) for line in lines.splitlines() if line]


def flat(x):
    return [y for row in x for y in flat(row)] if isinstance(x, list) else [x]


# --- The page

def find(css):
    return browser.driver.find_element(By.CSS_SELECTOR, css)


def press(identifier):
    """A click, with the button in the middle of the window: its top is covered by the page's head."""
    browser.js("document.getElementById(arguments[0]).scrollIntoView({block: 'center'})", identifier)
    find(f"#{identifier}").click()


def choose(identifier, value):
    Select(find(f"#{identifier}")).select_by_value(str(value))


def write(identifier, text):
    """Types into a field, in place of what is there."""
    find(f"#{identifier}").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE, str(text), *([Keys.TAB] if "\n" not in str(text) else []))


def slide(identifier, value):
    """A slider of two-digit values: by arrow keys."""
    field = find(f"#{identifier}")
    steps = browser.js("Math.round(Math.log10(arguments[0] / Number(document.querySelector(`output[for=\"${arguments[1]}\"]`).textContent)) * 20)",
                       value, identifier)
    field.send_keys(*[Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT] * abs(steps))
    assert browser.js("Number(document.querySelector(`output[for=\"${arguments[0]}\"]`).textContent)", identifier) == value


def values(css):
    """All digits of the numbers that are shown."""
    return [float(x) for x in browser.js("[...document.querySelectorAll(arguments[0])].map((e) => e.dataset.value)", css)]


def text(css):
    return browser.js("document.querySelector(arguments[0]).textContent", css)


class PageTest(unittest.TestCase):
    def assertSame(self, page, expected, what=""):
        """To full precision, relative to the largest of these numbers: the last bits may differ (README.md)."""
        global compared, equal
        page, expected = flat(page), flat(expected)
        self.assertEqual(len(page), len(expected), what)
        self.assertGreater(len(page), 0, what)
        size = max(map(abs, expected))
        for x, y in zip(page, expected):
            compared += 1
            equal += x == y
            self.assertLessEqual(abs(x - y), 1e-14 * max(size, 1), f"{what}: {x!r} on the page, {y!r} in the program")

    def tearDown(self):
        log = browser.driver.get_log("browser")
        self.assertEqual([entry["message"] for entry in log], [], "the console is empty")
        self.assertEqual(browser.js("[...document.querySelectorAll('.error')].map((e) => e.textContent).join('')"), "")

    # --- Its numbers

    def test_tape_is_what_the_library_records(self):
        browser.open()

        def same(page, expected, what):
            if isinstance(expected, dict):
                self.assertEqual(page.keys(), expected.keys(), what)
                for key in expected:
                    same(page[key], expected[key], f"{what} {key}")
            elif isinstance(expected, list) and all(isinstance(x, (int, float)) for x in flat(expected)) and flat(expected):
                self.assertSame(page, expected, what)
            elif isinstance(expected, list):
                self.assertEqual(len(page), len(expected), what)
                for x, y in zip(page, expected):
                    same(x, y, what)
            else:
                self.assertEqual(page, expected, what)

        for i in range(browser.js("document.getElementById('tape-example').length")):
            choose("tape-example", i)
            self.assertEqual(text("#tape-error"), "")
            program_text = browser.js("document.getElementById('tape-program').value")
            question = {"ask": "tape", "program": program_text}
            page = json.loads(browser.js("engineAnswer(JSON.stringify(arguments[0]))", question))
            expected = answers(question)[0]
            same(page, expected, f"example {i}")
            shown = browser.js("[...document.querySelectorAll('#tape-view tr[data-node]')].map((e) => Number(e.dataset.node))")
            self.assertEqual(shown, [node["id"] for node in expected["nodes"]])

    def test_tape_is_stepped_through(self):
        browser.open()
        write("tape-program", "a = 2; b = a * a; c = exp(b) + b")
        cell = "document.querySelector(`#tape-view tr[data-node='${arguments[0]}'] [data-column=${arguments[1]}]`).textContent"
        stops = int(find(".tape-view").get_attribute("data-stops"))
        self.assertEqual(stops, 1 + 4 + 4)
        derivative = 4 * (math.exp(4) + 1)
        self.assertEqual(float(browser.js(cell, 0, "cotangent")), float(f"{derivative:.4g}"))
        seen = []
        find(".tape-view").send_keys(Keys.HOME)
        for _ in range(stops - 1):
            find("[data-go=next]").click()
            seen.append((browser.js(cell, 0, "cotangent"), browser.js(cell, 1, "cotangent")))
        self.assertEqual(find("[data-go=next]").get_attribute("aria-disabled"), "true")
        # b's two uses: one from the sum, one through exp.
        self.assertIn(("", "1 (1 of 2 uses)"), seen)
        self.assertIn(("", f"{math.exp(4) + 1:.4g}"), seen)
        self.assertEqual(seen[-1][0], f"{derivative:.4g}")
        find(".tape-view").send_keys(Keys.ARROW_LEFT)
        self.assertEqual(find(".tape-view").get_attribute("data-stop"), str(stops - 2))

    def test_sort_is_what_relax_prints(self):
        browser.open()
        for masked in ("", "B E"):
            write("sort-masked", masked)
            for method in METHODS:
                choose("sort-method", method)
                for tau in (0.1,) if masked else (1, 0.1):
                    slide("sort-tau", tau)
                    for loss in ("cell",) if masked else ("value", "cell"):
                        choose("sort-loss", loss)
                        choose("sort-place", 1)
                        if loss == "cell":
                            choose("sort-item", 3)
                        self.compare_with_relax(method, tau, loss, masked)

    def compare_with_relax(self, method, tau, loss, masked):
        what = f"{method}, tau {tau}, {loss}, masked: {masked}"
        scores, grad = values("#sort-table [data-column=score]"), values("#sort-table [data-column=grad][data-value]")
        n = len(scores)
        matrix = method not in WITHOUT_MATRIX
        rows = [[n - 1 - 2 * i for _ in scores] for i in range(n)]
        given = [[c * s for c, s in zip(row, scores)] for row in rows] if method == "sinkhorn" else scores
        arguments = ["--json", "--method", method, "--tau", tau, "--mask", ",".join(str(int(c not in masked)) for c in "ABCDEF")]
        if find("#sort-table [data-column=mass]").get_attribute("data-value"):
            arguments += ["--top-k", 2]
        weights = None
        if grad and loss == "cell":
            weights = [[-1.0 * (i == 1 and j == 3) for j in range(n)] for i in range(n)]
        elif grad and not matrix:
            weights = [1.0 * (i == 1) for i in range(n)]
        line = json.dumps(given) if method == "sinkhorn" else " ".join(map(repr, given))
        with tempfile.NamedTemporaryFile("w") as file:
            if weights:
                json.dump([weights], file)
                file.flush()
                arguments += ["--weights", file.name]
            result = json.loads(program("tapesort", "relax", *arguments, text=line))["sets"][0]
        self.assertEqual("P" in result, matrix)
        if matrix:
            self.assertSame(values("#sort-heat [data-place]"), result["P"], what)
        for column, key in (("sorted", "sorted"), ("rank", "ranks"), ("mass", "top_k")):
            shown = values(f"#sort-table [data-column={column}][data-value]")
            self.assertEqual(bool(shown), key in result, what)
            if shown:
                self.assertSame(shown, result[key], what)
        if weights:
            expected = result["grad"]
            if method == "sinkhorn":
                expected = [sum(rows[i][j] * expected[i][j] for i in range(n)) for j in range(n)]
            self.assertSame(grad, expected, what)

    def test_gallery_is_what_the_library_answers(self):
        browser.open()
        for loss, masked in itertools.product(("cross_entropy", "ranks", "value", "cell", "mass"), ("", "C")):
            choose("sort-loss", "cross_entropy")  # the wanted order is shown
            write("sort-masked", masked)
            write("sort-wanted", "F D B A E" if masked else "A B C D E F")
            choose("sort-loss", loss)
            scores = values("#sort-table [data-column=score]")
            order = [5, 3, 1, 0, 4, 2] if masked else list(range(6))
            question = {"ask": "relax", "tau": 1, "scores": scores, "valid": [c not in masked for c in "ABCDEF"],
                        "loss": {"kind": loss, "place": 0, "item": 0, "k": 2, "order": order}}
            for method, answer in zip(METHODS, answers(*[{**question, "method": m} for m in METHODS])):
                shown = values(f"#sort-all [data-method={method}] [data-loss]") or browser.js(
                    "[document.querySelector(`#sort-all [data-method=${arguments[0]}]`).dataset.loss]", method)
                if "loss" in answer:
                    self.assertSame([float(shown[0])], [answer["loss"]], f"{method}, {loss}")
                else:
                    self.assertEqual(shown, [None])

    def test_race_and_histogram_are_what_pl_prints(self):
        browser.open()
        find("#race-score-1").send_keys(Keys.ARROW_RIGHT * 3)
        write("race-seed", 5)
        scores = values("#race-track [data-race=score]")
        self.assertEqual(scores, [1, 0.65, 0, -0.5])
        line = " ".join(map(repr, scores))
        sampled = json.loads(program("tapesort", "pl", "--sample", 1000, "--seed", 5, "--json", text=line))["order"][0]
        for race in (0, 1, 17):
            write("race-number", race)
            order = sampled[race]
            times = values("#race-track [data-race=time]")
            self.assertEqual(sorted(range(4), key=lambda j: times[j]), order)
            self.assertIn(", ".join("ABCD"[j] for j in order), text("#race-summary"))
        bars = browser.js("[...document.querySelectorAll('#race-histogram [data-order]')].map((e) => ({...e.dataset}))")
        self.assertEqual(len(bars), 24)
        for bar in bars:
            order = ["ABCD".index(c) for c in bar["order"]]
            self.assertEqual(int(bar["count"]), sampled.count(order))
            exact = json.loads(program("tapesort", "pl", "--log-prob", "--order", ",".join(map(str, order)), "--json", text=line))
            self.assertSame([float(bar["logProb"])], exact["log_prob"])

    def test_estimators_are_what_estimators_prints(self):
        browser.open()
        choose("study-cost", "tour")
        slide("study-tau", 0.5)
        for _ in range(3):  # 200 to warm up, 100 that count; the others have 20 and 280
            press("study-step")
        rows = browser.js("[...document.querySelectorAll('#study-table [data-estimator]')].map((e) => [e.dataset.estimator,"
                          "Number(e.querySelector('[data-column=estimates]').textContent), Number(e.querySelector('[data-column=bias]').dataset.value), Number(e.dataset.variance)])")
        self.assertEqual(len(rows), 9)
        for estimates in (100, 280):
            table = json.loads(program("tapesort", "estimators", "--n", 4, "--cost", "tour", "--tau", 0.5, "--samples", 4, "--estimates", estimates,
                                       "--warm-up", 200, "--seed", 1, "--spread", 1, "--steps", 0, "--out", "", "--json"))["estimators"]
            length = 0
            for (name, count, bias, variance), expected in zip(rows, table):
                self.assertEqual(name, expected["estimator"])
                if count == estimates:
                    # A long training of a control variate spreads the last digits.
                    size = 1e-9 * max(1, abs(expected["variance"]))
                    self.assertLessEqual(abs(bias - expected["bias"]), size, name)
                    self.assertLessEqual(abs(variance - expected["variance"]), size, name)
                    length += 1
            self.assertEqual(length, 2 if estimates == 100 else 7)

    def test_learning_is_what_the_library_answers(self):
        browser.open()
        for task, tau in (("sort", 1), ("neighbours", 2)):
            choose("learn-task", task)
            slide("learn-tau", tau)
            press("learn-step")
            press("learn-step")
            expected = answers({"ask": "training", "task": task, "tau": tau, "learning_rate": 0.02, "n": 6, "k": 5, "seed": 1},
                               {"ask": "train", "steps": 20})[1]
            self.assertEqual(browser.js("document.querySelector('#learn-summary [data-step]').dataset.step"), "20")
            # Twenty steps of Adam spread the last digits.
            loss = float(browser.js("document.querySelector('#learn-summary [data-step]').dataset.value"))
            self.assertLessEqual(abs(loss - expected["losses"][-1]), 1e-10)
            self.assertEqual(float(browser.js("document.querySelector('[data-accuracy]').dataset.accuracy")), expected["accuracy"])
            P = values("#learn-heat [data-place]")
            self.assertEqual(len(P), len(flat(expected["P"])))

    def test_many_scores(self):
        browser.open()
        choose("million-n", 100000)
        slide("million-tau", 0.1)
        press("million-run")
        browser.wait("!document.getElementById('million-panels').hidden")
        expected = answers({"ask": "million", "n": 100000, "tau": 0.1, "seed": 1})[0]
        self.assertSame(values("#million-summary [data-value]"), [expected["loss"]])
        self.assertIn("80 GB", text("#million-summary"))

    # --- What one can do

    def test_every_control_changes_what_it_should(self):
        browser.open()
        heat = "#sort-heat [data-place], #sort-table [data-value]"
        numbers = "[...document.querySelectorAll(arguments[0])].map((e) => e.dataset.value ?? e.textContent).join()"

        def changes(act, css, expression=numbers, wait=False):
            before = browser.js(expression, css)
            act()
            if wait:
                browser.wait(f"{expression} !== arguments[1]", css, before)
            self.assertNotEqual(browser.js(expression, css), before, f"{identifier} changes {css}")

        def click():
            press(identifier)

        def key(*keys):
            return lambda: find(f"#{identifier}").send_keys(*keys)

        def option(value):
            return lambda: choose(identifier, value)

        def started():
            """Something that runs until it is stopped."""
            click()
            self.assertEqual(find(f"#{identifier}").get_attribute("aria-pressed"), "true")

        right = key(Keys.ARROW_RIGHT)
        up = key(Keys.ARROW_UP)
        text_of = "document.querySelector(arguments[0]).textContent"
        colour = "getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
        hidden = "String(document.querySelector(arguments[0]).hidden)"
        gradient = "#sort-table [data-column=grad]"
        scores = "#sort-table [data-column=score]"
        race, bars = "#race-track text", "#race-histogram [data-order] title"
        study, learn = "#study-table [data-estimator]", "#learn-summary"
        rows = [
            ("theme", option("dark"), "body", colour),
            ("tape-example", option(1), "#tape-view", text_of),
            ("tape-program", lambda: write(identifier, "x = 3; x * x"), "#tape-view", text_of),
            ("sort-loss", option("ranks"), gradient),
            ("sort-wanted", lambda: write(identifier, "F E D C B A"), gradient),
            ("sort-loss", option("cell"), "#sort-place-label", hidden),
            ("sort-place", option(2), gradient),
            ("sort-item", option(1), gradient),
            ("sort-method", option("soft_sort"), heat),
            ("sort-tau", right, heat),
            ("sort-n", up, heat),
            ("sort-seed", up, heat),
            ("sort-random", click, scores),
            ("sort-tie", click, scores),
            ("sort-masked", lambda: write(identifier, "C"), heat),
            ("sort-loss", option("mass"), gradient),
            ("sort-k", up, "#sort-table [data-column=mass]"),
            ("sort-rate", right, "output[for=sort-rate]", text_of),
            ("sort-step", click, scores),
            ("sort-descend", started, scores, numbers, True),
            ("million-n", option(1000), "#million-n", "document.querySelector(arguments[0]).value"),
            ("million-run", click, "#million-summary [data-value]", numbers, True),
            ("race-score-0", right, race),
            ("race-score-1", right, race),
            ("race-score-2", right, bars),
            ("race-score-3", right, bars),
            ("race-seed", up, race),
            ("race-number", up, race),
            ("race-next", click, "#race-summary", text_of),
            ("race-samples", right, bars),
            ("study-step", click, study),
            ("study-cost", option("linear"), study),
            ("study-step", click, study),
            ("study-n", up, "#study-summary", text_of),
            ("study-step", click, study),
            ("study-tau", right, study),
            ("study-samples", up, "#study-samples", "document.querySelector(arguments[0]).value"),
            ("study-seed", up, "#study-summary", text_of),
            ("study-run", started, study, numbers, True),
            ("study-reset", click, study),
            ("learn-step", click, learn, text_of),
            ("learn-tau", right, learn, text_of),
            ("learn-n", up, "#learn-heat", text_of),
            ("learn-seed", up, "#learn-heat", text_of),
            ("learn-run", started, learn, text_of, True),
            ("learn-reset", click, learn, text_of),
            ("learn-task", option("neighbours"), "#learn-map", text_of + ".length + document.querySelectorAll('#learn-map circle').length"),
            ("learn-k", up, "#learn-heat", text_of),
        ]
        tried = set()
        for identifier, act, *observed in rows:
            tried.add(identifier)
            changes(act, *observed)
            if act == started:
                click()
                self.assertEqual(find(f"#{identifier}").get_attribute("aria-pressed"), "false")
        self.numbers_by_setting(tried)
        every = browser.js("[...document.querySelectorAll('input, select, button, textarea')].filter((e) => !e.closest('#tape-view, #sort-all')).map((e) => e.id)")
        self.assertEqual(sorted(set(every) - tried), [])

    def numbers_by_setting(self, tried):
        """Controls whose effect is seen after another one is used."""
        for identifier, use, css in (("million-tau", "million-run", "#million-summary [data-value]"), ("million-seed", "million-run", "#million-summary [data-value]"),
                                     ("learn-rate", "learn-step", "#learn-summary [data-step]")):
            press(use)
            browser.wait("document.querySelector(arguments[0])?.dataset.value", css)
            before = values(css)
            find(f"#{identifier}").send_keys(Keys.ARROW_UP)
            press(use)
            if use == "learn-step":  # from the beginning, and a first loss is the first step's, whatever its size
                press(use)
            browser.wait("document.querySelector(arguments[0])?.dataset.value && Number(document.querySelector(arguments[0]).dataset.value) !== arguments[1]", css, before[0])
            tried.add(identifier)
        # The race is run again, and comes to the same end.
        before = text("#race-track")
        press("race-replay")
        browser.wait("document.querySelector('#race-track').textContent === arguments[0]", before)
        tried.add("race-replay")

    def test_points_are_dragged(self):
        browser.open()
        before = values("#sort-table [data-column=score]")
        point = find("[data-point='2']")
        ActionChains(browser.driver).drag_and_drop_by_offset(point, 100, 0).perform()
        after = values("#sort-table [data-column=score]")
        self.assertGreater(after[2], before[2] + 0.1)
        self.assertEqual(after[:2] + after[3:], before[:2] + before[3:])

    def test_all_of_it_by_keyboard(self):
        browser.open()
        focus = ("(() => { const e = document.activeElement; return e === document.body ? '' : e.id || e.dataset.point && `point ${e.dataset.point}` || e.dataset.method "
                 "|| e.closest('#sort-heat') && 'heat' || e.closest('#tape-view') && 'tape-view' || e.tagName + ' ' + e.textContent.trim(); })()")
        reached = []
        for _ in range(300):
            find("body").send_keys(Keys.TAB) if not reached else ActionChains(browser.driver).send_keys(Keys.TAB).perform()
            where = browser.js(focus)
            if where == "" and reached:
                break
            reached.append(where)
            self.assertTrue(browser.js("(() => { const s = getComputedStyle(document.activeElement), hit = document.activeElement.querySelector?.(':scope > .hit');"
                                       "return s.outlineStyle !== 'none' || (hit && getComputedStyle(hit).strokeWidth !== '1px'); })()"), f"the focus is seen at {where}")
        else:
            self.fail("the keyboard is caught")
        shown = browser.js("[...document.querySelectorAll('input, select, button, textarea')].filter((e) => e.checkVisibility() && !e.closest('#tape-view')).map((e) => e.id || e.dataset.method)")
        self.assertEqual(sorted(set(shown) - set(reached)), [])
        for where in ["heat", "tape-view", *[f"point {j}" for j in range(6)]]:
            self.assertIn(where, reached)

        scores = values("#sort-table [data-column=score]")
        point = find("[data-point='0']")
        point.send_keys(Keys.ARROW_RIGHT)
        ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()  # it keeps the focus
        self.assertAlmostEqual(values("#sort-table [data-column=score]")[0], scores[0] + 0.1, 9)
        self.assertEqual(find("[data-point='0']").get_attribute("aria-valuenow"), str(round(scores[0] + 0.1, 3)))

        find("#sort-heat [tabindex='0']").send_keys(Keys.ARROW_DOWN)
        ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER).perform()
        self.assertEqual([browser.js(f"document.getElementById('{i}').value") for i in ("sort-loss", "sort-place", "sort-item")], ["cell", "1", "2"])
        self.assertEqual(browser.js("[document.activeElement.dataset.place, document.activeElement.dataset.item]"), ["1", "2"])

        find("[data-method=lap_sum]").send_keys(Keys.ENTER)
        self.assertEqual(browser.js("document.getElementById('sort-method').value"), "lap_sum")
        self.assertEqual(browser.js("document.activeElement.dataset.method"), "lap_sum")

    def test_mistakes_are_explained_beside_the_control(self):
        browser.open()
        write("tape-program", "a = 2; b = a +")
        self.assertEqual(text("#tape-error"), "line 1, column 15: expected a number, an array, a name or (, found the end")
        write("tape-program", "a = 2; a * a")
        self.assertEqual(text("#tape-error"), "")
        write("sort-wanted", "A B C D E E")
        self.assertEqual(text("#sort-error"), "the wanted order needs each of A B C D E F once")
        write("sort-wanted", "f e d c b a")
        self.assertEqual(text("#sort-error"), "")
        write("sort-n", 99)
        self.assertEqual(browser.js("document.getElementById('sort-n').value"), "12")

    def test_equal_scores_share(self):
        browser.open()
        press("sort-tie")
        heat = values("#sort-heat [data-place]")
        self.assertEqual(len(heat), 36)
        for i in range(6):
            self.assertAlmostEqual(heat[6 * i], heat[6 * i + 1], 14)

    # --- What it looks like

    def test_no_network(self):
        browser.command("Network.enable")
        browser.command("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        browser.open()
        self.assertEqual(browser.js("performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !name.startsWith('data:'))"), [])
        browser.command("Network.disable")

    def test_both_colour_schemes_can_be_read(self):
        contrast = """(() => {
          const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const light = (c) => { const [r, g, b] = rgb(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
          return [...document.querySelectorAll('p, label, h2, h3, th, td, button, select, input, textarea, figcaption, summary, a, output, svg text:not(.cell-number):not([style*="--paper"])')]
            .filter((e) => e.checkVisibility() && e.textContent.trim())
            .map((e) => { const s = getComputedStyle(e), [a, b] = [e.ownerSVGElement || e.tagName === 'text' ? s.fill : s.color, behind(e)].map(light); return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName, e.textContent.trim().slice(0, 40)]; })
            .sort((a, b) => a[0] - b[0])[0]; })()"""
        for scheme, switch in (("light", ""), ("dark", ""), ("light", "dark"), ("dark", "light")):
            browser.open(scheme=scheme)
            if switch:
                choose("theme", switch)
            dark = browser.js("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
            self.assertEqual(dark, (switch or scheme) == "dark")
            worst = browser.js(contrast)
            self.assertGreaterEqual(worst[0], 4.5, f"{scheme} {switch}: {worst}")

    def test_a_telephone(self):
        browser.open(width=360, height=740, phone=True)
        self.assertEqual(browser.js("document.documentElement.scrollWidth"), 360)
        outside = ("[...document.querySelectorAll('input, select, button, textarea, svg, p, h2, h3, label')].filter((e) => e.checkVisibility() && !e.closest('.scroll, .pane, #tape-view'))"
                   ".filter((e) => { const b = e.getBoundingClientRect(); return b.left < 0 || b.right > 360.5; }).map((e) => e.outerHTML.slice(0, 100))")
        self.assertEqual(browser.js(outside), [])
        small = ("[...document.querySelectorAll('.panel svg text')].filter((e) => e.checkVisibility() && e.textContent.trim())"
                 ".filter((e) => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width < 8.5).map((e) => e.textContent)")
        self.assertEqual(browser.js(small), [])
        choose("learn-task", "neighbours")
        self.assertEqual(browser.js(outside), [])

    def test_print(self):
        browser.open(media="print", scheme="dark")
        self.assertEqual(browser.js("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)")
        self.assertFalse(browser.js("document.querySelector('.top').checkVisibility()"))
        data = base64.b64decode(browser.command("Page.printToPDF", printBackground=True)["data"])
        self.assertTrue(data.startswith(b"%PDF"))
        self.assertGreaterEqual(data.count(b"/Type /Page\n"), 3)


def main():
    global browser, programs
    programs = pathlib.Path(sys.argv[2]).resolve()
    browser = Browser(sys.argv[1])
    try:
        done = unittest.main(argv=sys.argv[:1] + sys.argv[3:], exit=False, verbosity=2).result
    finally:
        browser.close()
    failed = len(done.failures) + len(done.errors)
    print(f"of {compared} numbers compared, {equal} are the program's to the last bit", file=sys.stderr)
    print(f"{done.testsRun - failed} passed, {failed} failed", flush=True)
    sys.exit(failed > 0 or done.testsRun == 0)


main()
