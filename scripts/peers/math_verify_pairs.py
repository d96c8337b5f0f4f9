"""What math-verify says of seeded pairs of answers, as JSON lines for the tests of `eyas-reward`.

    pip install math-verify==0.9.0
    python scripts/peers/math_verify_pairs.py > crates/reward/tests/fixtures/math_verify.jsonl

Each line: `family`, `gold`, `answer`, `truth` (what the maker of the pair knows, from how it was made) and
`math_verify` (its verdict with the gold in a box and the answer in a box; null when it raised).
"""

import json
import random
import sys
from fractions import Fraction

from math_verify import parse, verify

rng = random.Random(20260101)
PAIRS = []


def add(family, gold, answer, truth):
    PAIRS.append((family, gold, answer, truth))


def frac(q, style):
    if q.denominator == 1:
        return str(q)
    sign, n, d = ("-" if q < 0 else ""), abs(q.numerator), q.denominator
    if style == "plain":
        return f"{sign}{n}/{d}"
    if style == "inner":
        return f"\\frac{{{sign}{n}}}{{{d}}}"
    return f"{sign}\\{style}{{{n}}}{{{d}}}"


def linear(a, b, x="x"):
    """ax + b"""
    head = {1: x, -1: f"-{x}"}.get(a, f"{a}{x}")
    return head + (f" {'+' if b > 0 else '-'} {abs(b)}" if b else "")


def poly(coefficients, x="x"):
    """From the highest power down."""
    out = ""
    n = len(coefficients) - 1
    for k, c in enumerate(coefficients):
        power = n - k
        if c == 0:
            continue
        body = "" if power == 0 else x if power == 1 else f"{x}^{power}" if power < 10 else f"{x}^{{{power}}}"
        size = str(abs(c)) if abs(c) != 1 or power == 0 else ""
        sign = ("-" if c < 0 else "") if not out else (" - " if c < 0 else " + ")
        out += sign + size + body
    return out or "0"


def times(p, q):
    out = [0] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def nonzero(low, high):
    return rng.choice([k for k in range(low, high + 1) if k])


def integers():
    for _ in range(70):
        n = rng.randint(-10**6, 10**6) if rng.random() < 0.6 else rng.randint(-30, 30)
        grouped = f"{n:,}"
        right = [str(n), f"{n}.0", f"{n}.", f"+{n}" if n >= 0 else f"({n})", f"{n}.000"]
        if abs(n) >= 1000:
            right += [grouped, grouped.replace(",", "{,}"), grouped.replace(",", "\\,")]
        add("integer", str(n), rng.choice(right), True)
        wrong = [str(n + nonzero(-9, 9)), str(-n) if n else "1", f"{n}.5", f"{n}0" if n else "10"]
        add("integer", str(n), rng.choice(wrong), False)


def fractions():
    styles = ["plain", "frac", "dfrac", "tfrac", "inner"]
    for _ in range(80):
        q = Fraction(nonzero(-40, 40), rng.randint(2, 30))
        if q.denominator == 1:
            continue
        gold = frac(q, rng.choice(styles[1:]))
        k = rng.randint(2, 5)
        unreduced = f"\\frac{{{q.numerator * k}}}{{{q.denominator * k}}}"
        add("fraction", gold, rng.choice([frac(q, rng.choice(styles)), unreduced]), True)
        wrong = [1 / q, -q, q + Fraction(1, q.denominator), Fraction(q.numerator, q.denominator + 1)]
        wrong = [w for w in wrong if w != q]
        add("fraction", gold, frac(rng.choice(wrong), rng.choice(styles)), False)


def decimals():
    for _ in range(60):
        places = rng.randint(1, 4)
        n = nonzero(-9999, 9999)
        q = Fraction(n, 10**places)
        text = f"{float(q):.{places}f}"
        add("decimal", text, rng.choice([frac(q, "frac"), text + "0", frac(q, "plain")]), True)
        add("decimal", text, f"{float(q + Fraction(nonzero(-3, 3), 10**places)):.{places}f}", False)
    for _ in range(25):
        q = Fraction(rng.randint(1, 50), rng.choice([3, 7, 9, 11, 13]))
        if q.denominator == 1:
            continue
        add("decimal", frac(q, "frac"), f"{float(q):.9f}", True)
        add("decimal", frac(q, "frac"), f"{float(q):.2f}", False)


