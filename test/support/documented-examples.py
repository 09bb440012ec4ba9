"""Runs the examples of a Python package's documents that point at httpbin.org against another base URL.

    documented-examples.py BASE_URL FILE...

Prints one JSON object for each example: its section, its source, and how it went. `same` printed what the document says. `members`
printed JSON with the members that the document says, which may be lists of one value. `ran` has no output in the document. An example that names another host is left out, and
so are those that use a name which no example has set.
"""
import ast
import contextlib
import doctest
import io
import json
import re
import sys
import textwrap
from urllib.parse import urlsplit

ORIGINAL = re.compile(r"https?://httpbin\.org")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def sections(text):
    """Splits at the headings: a line, and a line of the same mark below it."""
    parts = re.split(r"^(\S.*)\n([-=~^])\2{3,}\n", text, flags=re.MULTILINE)
    yield from zip(parts[1::3], parts[3::3])


def examples(text):
    """Returns sources and expected outputs: those with prompts, and indented blocks without, in their order."""
    found = []
    for block in re.finditer(r"(?:^(?:[ \t]+\S.*|[ \t]*)\n)+", text, flags=re.MULTILINE):
        code = block.group()
        if ">>>" in code:
            found += [(example.source, example.want) for example in doctest.DocTestParser().get_examples(code)]
        elif code.strip() and is_python(textwrap.dedent(code)):
            source = textwrap.dedent(code)
            # A comment below a print shows its output.
            found.append((source, "\n".join(re.findall(r"^# '(\{.*\})'$", source, flags=re.MULTILINE))))
    return found


def is_python(code):
    try:
        return bool(ast.parse(code).body)
    except SyntaxError:
        return False


def lists(value):
    """Returns a value in go-httpbin's shape: each member is a list."""
    return {name: item if isinstance(item, list) else [item] for name, item in value.items()}


def matches_members(want, got):
    """True if `got` is a JSON object with the members of `want`, an excerpt of one with lines of dots."""
    try:
        if want.count("\n{") > 0:
            first, rest = want.split("\n", 1)
            whole, end = json.JSONDecoder().raw_decode(got.lstrip())
            return matches_members(first, json.dumps(whole)) and matches_members(rest, got.lstrip()[end:])
        excerpt = json.loads(re.sub(r",(\s*})", r"\1", re.sub(r"^\s*\.\.\.\s*$", "", unquoted(want), flags=re.MULTILINE)))
        whole = json.loads(unquoted(got))
        return all(matches(item, whole[name]) for name, item in excerpt.items())
    except (ValueError, SyntaxError, KeyError, AttributeError):
        return False


def unquoted(text):
    """Returns the text of a string that the interpreter shows in quotes."""
    return ast.literal_eval(text.strip()) if text.lstrip()[:1] in ("'", '"') else text


def matches(want, got):
    """Compares members; dots in a text stand for any text, and so does one that is censored."""
    if isinstance(want, dict) and any(str(item).startswith("<censored") for item in want.values()):
        return want.keys() == got.keys()
    shown = [json.dumps(want, sort_keys=True), json.dumps(lists(want), sort_keys=True)]
    return any(doctest.OutputChecker().check_output(text, json.dumps(got, sort_keys=True), FLAGS) for text in shown)


def run(source, names):
    """Returns what the interpreter would show."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        try:
            exec(compile(source, "<example>", "single" if source.count("\n") == 1 else "exec"), names)
        except Exception as error:
            print(f"Traceback (most recent call last):\n{type(error).__module__}.{type(error).__name__}: {error}")
    return shown.getvalue()


def outcome(source, want, names):
    got = run(source, names)
    checker = doctest.OutputChecker()
    if want == "":
        return ("failed" if got.startswith("Traceback") else "ran"), got
    if want.startswith("Traceback") and got.startswith("Traceback"):
        return ("same" if got.splitlines()[-1].startswith(want.splitlines()[-1].strip()) else "failed"), got
    if checker.check_output(want, got, FLAGS):
        return "same", got
    return ("members" if matches_members(want, got) else "failed"), got


def main(base, files):
    host = urlsplit(base).hostname
    for file in files:
        names = {"__name__": "example"}
        exec("import json, requests", names)
        for heading, text in sections(open(file, encoding="utf-8").read()):
            if not ORIGINAL.search(text):
                continue
            for source, want in examples(text):
                here = ORIGINAL.sub(base, source).replace("'httpbin.org'", repr(host))
                wanted = ORIGINAL.sub(base, want)
                if "://" in here.replace(base, ""):
                    names.pop("url", None)
                    continue
                how, got = outcome(here, wanted, names)
                if "builtins.NameError" in got:
                    continue
                print(json.dumps({"section": heading, "source": source, "how": how, "want": wanted, "got": got}))


main(sys.argv[1], sys.argv[2:])