def percents():
    for _ in range(40):
        n = rng.randint(1, 150)
        add("percent", f"{n}\\%", rng.choice([f"{n / 100}", frac(Fraction(n, 100), "frac"), f"{n}\\%"]), True)
        add("percent", f"{n}\\%", f"{n + nonzero(-1, 5) or n + 1}\\%", False)


def surds():
    for _ in range(70):
        a, b = rng.randint(2, 9), rng.choice([2, 3, 5, 6, 7, 10])
        add("surd", f"{a}\\sqrt{{{b}}}", rng.choice([f"\\sqrt{{{a * a * b}}}", f"{a}*sqrt({b})", f"\\sqrt{{{b}}}\\cdot {a}"]), True)
        add("surd", f"{a}\\sqrt{{{b}}}", rng.choice([f"{a + 1}\\sqrt{{{b}}}", f"{a}\\sqrt{{{b + 1}}}", f"\\sqrt{{{a * b}}}"]), False)
        add("surd", f"\\frac{{{a}}}{{\\sqrt{{{b}}}}}", f"\\frac{{{a}\\sqrt{{{b}}}}}{{{b}}}", True)
        c = rng.randint(1, 9)
        add("surd", f"{c} + {a}\\sqrt{{{b}}}", rng.choice([f"{a}\\sqrt{{{b}}} + {c}", f"\\frac{{{2 * c} + {2 * a}\\sqrt{{{b}}}}}{{2}}"]), True)
        add("surd", f"{c} + {a}\\sqrt{{{b}}}", f"{c} - {a}\\sqrt{{{b}}}", False)
    for a, b in [(2, 3), (3, 5), (5, 7), (2, 7), (6, 10)]:
        add("surd", f"\\sqrt{{{a + b} + 2\\sqrt{{{a * b}}}}}", f"\\sqrt{{{a}}} + \\sqrt{{{b}}}", True)
        add("surd", f"\\sqrt{{{a + b} + 2\\sqrt{{{a * b}}}}}", f"\\sqrt{{{a}}} + \\sqrt{{{b + 1}}}", False)
        add("surd", f"\\frac{{1}}{{\\sqrt{{{b}}} - \\sqrt{{{a}}}}}", f"\\frac{{\\sqrt{{{a}}} + \\sqrt{{{b}}}}}{{{b - a}}}", True)


def polynomials():
    for _ in range(70):
        (a, b), (c, d) = (nonzero(-4, 4), nonzero(-9, 9)), (nonzero(-4, 4), nonzero(-9, 9))
        full = times([a, b], [c, d])
        factored = f"({linear(a, b)})({linear(c, d)})"
        add("polynomial", poly(full), rng.choice([factored, factored.replace(")(", ") \\cdot (")]), True)
        off = list(full)
        off[rng.randrange(3)] += nonzero(-2, 2)
        add("polynomial", factored, poly(off), False)
        x = rng.choice("xynt")
        add("polynomial", poly(full, x), " + ".join(reversed([f"({c}){x}^{k}" for k, c in enumerate(reversed(full))])), True)
    for _ in range(30):
        a, b = nonzero(-6, 6), nonzero(-6, 6)
        add("polynomial", f"\\frac{{x^2 {a + b:+d}x {a * b:+d}}}{{x {b:+d}}}".replace("+0x ", ""), linear(1, a), True)
        add("polynomial", f"\\frac{{1}}{{x}} + \\frac{{{abs(a)}}}{{y}}", f"\\frac{{y + {abs(a)}x}}{{xy}}", True)
        add("polynomial", f"\\frac{{1}}{{x}} + \\frac{{{abs(a)}}}{{y}}", f"\\frac{{{1 + abs(a)}}}{{x + y}}", False)


def equations():
    for _ in range(40):
        a, b, c = nonzero(-5, 5), nonzero(-9, 9), nonzero(-9, 9)
        v = rng.randint(-30, 30)
        add("equation", f"x = {v}", rng.choice([str(v), f"x={v}", f"x = {v}.0"]), True)
        add("equation", str(v), f"x = {v}", True)
        add("equation", f"x = {v}", f"x = {v + 1}", False)
        add("equation", f"y = {linear(a, b)}", f"y = {b} {'+' if a > 0 else '-'} {abs(a)}x", True)
        add("equation", f"{linear(a, 0)} {'+' if b > 0 else '-'} {abs(b)}y = {c}", f"{linear(2 * a, 0)} {'+' if b > 0 else '-'} {2 * abs(b)}y = {2 * c}", True)
        add("equation", f"{linear(a, 0)} {'+' if b > 0 else '-'} {abs(b)}y = {c}", f"{linear(2 * a, 0)} {'+' if b > 0 else '-'} {2 * abs(b)}y = {c}", False)


def intervals():
    for _ in range(50):
        a = rng.randint(-20, 20)
        b = a + rng.randint(1, 20)
        o, c = rng.choice("(["), rng.choice(")]")
        gold = f"{o}{a}, {b}{c}"
        add("interval", gold, rng.choice([f"\\left{o}{a},{b}\\right{c}", f"{o}{a},\\frac{{{2 * b}}}{{2}}{c}"]), True)
        other = f"{'[' if o == '(' else '('}{a}, {b}{c}"
        add("interval", gold, rng.choice([other, f"{o}{a}, {b + 1}{c}"]), False)
        add("interval", f"(-\\infty, {a}{c} \\cup {o}{b}, \\infty)", f"{o}{b}, \\infty) \\cup (-\\infty, {a}{c}", True)


def inequalities():
    for _ in range(40):
        a = rng.randint(-20, 20)
        b = a + rng.randint(1, 20)
        add("inequality", f"x > {a}", rng.choice([f"{a} < x", f"({a}, \\infty)", f"x>{a}"]), True)
        add("inequality", f"({a}, \\infty)", f"x > {a}", True)
        add("inequality", f"{a} < x \\leq {b}", rng.choice([f"({a},{b}]", f"{b} \\geq x > {a}"]), True)
        add("inequality", f"x > {a}", rng.choice([f"x < {a}", f"x \\geq {a}", f"x > {a + 1}"]), False)


def sets_and_tuples():
    for _ in range(60):
        k = rng.randint(2, 4)
        items = rng.sample(range(-20, 21), k)
        shuffled = rng.sample(items, k)
        show = lambda v: ", ".join(map(str, v))
        add("set", f"\\{{{show(items)}\\}}", f"\\{{{show(shuffled)}\\}}", True)
        add("set", f"\\{{{show(items)}\\}}", f"\\{{{show(items[:-1] + [items[-1] + 50])}\\}}", False)
        add("set", show(items), show(shuffled), True)
        add("tuple", f"({show(items)})", rng.choice([f"\\left({show(items)}\\right)", f"({','.join(map(str, items))})"]), True)
        add("tuple", f"({show(items)})", f"({show(items[1:] + items[:1])})", False)


def matrices():
    for _ in range(40):
        rows, columns = rng.randint(1, 3), rng.randint(2, 3)
        m = [[rng.randint(-9, 9) for _ in range(columns)] for _ in range(rows)]
        show = lambda m, kind: f"\\begin{{{kind}}}" + " \\\\ ".join(" & ".join(map(str, r)) for r in m) + f"\\end{{{kind}}}"
        add("matrix", show(m, "pmatrix"), show(m, rng.choice(["bmatrix", "pmatrix"])), True)
        other = [list(r) for r in m]
        other[rng.randrange(rows)][rng.randrange(columns)] += nonzero(-3, 3)
        add("matrix", show(m, "pmatrix"), show(other, "pmatrix"), False)


def constants():
    right = [
        ("\\frac{\\pi}{4}", "\\arctan(1)"), ("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}"),
        ("\\cos(\\pi)", "-1"), ("\\tan(\\frac{\\pi}{3})", "\\sqrt{3}"), ("\\ln(8)", "3\\ln(2)"),
        ("\\log_{2}(32)", "5"), ("\\log_{10}(1000)", "3"), ("e^{\\ln(5)}", "5"), ("\\ln(e^4)", "4"),
        ("2\\pi", "\\frac{4\\pi}{2}"), ("\\ln(6)", "\\ln(2) + \\ln(3)"), ("e^2 \\cdot e^3", "e^5"),
        ("\\sin^2(x) + \\cos^2(x)", "1"), ("\\sin(2x)", "2\\sin(x)\\cos(x)"), ("i^2", "-1"),
        ("(1+i)^2", "2i"), ("\\frac{1}{1+i}", "\\frac{1-i}{2}"), ("5!", "120"), ("\\binom{6}{2}", "15"),
        ("|{-3}|", "3"), ("2^{10}", "1024"), ("27^{2/3}", "9"), ("\\sqrt[3]{54}", "3\\sqrt[3]{2}"),
        ("\\cos(\\frac{\\pi}{12})", "\\frac{\\sqrt{6}+\\sqrt{2}}{4}"), ("\\log_{4}(8)", "\\frac{3}{2}"),
        ("e^{x+1}", "e \\cdot e^x"), ("2^{3x}", "8^x"), ("\\frac{2^{10}}{2^8}", "4"),
    ]
    wrong = [
        ("\\frac{\\pi}{4}", "\\frac{\\pi}{3}"), ("\\ln(8)", "2\\ln(3)"), ("e", "\\pi"), ("e", "2.71"),
        ("\\pi", "3.14"), ("\\pi", "\\frac{22}{7}"), ("\\log_{2}(32)", "6"), ("\\sin(2x)", "2\\sin(x)"),
        ("(1+i)^2", "-2i"), ("5!", "60"), ("2^{10}", "20"), ("\\sqrt{2}", "1.41"), ("\\cos(x)", "\\sin(x)"),
        ("e^{x+1}", "e^x + 1"), ("\\sqrt{x^2+1}", "x+1"), ("(x+y)^2", "x^2+y^2"), ("\\ln(x+y)", "\\ln(x)+\\ln(y)"),
    ]
    for gold, answer in right:
        add("constant", gold, answer, True)
        add("constant", answer, gold, True)
    for gold, answer in wrong:
        add("constant", gold, answer, False)
        add("constant", answer, gold, False)
    for _ in range(40):
        n, d = nonzero(-12, 12), rng.randint(2, 12)
        q = Fraction(n, d)
        add("constant", f"\\frac{{{n}\\pi}}{{{d}}}", f"\\frac{{{q.numerator}}}{{{q.denominator}}}\\pi", True)
        add("constant", f"\\frac{{{n}\\pi}}{{{d}}}", f"\\frac{{{n + 1}\\pi}}{{{d}}}", False)


def texts():
    words = ["East", "yes", "no", "blue", "Tuesday", "parallelogram", "even", "odd", "triangle", "Evelyn"]
    for word in words:
        add("text", f"\\text{{{word}}}", f"\\text{{{word}}}", True)
        add("text", f"\\text{{{word}}}", f"\\text{{{rng.choice([w for w in words if w != word])}}}", False)
    for letter in "ABCDE":
        add("text", letter, letter, True)
        add("text", letter, f"\\text{{{letter}}}", True)
        add("text", letter, f"({letter})", True)
        add("text", letter, chr(ord(letter) + 1), False)


def units():
    for unit in ["cm", "m", "km", "kg", "hours", "dollars", "degrees", "inches", "feet", "minutes"]:
        for _ in range(3):
            n = rng.randint(1, 500)
            add("unit", str(n), f"{n}\\text{{ {unit}}}", True)
            add("unit", f"{n}\\text{{ {unit}}}", str(n), True)
            add("unit", str(n), f"{n + 1}\\text{{ {unit}}}", False)
    for _ in range(20):
        n = rng.randint(1, 360)
        add("unit", f"{n}^\\circ", str(n), True)
        add("unit", f"{n}^{{\\circ}}", f"{n + 1}^{{\\circ}}", False)
        add("unit", f"\\${n}", rng.choice([str(n), f"{n}.00", f"\\${n}.00"]), True)


def public_style():
    """Forms that public test suites of answer checkers ask for."""
    right = [
        ("\\frac{9}{2}", "4.5"), ("1\\frac{4}{9}", "\\frac{13}{9}"), ("\\frac34", "\\frac{3}{4}"), ("x=3", "3"),
        ("6,\\!000", "6000"), ("\\dfrac{1}{2}", "0.5"), ("(-\\infty,5)", "x<5"), ("\\{1,2\\}", "\\{2,1\\}"),
        ("\\left[0,1\\right)", "[0,1)"), ("0.333333", "\\frac{1}{3}"), ("\\frac{x}{2}", "0.5x"), ("-x+1", "1-x"),
        ("\\sqrt{12}", "2\\sqrt3"), ("2\\sqrt{3}", "\\sqrt{12}"), ("10^{-3}", "0.001"), ("1.5\\times10^{3}", "1500"),
        ("a=1,b=2", "a=1, b=2"), ("\\frac{1}{2}\\pi", "\\pi/2"), ("3 + 2i", "2i + 3"), ("(3, \\frac{\\pi}{2})", "(3,\\pi/2)"),
        ("\\left(\\frac{3}{5},\\frac{8}{3}\\right)", "(0.6, \\frac{8}{3})"), ("p - q", "-q+p"), ("7,3", "3,7"),
        ("\\text{(B)}", "B"), ("-\\frac{1}{2}", "\\frac{-1}{2}"), ("\\frac{-1}{2}", "\\frac{1}{-2}"), ("90^\\circ", "90"),
        ("(x-3)(x+3)", "x^2-9"), ("\\frac{5}{13}", "5/13"), ("2^{3}\\cdot 3", "24"), ("1 \\le x \\le 2", "[1,2]"),
        ("x \\in (1,2)", "(1,2)"), ("\\mathbb{R}", "(-\\infty,\\infty)"), ("\\emptyset", "\\varnothing"), ("\\frac{1}{x-1}", "-\\frac{1}{1-x}"),
        ("\\overline{AB}", "\\overline{AB}"), ("5x", "x\\cdot5"), ("x^{-1}", "\\frac{1}{x}"), ("\\sqrt{x}", "x^{1/2}"),
    ]
    wrong = [
        ("\\frac{9}{2}", "\\frac{2}{9}"), ("(1,2)", "(2,1)"), ("\\{1,2\\}", "\\{1,2,3\\}"), ("[0,1)", "[0,1]"), ("x<5", "x>5"),
        ("x=3", "x=-3"), ("3 + 2i", "3 - 2i"), ("10^{-3}", "10^{3}"), ("\\sqrt{12}", "\\sqrt{13}"), ("p-q", "q-p"),
        ("1\\frac{4}{9}", "\\frac{4}{9}"), ("24", "2,4"), ("\\frac{1}{x-1}", "\\frac{1}{1-x}"), ("x^2", "x^3"), ("7,3", "7"),
        ("7", "7,3"), ("0", "0.00000001"), ("10000000", "10000000.4"), ("1/3", "0.33"), ("2x", "x^2"), ("-5", "5"),
    ]
    for gold, answer in right:
        add("public", gold, answer, True)
        add("public", answer, gold, True)
    for gold, answer in wrong:
        add("public", gold, answer, False)
        add("public", answer, gold, False)


def traps():
    """Pairs that an engine gets wrong which reads words as products, or a statement as its last side."""
    for gold, answer, truth in [
        ("cat", "act", False), ("no", "on", False), ("yes", "yes", True), ("5", "2+2=5", False), ("5", "7=5", False),
        ("4", "2+2=4", True), ("5", "5m", False), ("-2", "\\sqrt[3]{-8}", True), ("100,200", "100, 200", True),
        ("90^\\circ", "\\frac{\\pi}{2}", True), ("abc", "a \\cdot c \\cdot b", True), ("7", "\\pm 7", False),
        ("7", "x \\le 7", False), ("x=5", "y=5", False), ("y=1", "xy=x", False), ("x", "\\sqrt{x^2}", False),
        ("3", "1,2,3", False), ("x", "X", False), ("0", "\\emptyset", False), ("\\ln 2", "\\log 2", False),
        ("(1,2)", "[1,2]", False), ("\\infty", "-\\infty", False), ("6", "3!", True), ("5", "\\text{five}", False),
    ]:
        add("trap", gold, answer, truth)
        # A false statement is no ground truth.
        if answer not in ("2+2=5", "7=5"):
            add("trap", answer, gold, truth)


def verdict(gold, answer):
    try:
        return bool(verify(parse(f"$\\boxed{{{gold}}}$"), parse(f"$\\boxed{{{answer}}}$")))
    except Exception as error:  # the verdict is "none", whatever it was
        print(error, file=sys.stderr)
        return None


for make in [
    integers, fractions, decimals, percents, surds, polynomials, equations, intervals, inequalities,
    sets_and_tuples, matrices, constants, texts, units, public_style, traps,
]:
    make()

seen = set()
for family, gold, answer, truth in PAIRS:
    if (gold, answer) in seen:
        continue
    seen.add((gold, answer))
    line = {"family": family, "gold": gold, "answer": answer, "truth": truth, "math_verify": verdict(gold, answer)}
    print(json.dumps(line))
